"""The reference multislice itself: known constants, closed forms, convergence, intensity."""

import numpy as np
import pytest
from clusters import BOX, WIDTH, mixed_cluster
from reference import (
    PARAMETERS,
    exit_wave,
    phase_per_scattering_factor,
    propagated,
    relative_error,
    resampled,
    scattering_factor,
    slice_phases,
    wavelength,
)
from scipy import constants
from scipy.special import k0, k1


def test_wavelength_and_interaction_constant_are_the_published_ones():
    """Kirkland, Advanced Computing in Electron Microscopy: 100, 200 and 400 keV."""
    assert wavelength(np.array([100.0, 200.0, 400.0])) == pytest.approx(
        [0.03701, 0.02508, 0.01644], abs=6e-6
    )
    volts = 1e20 * constants.h**2 / (2 * np.pi * constants.m_e * constants.e)
    assert volts == pytest.approx(47.878, abs=1e-3)
    assert phase_per_scattering_factor(100.0) / volts == pytest.approx(0.924e-3, abs=5e-7)
    assert phase_per_scattering_factor(200.0) / volts == pytest.approx(0.729e-3, abs=5e-7)


def test_a_gaussian_propagates_as_its_closed_form():
    points, sampling, width, distance = 256, 0.1, 0.8, 40.0
    x = (np.arange(points) - points // 2) * sampling
    r_squared = x[:, None] ** 2 + x**2
    spread = width**2 + 0.5j * wavelength(50.0) * distance / np.pi
    expected = width**2 / spread * np.exp(-r_squared / (2 * spread))
    wave = propagated(np.exp(-r_squared / (2 * width**2)), sampling, distance)
    np.testing.assert_allclose(wave, expected, atol=1e-12)


def test_the_projected_potential_has_its_closed_form():
    """The scattering factor's transform in the plane is a sum of Bessel functions K0 and K1."""
    points, centre = 240, 120
    phase = sum(slice_phases([6], [[BOX / 2, BOX / 2, 0.0]], BOX, points, 1.0, WIDTH))
    places = np.arange(8, 60)
    radius = places * BOX / points
    closed = np.zeros_like(radius)
    for a, b in zip(*PARAMETERS["C"], strict=True):
        reduced = 2 * np.pi * radius / np.sqrt(b)
        charge = np.pi * a / b * reduced * k1(reduced)
        closed += 2 * np.pi * a / b * k0(reduced) + charge
        # Vibration, to first order: half its square times the Laplacian.
        closed += 2 * np.pi**2 * WIDTH**2 / b * charge
    closed *= phase_per_scattering_factor(50.0)
    np.testing.assert_allclose(phase[centre, centre + places], closed, rtol=2e-3, atol=1e-5)


def test_it_converges_in_slices(reference_cluster):
    thick, thin = (
        resampled(exit_wave(*mixed_cluster(), BOX, 240, step, WIDTH), 120) for step in (0.2, 0.05)
    )
    middle = relative_error(resampled(reference_cluster, 120), thin)
    assert middle < 2e-7
    # Amplitudes are off by the square of the thickness, so Eq. (A.1) falls to a 16th or less.
    assert relative_error(thick, thin) > 16 * middle


def test_it_converges_in_points(reference_cluster):
    wave = exit_wave(*mixed_cluster(), BOX, 200, 0.1, WIDTH)
    assert relative_error(resampled(wave, 120), resampled(reference_cluster, 120)) < 3e-7


def test_it_keeps_the_intensity(reference_cluster):
    assert np.mean(np.abs(reference_cluster) ** 2) == pytest.approx(1.0, abs=1e-11)


def test_resampling_keeps_a_wave_within_the_band():
    x = np.arange(48) / 48
    wave = 1 + 0.3j * np.exp(2j * np.pi * (3 * x[:, None] - 5 * x)) + 0.1 * np.exp(8j * np.pi * x)
    np.testing.assert_allclose(resampled(wave, 12), wave[::4, ::4], atol=1e-14)


def test_hydrogen_is_bohrs():
    """The first Born scattering factor of hydrogen's ground state, in closed form."""
    bohr = 1e10 * constants.physical_constants["Bohr radius"][0]
    q_squared = np.linspace(0.0, 4.0, 9)
    reduced = np.pi**2 * bohr**2 * q_squared
    closed = 0.5 * bohr * (2 + reduced) / (1 + reduced) ** 2
    np.testing.assert_allclose(scattering_factor(1, q_squared), closed, rtol=2e-3)
