"""Aberrations and envelopes against the textbook, against abTEM, and against free space."""

from __future__ import annotations

from dataclasses import replace

import imaging_cases
import numpy as np
import pytest
from numpy.typing import NDArray

from exitwave.config import Microscope
from exitwave.imaging.grids import padded_size
from exitwave.imaging.microscope import MicroscopeDraw, draw_microscope
from exitwave.imaging.transfer import (
    aberration_phase,
    blur_envelope,
    defocus_phase,
    displacement,
    electron_wavelength,
    temporal_envelope,
    transfer_function,
)

PERFECT = replace(imaging_cases.PERFECT, sampling=0.1)
K = np.fft.fftfreq(96, 0.1)
KX, KY = K[np.newaxis, :], K[:, np.newaxis]


def table_1_draws(count: int, seed: int) -> list[MicroscopeDraw]:
    rng = np.random.default_rng(seed)
    return [draw_microscope(Microscope(), 50.0, 1, rng) for _ in range(count)]


def defocus_name(draw: MicroscopeDraw) -> str:
    return f"defocus {draw.defocus[0]:.0f} Å"


@pytest.mark.parametrize("energy_kev", [20.0, 50.0, 80.0, 300.0])
def test_wavelength_is_abtems(energy_kev: float) -> None:
    from abtem.core.energy import energy2wavelength

    assert electron_wavelength(energy_kev) == pytest.approx(
        energy2wavelength(1e3 * energy_kev), rel=1e-7
    )


def test_wavelength_of_the_textbook() -> None:
    # Kirkland, table 2.2: 100 keV 0.0370 Å, 300 keV 0.0197 Å.
    assert electron_wavelength(100.0) == pytest.approx(0.0370, abs=5e-5)
    assert electron_wavelength(300.0) == pytest.approx(0.0197, abs=5e-5)


@pytest.mark.parametrize(
    ("term", "path"),
    [
        ({"defocus": (70.0,)}, lambda a, phi: -70.0 * a**2 / 2),
        ({"spherical_aberration": -9e4}, lambda a, phi: -9e4 * a**4 / 4),
        (
            {"astigmatism": 20.0, "astigmatism_angle": 0.7},
            lambda a, phi: 20.0 * a**2 / 2 * np.cos(2 * (phi - 0.7)),
        ),
        (
            {"coma": 500.0, "coma_angle": 2.1},
            lambda a, phi: 500.0 * a**3 / 3 * np.cos(phi - 2.1),
        ),
        (
            {"trefoil": 300.0, "trefoil_angle": 0.4},
            lambda a, phi: 300.0 * a**3 / 3 * np.cos(3 * (phi - 0.4)),
        ),
    ],
    ids=["defocus", "spherical aberration", "astigmatism", "coma", "three-fold astigmatism"],
)
def test_each_aberration_is_the_textbook_polynomial(term: dict, path) -> None:
    draw = replace(PERFECT, **term)
    wavelength = electron_wavelength(50.0)
    alpha, azimuth = wavelength * np.hypot(KX, KY), np.arctan2(KY, KX)
    expected = 2 * np.pi / wavelength * path(alpha, azimuth)
    chi = aberration_phase(draw, draw.defocus[0], KX, KY)
    np.testing.assert_allclose(chi, expected, atol=1e-9 * np.abs(expected).max())


def test_all_aberrations_together_are_the_sum_of_their_polynomials() -> None:
    draw = replace(
        PERFECT,
        defocus=(-110.0,),
        spherical_aberration=12e4,
        astigmatism=17.0,
        astigmatism_angle=2.6,
        coma=430.0,
        coma_angle=5.1,
    )
    wavelength = electron_wavelength(50.0)
    alpha, azimuth = wavelength * np.hypot(KX, KY), np.arctan2(KY, KX)
    path = (
        alpha**2 / 2 * (110.0 + 17.0 * np.cos(2 * (azimuth - 2.6)))
        + alpha**3 / 3 * 430.0 * np.cos(azimuth - 5.1)
        + alpha**4 / 4 * 12e4
    )
    chi = aberration_phase(draw, draw.defocus[0], KX, KY)
    np.testing.assert_allclose(chi, 2 * np.pi / wavelength * path, rtol=1e-11, atol=1e-9)


def abtem_transfer(draw: MicroscopeDraw) -> NDArray[np.complex128]:
    """abTEM's transfer function [ky, kx]: the spectrum of the image of a point."""
    import abtem

    point = np.zeros((len(K), len(K)), dtype=np.complex128)
    point[0, 0] = 1
    with abtem.config.set({"precision": "float64", "fft": "numpy", "dask.lazy": False}):
        waves = abtem.Waves(point, energy=1e3 * draw.energy_kev, sampling=0.1)
        ctf = abtem.CTF(
            energy=1e3 * draw.energy_kev,
            defocus=draw.defocus[0],
            Cs=draw.spherical_aberration,
            C12=draw.astigmatism,
            phi12=draw.astigmatism_angle,
            C21=draw.coma,
            phi21=draw.coma_angle,
            C23=draw.trefoil,
            phi23=draw.trefoil_angle,
            focal_spread=draw.focal_spread,
        )
        array = waves.apply_ctf(ctf).to_cpu().array
    # abTEM's first index is x.
    return np.fft.fft2(array).T


@pytest.mark.parametrize(
    "draw", table_1_draws(6, seed=1), ids=lambda draw: f"defocus {draw.defocus[0]:.0f} Å"
)
def test_transfer_function_is_abtems(draw: MicroscopeDraw) -> None:
    draw = replace(draw, blur=0.0, trefoil=draw.coma / 2, trefoil_angle=draw.coma_angle / 3)
    ours = transfer_function(draw, draw.defocus[0], KX, KY)
    np.testing.assert_allclose(ours, abtem_transfer(draw), atol=1e-6)


