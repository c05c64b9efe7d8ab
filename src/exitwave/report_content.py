"""What the report says: numbers from the files of all stages, as sections, tables and figures.

The template only lays out what is collected here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from exitwave.errors import ExitwaveError
from exitwave.report_layout import (
    Cell,
    Numbering,
    Section,
    Table,
    anchor,
    byte_size,
    count,
    duration,
    whole,
)
from exitwave.schemas import EPOCH, EXIT_WAVES
from exitwave.store import StoreReader

MOST_ROWS = 200
"""Of longer lists the report shows so many rows and names the file with all of them."""


@dataclass(frozen=True)
class DatasetFiles:
    """Where the files of a data set are.

    Attributes
    ----------
    label : str
        Name in the report.
    catalog : Path
        Folder of the catalog; of the source, where the exit waves are another data set's.
    exit_waves : sequence of Path
        Stores of exit waves, each with its summary ``.json`` beside it.
    epochs : sequence of Path
        Epochs of both sides.
    figures : Path
        Folder that `exitwave.plots.plot_dataset` wrote.
    """

    label: str
    catalog: Path
    exit_waves: Sequence[Path]
    epochs: Sequence[Path]
    figures: Path


@dataclass(frozen=True)
class NetworkFiles:
    """Where the files of a network are: its folder, and the figures of `plot_history`."""

    label: str
    dataset: str
    folder: Path
    figures: Path


@dataclass(frozen=True)
class EvaluationFiles:
    """Where the files of an evaluation are: its folder, and the figures of `plot_evaluation`.

    ``network`` and ``dataset`` are the keys of the configuration.
    """

    label: str
    network: str
    dataset: str
    folder: Path
    figures: Path


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file that a stage wrote."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ExitwaveError(
            f"{path} cannot be read ({error}); run snakemake again to make it."
        ) from error
    if not isinstance(content, dict):
        raise ExitwaveError(f"{path} holds no JSON object; run snakemake again to make it.")
    return content


def dataset_section(name: str, files: DatasetFiles, numbering: Numbering) -> Section:
    """Describe a data set: what it holds, what was left out and why, what it looks like."""
    waves = _wave_rows(files.exit_waves)
    summaries = [read_json(path.with_suffix(".json")) for path in files.exit_waves]
    failed = [entry for summary in summaries for entry in summary.get("failed", ())]
    rejected = _read_table(files.catalog / "rejected.csv")
    tables = [_sides_table(waves), _epochs_table(files.epochs)]
    if len(rejected):
        tables += _rejected_tables(rejected, files.catalog / "rejected.csv")
    if failed:
        tables.append(_failed_table(failed))
    materials, samples = waves["material"].nunique(), len(waves)
    return Section(
        title=files.label or name,
        anchor=anchor("dataset", name),
        paragraphs=(
            f"{count(samples, 'specimen')} of {count(materials, 'material')}; the data set is "
            f"“{name}” in the configuration.",
            _origin(read_json(files.catalog / "summary.json"), len(failed)),
        ),
        facts=_wave_facts(files.exit_waves, waves, summaries),
        tables=tuple(tables),
        pictures=numbering.pictures(files.figures),
    )


def _origin(catalog: Mapping[str, Any], failed: int) -> str:
    """Say how many rows of the source became materials, and what was lost on the way."""
    text = (
        f"Of {count(catalog['rows'], 'row')} of the source, {whole(catalog['matched'])} matched "
        f"the selection, {whole(catalog['accepted'])} were accepted and "
        f"{whole(catalog['taken'])} taken"
    )
    lost = [
        f"{whole(number)} lack “{key}”" for key, number in catalog.get("lacking_keys", {}).items()
    ]
    if lost:
        text += f" (rows that lack a compared key do not match: {', '.join(lost)})"
    specimens = count(failed, "specimen") if failed else "No specimen"
    return f"{text}. {specimens} failed."


def _wave_rows(stores: Sequence[Path]) -> pd.DataFrame:
    """Identity, sampling [Å] and size of every specimen, one row each."""
    columns = ("material", "formula", "split", "sampling", "atom_count", "thickness")
    tables = []
    for path in stores:
        with StoreReader(path, EXIT_WAVES.kind) as reader:
            table = pd.DataFrame({name: reader.column(name) for name in columns})
            tables.append(table.assign(points=reader.sizes["x"]))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(columns))


def _wave_facts(
    stores: Sequence[Path], waves: pd.DataFrame, summaries: Sequence[Mapping[str, Any]]
) -> tuple[tuple[str, str], ...]:
    if not len(waves):
        return ()
    # Small shards are as good a guess of the time of a wave as large ones.
    seconds = [s["seconds_per_wave"] for s in summaries if s.get("seconds_per_wave") is not None]
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


def element_set(formula: str) -> str:
    """Return the elements of a formula in the order of the alphabet, such as ``Mo-S``."""
    return "-".join(sorted(set(re.findall(r"[A-Z][a-z]?", formula))))


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
        with StoreReader(path, EPOCH.kind) as reader:
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


def _failed_table(failed: Sequence[Mapping[str, Any]]) -> Table:
    rows = tuple(
        (
            str(entry["material"]),
            str(entry["formula"]),
            str(entry["sample_index"]),
            str(entry["reason"]),
        )
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


def network_section(
    name: str, files: NetworkFiles, labels: Mapping[str, str], numbering: Numbering
) -> Section:
    """Describe a network: its architecture, its training, what it cost."""
    settings = read_json(files.folder / "network.json")["network"]
    training = read_json(files.folder / "training.json")
    channels = ", ".join(str(number) for number in settings["channels"])
    kernel = settings["kernel_px"]
    paragraph = (
        f"A U-Net of {len(settings['channels'])} levels ({channels} feature channels) with blocks "
        f"of {settings['convolutions']} convolutions of {kernel} × {kernel} px and skip "
        f"connections, {whole(training['parameters'])} parameters. It turns "
        f"{count(settings['images'], 'image')} into an exit wave and was trained on "
        f"{whole(training['training_samples'])} specimens of “{labels[files.dataset]}” for "
        f"{count(training['epochs'], 'epoch')} in {duration(training['seconds'])}."
    )
    facts = [
        ("loss after the last epoch", f"{training['loss']:.3g}"),
        (
            "validation loss",
            f"{training['val_loss']:.3g} (lowest {training['best_val_loss']:.3g} "
            f"in epoch {training['best_epoch']})",
        ),
        ("time of an epoch", duration(training["seconds_per_epoch"])),
        ("speed", f"{training['samples_per_second']:.3g} specimens/s"),
        ("computed on", f"{training['device']} ({training['backend']})"),
        ("peak memory", byte_size(training["peak_memory_bytes"])),
    ]
    if training.get("peak_gpu_memory_bytes"):
        facts.append(("peak GPU memory", byte_size(training["peak_gpu_memory_bytes"])))
    rows = tuple((key, _setting(value)) for key, value in sorted(settings.items()))
    return Section(
        title=files.label or name,
        anchor=anchor("network", name),
        paragraphs=(paragraph,),
        facts=tuple(facts),
        tables=(Table("All settings of the network", ("key", "value"), rows, folded=True),),
        pictures=numbering.pictures(files.figures),
    )


def _setting(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(_setting(entry) for entry in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def evaluation_section(name: str, files: EvaluationFiles, numbering: Numbering) -> Section:
    """Show one evaluation: its figures, with a sentence on the outcome."""
    summary = read_json(files.folder / "summary.json")
    gain = summary["ratios"]["exchanged_rmse_imag"]
    text = (
        f"{count(summary['samples'], 'sample')}. Its median RMSE is "
        f"{_median(summary, 'rmse_real', '{:.4f}')} of the real part, "
        f"{_median(summary, 'rmse_imag', '{:.4f}')} of the imaginary part and "
        f"{_median(summary, 'rmse', '{:.4f}')} of the complex wave, the median relative error "
        f"(A.1) {_median(summary, 'relative_error', '{:.3g}')}. "
    )
    if gain is not None:
        text += f"Against exchanged targets the imaginary part is off by {gain:.2g} times as much."
    return Section(
        title=files.label or name,
        anchor=anchor("evaluation", name),
        paragraphs=(text,),
        pictures=numbering.pictures(files.figures),
    )


def _median(summary: Mapping[str, Any], column: str, form: str, factor: float = 1.0) -> str:
    value = summary["statistics"].get(column, {}).get("median")
    return "–" if value is None else form.format(factor * value)


def results_tables(
    evaluations: Mapping[str, EvaluationFiles], labels: Mapping[str, str]
) -> tuple[Table, ...]:
    """Return the errors and the peaks of all evaluations, each beside its baselines."""
    summaries = {
        name: read_json(files.folder / "summary.json") for name, files in evaluations.items()
    }
    titles = {
        name: Cell(
            files.label or name,
            f"{labels[files.network]} on {labels[files.dataset]}",
        )
        for name, files in evaluations.items()
    }
    tables = (
        _errors_table(summaries, titles),
        _peaks_table(summaries, titles),
        _vacancies_table(summaries, titles),
    )
    return tuple(table for table in tables if table is not None)


def _errors_table(summaries: Mapping[str, dict[str, Any]], titles: Mapping[str, Cell]) -> Table:
    widths = sorted(
        {
            match.group(1)
            for summary in summaries.values()
            for column in summary["statistics"]
            if (match := re.fullmatch(r"blurred_(.+)_rmse", column))
        },
        key=float,
    )
    baselines = {
        "exchanged target": "exchanged_",
        "vacuum": "vacuum_",
        **{f"blurred by {width}\u00a0Å": f"blurred_{width}_" for width in widths},
    }
    rows: list[tuple[Cell | str, ...]] = []
    for name, summary in summaries.items():
        for part, column in (("real", "rmse_real"), ("imaginary", "rmse_imag")):
            rows.append(
                (
                    titles[name] if part == "real" else "",
                    part,
                    Cell(_median(summary, column, "{:.4f}"), strong=True),
                    *(_against(summary, column, prefix) for prefix in baselines.values()),
                )
            )
    return Table(
        "Median RMSE of the exit wave, beside what the baselines reach on the same samples; "
        "below each, the multiple of the network's.",
        ("evaluation", "part", "network", *baselines),
        tuple(rows),
    )


def _against(summary: Mapping[str, Any], column: str, prefix: str) -> Cell:
    statistics = summary["statistics"]
    level = statistics.get(prefix + column, {}).get("median")
    reached = statistics[column]["median"]
    if level is None:
        return Cell("–")
    return Cell(f"{level:.4f}", f"× {level / reached:.2f}" if reached else "")


def _peaks_table(summaries: Mapping[str, dict[str, Any]], titles: Mapping[str, Cell]) -> Table:
    def row(name: str, summary: dict[str, Any]) -> tuple[Cell | str, ...]:
        def share(column: str) -> str:
            return _median(summary, column, "{:.1f} %", 100)

        def displacement(kind: str) -> Cell:
            return Cell(
                _median(summary, f"{kind}_displacement_pm", "{:.1f} pm"),
                _median(summary, f"{kind}_displacement_px", "{:.2f} px"),
            )

        return (
            titles[name],
            whole(summary["samples"]),
            Cell(share("found_share"), strong=True),
            share("chance_found_share"),
            share("random_found_share"),
            share("spurious_share"),
            displacement("median"),
            displacement("largest"),
        )

    return Table(
        "Peaks of |Ψ − 1|, the atomic columns: medians over the samples. By chance so many would "
        "be found if the predicted peaks were held against those of another sample (exchanged), or "
        "if as many were strewn over the specimen.",
        (
            "evaluation",
            "samples",
            "peaks found",
            "chance: exchanged",
            "chance: strewn",
            "spurious",
            "median displacement",
            "largest displacement",
        ),
        tuple(row(name, summary) for name, summary in summaries.items()),
    )


def _vacancies_table(
    summaries: Mapping[str, dict[str, Any]], titles: Mapping[str, Cell]
) -> Table | None:
    """Return precision and recall of the columns that lack atoms."""
    rows = []
    for name, summary in summaries.items():
        found = summary.get("vacancies")
        if not found or not found["sites"]:
            continue
        rows.append(
            (
                titles[name],
                whole(found["sites"]),
                whole(found["lacking"]),
                Cell(_percent(found["precision"]), strong=True),
                Cell(_percent(found["recall"]), strong=True),
                _percent(found["truth_precision"]),
                _percent(found["truth_recall"]),
                _percent(found["chance"]),
            )
        )
    if not rows:
        return None
    return Table(
        "Columns of the flakes that lack atoms, vacancies and holes, told from the signal of each "
        "column against the median of its kind in the same wave. Precision: share of the claims "
        "that hold; recall: share of what is missing that was claimed. The same from the true "
        "waves is the best to be had; chance: so many of the claims would hold at random.",
        (
            "evaluation",
            "columns",
            "lack atoms",
            "precision",
            "recall",
            "precision, truth",
            "recall, truth",
            "chance",
        ),
        tuple(rows),
    )


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.0f} %"


def cost_table(benchmarks: Path) -> Table | None:
    """Return what each rule cost, from Snakemake's files ``{rule}/{job}.tsv``; None without any."""
    tables = [
        pd.read_csv(path, sep="\t", na_values=["-", "NA"]).assign(rule=path.parent.name)
        for path in sorted(benchmarks.glob("*/**/*.tsv"))
    ]
    if not tables:
        return None
    jobs = pd.concat(tables, ignore_index=True)
    # A job that ends before the first measurement has no numbers but its time.
    for column in ("s", "cpu_time", "max_rss"):
        jobs[column] = pd.to_numeric(jobs[column], errors="coerce")
    rules = [(str(rule), group) for rule, group in jobs.groupby("rule")]
    ordered = sorted(rules, key=lambda item: _stage_order(item[0]))
    rows = tuple(_cost_row(rule, group) for rule, group in ordered)
    return Table(
        "Cost of the rules, as measured by Snakemake: number of jobs, sum and maximum of their "
        "times, sum of their processor times, largest memory of a job.",
        ("rule", "jobs", "time, all jobs", "longest job", "processor time", "peak memory"),
        (*rows, _cost_row("all", jobs, strong=True)),
    )


def _cost_row(rule: str, jobs: pd.DataFrame, strong: bool = False) -> tuple[Cell, ...]:
    texts = (
        rule,
        whole(len(jobs)),
        duration(jobs["s"].sum()),
        duration(jobs["s"].max()),
        duration(jobs["cpu_time"].sum(min_count=1)),
        # Snakemake gives MB of 2^20 bytes.
        byte_size(jobs["max_rss"].max() * 2**20),
    )
    return tuple(Cell(text, strong=strong) for text in texts)


def _stage_order(rule: str) -> tuple[int, str]:
    stages = ("catalog", "simulate", "render", "train", "evaluate", "plot", "report")
    found = [place for place, stage in enumerate(stages) if stage in rule]
    return (found[0] if found else len(stages), rule)
