"""Microscopes, waves and measures that the tests of images share."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from exitwave.imaging.focal_series import (
    RenderedSeries,
    form_intensities,
    render_series,
)
from exitwave.imaging.focal_spread import choose_modes
from exitwave.imaging.grids import Band, Grid, choose_band, choose_grid, padded_size
from exitwave.imaging.microscope import MicroscopeDraw

BOX, WAVE_SAMPLING = 38.4, 0.1

IMAGE_PX = 352

WHOLE_BAND = Band(limit=np.inf, oversampling=1)

PERFECT = MicroscopeDraw(
    dose=1e5,
    defocus=(0.0,),
    spherical_aberration=0.0,
    astigmatism=0.0,
    astigmatism_angle=0.0,
    coma=0.0,
    coma_angle=0.0,
    focal_spread=0.0,
    blur=0.0,
    sampling=0.105,
    mtf_c1=1.0,
    mtf_c2=0.1,
    mtf_c3=1.0,
    energy_kev=50.0,
    mtf_frequency_unit="nyquist",
)

# The middle of every row of Table 1, and the corner at which fringes reach farthest.
MEDIAN = replace(
    PERFECT,
    defocus=(0.0, 50.0, 100.0),
    spherical_aberration=7.5e4,
    astigmatism=12.5,
    astigmatism_angle=1.0,
    coma=300.0,
    coma_angle=2.0,
    focal_spread=12.5,
    blur=1.0,
)

CORNER = replace(
    MEDIAN,
    defocus=(-150.0, 0.0, 150.0),
    spherical_aberration=15e4,
    astigmatism=25.0,
    coma=600.0,
    focal_spread=5.0,
    blur=0.5,
)


def flake(seed: int = 0, radius: float = 13.0, lattice: float = 3.2) -> NDArray[np.complex64]:
    """A phase object: a honeycomb flake of peaks as sharp as those of real atoms, less 1.

    With their core of 0.09 Å the peaks' spectrum reaches the border of the stored band.
    """
    rng = np.random.default_rng(seed)
    points = round(BOX / WAVE_SAMPLING)
    axis = WAVE_SAMPLING * np.arange(points)
    angle = rng.uniform(0, np.pi)
    first, second = (
        lattice * np.array([np.cos(angle + turn), np.sin(angle + turn)]) for turn in (0, np.pi / 3)
    )
    phase = np.zeros((points, points))
    for i in range(-9, 10):
        for j in range(-9, 10):
            for weight, basis in ((1.0, 0.0), (0.75, 1 / 3)):
                place = (i + basis) * first + (j + basis) * second + rng.normal(0, 0.02, size=2)
                if np.hypot(*place) > radius or rng.random() < 0.05:
                    continue
                for height, width in ((0.5, 0.09), (0.4, 0.2), (0.15, 0.5)):
                    x, y = (np.exp(-((axis - BOX / 2 - p) ** 2) / (2 * width**2)) for p in place)
                    phase += weight * height * np.outer(y, x)
    return (np.exp(1j * phase) - 1).astype(np.complex64)


def power(scattered: NDArray[np.complex64]) -> NDArray[np.float64]:
    return np.abs(np.fft.fft2(scattered)) ** 2


def positions(grid: Grid, origin: float, window: int) -> NDArray[np.float64]:
    return origin + grid.sampling * np.arange(window)


def relative_difference(image: NDArray[np.floating], reference: NDArray[np.floating]) -> float:
    """Rms of the difference over the rms contrast."""
    return float(np.sqrt(np.mean((image - reference) ** 2)) / np.std(reference))


def gaussian_packet(width: float, x: float, y: float, amplitude: complex) -> NDArray[np.complex64]:
    axis = WAVE_SAMPLING * np.arange(round(BOX / WAVE_SAMPLING))
    along = [np.exp(-((axis - place) ** 2) / (2 * width**2)) for place in (y, x)]
    return (amplitude * np.outer(*along)).astype(np.complex64)


def wrapping(
    scattered: NDArray[np.complex64], draw: MicroscopeDraw, window: int = IMAGE_PX
) -> tuple[float, float]:
    """Padded size [Å], and how much the images change in a box of twice its side."""
    spectrum = power(scattered)
    size = padded_size(draw, spectrum, BOX, window * draw.sampling, 1e-3)
    grid = choose_grid(WAVE_SAMPLING, draw.sampling, size, window)
    twice = Grid(2 * grid.wave_points, 2 * grid.image_points, 2 * grid.period)
    band = choose_band(draw, spectrum, BOX, grid.sampling, 1e-3)
    origin = (BOX - (window - 1) * grid.sampling) / 2
    modes = choose_modes(draw, spectrum, BOX, band.limit, 1e-3)
    images, references = (
        form_intensities(scattered, draw, which, band, origin, window, modes)
        for which in (grid, twice)
    )
    return grid.period, max(map(relative_difference, images, references))


def render(
    scattered: NDArray[np.complex64], draw: MicroscopeDraw, seed: int = 1, size: int = IMAGE_PX
) -> RenderedSeries:
    return render_series(
        scattered + np.complex64(1),
        WAVE_SAMPLING,
        draw,
        size,
        target_smear=0.15,
        padding_tolerance=1e-3,
        rng=np.random.default_rng(seed),
    )
