"""Series refined by their own images: examples, and the aberrations found beside the true ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from exitwave.figures.order import Order
from exitwave.figures.reading import read_table
from exitwave.figures.style import (
    BLUE,
    ERROR_COLOURS,
    GREY,
    RED,
    Caption,
    bare,
    colour_bar,
    dose_text,
    extent,
    formula_text,
    new_figure,
    plain_formula,
    robust_limits,
    save_figure,
    scale_bar,
    show_image,
    show_wave,
    signed,
)
from exitwave.scoring.examples import RefinementExample, read_examples_of
from exitwave.summaries.scores import OPTICS

MOST_IMAGES = 3
"""Of longer series the first, the middle and the last image are drawn."""

# Sizes in inches.
_PANEL, _GAP, _ROW_GAP, _BLOCK_GAP, _LEFT, _TOP, _BOTTOM = 1.6, 0.07, 0.26, 0.45, 0.35, 0.95, 0.62
_AXIS, _BETWEEN = 2.1, 0.62

# Residuals are drawn up to so many deviations of the noise.
_RESIDUAL = 5.0
_TITLES = {
    "defocus": "Defocus of the middle image [Å]",
    "cs": "Cs [µm]",
    "c12": "Two-fold astigmatism C12 [Å]",
    "c21": "Coma C21 [Å]",
}
_GAINS = {
    "best": "gained most by refining",
    "median": "gained as much as the median one by refining",
    "worst": "gained least by refining",
}


def draw(order: Order, output: Path) -> None:
    """Draw ``aberrations`` of all refined series, and an example by its gain, such as ``best``."""
    for source in order.sources:
        rows = read_table(source.path / "samples.csv")
        _plot_aberrations(rows, output, order.picture(source, "aberrations"))
        for example in read_examples_of(RefinementExample, source.path):
            _plot_example(example, len(rows), output, order.picture(source, example.gain))


def _plot_aberrations(rows: pd.DataFrame, output: Path, name: str) -> None:
    width, height = 0.6 + 4 * (_AXIS + _BETWEEN), _AXIS + 1.05
    figure = new_figure(width, height)
    believed = rows["consistent"] == 1
    for place, (optic, title) in enumerate(_TITLES.items()):
        left = 0.6 + place * (_AXIS + _BETWEEN)
        axes = figure.add_axes((left / width, 0.5 / height, _AXIS / width, _AXIS / height))
        found, true, bars = (
            rows[OPTICS[optic].column(prefix)].to_numpy() for prefix in ("found", "true", "error")
        )
        for chosen, colour, marker, label in (
            (believed.to_numpy(), BLUE, "o", "consistent"),
            (~believed.to_numpy(), RED, "s", "not to be believed"),
        ):
            if chosen.any():
                axes.errorbar(
                    true[chosen],
                    found[chosen],
                    bars[chosen],
                    fmt=marker,
                    color=colour,
                    ms=3.5,
                    lw=0.8,
                    label=f"{label} ({int(chosen.sum())})",
                )
        low = min(float((found - bars).min()), float(true.min()))
        high = max(float((found + bars).max()), float(true.max()))
        room = 0.06 * (high - low) or 1.0
        limits = (low - room, high + room)
        axes.plot(limits, limits, color=GREY, lw=0.7, zorder=0)
        axes.set(xlim=limits, ylim=limits, xlabel="true")
        if place == 0:
            axes.set_ylabel("found")
            axes.legend(
                loc="lower left", bbox_to_anchor=(-0.1, 1.1), ncol=2, borderpad=0.0, handlelength=1
            )
        axes.set_title(title, pad=4)
    save_figure(figure, output, name, _aberrations_caption(rows))


def _aberrations_caption(rows: pd.DataFrame) -> Caption:
    middle = {name: rows[OPTICS[name].column("distance")].median() for name in _TITLES}
    return Caption(
        "Aberrations found beside the true ones",
        f"What refining found of the microscope in {len(rows)} series, from their images and the "
        "network's waves alone; dose and camera were given. The line is where both are equal. Bars "
        "are standard deviations: from the curvature of the fit together with how far off the "
        "optics of the network's own validation samples were. Of astigmatism and coma the "
        "amplitude is drawn; the distances also count the angle. Squares: series whose verdict is "
        f"not to believe the wave. Median distance: {middle['defocus']:.1f} Å of defocus, "
        f"{middle['cs']:.2f} µm of Cs, {middle['c12']:.1f} Å of C12 and {middle['c21']:.0f} Å of "
        "C21.",
        "Defocus, Cs, astigmatism and coma as found against the true values, with error bars.",
    )


def _plot_example(example: RefinementExample, count: int, output: Path, name: str) -> None:
    frames = example.measured.shape[-1]
    shown = sorted({round(frame) for frame in np.linspace(0, frames - 1, min(frames, MOST_IMAGES))})
    columns = len(shown)
    width = _LEFT + (columns + 3) * (_PANEL + _GAP) + _BLOCK_GAP + 0.15
    height = _TOP + 3 * _PANEL + 2 * _ROW_GAP + _BOTTOM
    figure = new_figure(width, height)
    _draw_images(figure, example, shown)
    _draw_waves(figure, example, _LEFT + columns * (_PANEL + _GAP) + _BLOCK_GAP)
    row = example.row
    figure.text(
        0.1 / width,
        1 - 0.1 / height,
        f"{formula_text(example.formula)}, specimen {row['sample_index']}: {_GAINS[example.gain]}",
        fontsize=11,
        fontweight="bold",
        va="top",
    )
    details = (
        f"RMSE of the network {row['network_rmse']:.4f}",
        f"refined {row['refined_rmse']:.4f}",
        f"microscope known {row['floor_rmse']:.4f}",
        f"scale {row['scale']:.2f}",
        f"misfit {row['misfit']:.2f}",
        f"dose {dose_text(example.dose)} an image",
    )
    figure.text(
        0.1 / width, 1 - 0.36 / height, "   ·   ".join(details), fontsize=8.5, color=GREY, va="top"
    )
    save_figure(figure, output, name, _example_caption(example, shown, count))


def _place(figure: Any, left: float, line: float) -> Any:
    """Add square axes at a distance from the left [inch], in a row from the top (0) down."""
    width, height = figure.get_size_inches()
    bottom = height - _TOP - (line + 1) * _PANEL - line * _ROW_GAP
    return figure.add_axes((left / width, bottom / height, _PANEL / width, _PANEL / height))


def _bar(figure: Any, drawn: Any, left: float, right: float, label: str) -> None:
    """Draw a colour bar below everything, between two places from the left [inch]."""
    width, height = figure.get_size_inches()
    place = (left / width, 0.4 / height, (right - left) / width, 0.09 / height)
    colour_bar(figure, drawn, place, label)
    figure.axes[-1].xaxis.set_major_locator(MaxNLocator(4))


def _draw_images(figure: Any, example: RefinementExample, shown: Sequence[int]) -> None:
    limits = robust_limits(example.measured[..., list(shown)])
    intensity = residual = None
    for column, frame in enumerate(shown):
        left = _LEFT + column * (_PANEL + _GAP)
        for line, (title, images) in enumerate(
            (("Measured", example.measured), ("Computed", example.computed))
        ):
            axes = _place(figure, left, line)
            intensity = show_image(axes, images[..., frame], example.pixel, limits)
            if line == 0:
                defocus = signed(example.defocus[frame])
                axes.set_title(f"Image {frame + 1}: Δf = {defocus} Å", pad=3)
            if column == 0:
                axes.set_ylabel(title, labelpad=3)
        axes = _place(figure, left, 2)
        residual = show_wave(axes, example.residual[..., frame], example.pixel, _RESIDUAL)
        deviation = float(np.std(example.residual[..., frame]))
        axes.set_title(f"standard deviation {deviation:.2f}", pad=3)
        if column == 0:
            axes.set_ylabel("Residual", labelpad=3)
    whole = len(shown) * (_PANEL + _GAP)
    _bar(figure, intensity, _LEFT + 0.1, _LEFT + 0.46 * whole, "intensity (vacuum = 1)")
    _bar(figure, residual, _LEFT + 0.54 * whole, _LEFT + whole - 0.17, "residual / noise of vacuum")


def _draw_waves(figure: Any, example: RefinementExample, start: float) -> None:
    waves = {"Network": example.prediction, "Refined": example.refined, "Truth": example.truth}
    limit = _limit([np.angle(wave) for wave in waves.values()])
    phase = None
    for column, (title, wave) in enumerate(waves.items()):
        axes = _place(figure, start + column * (_PANEL + _GAP), 0)
        phase = show_wave(axes, np.angle(wave), example.sampling, limit)
        axes.set_title(title, pad=3)
        if column == 0:
            axes.set_ylabel("Phase", labelpad=3)
    errors = {name: np.abs(waves[name] - example.truth) for name in ("Network", "Refined")}
    largest = _limit(list(errors.values()))
    error = None
    for column, (title, values) in enumerate(errors.items()):
        axes = _place(figure, start + column * (_PANEL + _GAP), 1)
        error = axes.imshow(
            values,
            cmap=ERROR_COLOURS,
            vmin=0,
            vmax=largest,
            extent=extent(values.shape, example.sampling),
        )
        bare(axes)
        scale_bar(axes, "white", "black")
        axes.set_title(f"RMSE {example.row[f'{title.lower()}_rmse']:.4f}", pad=3)
        if column == 0:
            axes.set_ylabel("Error |Ψ − truth|", labelpad=3)
    _write_optics(figure, example, start)
    whole = 3 * (_PANEL + _GAP)
    _bar(figure, phase, start + 0.1, start + 0.46 * whole, "phase [rad]")
    _bar(figure, error, start + 0.54 * whole, start + whole - 0.17, "error (incident wave = 1)")


def _limit(images: Sequence[NDArray[np.floating]]) -> float:
    return max(float(np.percentile(np.abs(image), 99.9)) for image in images) or 1.0


def _write_optics(figure: Any, example: RefinementExample, start: float) -> None:
    """Write what was found of the microscope as a table, below the errors."""
    width, height = figure.get_size_inches()
    top = height - _TOP - 2 * (_PANEL + _ROW_GAP) - 0.2
    columns = (0.0, 2.35, 3.75)
    lines = [("", "found", "true")]
    for name, title in _TITLES.items():
        digits = 2 if name == "cs" else 1
        found, bar, true = (
            f"{example.row[OPTICS[name].column(prefix)]:.{digits}f}".replace("-", "−")
            for prefix in ("found", "error", "true")
        )
        lines.append((title, f"{found} ± {bar}", true))
    for number, cells in enumerate(lines):
        for left, cell in zip(columns, cells, strict=True):
            figure.text(
                (start + left) / width,
                (top - 0.24 * number) / height,
                cell,
                va="baseline",
                color=GREY if number == 0 else "black",
            )


def _example_caption(example: RefinementExample, shown: Sequence[int], count: int) -> Caption:
    row = example.row
    formula = plain_formula(example.formula)
    frames = example.measured.shape[-1]
    series = "the images" if len(shown) == frames else f"{len(shown)} of the {frames} images"
    text = (
        f"Specimen {row['sample_index']} of {formula}; of {count} series it "
        f"{_GAINS[example.gain]}. At the left {series} with the camera's response undone, those "
        "that the refined wave and the fitted microscope give, and the difference over the noise "
        f"of vacuum, drawn up to {_RESIDUAL:g} deviations; where the camera's response is too "
        "weak nothing is compared, which leaves less than 1. At the right the phase of the "
        "network's wave, of the refined one and of the truth, and the moduli of the two errors, "
        "each row on one colour scale. The "
        f"RMSE is {row['network_rmse']:.4f} of the network's wave, {row['refined_rmse']:.4f} of "
        f"the refined one and {row['floor_rmse']:.4f} of one that is refined with the microscope "
        f"known. {row['verdict']}"
    )
    return Caption(
        f"{formula}, {example.gain} gain",
        text,
        f"Measured and computed images, residuals, waves and errors of a refined series of "
        f"{formula}.",
    )
