"""Where the members of an ensemble disagree, as in the paper's Figs. 7 and 8, with error maps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from exitwave.figures.faults import find_faults
from exitwave.figures.order import Order
from exitwave.figures.style import (
    ERROR_COLOURS,
    GREY,
    Caption,
    bare,
    colour_bar,
    extent,
    formula_text,
    new_figure,
    plain_formula,
    robust_limits,
    rounded,
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


# Sizes in inches.
_PANEL, _GAP, _LEFT, _TOP, _BOTTOM = 1.85, 0.07, 0.1, 0.85, 0.62


def draw(order: Order, output: Path) -> None:
    """Draw the examples of an ensemble, each named for the reason of its choice."""
    for source in order.sources:
        summary = read_document(source.path / "summary.json", EnsembleSummary)
        origin = read_document(source.path / "summary.json", Origin)
        settings = read_spec(origin.spec, EnsembleSpec).ensemble
        peaks = (settings.peak_threshold, settings.peak_distance_angstrom)
        for example in read_examples_of(EnsembleExample, source.path):
            name = order.picture(source, example.reason)
            _plot_example(example, summary.members, peaks, output, name)


def _plot_example(
    example: EnsembleExample, members: int, peaks: tuple[float, float], output: Path, name: str
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
    save_figure(figure, output, name, _caption(example, members))


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
        f"correlation of the specimen's pixels {rounded(example.number('pixel_correlation'))}",
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
        f"correlation is {rounded(example.number('pixel_correlation'))}.",
        f"Structure, images, waves, error and disagreement of {formula}.",
    )
