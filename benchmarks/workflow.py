"""What the workflow costs beside the simulation, how it scales, and how long a plan takes.

`overhead` simulates materials through `snakemake` (catalog, Dask, writing, all start-ups) and
compares wall time × cores with the time that their samples alone need: the same function on a share
of the same samples, in as many bare processes as there are cores, just before and after.
`scale` goes on to one training and one validation epoch and counts bytes. `plan` times a dry run
for a database of 17,000 materials, made by straining the given rows. All at the paper's settings.

    python benchmarks/workflow.py overhead ROWS.db --limit 200
    python benchmarks/workflow.py scale ROWS.db
    python benchmarks/workflow.py plan ROWS.db --limit 17000
"""

import argparse
import json
import multiprocessing
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from ase.db import connect
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from exitwave.config import parse_config
from exitwave.networks.backend import processor_name
from exitwave.stages import simulate
from exitwave.stages.catalog import build_catalog
from exitwave.workflow import specs

ROOT = Path(__file__).parents[1]
NAME = "materials"
SAMPLES = 2  # of each material, as in the paper


def configuration(database: Path, options: argparse.Namespace) -> dict:
    """The paper's C2DB data set, with one training epoch."""
    materials = {"source": str(database.resolve()), "selection": "natoms<=8"}
    if options.limit:
        materials["limit"] = options.limit
    return {
        "datasets": {
            NAME: {
                "materials": materials,
                "split": {"by": "elements", "samples_per_material": SAMPLES},
                "shards": options.shards,
                "multislice": {"method": options.method},
                "epochs": {"training_epochs": 1},
            }
        }
    }


