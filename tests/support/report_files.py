"""A small but complete set of the files that the report is made of."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from crystal_columns import no_vacancies
from evaluation_files import MATERIALS, evaluation_spec, flake, flawed, oracle, write_epoch
from summary_cases import training_summary

from exitwave.figures.order import Source
from exitwave.figures.plots import draw_set
from exitwave.files.documents import write_document
from exitwave.files.writer import StoreWriter
from exitwave.provenance.attributes import attributes
from exitwave.samples import EXIT_WAVES
from exitwave.stages.evaluate import evaluate_predictions
from exitwave.stages.report import DatasetFiles, EvaluationFiles, NetworkFiles
from exitwave.summaries.catalog import CatalogSummary
from exitwave.summaries.exit_waves import FailedSpecimen, ShardSummary

FAILED = FailedSpecimen("NbTe2-0123456789ab", "NbTe2", 7, "no atom of the flake is left")


@dataclass(frozen=True)
class ReportFiles:
    datasets: dict[str, DatasetFiles]
    networks: dict[str, NetworkFiles]
    evaluations: dict[str, EvaluationFiles]
    benchmarks: Path
    comparison: Path


def write_files(
    folder: Path, samples: int = 5, size: int = 64, supported: bool = False
) -> ReportFiles:
    dataset, network = folder / "flakes", folder / "networks/small"
    evaluation = folder / "evaluations/small/flakes"
    epoch = write_epoch(
        dataset / "epochs/3_images/validation/00.nc", samples, size, supported=supported
    )
    store = _write_exit_waves(dataset / "exit_waves/000.nc", samples)
    _write_catalog(dataset / "catalog")
    _write_network(network)
    _write_benchmarks(folder / "benchmarks")
    evaluate_predictions(
        evaluation_spec(percentiles=[5, 50]), oracle([epoch], flawed), [epoch], evaluation
    )
    for name, label, path, figures in (
        ("dataset", "", epoch, dataset / "figures"),
        ("network", "", network, network / "figures"),
        ("evaluation", "", evaluation, evaluation / "figures"),
        ("comparison", "Small U-Net", evaluation, folder / "evaluations/figures"),
    ):
        draw_set(name, [Source(name, label, path)], figures)
    return ReportFiles(
        {
            "flakes": DatasetFiles(
                "Synthetic flakes", dataset / "catalog", [store], [epoch], dataset / "figures"
            )
        },
        {"small": NetworkFiles("Small U-Net", "flakes", network, network / "figures")},
        {
            "small_on_flakes": EvaluationFiles(
                "", "small", "flakes", evaluation, evaluation / "figures"
            )
        },
        folder / "benchmarks",
        folder / "evaluations/figures",
    )


def _write_exit_waves(path: Path, samples: int) -> Path:
    sizes = {"sample": samples, "y": 8, "x": 8}
    with StoreWriter(path, EXIT_WAVES, sizes, attributes('{"stage":"simulate"}')) as store:
        for number in range(samples):
            name = MATERIALS[number % len(MATERIALS)][0]
            numbers, positions, layers = flake(number, 15.0)
            store.write(
                number,
                exit_wave=np.ones((8, 8, 2)),
                material=f"{name}-0123456789ab",
                formula=name,
                sample_index=number // len(MATERIALS),
                split="validation" if number % len(MATERIALS) else "training",
                sample_key=str(number),
                sampling=0.1,
                energy=50.0,
                tilt=3.0,
                tilt_axis=20.0,
                exit_distance=3.0,
                thickness=3.2,
                atom_count=len(numbers),
                atom_number=numbers,
                atom_layer=layers,
                atom_position=positions,
                **no_vacancies(len(numbers)),
            )
    summary = ShardSummary(samples, samples, 0, (FAILED,), 4.2)
    write_document(path.with_suffix(".json"), asdict(summary))
    return path


def _write_catalog(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "rejected.csv").write_text(
        "row,label,formula,reason,detail\n"
        "7,Au<b>&,Au16,more than 8 atoms in the cell,16 atoms\n"
        "9,,C,more than 8 atoms in the cell,\n"
        '12,x,H2O,"the cell is broken, or flat",\n'
    )
    sides = {"training": 2, "validation": 1}
    summary = CatalogSummary(
        rows=9,
        matched=7,
        lacking_keys={"gap": 2},
        accepted=4,
        rejected={"more than 8 atoms in the cell": 2, "the cell is broken, or flat": 1},
        taken=3,
        materials=sides,
        samples=sides,
        element_sets=sides,
        shards=1,
    )
    write_document(folder / "summary.json", asdict(summary))


def _write_network(folder: Path) -> None:
    folder.mkdir(parents=True)
    settings = {
        "channels": [8, 16, 32],
        "convolutions": 5,
        "kernel_px": 3,
        "images": 3,
        "augment": True,
        "learning_rate": 0.001,
        "optimizer": "adam",
    }
    (folder / "network.json").write_text(json.dumps({"network": settings}))
    write_document(folder / "training.json", asdict(training_summary()))
    losses = [2e-2 * np.exp(-epoch / 8) + 3e-4 for epoch in range(1, 31)]
    (folder / "history.csv").write_text(
        "epoch,loss,val_loss,learning_rate,seconds\n"
        + "".join(
            f"{epoch},{loss:.4e},{1.2 * loss:.4e},0.001,133\n"
            for epoch, loss in enumerate(losses, start=1)
        )
    )


def _write_benchmarks(folder: Path) -> None:
    head = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"
    rows = {
        "simulate/flakes.000": "4000.5\t1:06:40\t1000.0\t1\t1\t1\t1\t1\t99\t7800.0\n",
        "simulate/flakes.001": "2000.5\t0:33:20\t1500.0\t1\t1\t1\t1\t1\t99\t3900.0\n",
        "catalog/flakes": "0.5\t0:00:00\t-\t-\t-\t-\t-\t-\t-\tNA\n",
    }
    for name, row in rows.items():
        path = folder / f"{name}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(head + row)
