"""The spec of each job: one canonical JSON string of exactly what determines its result.

A spec is the only science parameter of a Snakemake job, so a job reruns where, and only where,
its spec or its input changed. It never holds a path, a label or a resource. ``version`` is the
algorithm version of the stage: raise it when the stage's code gives another result.
"""

from __future__ import annotations

import json
from typing import Any

from exitwave.config.models import Config, Microscope
from exitwave.config.studies import SHOWN
from exitwave.errors import ExitwaveError
from exitwave.files.canonical import canonical_json
from exitwave.workflow import layout

ALGORITHM_VERSIONS = {
    "catalog": 1,
    "simulate": 2,
    "render": 2,
    "train": 1,
    "evaluate": 2,
    "ensemble": 2,
    "compare": 1,
    "plot": 4,
    "report": 2,
    "convergence": 1,
}


_NAMED = ("datasets", "networks", "evaluations", "ensembles", "comparisons", "figures")

# What each stage reads of its spec, beside stage, version and seed.
KEYS = {
    "catalog": {"dataset", "materials", "parametrization", "split", "shards"},
    "simulate": {"dataset", "structure", "multislice"},
    "render": {"dataset", "images", "split", "epoch", "microscope", "epochs"},
    "train": {"network"},
    "evaluate": {"evaluation", "normalization"},
    "ensemble": {"ensemble"},
    "compare": {"comparison"},
    "plot": {"figure", "labels", "dataset_labels"},
    "report": {"config"},
    "convergence": {"convergence", "structure", "multislice", "target_smear_angstrom"},
}


def read_spec(text: str, stage: str) -> dict[str, Any]:
    """Return the values of a spec of a stage.

    Raises
    ------
    ExitwaveError
        Where the text is no JSON, the spec is another stage's or another version's, or a key is
        missing.
    """
    remedy = "take it from `exitwave spec CONFIG ...`"
    try:
        values = json.loads(text)
    except ValueError as error:
        raise ExitwaveError(f"--spec is no JSON ({error}); {remedy}.") from None
    if not isinstance(values, dict) or values.get("stage") != stage:
        raise ExitwaveError(f"--spec is no spec of the stage '{stage}'; {remedy}.")
    if values.get("version") != ALGORITHM_VERSIONS[stage]:
        raise ExitwaveError(
            f"--spec has version {values.get('version')} of the stage '{stage}', but this program "
            f"computes version {ALGORITHM_VERSIONS[stage]}; {remedy}."
        )
    if missing := sorted((KEYS[stage] | {"seed"}) - set(values)):
        raise ExitwaveError(f"--spec lacks {', '.join(missing)}; {remedy}.")
    return values


def _spec(stage: str, **values: Any) -> str:
    return canonical_json({"stage": stage, "version": ALGORITHM_VERSIONS[stage], **values})


def catalog_spec(config: Config, dataset: str) -> str:
    """Return the spec of a data set's catalog."""
    entry = config.datasets[dataset]
    return _spec(
        "catalog",
        seed=config.seed,
        dataset=dataset,
        materials=entry.materials.model_dump(mode="json"),
        # Rows whose elements have no potential are no materials.
        parametrization=entry.multislice.parametrization,
        split=entry.split.model_dump(mode="json"),
        shards=entry.shards,
    )


def simulate_spec(config: Config, dataset: str) -> str:
    """Return the spec of a data set's exit waves; the same for all its shards."""
    entry = config.datasets[dataset]
    return _spec(
        "simulate",
        seed=config.seed,
        dataset=dataset,
        structure=entry.structure.model_dump(mode="json"),
        multislice=entry.multislice.model_dump(mode="json"),
    )


def render_spec(config: Config, dataset: str, images: int, split: str, epoch: int) -> str:
    """Return the spec of one epoch of focal series of so many images."""
    entry = config.datasets[dataset]
    return _spec(
        "render",
        seed=config.seed,
        dataset=dataset,
        images=images,
        split=split,
        epoch=epoch,
        microscope=_microscope(entry.microscope),
        epochs=entry.epochs.model_dump(
            mode="json", include={"image_size_px", "target_smear_angstrom", "max_failed_share"}
        ),
    )


def _microscope(microscope: Microscope) -> dict[str, Any]:
    """Leave out the limits of the formula where a measured curve takes its place."""
    formula = {"mtf_c1", "mtf_c2", "mtf_c3", "mtf_frequency_unit"}
    unused = formula if microscope.mtf_curve is not None else None
    return microscope.model_dump(mode="json", exclude=unused)


