"""Figures of single samples: the reconstruction as in the paper's Figs. 1-3, and Argand plots."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase.data import chemical_symbols
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from exitwave.evaluate import Example
from exitwave.peaks import Floats, Peaks, PeakMatch, find_peaks, match_peaks, threshold_level
from exitwave.plot_style import (
    GREY,
    SERIES,
    Caption,
    bare,
    colour_bar,
    dose_text,
    formula_text,
    new_figure,
    robust_limits,
    save_figure,
    scale_bar,
    show_image,
    show_structure,
    show_wave,
    signed,
    symmetric_limit,
)

MOST_IMAGES = 5
"""Of longer series only so many images are drawn, from the first to the last."""
ZOOM_ANGSTROM = 4.0
"""Side of the enlarged square about the worst spot."""

# Sizes in inches.
_PANEL, _GAP, _ROW_GAP, _BLOCK_GAP = 1.85, 0.07, 0.26, 0.32
_LEFT, _RIGHT, _TOP, _BOTTOM = 0.1, 0.1, 0.95, 0.62


@dataclass(frozen=True)
class WorstSpot:
    """Where a reconstruction is most at fault.

    Attributes
    ----------
    centre : (2,) array
        x and y [Å].
    true, predicted : (2,) array or None
        The displaced peak on either side [Å]; None where no peak was found at all.
    text : str
        How large the fault is.
    """

    centre: Floats
    true: Floats | None
    predicted: Floats | None
    text: str


def example_peaks(
    example: Example, threshold: float, distance: float
) -> tuple[Peaks, Peaks, PeakMatch]:
    """Return true peaks, predicted peaks and their match, as in the evaluation."""
    level = threshold_level(example.truth, threshold)
    true = find_peaks(example.truth, example.sampling, level)
    predicted = find_peaks(example.prediction, example.sampling, level)
    return true, predicted, match_peaks(true, predicted, distance)


def worst_spot(example: Example, true: Peaks, predicted: Peaks, match: PeakMatch) -> WorstSpot:
    """Return the most displaced peak or, where none was found, the largest difference."""
    if len(match.pairs):
        first, second = match.pairs[int(np.argmax(match.displacements))]
        shift = float(match.displacements.max())
        return WorstSpot(
            centre=true.positions[first],
            true=true.positions[first],
            predicted=predicted.positions[second],
            text=f"{100 * shift:.1f} pm ({shift / example.sampling:.2f} px)",
        )
    difference = np.abs(example.prediction - example.truth)
    row, column = np.unravel_index(int(np.argmax(difference)), difference.shape)
    return WorstSpot(
        centre=np.array([column, row]) * example.sampling,
        true=None,
        predicted=None,
        text=f"no peak found, |ΔΨ| = {difference.max():.2g}",
    )


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
    spot = worst_spot(example, *example_peaks(example, threshold, distance))
    shown = shown_frames(example.image.shape[-1])
    columns = math.ceil((len(shown) + 1) / 2)
    width = (
        _LEFT + columns * (_PANEL + _GAP) + 4 * (_PANEL + _GAP) + 2 * _BLOCK_GAP + _RIGHT
    )
    height = _TOP + 2 * _PANEL + _ROW_GAP + _BOTTOM
    figure = new_figure(width, height)
    _draw_series(figure, example, shown)
    start = _LEFT + columns * (_PANEL + _GAP) + _BLOCK_GAP
    _draw_waves(figure, example, start, spot)
    _draw_heading(figure, example)
    save_figure(figure, output, name, _example_caption(example, shown, spot, samples))


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
    colour_bar(figure, drawn, place_of_bar, "intensity relative to the incident beam")


def _draw_waves(figure: Any, example: Example, start: float, spot: WorstSpot) -> None:
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
            else:
                axes.set_title(title if row == 0 else "", pad=3)
            if row == 1:
                _mark_zoom(axes, spot)
    bar = _bar_place(figure, start + 0.7, start + 3 * (_PANEL + _GAP) - _GAP - 0.7)
    colour_bar(figure, drawn, bar, "Re Ψ − 1 and Im Ψ, relative to the incident wave")
    _draw_zoom(figure, example, start + 3 * (_PANEL + _GAP) + _BLOCK_GAP, spot, limit)


def _mark_zoom(axes: Any, spot: WorstSpot) -> None:
    corner = spot.centre - ZOOM_ANGSTROM / 2
    axes.add_patch(
        Rectangle(corner, ZOOM_ANGSTROM, ZOOM_ANGSTROM, fill=False, ec="black", lw=0.9)
    )


def _draw_zoom(
    figure: Any, example: Example, left: float, spot: WorstSpot, limit: float
) -> None:
    panels = (("Truth", example.truth), ("Prediction", example.prediction))
    for row, (title, wave) in enumerate(panels):
        axes = _place(figure, left, row)
        show_wave(axes, wave.imag, example.sampling, limit)
        for text in (*axes.texts, *axes.lines):
            text.remove()  # the scale bar of the whole picture
        half = ZOOM_ANGSTROM / 2
        x, y = spot.centre
        axes.set(xlim=(x - half, x + half), ylim=(y + half, y - half))
        scale_bar(axes, "black", "white")
        _mark_peaks(axes, spot, legend=row == 1)
        axes.set_title(f"{title}, Im Ψ, enlarged" if row == 0 else spot.text, pad=3)


def _mark_peaks(axes: Any, spot: WorstSpot, legend: bool) -> None:
    if spot.true is None or spot.predicted is None:
        return
    axes.plot(*spot.true, "+", color="black", ms=9, mew=1.4, label="true peak")
    axes.plot(*spot.predicted, "x", color="white", ms=8, mew=3.0)
    axes.plot(*spot.predicted, "x", color="black", ms=7, mew=1.4, label="predicted peak")
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
        f"{formula_text(row['formula'])}, specimen {row['sample_index']}: "
        f"{example.percentile:g} % of the samples are worse",
        fontsize=11,
        fontweight="bold",
        va="top",
    )
    found = "" if row["found_share"] is None else f"{100 * row['found_share']:.0f} % of "
    details = (
        f"relative error (A.1) {row['relative_error']:.3g}",
        f"{found}{row['true_peaks']} true peaks found",
        f"{100 * row['spurious_share']:.0f} % of the predicted ones spurious",
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
    example: Example, shown: Sequence[int], spot: WorstSpot, samples: int
) -> Caption:
    row = example.row
    frames = example.image.shape[-1]
    series = "the images" if len(shown) == frames else f"{len(shown)} of the {frames} images"
    where = (
        "The boxes mark the peak with the largest displacement, enlarged on the right: "
        if spot.true is not None
        else "The boxes mark the largest difference, enlarged on the right: "
    )
    text = (
        f"Reconstruction of specimen {row['sample_index']} of {row['formula']}. Of the {samples} "
        f"samples, ranked by Eq. (A.1), {example.percentile:g} % are worse. From the left: the "
        f"structure as the beam meets it and {series} of the focal series, the true exit wave, "
        "the predicted one, and prediction less truth, all on one colour scale (upper row: real "
        f"part less 1; lower row: imaginary part). {where}{spot.text}. The root mean square error "
        f"is {row['rmse_real']:.4f} of the real part, {row['rmse_imag']:.4f} of the imaginary "
        f"part and {row['rmse']:.4f} of the complex wave."
    )
    alternative = (
        f"Structure, images, true, predicted and difference exit wave of {row['formula']}; "
        f"relative error {row['relative_error']:.3g}."
    )
    return Caption(f"{row['formula']}, {example.percentile:g} % worse", text, alternative)


MARKERS = "osD^vP*"
MOST_COMPOSITIONS = len(SERIES)


def compositions(
    peaks: Peaks, numbers: NDArray[np.integer], positions: Floats, distance: float
) -> list[str]:
    """Return the atoms near each peak as a formula, heaviest first; "" where there are none.

    Parameters
    ----------
    peaks : Peaks
        n peaks.
    numbers, positions : (m,) and (m, 3) arrays
        Atoms; positions [Å].
    distance : float
        Atoms closer than this in the plane belong to the peak's column [Å].
    """
    near = cKDTree(positions[:, :2]).query_ball_point(peaks.positions, distance)
    names = []
    for indices in near:
        counts = Counter(int(numbers[index]) for index in indices)
        names.append(
            "".join(
                chemical_symbols[number] + (str(count) if count > 1 else "")
                for number, count in sorted(counts.items(), reverse=True)
            )
        )
    return names


def plot_argand(
    example: Example, name: str, output: Path, threshold: float, distance: float
) -> None:
    """Draw the wave's values at its peaks in the complex plane, as in the paper's Fig. 5.

    The parameters are those of `plot_example`.
    """
    true, predicted, _ = example_peaks(example, threshold, distance)
    atoms = (example.atom_number, example.atom_position, distance)
    labels = [compositions(peaks, *atoms) for peaks in (predicted, true)]
    styles = _styles(Counter(labels[0] + labels[1]))
    figure = new_figure(10.4, 3.75)
    picture = figure.add_axes((0.012, 0.135, 0.262, 0.73))
    limit = symmetric_limit([example.truth, example.prediction])
    show_wave(picture, example.prediction.imag, example.sampling, limit)
    picture.images[0].set_alpha(0.55)
    picture.set_title("a   Prediction, Im Ψ, with its peaks", loc="left")
    planes = [figure.add_axes((left, 0.135, 0.25, 0.73)) for left in (0.335, 0.635)]
    planes[0].set_title("b   Peak values of the prediction", loc="left")
    planes[1].set_title("c   Peak values of the truth", loc="left")
    for style, (colour, marker) in styles.items():
        for peaks, names, plane in zip((predicted, true), labels, planes, strict=True):
            chosen = np.array([_grouped(label, styles) == style for label in names], dtype=bool)
            values = peaks.values[chosen]
            look = {"color": colour, "marker": marker, "ls": "", "mec": "white", "mew": 0.3}
            plane.plot(values.real, values.imag, ms=5, **look, label=_label(style))
            if peaks is predicted:
                picture.plot(*peaks.positions[chosen].T, ms=3.2, **look)
    _finish_planes(planes, np.concatenate([predicted.values, true.values]))
    save_figure(figure, output, name, _argand_caption(example, distance))


def _styles(counts: Counter[str]) -> dict[str, tuple[str, str]]:
    """Colours and markers of the most frequent compositions; "other" and "" stand for the rest."""
    frequent = [label for label, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]
    named = [label for label in frequent if label][: MOST_COMPOSITIONS - 1]
    styles = {
        label: (SERIES[place], MARKERS[place]) for place, label in enumerate(named)
    }
    if len([label for label in frequent if label]) > len(named):
        styles["other"] = (GREY, "o")
    if "" in counts:
        styles[""] = (GREY, "X")
    return styles


def _grouped(label: str, styles: dict[str, tuple[str, str]]) -> str:
    return label if label in styles else "other"


def _label(style: str) -> str:
    return {"": "no atom near", "other": "other columns"}.get(style, formula_text(style))


def _finish_planes(planes: Sequence[Any], values: NDArray[np.complex128]) -> None:
    """Give both planes the same limits, which hold all values and vacuum, and a legend."""
    every = np.append(values, 1.0 + 0.0j)
    low = np.array([every.real.min(), every.imag.min()])
    high = np.array([every.real.max(), every.imag.max()])
    middle, half = (low + high) / 2, 0.56 * float((high - low).max() or 1.0)
    for plane in planes:
        plane.plot(1.0, 0.0, "k.", ms=4)
        plane.annotate(
            "vacuum", (1.0, 0.0), (-4, 3), textcoords="offset points", fontsize=7, ha="right"
        )
        plane.axhline(0, color=GREY, lw=0.4, zorder=0)
        plane.axvline(1, color=GREY, lw=0.4, zorder=0)
        plane.set(
            xlim=(middle[0] - half, middle[0] + half),
            ylim=(middle[1] - half, middle[1] + half),
            aspect="equal",
            xlabel="Re Ψ",
            ylabel="Im Ψ",
        )
    planes[1].set_ylabel("")
    planes[1].legend(
        loc="center left", bbox_to_anchor=(1.0, 0.5), title="atoms of the\nnearest column"
    )


def _argand_caption(example: Example, distance: float) -> Caption:
    row = example.row
    return Caption(
        f"Argand plot, {row['formula']}",
        f"Values of the exit wave at the local maxima of |Ψ − 1| of specimen "
        f"{row['sample_index']} of {row['formula']} ({example.percentile:g} % of the samples are "
        "worse). (a) The predicted imaginary part with the predicted peaks. (b) Their values in "
        "the complex plane. (c) The same for the true exit wave. Colours and shapes tell which "
        f"atoms lie within {distance:g} Å of the peak in the plane.",
        f"Peak values of predicted and true exit wave of {row['formula']} in the complex plane, "
        "coloured by the composition of the atomic column.",
    )
