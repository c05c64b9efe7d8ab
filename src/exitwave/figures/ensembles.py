"""Figures of an ensemble: where its members disagree, and whether they err there.

>>> plot_disagreement(Path("results/ensembles/two"), Path("results/figures/fig_8"))
>>> plot_calibration({"two": Path("results/ensembles/two")}, Path("results/figures/calibration"))
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from exitwave.errors import ExitwaveError
from exitwave.figures.samples import find_faults
from exitwave.figures.style import (
    ERROR_COLOURS,
    GREY,
    SERIES,
    Caption,
    bare,
    colour_bar,
    drawing,
    extent,
    formula_text,
    new_figure,
    plain_formula,
    readable_log,
    robust_limits,
    save_figure,
    scale_bar,
    show_image,
    show_structure,
    show_wave,
    signed,
    symmetric_limit,
)
from exitwave.files.documents import read_document
from exitwave.provenance.attributes import Origin
from exitwave.scoring.examples import EnsembleExample, read_examples_of
from exitwave.summaries.scores import EnsembleSummary
from exitwave.workflow.specs import EnsembleSpec, read_spec

REASONS = {
    "median": "the median sample",
    "disagreement": "the sample on which the networks disagree most",
    "missed": "the sample with most true peaks missed",
    "spurious": "the sample with most peaks that are not there",
}

_DASHES = (":", "-.", (0, (5, 1, 1, 1, 1, 1)))

# Sizes in inches.
_PANEL, _GAP, _LEFT, _TOP, _BOTTOM = 1.85, 0.07, 0.1, 0.85, 0.62


def plot_disagreement(ensemble: Path, output: Path) -> None:
    """Draw the examples of an ensemble, as in the paper's Figs. 7 and 8, with error maps.

    Parameters
    ----------
    ensemble : Path
        Folder that `exitwave.stages.ensemble.judge_ensemble` wrote.
    output : Path
        Folder of the figures, one an example, named for the reason of its choice.
    """
    summary = read_document(ensemble / "summary.json", EnsembleSummary)
    origin = read_document(ensemble / "summary.json", Origin)
    settings = read_spec(origin.spec, EnsembleSpec).ensemble
    peaks = (settings.peak_threshold, settings.peak_distance_angstrom)
    with drawing():
        for example in read_examples_of(EnsembleExample, ensemble):
            _plot_example(example, summary.members, peaks, output)


def _plot_example(
    example: EnsembleExample, members: int, peaks: tuple[float, float], output: Path
) -> None:
    faults = find_faults(example, *peaks)
    width = _LEFT + 7 * (_PANEL + _GAP)
    figure = new_figure(width, _TOP + _PANEL + _BOTTOM)
    size, sampling = example.truth.shape, example.sampling
    axes = _place(figure, 0)
    show_structure(axes, example.atom_number, example.atom_position, size, sampling)
    limits = robust_limits(example.image)
    for column, frame in ((1, 0), (2, example.image.shape[-1] - 1)):
        axes = _place(figure, column)
        drawn = show_image(axes, example.image[..., frame], sampling, limits)
        axes.set_title(f"Δf = {signed(example.defocus[frame])} Å", pad=3)
    colour_bar(figure, drawn, _bar(figure, 1, 3), "intensity (incident beam = 1)")
    limit = symmetric_limit([example.truth, example.prediction])
    for column, (title, wave) in enumerate(
        {"Truth, Im Ψ": example.truth, f"Mean of {members}, Im Ψ": example.prediction}.items(), 3
    ):
        axes = _place(figure, column)
        drawn = show_wave(axes, wave.imag, sampling, limit)
        axes.set_title(title, pad=3)
    axes.plot(*faults.missed.T, "o", mfc="none", mec="black", ms=4.5, mew=0.6)
    axes.plot(*faults.spurious.T, "x", color="black", ms=3, mew=0.6)
    colour_bar(figure, drawn, _bar(figure, 3, 5), "Im Ψ (incident wave = 1)")
    error = np.abs(example.prediction - example.truth)
    maps = {"Error of the mean": error, "Disagreement": example.disagreement}
    # One scale, so that errors which the networks have in common look as large as they are.
    highest = max(float(np.percentile(values, 99.9)) for values in maps.values()) or 1.0
    for column, (title, values) in enumerate(maps.items(), 5):
        axes = _place(figure, column)
        drawn = axes.imshow(
            values, cmap=ERROR_COLOURS, vmin=0, vmax=highest, extent=extent(size, sampling)
        )
        bare(axes)
        scale_bar(axes, "white", "black")
        axes.set_title(title, pad=3)
    colour_bar(figure, drawn, _bar(figure, 5, 7), "|ΔΨ| and s (incident wave = 1)")
    _heading(figure, example)
    save_figure(figure, output, example.reason, _caption(example, members))


def _place(figure: Any, column: int) -> Any:
    width, height = figure.get_size_inches()
    left = _LEFT + column * (_PANEL + _GAP)
    return figure.add_axes((left / width, _BOTTOM / height, _PANEL / width, _PANEL / height))


def _bar(figure: Any, first: int, last: int) -> tuple[float, float, float, float]:
    """The place of a colour bar under the columns from one up to another."""
    width, height = figure.get_size_inches()
    left, right = (_LEFT + column * (_PANEL + _GAP) for column in (first, last))
    return ((left + 0.15) / width, 0.4 / height, (right - left - 0.37) / width, 0.09 / height)


def _heading(figure: Any, example: EnsembleExample) -> None:
    row, (width, height) = example.row, figure.get_size_inches()
    figure.text(
        _LEFT / width,
        1 - 0.1 / height,
        f"{formula_text(example.formula)}, specimen {row['sample_index']}: "
        f"{REASONS[example.reason]}",
        fontsize=11,
        fontweight="bold",
        va="top",
    )
    details = (
        f"RMSE of the mean {row['rmse']:.4f}, of a member {row['member_rmse']:.4f}",
        f"disagreement {row['disagreement']:.4f}",
        f"{row['missed_peaks']} of {row['true_peaks']} true peaks missed, "
        f"{row['spurious_peaks']} spurious",
        f"correlation of the specimen's pixels {_number(example.number('pixel_correlation'))}",
        f"{example.percentile:.0f} % of the samples are worse",
    )
    figure.text(
        _LEFT / width,
        1 - 0.36 / height,
        "   ·   ".join(details),
        fontsize=8.5,
        color=GREY,
        va="top",
    )


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2f}".replace("-", "−")


def _caption(example: EnsembleExample, members: int) -> Caption:
    row = example.row
    formula = plain_formula(example.formula)
    reason = REASONS[example.reason]
    return Caption(
        f"{reason[0].upper()}{reason[1:]}: {formula}",
        f"Specimen {row['sample_index']} of {formula}, {reason}. From the left: the structure, the "
        f"first and the last image, the imaginary part of the true exit wave and of the mean of "
        f"{members} networks (circles: the {row['missed_peaks']} of {row['true_peaks']} true peaks "
        f"that were missed; crosses: the {row['spurious_peaks']} peaks that are not there), the "
        "modulus of the mean's error, and the networks' disagreement, the standard deviation of "
        "their waves, both on one scale. Over the pixels of the specimen and its rim their rank "
        f"correlation is {_number(example.number('pixel_correlation'))}.",
        f"Structure, images, waves, error and disagreement of {formula}.",
    )


def plot_calibration(ensembles: Mapping[str, Path], output: Path) -> None:
    """Draw error against disagreement, of pixels and of samples, as ``calibration``.

    Parameters
    ----------
    ensembles : mapping of str to Path
        Folders that `exitwave.stages.ensemble.judge_ensemble` wrote, by the name in the legend.
    output : Path
        Folder of the figure.
    """
    with drawing():
        figure = new_figure(8.6, 4.8)
        pixels, samples = (figure.add_axes((left, 0.33, 0.4, 0.6)) for left in (0.075, 0.565))
        told, members, points = [], set(), []
        for place, (name, folder) in enumerate(ensembles.items()):
            colour = SERIES[place % len(SERIES)]
            summary = read_document(folder / "summary.json", EnsembleSummary)
            members.add(summary.members)
            bins = _drawable(_read_table(folder / "calibration.csv"), "error")
            apart, pixel_count = bins["disagreement"], bins["pixels"]
            pixels.plot(apart, bins["error"], "o-", ms=3, color=colour, label=name)
            pixels.plot(apart, bins["member_error"], "--", color=colour, lw=0.9)
            if len(bins):
                overall = [
                    np.sqrt(np.average(bins[column] ** 2, weights=pixel_count))
                    for column in ("disagreement", "error")
                ]
                pixels.plot(*overall, "D", ms=7, mfc="white", mec=colour, mew=1.4, zorder=4)
            rows = _drawable(_read_table(folder / "samples.csv"), "rmse")
            correlation = _number(summary.sample_correlation)
            label = f"{name}: rank correlation {correlation}"
            looks = {"ms": 4, "color": colour, "label": label}
            points += samples.plot(rows["disagreement"], rows["rmse"], ".", **looks)
            told.append(_told(name, summary))
        for axes, title in ((pixels, "a   Pixels of all samples"), (samples, "b   Samples")):
            axes.set(xscale="log", yscale="log", xlabel="disagreement s, rms")
            axes.set_title(title, loc="left")
            _draw_expectations(axes, sorted(members))
        pixels.set_ylabel("error, rms")
        samples.set_ylabel("RMSE of the mean")
        pixels.plot([], [], "--", color=GREY, lw=0.9, label="error of a member")
        pixels.plot([], [], "D", ms=6, mfc="white", mec=GREY, mew=1.2, label="all pixels")
        # Below, where they hide no points; the lines are the same in both.
        below = {"loc": "upper left", "bbox_to_anchor": (-0.02, -0.19)}
        pixels.legend(ncol=2, handlelength=2.6, **below)
        samples.legend(handles=points, **below)
        text = (
            "Root mean square error of the mean of the networks' waves against their "
            "disagreement. (a) Pixels of all samples, in bins of about equal numbers of pixels; "
            "dashed, the error of a single network; diamond, all pixels together. (b) One point a "
            "sample. If the errors of the networks were independent, a single one would be off by "
            "the disagreement (thin line, 1:1) and the mean of n by 1/√n of it (broken lines). A "
            "diamond above its line tells of errors that the networks have in common, which no "
            "disagreement shows. The curves of few networks lie above the lines at small "
            "disagreement in any case, since two that err may agree by chance. "
            f"{'; '.join(told)}."
        )
        caption = Caption(
            "Does disagreement tell errors?", text, "Error of the mean against disagreement."
        )
        save_figure(figure, output, "calibration", caption)


def _drawable(table: pd.DataFrame, error: str) -> pd.DataFrame:
    """The rows that logarithmic axes can show."""
    return table[(table["disagreement"] > 0) & (table[error] > 0)]


def _draw_expectations(axes: Any, members: Sequence[int]) -> None:
    """Draw the lines of independent errors, of one network and of the means of so many."""
    if not np.isfinite(axes.dataLim.minposx):
        # Networks that agree everywhere leave nothing to draw.
        axes.set(xlim=(1e-3, 1), ylim=(1e-3, 1))
    line = np.array(axes.get_xlim())
    low, high = axes.get_ylim()
    # Far below the points the lines tell no more, and would press the points to the upper edge.
    low = min(low, max(float(line[0]) / max(members) ** 0.5, low / 30))
    limits = tuple(line), (low, max(high, float(line[1])))
    axes.plot(line, line, color=GREY, lw=0.7, zorder=1, label="1:1")
    for place, number in enumerate(members):
        look = {"ls": _DASHES[place % len(_DASHES)], "color": GREY, "lw": 1.1, "zorder": 1}
        axes.plot(line, line / number**0.5, label=f"s / √{number}, independent errors", **look)
    axes.set(xlim=limits[0], ylim=limits[1])
    for axis in (axes.xaxis, axes.yaxis):
        readable_log(axes, axis)


def _told(name: str, summary: EnsembleSummary) -> str:
    share = f"{100 * summary.worst_share:.0f} %"
    found = summary.worst_caught
    caught = "an unknown share" if found is None else f"{100 * found:.0f} %"
    return (
        f"{name}: rank correlation {_number(summary.pixel_correlation)} over the pixels of a "
        f"specimen (median) and {_number(summary.sample_correlation)} over "
        f"{summary.samples} samples; of the worst {share} of a specimen's pixels {caught} are "
        f"among those {share} with most disagreement; error over disagreement "
        f"{_number(summary.error_over_disagreement)}, "
        f"{summary.independent_errors:.2f} if independent"
    )


def _read_table(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise ExitwaveError(
            f"{path} cannot be read ({error}); run snakemake again to make it."
        ) from error