def train_spec(config: Config, network: str) -> str:
    """Return the spec of a network's training; its epochs are inputs of the job."""
    entry = config.networks[network]
    return _spec(
        "train",
        seed=config.seed,
        network=entry.model_dump(mode="json", exclude={"label", "dataset"}),
    )


def evaluate_spec(config: Config, evaluation: str) -> str:
    """Return the spec of an evaluation; network and epoch are inputs of the job."""
    entry = config.evaluations[evaluation]
    return _spec(
        "evaluate",
        seed=config.seed,
        evaluation=entry.model_dump(
            mode="json",
            exclude={"label", "dataset", "network", "paper_rmse", "paper_largest_displacement_pm"},
        ),
        normalization=config.networks[entry.network].normalization,
    )


def ensemble_spec(config: Config, ensemble: str) -> str:
    """Return the spec of an ensemble; its networks and epochs are inputs of the job."""
    entry = config.ensembles[ensemble]
    return _spec(
        "ensemble",
        seed=config.seed,
        ensemble=entry.model_dump(mode="json", exclude={"label", "dataset", "networks"}),
    )


def compare_spec(config: Config, comparison: str) -> str:
    """Return the spec of a comparison; its network and epochs are inputs of the job."""
    unused = {"label", "dataset", "network", "paper_network_rmse", "paper_classical_rmse"}
    return _spec(
        "compare",
        seed=config.seed,
        comparison=config.comparisons[comparison].model_dump(mode="json", exclude=unused),
    )


def figure_spec(config: Config, figure: str) -> str:
    """Return the spec of a figure: what it shows, and the names that stand in it."""
    entry = config.figures[figure]
    section = SHOWN[entry.shows]
    sources = getattr(config, section) if section else {}
    datasets = [sources[name].dataset for name in entry.of]
    return _spec(
        "plot",
        seed=config.seed,
        figure=entry.model_dump(mode="json", exclude={"title", "paper"}),
        labels=[sources[name].label or name for name in entry.of],
        dataset_labels=[config.datasets[name].label or name for name in datasets],
    )


def report_spec(config: Config) -> str:
    """Return the spec of the report: the whole configuration, labels included.

    The study of convergence is not in the report.
    """
    shown = config.model_dump(mode="json", exclude={"convergence"})
    # JSON of a spec is sorted, but the report goes by the order of the configuration.
    order = {section: list(names) for section, names in shown.items() if section in _NAMED}
    return _spec("report", seed=config.seed, config=shown, order=order)


def card_spec(config: Config, dataset: str) -> str:
    """Return the spec of a data set's card: the data set, and the one whose waves it shows."""
    shown = {name: config.datasets[name] for name in (layout.source(config, dataset), dataset)}
    values = {name: entry.model_dump(mode="json") for name, entry in shown.items()}
    return _spec("report", seed=config.seed, config={"seed": config.seed, "datasets": values})


def convergence_spec(config: Config) -> str:
    """Return the spec of the study of convergence, its boxes in the place of the common ones."""
    own = {"box_angstrom", "flake_radius_angstrom", "support_radius_angstrom"}
    entry = config.convergence
    return _spec(
        "convergence",
        seed=config.seed,
        convergence=entry.model_dump(mode="json", exclude=own),
        structure=config.structure.model_dump(mode="json")
        | entry.model_dump(mode="json", include=own),
        multislice=config.multislice.model_dump(mode="json"),
        target_smear_angstrom=config.epochs.target_smear_angstrom,
    )


def all_specs(config: Config) -> dict[str, str]:
    """Return the specs of all stages by name, such as ``simulate mos2``."""
    specs = {}
    for name, dataset in config.datasets.items():
        if dataset.exit_waves_from is None:
            specs[f"catalog {name}"] = catalog_spec(config, name)
            specs[f"simulate {name}"] = simulate_spec(config, name)
    for name, dataset in config.datasets.items():
        for split in layout.SPLITS:
            count = getattr(dataset.epochs, f"{split}_epochs")
            for images in layout.image_numbers(config, name, split):
                for epoch in range(count):
                    title = f"render {name} {images}_images {split} {epoch:02d}"
                    specs[title] = render_spec(config, name, images, split, epoch)
    specs |= {f"train {name}": train_spec(config, name) for name in config.networks}
    specs |= {f"evaluate {name}": evaluate_spec(config, name) for name in config.evaluations}
    specs |= {f"ensemble {name}": ensemble_spec(config, name) for name in config.ensembles}
    specs |= {f"compare {name}": compare_spec(config, name) for name in config.comparisons}
    specs |= {f"plot {name}": figure_spec(config, name) for name in config.figures}
    specs["report"] = report_spec(config)
    specs["convergence"] = convergence_spec(config)
    return specs
