"""A wave that was reconstructed from a series without a network, at a glance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from exitwave.figures.style import (
    BLUE,
    IMAGE_COLOURS,
    RED,
    WAVE_COLOURS,
    Caption,
    colour_bar,
    new_figure,
    robust_limits,
    save_figure,
    show_image,
    show_wave,
)

# Sizes in inches.
_PANEL, _GAP, _SIDE, _TITLE, _BAR = 2.3, 0.12, 0.1, 0.3, 0.5
# For the labels of the plot of shifts, left of it.
_LABELS = 0.5

Images = Sequence[tuple[str, NDArray[np.float32]]]


def plot_classical_series(
    wave: NDArray[np.complex64],
    sampling: float,
    images: Images,
    pixel: float,
    shifts: NDArray[np.float64],
    output: Path,
    heading: str,
) -> None:
    """Draw a wave, images that tell how good it is, and how far the frames lie from each other.

    Parameters
    ----------
    wave : (y, x) array of complex64
        Relative to the incident wave.
    sampling : float
        Side of its pixels [Å].
    images : sequence of (title, (y, x) array)
        Three, on one scale of grey.
    pixel : float
        Side of their pixels [Å].
    shifts : (frame, 2) array
        Along x and y [Å].
    output : Path
        The figure's name without its ending, in the folder that it goes to.
    heading : str
        Says how far to trust it, where that is in doubt; may be empty.
    """
    side = _PANEL * wave.shape[0] / wave.shape[1]
    width = 2 * _SIDE + 3 * (_PANEL + _GAP)
    height = 2 * (side + _TITLE + _BAR) + (0.35 if heading else 0.05)
    figure = new_figure(width, height)

    def place(row: int, column: int, indent: float = 0.0) -> tuple[float, float, float, float]:
        left = _SIDE + column * (_PANEL + _GAP) + indent
        bottom = (1 - row) * (side + _TITLE + _BAR) + _BAR
        return left / width, bottom / height, (_PANEL - indent) / width, side / height

    def below(row: int, column: int) -> tuple[float, float, float, float]:
        left, bottom, wide, _ = place(row, column)
        return left + 0.1 * wide, bottom - 0.14 / height, 0.8 * wide, 0.08 / height

    limits = robust_limits(np.stack([image for _, image in images]))
    for column, (title, image) in enumerate(images):
        axes = figure.add_axes(place(0, column))
        drawn = show_image(axes, image, pixel, limits)
        axes.set_title(title, pad=3)
    colour_bar(figure, drawn, below(0, 2), "intensity over the series' mean")
    axes = figure.add_axes(place(1, 0))
    drawn = show_image(axes, np.abs(wave), sampling, robust_limits(np.abs(wave)))
    drawn.set_cmap(IMAGE_COLOURS)
    axes.set_title("Amplitude", pad=3)
    colour_bar(figure, drawn, below(1, 0), "vacuum = 1")
    phase = np.angle(wave)
    axes = figure.add_axes(place(1, 1))
    drawn = show_wave(axes, phase, sampling, max(float(np.percentile(np.abs(phase), 99.9)), 1e-6))
    drawn.set_cmap(WAVE_COLOURS)
    axes.set_title("Phase", pad=3)
    colour_bar(figure, drawn, below(1, 1), "rad")
    axes = figure.add_axes(place(1, 2, _LABELS))
    frames = np.arange(len(shifts))
    for along, name, colour in zip(shifts.T, ("x", "y"), (BLUE, RED), strict=True):
        axes.plot(frames, along, color=colour, marker=".", label=name)
    axes.set_xlabel("frame", labelpad=1)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_ylabel("shift [Å]", labelpad=1)
    axes.set_title("Shifts", pad=3)
    axes.legend()
    if heading:
        figure.text(0.5, 1 - 0.1 / height, heading, ha="center", va="top", color="#B00000")
    save_figure(
        figure,
        output.parent,
        output.name,
        Caption(
            "Exit wave of a focal series, reconstructed without a network",
            f"Above: {'; '.join(title for title, _ in images)}, without the camera's response. "
            "Below, amplitude and phase of the wave relative to the incident one, and how far each "
            "frame lies from the middle one of the fit." + (f" {heading}." if heading else ""),
            "Images of a focal series above amplitude and phase of the wave and a plot of the "
            "frames' shifts.",
        ),
    )