def test_phases_keep_their_accuracy_at_the_largest_aberrations() -> None:
    draw = replace(PERFECT, spherical_aberration=15e4, astigmatism=25.0, coma=600.0, coma_angle=0.4)
    chi = aberration_phase(draw, -150.0, KX, KY)
    assert np.abs(chi).max() > 1e4
    exact = np.exp(-1j * chi)
    np.testing.assert_allclose(transfer_function(draw, -150.0, KX, KY), exact, atol=3e-7)


def test_the_defocus_splits_off_along_the_axes() -> None:
    draw = table_1_draws(1, seed=2)[0]
    split = defocus_phase(draw, 80.0, K)
    np.testing.assert_allclose(
        transfer_function(draw, 0.0, KX, KY) * split[np.newaxis, :] * split[:, np.newaxis],
        transfer_function(draw, 80.0, KX, KY),
        atol=1e-6,
    )


def test_positive_defocus_undoes_propagation() -> None:
    # Fresnel propagation by z along the beam is exp(-iπ λ z k²).
    z = 35.0
    square = KX**2 + KY**2
    propagator = np.exp(-1j * np.pi * electron_wavelength(50.0) * z * square)
    np.testing.assert_allclose(transfer_function(PERFECT, -z, KX, KY), propagator, atol=1e-6)
    np.testing.assert_allclose(transfer_function(PERFECT, z, KX, KY) * propagator, 1.0, atol=1e-6)


def test_focal_spread_is_the_1_e_width_of_the_foci() -> None:
    draw = replace(PERFECT, focal_spread=12.0)
    foci = np.linspace(-60.0, 60.0, 2401)
    weights = np.exp(-((foci / 12.0) ** 2))
    k = np.linspace(0.0, 2.0, 30)
    waves = np.exp(1j * np.pi * electron_wavelength(50.0) * np.outer(k**2, foci))
    mean = waves @ weights / weights.sum()
    np.testing.assert_allclose(temporal_envelope(draw, k**2), mean.real, atol=1e-10)


def test_blur_is_the_envelope_of_2021() -> None:
    draw = replace(PERFECT, blur=1.3)
    assert blur_envelope(draw, np.array([0.8**2])) == pytest.approx(np.exp(-((1.3 * 0.8) ** 2) / 2))
    envelope = np.abs(transfer_function(replace(draw, focal_spread=9.0), 20.0, KX, KY))
    square = KX**2 + KY**2
    expected = temporal_envelope(replace(draw, focal_spread=9.0), square) * np.exp(
        -(1.3**2) * square / 2
    )
    np.testing.assert_allclose(envelope, expected, atol=1e-6)


@pytest.mark.parametrize(
    "draw", table_1_draws(3, seed=3), ids=lambda draw: f"defocus {draw.defocus[0]:.0f} Å"
)
def test_displacement_is_the_gradient_of_the_phase(draw: MicroscopeDraw) -> None:
    rng = np.random.default_rng(0)
    kx, ky = rng.uniform(-2.5, 2.5, size=(2, 50))
    step = 1e-5

    def chi(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        return aberration_phase(draw, draw.defocus[0], x, y)

    along_x, along_y = displacement(draw, draw.defocus[0], kx, ky)
    slope = (chi(kx + step, ky) - chi(kx - step, ky)) / (4 * np.pi * step)
    np.testing.assert_allclose(along_x, slope, rtol=1e-6, atol=1e-4)
    slope = (chi(kx, ky + step) - chi(kx, ky - step)) / (4 * np.pi * step)
    np.testing.assert_allclose(along_y, slope, rtol=1e-6, atol=1e-4)


def fringe(kx: int, ky: int, points: int = 200) -> NDArray[np.float64]:
    """Power of a wave of one frequency, in steps of the box."""
    power = np.zeros((points, points))
    power[ky, kx] = 1.0
    return power


def test_the_period_reaches_as_far_as_a_single_fringe() -> None:
    box, window, defocus = 20.0, 18.0, 150.0
    draw = replace(PERFECT, defocus=(defocus,))
    reach = electron_wavelength(50.0) * 60 / box * defocus
    size = padded_size(draw, fringe(60, 0), box, window, 1e-3)
    assert size == pytest.approx(reach + (box + window) / 2, rel=0.011)
    # Along a diagonal each axis has its own share of the way.
    size = padded_size(draw, fringe(60, 60), box, window, 1e-3)
    assert size == pytest.approx(reach + (box + window) / 2, rel=0.011)


def test_the_worst_defocus_of_the_series_counts() -> None:
    power = fringe(50, 20)
    sizes = [
        padded_size(replace(PERFECT, defocus=defocus), power, 20.0, 18.0, 1e-3)
        for defocus in ((-150.0,), (40.0,), (-150.0, 40.0))
    ]
    assert sizes[0] == sizes[2] > sizes[1]


def test_no_aberrations_need_no_padding_but_the_two_halves() -> None:
    power = np.ones((64, 64))
    assert padded_size(PERFECT, power, 20.0, 18.0, 1e-3) == 20.0
    assert padded_size(PERFECT, power, 20.0, 30.0, 1e-3) == 25.0
    defocused = replace(PERFECT, defocus=(100.0,))
    assert padded_size(defocused, np.zeros((64, 64)), 20.0, 18.0, 1e-3) == 20.0
