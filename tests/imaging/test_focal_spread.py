"""The incoherent focal spread against a plain average over many foci, and its safe box and band."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from imaging_cases import (
    CORNER,
    IMAGE_PX,
    MEDIAN,
    flake,
    power,
    relative_difference,
    render,
    wrapping,
)
from numpy.typing import NDArray
from real_waves import BOX, WAVE_SAMPLING, scattered_wave

from exitwave.config import Microscope
from exitwave.imaging.focal_series import form_intensities
from exitwave.imaging.focal_spread import (
    Modes,
    choose_modes,
    representative_foci,
    transferred_power,
)
from exitwave.imaging.grids import Grid, choose_band, padded_size
from exitwave.imaging.microscope import MicroscopeDraw, draw_microscope
from exitwave.imaging.transfer import electron_wavelength, temporal_envelope

TOLERANCE = 1e-3
INCOHERENT = replace(MEDIAN, defocus=(60.0,), sampling=0.1, focal_spread_model="incoherent")


def average_over_foci(
    scattered: NDArray[np.complex64],
    draw: MicroscopeDraw,
    points: int,
    foci: NDArray[np.float64],
    weights: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Weighted mean of the intensities at foci about the first defocus, in plain NumPy."""
    wavelength = electron_wavelength(draw.energy_kev)
    padded = np.zeros((points, points), dtype=complex)
    padded[: len(scattered), : len(scattered)] = scattered
    k = np.fft.fftfreq(points, WAVE_SAMPLING)
    alpha = wavelength * np.hypot(k[np.newaxis, :], k[:, np.newaxis])
    azimuth = np.arctan2(k[:, np.newaxis], k[np.newaxis, :])
    path = (
        draw.astigmatism * alpha**2 / 2 * np.cos(2 * (azimuth - draw.astigmatism_angle))
        + draw.coma * alpha**3 / 3 * np.cos(azimuth - draw.coma_angle)
        + draw.spherical_aberration * alpha**4 / 4
    )
    blur = np.exp(-(draw.blur**2) * (alpha / wavelength) ** 2 / 2)
    spectrum = np.fft.fft2(padded) * np.exp(-2j * np.pi / wavelength * path) * blur
    mean = np.zeros((points, points))
    for focus, weight in zip(foci, weights / weights.sum(), strict=True):
        turn = np.exp(1j * np.pi / wavelength * (draw.defocus[0] + focus) * alpha**2)
        mean += weight * np.abs(1 + np.fft.ifft2(spectrum * turn)) ** 2
    return mean


def formed(
    scattered: NDArray[np.complex64], draw: MicroscopeDraw
) -> tuple[NDArray[np.floating], Modes | None]:
    """The image on the wave's own points from its first one on, and its coherent modes."""
    spectrum = power(scattered)
    size = padded_size(draw, spectrum, BOX, BOX, TOLERANCE)
    points = 10 * round(size)
    grid = Grid(points, points, points * WAVE_SAMPLING)
    band = choose_band(draw, spectrum, BOX, WAVE_SAMPLING, TOLERANCE)
    modes = choose_modes(draw, spectrum, BOX, band.limit, TOLERANCE)
    (image,) = form_intensities(scattered, draw, grid, band, 0.0, len(scattered), modes)
    return image, modes


@pytest.mark.parametrize("focal_spread", [10.0, 20.0])
def test_it_is_the_average_over_many_foci(focal_spread: float) -> None:
    scattered, draw = scattered_wave(), replace(INCOHERENT, focal_spread=focal_spread)
    image, modes = formed(scattered, draw)
    points = 560
    # So dense that the phases of no two components of this wave come round.
    foci = focal_spread * np.arange(-3.6, 3.61, 0.12)
    weights = np.exp(-((foci / focal_spread) ** 2))
    inside = slice(0, len(scattered))
    truth = average_over_foci(scattered, draw, points, foci, weights)[inside, inside]
    assert relative_difference(image, truth) < TOLERANCE
    # A hundredth of the noise of a pixel at the highest dose of Table 1.
    assert np.sqrt(np.mean((image - truth) ** 2)) < 1e-2 / np.sqrt(1e5 * WAVE_SAMPLING**2)

    # As many foci, at the nodes of Gauss and Hermite, are not as close.
    assert modes is not None
    nodes, weights = np.polynomial.hermite.hermgauss(len(modes.tables))
    few = average_over_foci(scattered, draw, points, focal_spread * nodes, weights)[inside, inside]
    assert relative_difference(few, truth) > 3 * relative_difference(image, truth)

    # The quasi-coherent envelope is off by some per cent of the contrast, more with more spread.
    envelope, none = formed(scattered, replace(draw, focal_spread_model="quasi_coherent"))
    assert none is None
    low, high = {10.0: (0.01, 0.03), 20.0: (0.03, 0.07)}[focal_spread]
    assert low < relative_difference(envelope, truth) < high


