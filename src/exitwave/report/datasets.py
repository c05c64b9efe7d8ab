"""What the report says of a data set: its sides, its epochs, what was left out and why."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from exitwave.durations import duration
from exitwave.errors import ExitwaveError
from exitwave.files.documents import read_document
from exitwave.files.reader import StoreReader
from exitwave.materials.elements import element_set
from exitwave.report.blocks import (
    Cell,
    Numbering,
    Section,
    Table,
    anchor,
    byte_size,
    count,
    whole,
)
from exitwave.report.files import DatasetFiles
from exitwave.samples import EPOCH, EXIT_WAVES
from exitwave.summaries.catalog import CatalogSummary
from exitwave.summaries.exit_waves import FailedSpecimen, ShardSummary

MOST_ROWS = 200
"""Of longer lists the report shows so many rows and names the file with all of them."""


def dataset_section(name: str, files: DatasetFiles, numbering: Numbering) -> Section:
    """Describe a data set: what it holds, what was left out and why, what it looks like."""
    waves = _wave_rows(files.exit_waves)
    summaries = [
        read_document(path.with_suffix(".json"), ShardSummary) for path in files.exit_waves
    ]
    failed = [entry for summary in summaries for entry in summary.failed]
    rejected = _read_table(files.catalog / "rejected.csv")
    tables = [_sides_table(waves), _epochs_table(files.epochs)]
    if len(rejected):
        tables += _rejected_tables(rejected, files.catalog / "rejected.csv")
    if failed:
        tables.append(_failed_table(failed))
    catalog = read_document(files.catalog / "summary.json", CatalogSummary)
    materials, samples = waves["material"].nunique(), len(waves)
    return Section(
        title=files.label or name,
        anchor=anchor("dataset", name),
        paragraphs=(
            f"{count(samples, 'specimen')} of {count(materials, 'material')}; the data set is "
            f"“{name}” in the configuration.",
            _origin(catalog, len(failed)),
        ),
        facts=_wave_facts(files.exit_waves, waves, summaries),
        tables=tuple(tables),
        pictures=numbering.pictures(files.figures),
    )


def _origin(catalog: CatalogSummary, failed: int) -> str:
    """Say how many rows of the source became materials, and what was lost on the way."""
    text = (
        f"Of {count(catalog.rows, 'row')} of the source, {whole(catalog.matched)} matched "
        f"the selection, {whole(catalog.accepted)} were accepted and "
        f"{whole(catalog.taken)} taken"
    )
    lost = [f"{whole(number)} lack “{key}”" for key, number in catalog.lacking_keys.items()]
    if lost:
        text += f" (rows that lack a compared key do not match: {', '.join(lost)})"
    specimens = count(failed, "specimen") if failed else "No specimen"
    return f"{text}. {specimens} failed."


def _wave_rows(stores: Sequence[Path]) -> pd.DataFrame:
    """Identity, sampling [Å] and size of every specimen, one row each."""
    columns = ("material", "formula", "split", "sampling", "atom_count", "thickness")
    tables = []
    for path in stores:
        with StoreReader(path, EXIT_WAVES) as reader:
            table = pd.DataFrame({name: reader.column(name) for name in columns})
            tables.append(table.assign(points=reader.sizes["x"]))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(columns))


def _wave_facts(
    stores: Sequence[Path], waves: pd.DataFrame, summaries: Sequence[ShardSummary]
) -> tuple[tuple[str, str], ...]:
    if not len(waves):
        return ()
    # Small shards are as good a guess of the time of a wave as large ones.
    seconds = [s.seconds_per_wave for s in summaries if s.seconds_per_wave is not None]
    box = (waves["sampling"] * waves["points"]).median()
    return (
        ("simulation box", f"{box:.1f} Å × {box:.1f} Å"),
        (
            "stored exit wave",
            f"{waves['points'].max()} × {waves['points'].max()} points, "
            f"{waves['sampling'].median():.4g} Å apart",
        ),
        ("atoms in a specimen", _range(waves["atom_count"], "{:.0f}")),
        ("thickness", _range(waves["thickness"], "{:.1f}") + " Å"),
        (
            "time for a wave",
            f"{duration(pd.Series(seconds).median())} on one core"
            if seconds
            else "all were copied",
        ),
        (
            "exit-wave stores",
            f"{count(len(stores), 'file')}, {byte_size(sum(p.stat().st_size for p in stores))}",
        ),
    )


def _range(values: pd.Series[Any], form: str) -> str:
    parts = (form.format(values.min()), form.format(values.max()), form.format(values.median()))
    return parts[0] if parts[0] == parts[1] else f"{parts[0]} to {parts[1]} (median {parts[2]})"


def _sides_table(waves: pd.DataFrame) -> Table:
    rows = []
    sets = {
        str(split): {element_set(str(formula)) for formula in side["formula"]}
        for split, side in waves.groupby("split")
    }
    for split in sorted(sets):
        side = waves[waves["split"] == split]
        found = sorted(sets[split])
        shown = ", ".join(found[:12]) + (", …" if len(found) > 12 else "")
        rows.append(
            (
                split,
                whole(side["material"].nunique()),
                Cell(whole(len(found)), shown),
                whole(len(side)),
            )
        )
    shared = len(set.intersection(*sets.values())) if len(sets) > 1 else 0
    note = (
        "no element set lies on both sides"
        if not shared
        else f"{count(shared, 'element set')} on both sides"
    )
    return Table(
        f"The two sides of the split; {note}.",
        ("side", "materials", "element sets", "specimens"),
        tuple(rows),
    )


def _epochs_table(epochs: Sequence[Path]) -> Table:
    groups: dict[tuple[int, str, int], list[tuple[Path, int, float, float]]] = {}
    for path in epochs:
        with StoreReader(path, EPOCH) as reader:
            sampling = reader.column("sampling")
            split = str(reader.column("split")[0]) if len(reader) else "empty"
            key = (reader.sizes["frame"], split, reader.sizes["x"])
            entry = (path, len(reader), float(sampling.min()), float(sampling.max()))
        groups.setdefault(key, []).append(entry)
    rows = tuple(
        (
            f"{frames} images",
            split,
            whole(len(found)),
            whole(sum(entry[1] for entry in found)),
            f"{size} × {size} px",
            f"{min(entry[2] for entry in found):.3f} to {max(entry[3] for entry in found):.3f} Å",
            byte_size(sum(entry[0].stat().st_size for entry in found)),
        )
        for (frames, split, size), found in sorted(groups.items())
    )
    head = ("series of", "side", "epochs", "focal series", "image", "pixel", "files")
    return Table("The pre-generated epochs of images.", head, rows)


def _rejected_tables(rejected: pd.DataFrame, path: Path) -> list[Table]:
    groups = sorted(rejected.groupby("reason"), key=lambda item: (-len(item[1]), str(item[0])))
    by_reason = tuple(
        (
            str(reason),
            whole(len(group)),
            ", ".join(str(formula) for formula in group["formula"].head(4))
            + (", …" if len(group) > 4 else ""),
        )
        for reason, group in groups
    )
    head = [name for name in ("row", "label", "formula", "reason", "detail") if name in rejected]
    listed = tuple(
        tuple(str(value) for value in row) for row in rejected[head].head(MOST_ROWS).to_numpy()
    )
    more = f"; all stand in {path.name} of the catalog" if len(rejected) > MOST_ROWS else ""
    return [
        Table("Candidates that were not taken.", ("reason", "number", "for example"), by_reason),
        Table(
            f"{len(listed)} of {count(len(rejected), 'rejected candidate')} one by one{more}",
            tuple(head),
            listed,
            folded=True,
        ),
    ]


def _failed_table(failed: Sequence[FailedSpecimen]) -> Table:
    rows = tuple(
        (entry.material, entry.formula, str(entry.sample_index), entry.reason)
        for entry in failed[:MOST_ROWS]
    )
    return Table(
        f"{count(len(failed), 'specimen')} that could not be made.",
        ("material", "formula", "specimen", "reason"),
        rows,
    )


def _read_table(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path, dtype=str, keep_default_na=False)
    except pd.errors.EmptyDataError:
        return pd.DataFrame()
    except (OSError, ValueError) as error:
        raise ExitwaveError(
            f"{path} cannot be read ({error}); run snakemake again to make it."
        ) from error
