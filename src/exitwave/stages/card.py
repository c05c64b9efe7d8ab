"""The card of a data set: what it is, how it was made, what is in it, how to load it.

>>> write_card(spec, "mos2", Path("results"), epochs, Path("results/mos2/README.md"))
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray

from exitwave import __version__
from exitwave.config import Config
from exitwave.config.constraints import BUILT_IN
from exitwave.durations import duration
from exitwave.errors import ExitwaveError
from exitwave.figures.datasets import drawn_parameters
from exitwave.files.atomic import write_text
from exitwave.files.documents import read_document
from exitwave.files.reader import StoreReader
from exitwave.files.schemas import Schema
from exitwave.provenance import attributes as provenance
from exitwave.report.blocks import byte_size, count, whole
from exitwave.report.papers import DATABASE_PAPER, PAPER
from exitwave.samples import EPOCH, EXIT_WAVES
from exitwave.summaries.catalog import CatalogSummary
from exitwave.summaries.exit_waves import FailedSpecimen, failed_specimens
from exitwave.workflow import layout
from exitwave.workflow.specs import ReportSpec, read_spec

LOADING = """\
import xarray as xr
epoch = xr.open_dataset("{epoch}")
images = epoch.image[0].values  # y, x, frame; the incident beam is 1
wave = epoch.exit_wave.sel(part="real")[0].values + 1j * epoch.exit_wave.sel(part="imag")[0].values
defocus = epoch.defocus[0].values  # one for each frame, in Å
"""
"""Five lines that need nothing but xarray and netCDF4."""
MOST_FAILURES = 20

_SPECIMEN = {
    "atom_count": "atoms",
    "vacancy_count": "missing atoms",
    "thickness": "thickness [Å]",
    "tilt": "tilt [degree]",
    "energy": "energy [keV]",
}
_SHARES = {"least": 0.0, "5 %": 0.05, "median": 0.5, "95 %": 0.95, "greatest": 1.0}


def write_card(
    spec: str, dataset: str, results: Path, epochs: Sequence[Path], output: Path
) -> None:
    """Write the card of a finished data set as Markdown.

    Parameters
    ----------
    spec : str
        See `exitwave.workflow.specs.card_spec`.
    dataset : str
        Name of the data set in the configuration.
    results : Path
        Folder of the results, laid out as `exitwave.workflow.layout` says.
    epochs : sequence of Path
        All epochs of the data set.
    output : Path
        The card.

    Raises
    ------
    ExitwaveError
        Where the configuration has no such data set, or a file cannot be read.
    """
    config = read_spec(spec, ReportSpec).configuration()
    if dataset not in config.datasets:
        raise ExitwaveError(
            f"There is no data set '{dataset}' in the configuration, which has "
            f"{', '.join(config.datasets) or 'none'}; give one of these."
        )
    shards = layout.shard_names(results / layout.catalog(layout.source(config, dataset)))
    stores = [results / path for path in layout.stores(config, dataset, shards)]
    sections = (
        _head(config, dataset, stores),
        _files(results, stores, epochs),
        _loading(results / dataset, epochs),
        _distributions(stores, epochs),
        _bad_samples(results / layout.catalog(layout.source(config, dataset)), stores),
        _cost(results / layout.BENCHMARKS, dataset, layout.source(config, dataset)),
        _settings(config, dataset),
        _origin(config, dataset),
    )
    write_text(output, "\n\n".join("\n".join(section) for section in sections) + "\n")


def _head(config: Config, dataset: str, stores: Sequence[Path]) -> list[str]:
    entry, source = config.datasets[dataset], layout.source(config, dataset)
    materials = config.datasets[source].materials
    with _opened(stores, EXIT_WAVES) as readers:
        names = np.concatenate([reader.column("material") for reader in readers])
        splits = np.concatenate([reader.column("split") for reader in readers])
    sides = ", ".join(
        f"{whole(int(number))} for {side}"
        for side, number in zip(*np.unique(splits, return_counts=True), strict=True)
    )
    taken = f"“{materials.source}”" + (
        f", selection “{materials.selection}”" if materials.selection else ""
    )
    text = [
        f"# {entry.label or dataset}",
        "",
        "Simulated high-resolution transmission electron microscopy: focal series of flakes of "
        "two-dimensional materials, and the exit waves behind them.",
        "",
        f"- {count(len(names), 'specimen')} of {count(len(set(names)), 'material')} ({sides})",
        f"- materials: {taken}",
        f"- support: {entry.structure.support.replace('_', ' ')}",
        "- exit waves: multislice; images: aberrations, dose and camera drawn for every series",
    ]
    if source != dataset:
        text.append(f"- the exit waves are those of the data set “{source}”")
    return text


def _files(results: Path, stores: Sequence[Path], epochs: Sequence[Path]) -> list[str]:
    groups: dict[Path, list[Path]] = {}
    for path in (*stores, *epochs):
        groups.setdefault(path.parent, []).append(path)
    lines = ["## Files", "", "| folder | files | size | content |", "|---|---|---|---|"]
    for folder, paths in groups.items():
        with StoreReader(paths[0]) as reader:
            sizes, kind = reader.sizes, reader.schema.kind
        content = f"exit waves of {sizes['x']}² points"
        if kind == EPOCH.kind:
            content = f"series of {count(sizes['frame'], 'image')} of {sizes['x']}² px, exit waves"
        size = byte_size(sum(path.stat().st_size for path in paths))
        lines.append(f"| `{folder.relative_to(results)}` | {len(paths)} | {size} | {content} |")
    return [
        *lines,
        "",
        "NetCDF-4; every variable has its unit, every sample has a checksum (`exitwave check`). "
        "Atoms and missing atoms are ragged arrays: those of a sample follow those of the one "
        "before, as many as `atom_count` and `vacancy_count` say.",
    ]


def _loading(folder: Path, epochs: Sequence[Path]) -> list[str]:
    code = LOADING.format(epoch=epochs[0].relative_to(folder))
    return ["## Load it", "", "```python", *code.splitlines(), "```"]


def _distributions(stores: Sequence[Path], epochs: Sequence[Path]) -> list[str]:
    lines = [
        "## Parameters as drawn",
        "",
        f"| parameter | {' | '.join(_SHARES)} |",
        "|---|" + "---|" * len(_SHARES),
    ]
    with _opened(stores, EXIT_WAVES) as readers:
        for name, label in _SPECIMEN.items():
            lines.append(_row(label, np.concatenate([reader.column(name) for reader in readers])))
    with _opened(epochs, EPOCH) as readers:
        for parameter in drawn_parameters(readers[0]):
            if parameter.column in _SPECIMEN:
                continue
            values = [reader.column(parameter.column).ravel() for reader in readers]
            drawn = np.concatenate(values) * parameter.factor
            if parameter.logarithmic:
                drawn = np.log10(drawn)
            if np.isfinite(drawn).any():
                lines.append(_row(re.sub(r"[${}_]", "", parameter.label), drawn))
    return lines


def _row(label: str, values: NDArray[Any]) -> str:
    quantiles = np.nanquantile(np.asarray(values, dtype=float), list(_SHARES.values()))
    return f"| {label} | " + " | ".join(f"{value:.4g}" for value in quantiles) + " |"


def _bad_samples(catalog: Path, stores: Sequence[Path]) -> list[str]:
    failed: list[FailedSpecimen] = []
    with _opened(stores, EXIT_WAVES) as readers:
        for reader in readers:
            failed += failed_specimens(reader.attributes)
    summary = read_document(catalog / "summary.json", CatalogSummary)
    lines = [
        "## Known bad samples",
        "",
        f"Of {count(summary.rows, 'row')} of the source {whole(summary.matched)} matched the "
        f"selection and {whole(summary.accepted)} were accepted; `catalog/rejected.csv` names "
        "the others and the reasons. "
        + (f"{count(len(failed), 'specimen')} failed:" if failed else "No specimen failed."),
    ]
    lines += [
        f"- {entry.material}, specimen {entry.sample_index}: {entry.reason}"
        for entry in failed[:MOST_FAILURES]
    ]
    if len(failed) > MOST_FAILURES:
        lines.append(f"- and {len(failed) - MOST_FAILURES} more, named in the stores")
    return lines


def _cost(benchmarks: Path, dataset: str, source: str) -> list[str]:
    lines = ["## Cost", ""]
    for stage, name, what in (("simulate", source, "exit waves"), ("render", dataset, "images")):
        tables = [
            pd.read_csv(path, sep="\t", na_values=["-", "NA"])
            for path in sorted((benchmarks / stage).glob(f"{name}.*.tsv"))
        ]
        if tables:
            jobs = pd.concat(tables)
            seconds = jobs["cpu_time"].fillna(jobs["s"]).sum()
            memory = byte_size(jobs["max_rss"].max() * 2**20)
            lines.append(
                f"- {what}: {duration(float(seconds))} of processor time in "
                f"{count(len(jobs), 'job')}, at most {memory} of memory in one"
            )
    return [*lines, "", "Of the jobs that ran last; samples that were copied cost nothing."]


def _settings(config: Config, dataset: str) -> list[str]:
    entry = config.datasets[dataset].model_dump(mode="json")
    text = yaml.safe_dump({"seed": config.seed, "datasets": {dataset: entry}}, sort_keys=False)
    return ["## Settings", "", "```yaml", *text.splitlines(), "```"]


def _origin(config: Config, dataset: str) -> list[str]:
    source = config.datasets[layout.source(config, dataset)].materials.source
    cited = [f"- the method: {PAPER}"]
    if source != BUILT_IN:
        cited.append(f"- the database the materials come from; C2DB: {DATABASE_PAPER}")
    cited.append("- the multislice: J. Madsen and T. Susi, The abTEM code, Open Res. Europe 1, 24")
    return [
        "## Licence and citation",
        "",
        f"Made with exitwave {__version__} (commit {provenance.git_commit()}), which is free "
        "software under the GNU General Public License, version 3 or later. The licence of these "
        "data is for those who made them to choose; structures from a database stay under its "
        "terms. Please cite exitwave as its CITATION.cff says, and",
        "",
        *cited,
    ]


@contextlib.contextmanager
def _opened(paths: Sequence[Path], schema: Schema) -> Iterator[list[StoreReader]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(StoreReader(path, schema)) for path in paths]
