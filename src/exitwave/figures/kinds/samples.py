"""Figures of single samples: series, truth, reconstruction, as in the paper's Figs. 1-3."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.patches import Rectangle

from exitwave.figures.evaluations import peak_settings, read_example, read_samples
from exitwave.figures.faults import Faults, find_faults
from exitwave.figures.order import Order
from exitwave.figures.style import (
    GREY,
    Caption,
    colour_bar,
    dose_text,
    formula_text,
    new_figure,
    plain_formula,
    robust_limits,
    save_figure,
    scale_bar,
    show_image,
    show_structure,
    show_wave,
    signed,
    symmetric_limit,
)
from exitwave.scoring.examples import Example, read_examples

MOST_IMAGES = 5
"""Of longer series only so many images are drawn, from the first to the last."""
ZOOM_ANGSTROM = 3.0
"""Side of the enlarged square about the worst faults."""

# Sizes in inches.
_PANEL, _GAP, _ROW_GAP, _BLOCK_GAP = 1.85, 0.07, 0.26, 0.32
_LEFT, _RIGHT, _TOP, _BOTTOM = 0.1, 0.1, 0.95, 0.62


def draw(order: Order, output: Path) -> None:
    """Draw one sample of each evaluation under its name.

    Without a percentile it draws all that are kept, such as ``percentile_05``.
    """
    for source in order.sources:
        if order.percentile is None:
            shown = {example_name(example): example for example in read_examples(source.path)}
        else:
            shown = {source.name: read_example(source.path, order.percentile)}
        peaks = peak_settings(source.path)
        samples = len(read_samples(source.path))
        for name, example in shown.items():
            plot_example(example, name, output, *peaks, samples)


def example_name(example: Example) -> str:
    """Return the name of the figure of an example, such as ``percentile_05``."""
    whole, _, fraction = f"{example.percentile:g}".partition(".")
    return f"percentile_{whole:0>2}" + (f"_{fraction}" if fraction else "")


def plot_example(
    example: Example, name: str, output: Path, threshold: float, distance: float, samples: int
) -> None:
    """Draw structure, images, truth, prediction, difference and worst spot of one sample.

    Parameters
    ----------
    example : Example
        The sample.
    name : str
        Name of the figure's files.
    output : Path
        Folder of the figures.
    threshold : float
        Height of a peak that counts, as a share of the highest true one.
    distance : float
        Largest distance of a pair of peaks [Å].
    samples : int
        Number of samples among which this one was ranked.
    """
    faults = find_faults(example, threshold, distance)
    shown = shown_frames(example.image.shape[-1])
    columns = math.ceil((len(shown) + 1) / 2)
    width = _LEFT + columns * (_PANEL + _GAP) + 4 * (_PANEL + _GAP) + 2 * _BLOCK_GAP + _RIGHT
    height = _TOP + 2 * _PANEL + _ROW_GAP + _BOTTOM
    figure = new_figure(width, height)
    _draw_series(figure, example, shown)
    start = _LEFT + columns * (_PANEL + _GAP) + _BLOCK_GAP
    _draw_waves(figure, example, start, faults)
    _draw_heading(figure, example)
    save_figure(figure, output, name, _example_caption(example, shown, faults, samples))


def shown_frames(frames: int) -> list[int]:
    """Indices of the images that are drawn of a series."""
    if frames <= MOST_IMAGES:
        return list(range(frames))
    return [round(frame) for frame in np.linspace(0, frames - 1, MOST_IMAGES)]


def _place(figure: Any, left: float, row: int, side: float = _PANEL) -> Any:
    """Add square axes at a distance from the left [inch], in the upper (0) or lower (1) row."""
    width, height = figure.get_size_inches()
    bottom = _BOTTOM + (1 - row) * (_PANEL + _ROW_GAP)
    return figure.add_axes((left / width, bottom / height, side / width, side / height))


def _bar_place(figure: Any, left: float, right: float) -> tuple[float, float, float, float]:
    width, height = figure.get_size_inches()
    return (left / width, 0.4 / height, (right - left) / width, 0.09 / height)


def _draw_series(figure: Any, example: Example, shown: Sequence[int]) -> None:
    size = example.truth.shape
    axes = _place(figure, _LEFT, 0)
    show_structure(axes, example.atom_number, example.atom_position, size, example.sampling)
    limits = robust_limits(example.image[..., list(shown)])
    drawn = None
    for place, frame in enumerate(shown, start=1):
        axes = _place(figure, _LEFT + place // 2 * (_PANEL + _GAP), place % 2)
        drawn = show_image(axes, example.image[..., frame], example.sampling, limits)
        axes.set_title(f"Image {frame + 1}: Δf = {signed(example.defocus[frame])} Å", pad=3)
    right = _LEFT + math.ceil((len(shown) + 1) / 2) * (_PANEL + _GAP) - _GAP
    place_of_bar = _bar_place(figure, max(_LEFT, right - 2 * _PANEL) + 0.1, right - 0.1)
    colour_bar(figure, drawn, place_of_bar, "intensity (incident beam = 1)")


def _draw_waves(figure: Any, example: Example, start: float, faults: Faults) -> None:
    limit = symmetric_limit([example.truth, example.prediction])
    waves = {
        "Truth": example.truth - 1,
        "Prediction": example.prediction - 1,
        "Difference": example.prediction - example.truth,
    }
    drawn = None
    for column, (title, wave) in enumerate(waves.items()):
        left = start + column * (_PANEL + _GAP)
        for row, part in enumerate((wave.real, wave.imag)):
            axes = _place(figure, left, row)
            drawn = show_wave(axes, part, example.sampling, limit)
            if column == 0:
                axes.set_ylabel(("Re Ψ − 1", "Im Ψ")[row], labelpad=3)
            if title == "Difference":
                rmse = example.row[("rmse_real", "rmse_imag")[row]]
                axes.set_title(f"{title}, RMSE {rmse:.4f}", pad=3)
                if row == 1:
                    axes.plot(*faults.missed.T, "o", mfc="none", mec="black", ms=4.5, mew=0.6)
                    axes.plot(*faults.spurious.T, "x", color="black", ms=3, mew=0.6)
            else:
                axes.set_title(title if row == 0 else "", pad=3)
            if row == 1:
                _mark_zoom(axes, faults)
    bar = _bar_place(figure, start + 0.7, start + 3 * (_PANEL + _GAP) - _GAP - 0.7)
    colour_bar(figure, drawn, bar, "Re Ψ − 1 and Im Ψ (incident wave = 1)")
    _draw_zoom(figure, example, start + 3 * (_PANEL + _GAP) + _BLOCK_GAP, faults, limit)


def _mark_zoom(axes: Any, faults: Faults) -> None:
    x, y = (float(value) - ZOOM_ANGSTROM / 2 for value in faults.centre)
    axes.add_patch(Rectangle((x, y), ZOOM_ANGSTROM, ZOOM_ANGSTROM, fill=False, ec="black", lw=0.9))


def _draw_zoom(figure: Any, example: Example, left: float, faults: Faults, limit: float) -> None:
    for row, wave in enumerate((example.truth, example.prediction)):
        axes = _place(figure, left, row)
        show_wave(axes, wave.imag, example.sampling, limit)
        for text in (*axes.texts, *axes.lines):
            text.remove()  # the scale bar of the whole picture
        half = ZOOM_ANGSTROM / 2
        x, y = faults.centre
        axes.set(xlim=(x - half, x + half), ylim=(y + half, y - half))
        scale_bar(axes, "black", "white")
        _mark_peaks(axes, faults, legend=row == 1)
        axes.set_title("Truth, Im Ψ, enlarged" if row == 0 else f"Prediction: {faults.text}", pad=3)


def _mark_peaks(axes: Any, faults: Faults, legend: bool) -> None:
    if faults.true is None or faults.predicted is None:
        return
    axes.plot(*faults.true, "o", mfc="none", mec="white", ms=10, mew=2.6)
    axes.plot(*faults.true, "o", mfc="none", mec="black", ms=10, mew=1.1, label="true peak")
    axes.plot(*faults.predicted, "x", color="white", ms=6, mew=2.8)
    axes.plot(*faults.predicted, "x", color="black", ms=5.5, mew=1.3, label="predicted peak")
    if legend:
        axes.legend(
            loc="upper center",
            bbox_to_anchor=(0.5, -0.02),
            ncol=2,
            handletextpad=0.1,
            columnspacing=0.8,
            borderpad=0.1,
        )


def _draw_heading(figure: Any, example: Example) -> None:
    row = example.row
    height = figure.get_size_inches()[1]
    width = figure.get_size_inches()[0]
    figure.text(
        _LEFT / width,
        1 - 0.1 / height,
        f"{formula_text(example.formula)}, specimen {row['sample_index']}: "
        f"{example.percentile:g} % of the samples are worse",
        fontsize=11,
        fontweight="bold",
        va="top",
    )
    found, spurious = example.number("found_share"), example.number("spurious_share")
    share = "" if found is None else f"{100 * found:.0f} % of "
    details = (
        f"relative error (A.1) {row['relative_error']:.3g}",
        f"{share}{row['true_peaks']} true peaks found",
        f"{100 * (spurious or 0):.0f} % of the predicted ones spurious",
        f"dose {dose_text(example.dose)} an image",
        f"{example.sampling:.3f} Å/px",
        f"{row['atom_count']} atoms",
    )
    figure.text(
        _LEFT / width,
        1 - 0.36 / height,
        "   ·   ".join(details),
        fontsize=8.5,
        color=GREY,
        va="top",
    )


def _example_caption(
    example: Example, shown: Sequence[int], faults: Faults, samples: int
) -> Caption:
    row = example.row
    formula = plain_formula(example.formula)
    frames = example.image.shape[-1]
    series = "the images" if len(shown) == frames else f"{len(shown)} of the {frames} images"
    where = (
        "The boxes mark the peak with the largest displacement, enlarged on the right: "
        if faults.true is not None
        else "The boxes mark the largest difference, enlarged on the right: "
    )
    text = (
        f"Reconstruction of specimen {row['sample_index']} of {formula}. Of the {samples} "
        f"samples, ranked by Eq. (A.1), {example.percentile:g} % are worse. From the left: the "
        f"structure as the beam meets it and {series} of the focal series, the true exit wave, "
        "the predicted one, and prediction less truth, all on one colour scale (upper row: real "
        "part less 1; lower row: imaginary part). In the lower difference, circles are true peaks "
        "that were missed, and crosses are predicted peaks that are not there. "
        f"{where}{faults.text}. The root mean square error is {row['rmse_real']:.4f} of the real "
        f"part, {row['rmse_imag']:.4f} of the imaginary part and {row['rmse']:.4f} of the complex "
        "wave."
    )
    alternative = (
        f"Structure, images, true, predicted and difference exit wave of {formula}; "
        f"relative error {row['relative_error']:.3g}."
    )
    return Caption(f"{formula}, {example.percentile:g} % worse", text, alternative)
