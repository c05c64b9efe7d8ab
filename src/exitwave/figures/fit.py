"""The images of a series, those that its refined wave gives, and the residual."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from exitwave.figures.style import (
    GREY,
    Caption,
    colour_bar,
    new_figure,
    robust_limits,
    save_figure,
    show_image,
    show_wave,
)

# Sizes in inches.
_PANEL, _GAP, _LEFT, _TITLE, _BAR, _LINE = 2.0, 0.1, 0.3, 0.3, 0.55, 0.16
# Residuals are drawn up to so many deviations of the noise.
_RESIDUAL = 5.0
_MOST_IMAGES = 4


def plot_fit(
    measured: NDArray[np.float32],
    computed: NDArray[np.float32],
    residual: NDArray[np.float32],
    titles: Sequence[str],
    pixel: float,
    sentence: str,
    output: Path,
) -> None:
    """Draw measured and computed images and their difference.

    Parameters
    ----------
    measured, computed, residual : (y, x, frame) array
        Relative to vacuum; the residual over the noise of vacuum.
    titles : sequence of str
        One for each image.
    pixel : float
        Side of a pixel [Å].
    sentence : str
        The verdict.
    output : Path
        The figure's name without its ending, in the folder that it goes to.
    """
    frames = measured.shape[2]
    count = min(frames, _MOST_IMAGES)
    shown = [round(float(frame)) for frame in np.linspace(0, frames - 1, count)]
    side = _PANEL * measured.shape[0] / measured.shape[1]
    width = _LEFT + len(shown) * (_PANEL + _GAP) + 0.1
    lines = textwrap.wrap(sentence, max(40, round(13 * width)))
    height = 3 * (side + _GAP) + _TITLE + _BAR + 0.1 + _LINE * len(lines) + 0.08
    figure = new_figure(width, height)
    limits = robust_limits(measured[..., shown])
    intensity = noise = None
    for column, frame in enumerate(shown):
        for row, (name, images) in enumerate(
            (("Measured", measured), ("Computed", computed), ("Residual", residual))
        ):
            left = (_LEFT + column * (_PANEL + _GAP)) / width
            bottom = (_BAR + (2 - row) * (side + _GAP)) / height
            axes = figure.add_axes((left, bottom, _PANEL / width, side / height))
            if name == "Residual":
                noise = show_wave(axes, images[..., frame], pixel, _RESIDUAL)
            else:
                intensity = show_image(axes, images[..., frame], pixel, limits)
            if row == 0:
                axes.set_title(titles[frame], pad=3)
            if column == 0:
                axes.set_ylabel(name, labelpad=3)
    whole = (width - _LEFT) / width
    for drawn, start, label in (
        (intensity, 0.05, "intensity, vacuum = 1"),
        (noise, 0.55, "residual over the noise of vacuum"),
    ):
        place = (_LEFT / width + start * whole, 0.4 / height, 0.4 * whole, 0.09 / height)
        colour_bar(figure, drawn, place, label)
    figure.text(
        0.5, 1 - 0.08 / height, "\n".join(lines), ha="center", va="top", fontsize=8.5, color=GREY
    )
    save_figure(
        figure,
        output.parent,
        output.name,
        Caption(
            "Images measured and computed from the refined wave",
            "Above, images without the camera's response; in the middle, those computed from the "
            "refined wave and the fitted microscope; below, their difference over the deviation of "
            f"the noise in vacuum, in which no structure should be left. {sentence}",
            "Measured images, computed images and their residuals in three rows.",
        ),
    )
