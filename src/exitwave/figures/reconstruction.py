"""A reconstructed wave at a glance: the images, its amplitude, phase, spectrum and peaks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exitwave.figures.complex_plane import finish_plane
from exitwave.figures.style import (
    BLUE,
    ERROR_COLOURS,
    IMAGE_COLOURS,
    WAVE_COLOURS,
    Caption,
    bare,
    extent,
    new_figure,
    robust_limits,
    save_figure,
    scale_bar,
    show_image,
)
from exitwave.scoring.peaks import find_peaks

# Sizes in inches.
_PANEL, _GAP, _SIDE, _TITLE, _BAR = 2.3, 0.12, 0.1, 0.3, 0.62
# For the labels of the complex plane, left of it.
_LABELS = 0.46

# Peaks count from this share of the height |Ψ − 1| that one pixel in a thousand exceeds: a single
# wrong spot does not hide all columns.
_PEAK_SHARE, _PERCENTILE = 0.3, 99.9


def plot_reconstruction(
    wave: NDArray[np.complex64],
    images: NDArray[np.float32],
    titles: Sequence[str],
    sampling: float,
    output: Path,
    heading: str,
    disagreement: NDArray[np.float32] | None = None,
) -> None:
    """Draw a wave and the images that it was made from.

    Parameters
    ----------
    wave : (y, x) array of complex64
        Relative to the incident wave.
    images : (y, x, frame) array of float32
        Given to the network.
    titles : sequence of str
        One for each image.
    sampling : float
        Side of a pixel [Å].
    output : Path
        The figure's name without its ending, in the folder that it goes to.
    heading : str
        Says how far to trust it, where that is in doubt; may be empty.
    disagreement : (y, x) array of float32, optional
        Standard deviation of several networks' waves.
    """
    height, width = wave.shape
    panels = 4 if disagreement is None else 5
    columns = max(panels, images.shape[2])
    side = _PANEL * height / width
    total = (
        2 * _SIDE + columns * (_PANEL + _GAP),
        2 * (side + _TITLE + _BAR) + (0.35 if heading else 0.05),
    )
    figure = new_figure(*total)

    def axes(row: int, column: int, indent: float = 0.0) -> Any:
        left = _SIDE + column * (_PANEL + _GAP) + indent
        bottom = (1 - row) * (side + _TITLE + _BAR) + _BAR
        return figure.add_axes(
            (left / total[0], bottom / total[1], (_PANEL - indent) / total[0], side / total[1])
        )

    def bar(under: Any, drawn: Any, label: str) -> None:
        place = under.get_position()
        own = figure.add_axes(
            (
                place.x0 + 0.1 * place.width,
                place.y0 - 0.14 / total[1],
                0.8 * place.width,
                0.08 / total[1],
            )
        )
        figure.colorbar(drawn, cax=own, orientation="horizontal").set_label(label, labelpad=1)
        own.tick_params(length=2, pad=1)

    limits = robust_limits(images)
    for place, title in enumerate(titles):
        panel = axes(0, place)
        drawn = show_image(panel, images[..., place], sampling, limits)
        panel.set_title(title, pad=3)
    bar(panel, drawn, "intensity over the series' mean")
    phase = np.angle(wave)
    limit = max(float(np.percentile(np.abs(phase), 99.9)), 1e-6)
    for place, (title, part, colours, range_, label) in enumerate(
        [
            ("Amplitude", np.abs(wave), IMAGE_COLOURS, robust_limits(np.abs(wave)), "vacuum = 1"),
            ("Phase", phase, WAVE_COLOURS, (-limit, limit), "rad"),
        ]
    ):
        panel = axes(1, place)
        drawn = panel.imshow(
            part, cmap=colours, vmin=range_[0], vmax=range_[1], extent=extent(wave.shape, sampling)
        )
        bare(panel)
        scale_bar(panel, *(("white", "black") if colours == IMAGE_COLOURS else ("black", "white")))
        panel.set_title(title, pad=3)
        bar(panel, drawn, label)
    _draw_spectrum(axes(1, 2), wave, sampling, bar)
    _draw_peaks(axes(1, 3, _LABELS), wave, sampling)
    if disagreement is not None:
        panel = axes(1, 4)
        drawn = panel.imshow(
            disagreement,
            cmap=ERROR_COLOURS,
            vmin=0,
            vmax=max(float(np.percentile(disagreement, 99.8)), 1e-9),
            extent=extent(wave.shape, sampling),
        )
        bare(panel)
        scale_bar(panel, "white", "black")
        panel.set_title("Disagreement of the networks", pad=3)
        bar(panel, drawn, "standard deviation")
    if heading:
        figure.text(0.5, 1 - 0.1 / total[1], heading, ha="center", va="top", color="#B00000")
    save_figure(
        figure,
        output.parent,
        output.name,
        Caption(
            "Reconstructed exit wave",
            "Above, the images as the network was given them; below, amplitude and phase of the "
            "wave relative to the incident one, the power of its deviation from vacuum by spatial "
            "frequency, and in the complex plane the wave's values at the local maxima of |Ψ − 1| "
            f"that reach {_PEAK_SHARE:.0%} of what one pixel in a thousand exceeds: atomic columns "
            "of one kind lie together."
            + (
                ""
                if disagreement is None
                else " At the right, the standard deviation of the networks' waves."
            )
            + (f" {heading}." if heading else ""),
            "Images of a focal series above amplitude, phase and power spectrum of the wave, and "
            "its values at its peaks.",
        ),
    )


def _draw_spectrum(axes: Any, wave: NDArray[np.complex64], sampling: float, bar: Any) -> None:
    """Draw the logarithm of the power within a window, which keeps the borders out."""
    height, width = wave.shape
    window = np.outer(np.hanning(height), np.hanning(width)).astype(np.float32)
    spectrum = np.fft.fftshift(np.fft.fft2((wave - wave.mean()) * window))
    power = np.log10(np.abs(spectrum) ** 2 + 1e-12)
    nyquist = 0.5 / sampling
    low, high = np.percentile(power, (20, 99.99))
    drawn = axes.imshow(
        power,
        cmap=IMAGE_COLOURS,
        vmin=low,
        vmax=high,
        extent=(-nyquist, nyquist, nyquist, -nyquist),
    )
    axes.set_aspect(height / width)
    axes.set_title(f"Power spectrum, to {nyquist:.2g} Å⁻¹", pad=3)
    bare(axes)
    bar(axes, drawn, "log10 of the power")


def _draw_peaks(axes: Any, wave: NDArray[np.complex64], sampling: float) -> None:
    """Draw an Argand plot of the wave's values at its peaks."""
    level = _PEAK_SHARE * float(np.percentile(np.abs(wave - 1), _PERCENTILE))
    values = find_peaks(wave, sampling, level).values
    axes.plot(
        values.real,
        values.imag,
        color=BLUE,
        marker="o",
        ls="",
        ms=3 if len(values) < 1000 else 2,
        mec="none",
        # Where thousands lie on each other, their density is to be seen.
        alpha=min(0.7, max(0.02, 150 / max(len(values), 1))),
        # Each point in an SVG file would be text.
        rasterized=True,
    )
    finish_plane(axes, values)
    axes.set_anchor("N")
    noun = "peak" if len(values) == 1 else "peaks"
    axes.set_title(f"Values at {len(values)} {noun}", pad=3)
    axes.xaxis.labelpad = axes.yaxis.labelpad = 1
    axes.tick_params(length=2, pad=1)
