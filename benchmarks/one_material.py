"""What one material more, or less, costs in a data set of a thousand real ones.

Makes a database of the first materials of another one, simulates all with two samples each, then
drops a material and adds it again, each time by `snakemake`, and compares the processor time of the
simulating jobs with the first run's, start-up and copying included. At the paper's settings.

    python benchmarks/one_material.py ROWS.db                     # prints Markdown
"""

import argparse
import json
import os
import tempfile
from pathlib import Path

import ase.db
import pandas as pd
import yaml
from workflow import NAME, snakemake

from exitwave.networks.backend import processor_name


def configuration(database: Path, shards: int) -> dict:
    return {
        "datasets": {
            NAME: {
                "materials": {"source": str(database), "selection": "natoms<=8"},
                "split": {"by": "elements", "samples_per_material": 2},
                "shards": shards,
                "epochs": {"training_epochs": 1},
            }
        }
    }


def write_rows(source: Path, target: Path, rows: range) -> None:
    target.unlink(missing_ok=True)
    small = list(ase.db.connect(source).select("natoms<=8"))
    with ase.db.connect(target) as database:
        for number in rows:
            database.write(small[number].toatoms(), uid=small[number].get("uid", str(number)))


def run(folder: Path, cores: int) -> dict[str, float]:
    """Run up to the exit waves; return what was computed and the processor time it took [s]."""
    benchmarks = folder / "results/benchmarks/simulate"
    for path in benchmarks.glob("*.tsv"):
        path.unlink()
    catalog = f"results/{NAME}/catalog/samples.csv"
    snakemake(folder, cores, catalog, "--quiet", "all")
    names = sorted(path.stem for path in folder.glob(f"results/{NAME}/catalog/shards/*.json"))
    stores = [f"results/{NAME}/exit_waves/{name}.nc" for name in names]
    summaries = [folder / store.replace(".nc", ".json") for store in stores]
    before = {path: path.stat().st_mtime_ns for path in summaries if path.exists()}
    wall = snakemake(folder, cores, *stores, "--quiet", "all")
    ran = [path for path in summaries if path.stat().st_mtime_ns != before.get(path)]
    told = [json.loads(path.read_text()) for path in ran]
    tables = [pd.read_csv(path, sep="\t") for path in benchmarks.glob("*.tsv")]
    return {
        "jobs": len(ran),
        "computed": sum(entry["computed"] for entry in told),
        "copied": sum(entry["copied"] for entry in told),
        "cpu": float(sum(table["cpu_time"].sum() for table in tables)),
        "job": float(sum(table["s"].sum() for table in tables)),
        "wall": wall,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("database", type=Path, help="an ASE database, such as C2DB's")
    parser.add_argument("--materials", type=int, default=1000)
    parser.add_argument("--shards", type=int, default=50)
    parser.add_argument("--cores", type=int, default=os.cpu_count())
    options = parser.parse_args()
    count = options.materials
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        database = folder / "rows.db"
        (folder / "config.yaml").write_text(yaml.safe_dump(configuration(database, options.shards)))
        found = {}
        for label, rows in (
            ("all", range(count)),
            ("one dropped", range(count - 1)),
            ("one added", range(count)),
        ):
            write_rows(options.database, database, rows)
            found[label] = run(folder, options.cores)
    print(
        f"\n{processor_name()}, {options.cores} cores, {count} materials, {options.shards} shards"
    )
    print("| run | jobs | computed | copied | job s | share | CPU s | share | snakemake s |")
    print("|---|---|---|---|---|---|---|---|---|")
    whole = found["all"]
    for label, row in found.items():
        print(
            f"| {label} | {row['jobs']} | {row['computed']} | {row['copied']} | {row['job']:.1f} "
            f"| {row['job'] / whole['job']:.2%} | {row['cpu']:.1f} "
            f"| {row['cpu'] / whole['cpu']:.2%} | {row['wall']:.1f} |"
        )


if __name__ == "__main__":
    main()
