"""What the report says beside the results: figures, ensembles, comparisons, the paper."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from exitwave.config import Config
from exitwave.durations import duration
from exitwave.files.documents import read_document
from exitwave.report.blocks import (
    Cell,
    Numbering,
    Section,
    Table,
    anchor,
    count,
    whole,
)
from exitwave.scoring.examples import WAYS, ComparisonExample, read_examples, read_examples_of
from exitwave.summaries.scores import ComparisonSummary, EnsembleSummary
from exitwave.summaries.training import TrainingSummary
from exitwave.workflow import layout


def figures_chapter(config: Config, results: Path, numbering: Numbering) -> Section | None:
    """Show every figure of the configuration, under an index by the paper's numbers."""
    if not config.figures:
        return None
    sections: list[Section] = []
    rows: list[tuple[Cell | str, ...]] = []
    for name, entry in config.figures.items():
        title = entry.title or name
        section = Section(
            title=f"{entry.paper}: {title}" if entry.paper else title,
            anchor=anchor("figure", name),
            pictures=numbering.pictures(results / layout.figure(name)),
        )
        sections.append(section)
        numbers = [str(picture.number) for picture in section.pictures]
        span = numbers[0] if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"
        link = f"#{section.anchor}"
        rows.append((entry.paper or "not in the paper", Cell(title, link=link), f"Figure {span}"))
    return Section(
        "Figures",
        "figures",
        tables=(
            Table(
                "Index by the paper's numbers.", ("paper", "shows", "in this report"), tuple(rows)
            ),
        ),
        sections=tuple(sections),
    )


def ensembles_table(config: Config, results: Path) -> Table | None:
    """Return how well the disagreement of networks predicts their errors."""
    rows = []
    for name, entry in config.ensembles.items():
        summary = read_document(results / layout.ensemble(name) / "summary.json", EnsembleSummary)
        medians = summary.medians
        rows.append(
            (
                Cell(entry.label or name, ", ".join(entry.networks)),
                f"{medians['member_rmse']:.4f}",
                Cell(f"{medians['rmse']:.4f}", strong=True),
                f"{medians['disagreement']:.4f}",
                _number(summary.pixel_correlation),
                _number(summary.sample_correlation),
                Cell(_share(summary.worst_caught), f"by chance {_share(summary.worst_share)}"),
                Cell(
                    _number(summary.error_over_disagreement),
                    f"independent: {summary.independent_errors:.2f}",
                ),
            )
        )
    if not rows:
        return None
    return Table(
        "Ensembles. RMSE of the complex wave of a member and of the members' mean; their "
        "disagreement; its rank correlation with the error over a specimen's pixels and over the "
        "samples; how many of a specimen's worst pixels are among those with most disagreement; "
        "and error over disagreement, which would be smallest if errors were independent. "
        "Medians over the samples.",
        (
            "ensemble",
            "member",
            "mean",
            "disagreement",
            "correlation, pixels",
            "correlation, samples",
            "worst pixels found",
            "error / disagreement",
        ),
        tuple(rows),
    )


def comparisons_table(config: Config, results: Path) -> Table | None:
    """Return the errors of networks, refined and not, beside those of classical reconstruction."""
    rows: list[tuple[Cell | str, ...]] = []
    for name, entry in config.comparisons.items():
        path = results / layout.comparison(name) / "summary.json"
        summary = read_document(path, ComparisonSummary)
        statistics = summary.statistics
        for place, (column, way) in enumerate(WAYS.items()):
            images = entry.images if way.all_images else len(summary.network_frames)
            rows.append(
                (
                    Cell(entry.label or name, count(summary.samples, "sample"))
                    if place == 0
                    else "",
                    way.label,
                    str(images),
                    Cell(f"{statistics[f'{column}_rmse'].median:.4f}", strong=True),
                    f"{statistics[f'{column}_high_pass_rmse'].median:.4f}",
                )
            )
    if not rows:
        return None
    return Table(
        "Networks and classical reconstruction: median RMSE of the complex wave, and of what is "
        "left of it and of the truth without the longest wavelengths. The network gets few images; "
        "its wave of these is refined by them or by all. Unless all is known, the aberrations are "
        "fitted with it, and those fitted to the few images are what “microscope fitted” is given. "
        "“As in the paper” is given defocus, Cs and focal spread, but neither coma nor "
        "astigmatism.",
        ("comparison", "wave", "images", "RMSE", "RMSE, short wavelengths"),
        tuple(rows),
    )