def test_all_modes_together_are_the_coherence_of_two_frequencies() -> None:
    draw = replace(INCOHERENT, focal_spread=15.0)
    modes = choose_modes(draw, power(flake()), BOX, 1.5, 1e-6)
    assert modes is not None
    square = np.linspace(0.0, 2.0, 41)
    factors = np.array(list(modes.factors(square)))
    expected = temporal_envelope(draw, square[:, np.newaxis] - square[np.newaxis, :])
    np.testing.assert_allclose(factors.T @ factors, expected, atol=5e-3)


def test_without_focal_spread_the_models_agree() -> None:
    scattered, draw = flake(), replace(INCOHERENT, focal_spread=0.0, spherical_aberration=0.0)
    incoherent, modes = formed(scattered, draw)
    assert modes is not None
    assert len(modes.tables) == 1
    coherent, _ = formed(scattered, replace(draw, focal_spread_model="quasi_coherent"))
    assert relative_difference(incoherent, coherent) < 1e-4


def test_vacuum_is_one() -> None:
    nothing = np.zeros((384, 384), dtype=np.complex64)
    image, modes = formed(nothing, INCOHERENT)
    assert modes is not None
    np.testing.assert_array_equal(image, 1.0)
    assert not len(modes.tables)


def test_three_foci_have_the_moments_of_the_distribution() -> None:
    foci, shares = representative_foci(replace(INCOHERENT, focal_spread=8.0))
    moments = [float(np.sum(shares * foci**order)) for order in range(6)]
    # Those of exp(-(f / Δ)²).
    np.testing.assert_allclose(moments, [1, 0, 8.0**2 / 2, 0, 3 * 8.0**4 / 4, 0], atol=1e-9)
    foci, shares = representative_foci(MEDIAN)
    assert (foci.tolist(), shares.tolist()) == ([0.0], [1.0])


def test_high_frequencies_show_by_interfering_with_each_other() -> None:
    """The envelope hides them, the average over foci does not."""
    spectrum = power(scattered_wave())
    draw = replace(INCOHERENT, focal_spread=20.0)
    k = np.abs(np.fft.fftfreq(len(spectrum), WAVE_SAMPLING))
    high = np.add.outer(k**2, k**2) > 2.0**2
    incoherent, coherent = (
        transferred_power(replace(draw, focal_spread_model=model), spectrum, BOX)
        for model in ("incoherent", "quasi_coherent")
    )
    assert incoherent[high].sum() > 1e3 * coherent[high].sum()
    assert incoherent[~high].sum() == pytest.approx(coherent[~high].sum(), rel=0.1)
    bands = [
        choose_band(replace(draw, focal_spread_model=model), spectrum, BOX, 0.105, TOLERANCE)
        for model in ("incoherent", "quasi_coherent")
    ]
    assert bands[0].limit > 1.2 * bands[1].limit


@pytest.mark.parametrize(("focal_spread", "blur"), [(5.0, 0.5), (20.0, 0.8)])
def test_fringes_of_the_worst_microscopes_stay_out(focal_spread: float, blur: float) -> None:
    draw = replace(
        CORNER,
        defocus=(150.0,),
        focal_spread=focal_spread,
        blur=blur,
        focal_spread_model="incoherent",
    )
    assert wrapping(flake(), draw)[1] < TOLERANCE


def test_fringes_of_drawn_microscopes_stay_out() -> None:
    rng = np.random.default_rng(17)
    limits = Microscope(focal_spread_model="incoherent")
    for _ in range(5):
        draw = draw_microscope(limits, 50.0, 2, rng)
        assert wrapping(scattered_wave(), draw)[1] < TOLERANCE


def test_a_series_is_rendered_with_it() -> None:
    scattered = scattered_wave()
    draw = replace(INCOHERENT, dose=1e9, focal_spread=20.0, sampling=0.105)
    averaged, enveloped = (
        render(scattered, replace(draw, focal_spread_model=model)).image
        for model in ("incoherent", "quasi_coherent")
    )
    assert averaged.shape == (IMAGE_PX, IMAGE_PX, 1)
    assert averaged.dtype == np.float32
    assert 0.03 < relative_difference(enveloped, averaged) < 0.07
