"""What the report says of networks: their training, their errors beside the baselines, peaks."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pydantic import JsonValue

from exitwave.durations import duration
from exitwave.files.documents import read_document
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
from exitwave.report.files import EvaluationFiles, NetworkFiles
from exitwave.report.refinements import floor_cell, refinement_section
from exitwave.summaries.scores import EvaluationSummary, RefinementSummary
from exitwave.summaries.training import NetworkDescription, TrainingSummary


def network_section(
    name: str, files: NetworkFiles, dataset_labels: Mapping[str, str], numbering: Numbering
) -> Section:
    """Describe a network: its architecture, its training, what it cost."""
    description = read_document(files.folder / "network.json", NetworkDescription)
    training = read_document(files.folder / "training.json", TrainingSummary)
    network = description.architecture
    channels = ", ".join(str(number) for number in network.channels)
    kernel = network.kernel_px
    what = (
        "A U-Net"
        if network.architecture == "unet"
        else f"A network of the architecture “{network.architecture}”"
    )
    paragraph = (
        f"{what} of {len(network.channels)} levels ({channels} feature channels) with blocks "
        f"of {network.convolutions} convolutions of {kernel} × {kernel} px and skip "
        f"connections, {whole(training.parameters)} parameters. It turns "
        f"{count(network.images, 'image')} into an exit wave and was trained on "
        f"{whole(training.training_samples)} specimens of “{dataset_labels[files.dataset]}” for "
        f"{count(training.epochs, 'epoch')} in {duration(training.seconds)}."
    )
    facts = [
        ("loss after the last epoch", f"{training.loss:.3g}"),
        (
            "validation loss",
            f"{training.val_loss:.3g} (lowest {training.best_val_loss:.3g} "
            f"in epoch {training.best_epoch})",
        ),
        ("time of an epoch", duration(training.seconds_per_epoch)),
        ("speed", f"{training.samples_per_second:.3g} specimens/s"),
        ("computed on", f"{training.device} ({training.backend})"),
        ("peak memory", byte_size(training.peak_memory_bytes)),
    ]
    if training.peak_gpu_memory_bytes:
        facts.append(("peak GPU memory", byte_size(training.peak_gpu_memory_bytes)))
    rows = tuple((key, _setting(value)) for key, value in sorted(description.network.items()))
    return Section(
        title=files.label or name,
        anchor=anchor("network", name),
        paragraphs=(paragraph,),
        facts=tuple(facts),
        tables=(Table("All settings of the network", ("key", "value"), rows, folded=True),),
        pictures=numbering.pictures(files.figures),
    )


def _setting(value: JsonValue) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(_setting(entry) for entry in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def evaluation_section(name: str, files: EvaluationFiles, numbering: Numbering) -> Section:
    """Show one evaluation: its figures, with a sentence on the outcome."""
    summary = read_document(files.folder / "summary.json", EvaluationSummary)
    gain = summary.ratios["exchanged_rmse_imag"]
    text = (
        f"{count(summary.samples, 'sample')}. Its median RMSE is "
        f"{_median(summary, 'rmse_real', '{:.4f}')} of the real part, "
        f"{_median(summary, 'rmse_imag', '{:.4f}')} of the imaginary part and "
        f"{_median(summary, 'rmse', '{:.4f}')} of the complex wave, the median relative error "
        f"(A.1) {_median(summary, 'relative_error', '{:.3g}')}. "
    )
    if gain is not None:
        text += f"With exchanged targets the imaginary part is off by {gain:.2g} times as much."
    pictures = numbering.pictures(files.figures)
    refined = files.refinement
    return Section(
        title=files.label or name,
        anchor=anchor("evaluation", name),
        paragraphs=(text,),
        pictures=pictures,
        sections=() if refined is None else (refinement_section(name, refined, numbering),),
    )


def _median(summary: EvaluationSummary, column: str, form: str, factor: float = 1.0) -> str:
    value = summary.median(column)
    return "–" if value is None else form.format(factor * value)


def results_tables(
    evaluations: Mapping[str, EvaluationFiles],
    network_labels: Mapping[str, str],
    dataset_labels: Mapping[str, str],
) -> tuple[Table, ...]:
    """Return the errors and the peaks of all evaluations, each beside its baselines."""
    summaries = {
        name: read_document(files.folder / "summary.json", EvaluationSummary)
        for name, files in evaluations.items()
    }
    titles = {
        name: Cell(
            files.label or name,
            f"{network_labels[files.network]} on {dataset_labels[files.dataset]}",
        )
        for name, files in evaluations.items()
    }
    refinements = {
        name: read_document(files.refinement / "summary.json", RefinementSummary)
        for name, files in evaluations.items()
        if files.refinement is not None
    }
    tables = (
        _errors_table(summaries, refinements, titles),
        _peaks_table(summaries, titles),
        _vacancies_table(summaries, titles),
    )
    return tuple(table for table in tables if table is not None)


def _errors_table(
    summaries: Mapping[str, EvaluationSummary],
    refinements: Mapping[str, RefinementSummary],
    titles: Mapping[str, Cell],
) -> Table:
    widths = sorted(
        {
            match.group(1)
            for summary in summaries.values()
            for column in summary.statistics
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
                    *([floor_cell(refinements.get(name), column)] if refinements else []),
                    *(_against(summary, column, prefix) for prefix in baselines.values()),
                )
            )
    caption = (
        "Median RMSE of the exit wave, beside what the baselines reach on the same samples; "
        "below each, the multiple of the network's."
    )
    if refinements:
        caption += (
            " Floor: what the images allow, the network's wave refined with the microscope known, "
            "on those samples that were refined."
        )
    floor = ["floor"] if refinements else []
    return Table(caption, ("evaluation", "part", "network", *floor, *baselines), tuple(rows))


def _against(summary: EvaluationSummary, column: str, prefix: str) -> Cell:
    level, reached = summary.median(prefix + column), summary.median(column)
    if level is None:
        return Cell("–")
    return Cell(f"{level:.4f}", f"× {level / reached:.2f}" if reached else "")


def _peaks_table(summaries: Mapping[str, EvaluationSummary], titles: Mapping[str, Cell]) -> Table:
    def row(name: str, summary: EvaluationSummary) -> tuple[Cell | str, ...]:
        def share(column: str) -> str:
            return _median(summary, column, "{:.1f} %", 100)

        def displacement(kind: str) -> Cell:
            return Cell(
                _median(summary, f"{kind}_displacement_pm", "{:.1f} pm"),
                _median(summary, f"{kind}_displacement_px", "{:.2f} px"),
            )

        return (
            titles[name],
            whole(summary.samples),
            Cell(share("found_share"), strong=True),
            share("chance_found_share"),
            share("random_found_share"),
            share("spurious_share"),
            displacement("median"),
            displacement("largest"),
        )

    return Table(
        "Peaks of |Ψ − 1|, the atomic columns: medians over the samples. By chance so many would "
        "be found if the predicted peaks were compared with those of another sample (exchanged), "
        "or if as many were scattered at random over the specimen.",
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
    summaries: Mapping[str, EvaluationSummary], titles: Mapping[str, Cell]
) -> Table | None:
    """Return precision and recall of the columns that lack atoms."""
    rows = []
    for name, summary in summaries.items():
        found = summary.vacancies
        if found is None or not found.sites:
            continue
        rows.append(
            (
                titles[name],
                whole(found.sites),
                whole(found.lacking),
                Cell(_percent(found.precision), strong=True),
                Cell(_percent(found.recall), strong=True),
                _percent(found.truth_precision),
                _percent(found.truth_recall),
                _percent(found.chance),
            )
        )
    if not rows:
        return None
    return Table(
        "Columns of the flakes that lack atoms, vacancies and holes, found by comparing the "
        "signal of each column with the median of its kind in the same wave. Precision: share of "
        "the claims that are right; recall: share of what is missing that was claimed. The same "
        "from the true waves is the best possible; chance: share of claims right at random.",
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