def snakemake(folder: Path, cores: int, *targets: str, timeout: float | None = None) -> float:
    """Run the workflow in a folder and return the wall time [s]."""
    start = time.perf_counter()
    subprocess.run(
        [
            str(Path(sys.executable).parent / "snakemake"),
            *("--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)),
            *("--configfile", str(folder / "config.yaml"), "--cores", str(cores), *targets),
        ],
        cwd=ROOT,
        check=True,
        timeout=timeout,
    )
    return time.perf_counter() - start


def timed_alone(task: simulate.Simulation) -> tuple[float, float]:
    """Wall and processor time [s] of one sample on one thread."""
    start = time.perf_counter(), time.process_time()
    with threadpool_limits(1):
        simulate.simulate_sample(task)
    return time.perf_counter() - start[0], time.process_time() - start[1]


def bare_seconds(folder: Path, cores: int, share: int) -> NDArray[np.float64]:
    """Both times [s] of samples in bare processes, all cores busy; the first of each is warm-up."""
    config = parse_config(yaml.safe_load((folder / "config.yaml").read_text()))
    spec = specs.simulate_spec(config, NAME)
    tasks = [
        task
        for manifest in sorted((folder / "catalog" / "shards").glob("*.json"))
        for task in simulate._tasks(spec, simulate.read_manifest(manifest), "cpu")
    ]
    chosen = tasks[:: max(1, len(tasks) // share)][:share]
    with multiprocessing.get_context("spawn").Pool(cores) as pool:
        pool.map(timed_alone, chosen[: 2 * cores], chunksize=1)
        return np.array(pool.map(timed_alone, chosen, chunksize=1))


def prepared(folder: Path, options: argparse.Namespace) -> int:
    """Write the configuration, and a catalog for the bare samples; return the number of samples."""
    config = configuration(options.database, options)
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    summary = build_catalog(specs.catalog_spec(parse_config(config), NAME), folder / "catalog")
    print(json.dumps({"materials": summary.materials, "samples": summary.samples}))
    return int(sum(summary.samples.values()))


def stage_seconds(folder: Path, stage: str) -> float:
    """Sum over the jobs of a stage [s], as Snakemake has timed them."""
    tables = [pd.read_csv(path, sep="\t") for path in folder.glob(f"results/benchmarks/{stage}/*")]
    return float(sum(table["s"].sum() for table in tables))


def megabytes(folder: Path, pattern: str) -> float:
    return sum(path.stat().st_size for path in folder.glob(f"results/{NAME}/{pattern}")) / 1e6


def stores(folder: Path) -> list[str]:
    names = [path.stem for path in sorted((folder / "catalog" / "shards").glob("*.json"))]
    return [f"results/{NAME}/exit_waves/{name}.nc" for name in names]


def overhead(folder: Path, options: argparse.Namespace) -> None:
    count = prepared(folder, options)
    before = bare_seconds(folder, options.cores, options.share)
    used = processor_seconds()
    wall = snakemake(folder, options.cores, *stores(folder), "--quiet", "all")
    used = processor_seconds() - used
    after = bare_seconds(folder, options.cores, options.share)
    pure, pure_used = count * np.mean([*before, *after], axis=0)
    print(
        f"{processor_name()}, {options.cores} cores, {options.method}: {count} samples in "
        f"{options.shards} shards; a bare sample takes {before[:, 0].mean():.3f} s before and "
        f"{after[:, 0].mean():.3f} s after, so {pure:.0f} core-seconds of simulation; the "
        f"workflow took {wall:.0f} s × {options.cores} cores: ratio "
        f"{wall * options.cores / pure:.3f}; processor time {used:.0f} s for {pure_used:.0f} s: "
        f"{used / pure_used:.3f}; peak memory of a simulating job "
        f"{peak_memory(folder, 'simulate'):.0f} MB"
    )


def processor_seconds() -> float:
    """Processor time of all processes that were started and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def peak_memory(folder: Path, stage: str) -> float:
    tables = [pd.read_csv(path, sep="\t") for path in folder.glob(f"results/benchmarks/{stage}/*")]
    return float(max(table["max_rss"].max() for table in tables))


def scale(folder: Path, options: argparse.Namespace) -> None:
    count = prepared(folder, options)
    epochs = [
        f"results/{NAME}/epochs/3_images/{split}/00.nc" for split in ("training", "validation")
    ]
    wall = snakemake(folder, options.cores, *epochs)
    failed = sum(
        len(json.loads(path.read_text())["failed"])
        for path in folder.glob(f"results/{NAME}/exit_waves/*.json")
    )
    print(f"\n{processor_name()}, {options.cores} cores, {options.method}: {wall / 60:.1f} min")
    print(f"{count} samples, {failed} failed, {options.shards} shards")
    print("| stage | wall min | peak MB per job | MB written |\n|---|---|---|---|")
    for stage, pattern in (
        ("catalog", "catalog/**/*"),
        ("simulate", "exit_waves/*.nc"),
        ("render", "epochs/**/*.nc"),
    ):
        print(
            f"| {stage} | {stage_seconds(folder, stage) / 60:.1f} "
            f"| {peak_memory(folder, stage):.0f} | {megabytes(folder, pattern):.0f} |"
        )


def plan(folder: Path, options: argparse.Namespace) -> None:
    """A dry run after the catalog is made, when every shard and epoch is known."""
    database = folder / "strained.db"
    strain(options.database, database, options.limit)
    options.database, options.limit = database, 0
    (folder / "config.yaml").write_text(yaml.safe_dump(configuration(database, options)))
    snakemake(folder, options.cores, f"results/{NAME}/catalog/samples.csv", "--quiet", "all")
    target = f"results/{NAME}/epochs/3_images/training/00.nc"
    seconds = [
        snakemake(folder, options.cores, target, "--dry-run", "--quiet", "all") for _ in range(3)
    ]
    rows = len(pd.read_csv(folder / f"results/{NAME}/catalog/materials.csv"))
    print(
        f"{rows} materials in {options.shards} shards: snakemake -n takes "
        f"{statistics.median(seconds):.1f} s (median of 3)"
    )


def strain(rows: Path, database: Path, count: int) -> None:
    """Write `count` different materials: the small rows, each time stretched a little more."""
    small = [row.toatoms() for row in connect(rows).select("natoms<=8")]
    with connect(database) as target:
        for number in range(count):
            atoms = small[number % len(small)].copy()
            stretch = 1 + 1e-3 * (number // len(small))
            atoms.set_cell(atoms.cell * stretch, scale_atoms=True)
            target.write(atoms)


PARTS: dict[str, Callable[[Path, argparse.Namespace], None]] = {
    "overhead": overhead,
    "scale": scale,
    "plan": plan,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("database", type=Path, help="an ASE database, such as C2DB's")
    parser.add_argument("--limit", type=int, default=0, help="materials; 0 for all")
    parser.add_argument("--method", default="fourier", choices=("fourier", "abtem"))
    parser.add_argument("--shards", type=int, default=16)
    parser.add_argument("--cores", type=int, default=os.cpu_count())
    # As many as take about as long as the workflow: the clock of a processor falls with time.
    parser.add_argument("--share", type=int, default=400, help="samples timed before and after")
    parser.add_argument("--folder", type=Path, help="where to work; kept afterwards")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        PARTS[options.part](folder, options)


if __name__ == "__main__":
    main()