def paper_table(config: Config, results: Path) -> Table | None:
    """Return the paper's numbers that the configuration names, each beside ours."""
    rows: list[tuple[Cell | str, ...]] = []
    for name, entry in config.evaluations.items():
        if entry.paper_rmse is None and entry.paper_largest_displacement_pm is None:
            continue
        examples = read_examples(results / layout.evaluation(config, name))
        median = min(examples, key=lambda example: abs(example.percentile - 50)).row
        size = _size(config, results, entry.network, entry.dataset)
        label = entry.label or name
        if entry.paper_rmse is not None:
            paper, ours = f"{entry.paper_rmse:g}", f"{median['rmse']:.4f}"
            rows.append((f"{label}: RMSE of the median sample", paper, ours, size))
        if entry.paper_largest_displacement_pm is not None:
            paper = f"{entry.paper_largest_displacement_pm:g} pm"
            moved = median["largest_displacement_pm"]
            ours = "–" if moved is None else f"{moved:.1f} pm"
            rows.append((f"{label}: largest displacement in it", paper, ours, size))
    for name, comparison in config.comparisons.items():
        if comparison.paper_network_rmse is None or comparison.paper_classical_rmse is None:
            continue
        size = _size(config, results, comparison.network, comparison.dataset)
        folder = results / layout.comparison(name)
        for example in read_examples_of(ComparisonExample, folder):
            if example.percentile == 25:
                label = f"{comparison.label or name}, 25 % are worse"
                paper = f"{comparison.paper_network_rmse:g}"
                ours = f"{example.row['network_rmse']:.4f}"
                rows.append((f"{label}: RMSE of the network", paper, ours, size))
                paper = f"{comparison.paper_classical_rmse:g}"
                ours = f"{example.row['classical_paper_high_pass_rmse']:.4f}"
                rows.append((f"{label}: RMSE, classical, short wavelengths", paper, ours, size))
    if not rows:
        return None
    head = ("", "paper", "ours", "ours, at what size")
    return Table("The paper's numbers and ours.", head, tuple(rows))


def _size(config: Config, results: Path, network: str, dataset: str) -> str:
    path = results / layout.network(network) / "training.json"
    trained = read_document(path, TrainingSummary)
    low, high = config.datasets[dataset].microscope.sampling_angstrom
    pixels = config.datasets[dataset].epochs.image_size_px
    return (
        f"{whole(trained.training_samples)} training specimens, {trained.epochs} epochs, "
        f"{whole(trained.parameters)} parameters, {pixels}² px of {low:g} to {high:g} Å"
    )


def resources_table(config: Config, results: Path) -> Table | None:
    """Return the time of every data set and its network beside the paper's Table A.2."""
    rows: list[tuple[Cell | str, ...]] = []
    for name, dataset in config.datasets.items():
        if dataset.paper_simulation_core_hours is None:
            continue
        trained = next(
            (key for key, entry in config.networks.items() if entry.dataset == name), None
        )
        paper = (
            dataset.paper_simulation_core_hours,
            dataset.paper_rendering_core_hours,
            dataset.paper_training_gpu_hours,
        )
        rows.append(
            (
                Cell(dataset.label or name, "paper"),
                *(f"{value:g} h" if value is not None else "–" for value in paper),
            )
        )
        benchmarks = results / layout.BENCHMARKS
        training = "–"
        if trained is not None:
            path = results / layout.network(trained) / "training.json"
            values = read_document(path, TrainingSummary)
            training = f"{duration(values.seconds)} on {values.device}"
        rows.append(
            (
                Cell("", "ours"),
                _core_time(benchmarks / "simulate", f"{name}.*.tsv"),
                _core_time(benchmarks / "render", f"{name}.*.tsv"),
                training,
            )
        )
    if not rows:
        return None
    return Table(
        "Table A.2 of the paper, its times by the cores of the servers, and ours: processor time "
        "of exit waves and of images, time of the training. The sizes differ, see above.",
        ("data set", "exit waves, core-hours", "images, core-hours", "training"),
        tuple(rows),
    )


def _core_time(folder: Path, pattern: str) -> str:
    tables = [pd.read_csv(path, sep="\t", na_values=["-", "NA"]) for path in folder.glob(pattern)]
    if not tables:
        return "–"
    jobs = pd.concat(tables)
    # A job of less than a moment has no processor time.
    seconds = pd.to_numeric(jobs["cpu_time"], errors="coerce").fillna(jobs["s"]).sum()
    return duration(float(seconds))


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.0f} %"
