"""Eq. (1), grids, slices, the documented exit plane, and the axes of the exit wave."""

import abtem
import numpy as np
import pytest
from ase import Atoms
from clusters import BOX, specimen
from reference import propagated, relative_error

from exitwave.config import Multislice
from exitwave.multislice.atomic_scattering import known_elements
from exitwave.multislice.exit_wave import (
    crop_band,
    exit_wave,
    fast_even_size,
    grid_points,
    mean_square_displacement,
    slice_thicknesses,
    smearing_width,
    stored_points,
)


def test_equation_1_gives_the_papers_value():
    assert mean_square_displacement(32.06, 580.0, 300.0) == pytest.approx(0.0030, abs=5e-5)
    assert smearing_width(Multislice()) == pytest.approx(0.0548, abs=3e-4)


def test_grids_are_fast_even_and_fine_enough():
    for least in range(2, 2000, 37):
        size = fast_even_size(least)
        assert size >= least
        assert size % 2 == 0
        rest = size
        for factor in (2, 3, 5):
            while rest % factor == 0:
                rest //= factor
        assert rest == 1
    assert grid_points(Multislice(), 38.4) == 768
    assert stored_points(Multislice(), 38.4) == 384
    assert stored_points(Multislice(sampling_angstrom=0.2), 38.4) == 192


def test_known_elements_are_the_parametrisations():
    assert known_elements("lobato") == frozenset(range(1, 104))
    assert known_elements("peng") == frozenset(range(1, 99))


@pytest.mark.parametrize("projection", ["finite", "infinite"])
@pytest.mark.parametrize("step", [0.1, 0.2, 0.4, 0.7, 4.0])
def test_the_lowest_atom_is_in_the_middle_of_its_slice(projection, step):
    settings = Multislice(slice_thickness_angstrom=step, projection=projection)
    rng = np.random.default_rng(3)
    for height in (0.0, 0.05, 3.13, 9.9):
        heights = np.sort(rng.random(20)) * height
        heights[0], heights[-1] = 0.0, height
        top, thicknesses = slice_thicknesses(heights, settings)
        borders = np.concatenate([[0.0], np.cumsum(thicknesses)])
        lowest = np.searchsorted(borders, height + top) - 1
        assert borders[-1] - borders[lowest] == pytest.approx(3.0)
        assert height + top - borders[lowest] == pytest.approx(step / 2)
        assert top >= (2.0 if projection == "finite" else 0.0)
        # Each atom lies in a slice of full thickness, or in the last one.
        for place in np.searchsorted(borders, heights + top + 1e-9) - 1:
            assert thicknesses[place] in (step, min(step, 3.0))


@pytest.mark.parametrize("projection", ["finite", "infinite"])
@pytest.mark.parametrize("step", [0.2, 0.4, 0.7, 2.0])
def test_the_exit_plane_is_at_its_documented_distance(projection, step):
    settings = Multislice(
        method="abtem", slice_thickness_angstrom=step, projection=projection, sampling_angstrom=0.06
    )
    wave = exit_wave(specimen([6], [[6.0, 6.0, 0.0]]), settings).astype(complex)
    atoms = Atoms("C", positions=[[6.0, 6.0, 4.0]], cell=[BOX, BOX, 8.0])
    projected = (
        abtem.Potential(
            atoms,
            gpts=grid_points(settings, BOX),
            slice_thickness=8.0,
            parametrization=abtem.parametrizations.LobatoParametrization(
                sigmas={"C": smearing_width(settings)}
            ),
        )
        .build(lazy=False)
        .array[0]
    )
    phase = abtem.core.energy.energy2sigma(50e3) * projected.T.astype(float)
    sampling = BOX / len(phase)
    points = stored_points(settings, BOX)
    distances = np.arange(2.5, 3.5, 0.02)
    errors = [
        relative_error(
            wave,
            crop_band(
                propagated(np.exp(1j * phase), sampling, distance).astype(np.complex64), points
            ),
        )
        for distance in distances
    ]
    assert distances[np.argmin(errors)] == pytest.approx(3.0, abs=0.05)


@pytest.mark.parametrize("method", ["abtem", "fourier"])
def test_a_wave_is_indexed_y_then_x(method):
    settings = Multislice(method=method, sampling_angstrom=0.1)
    wave = exit_wave(specimen([42], [[3.0, 8.0, 0.0]]), settings)
    row, column = np.unravel_index(np.argmax(np.abs(wave - 1)), wave.shape)
    spacing = BOX / len(wave)
    assert (column * spacing, row * spacing) == pytest.approx((3.0, 8.0), abs=spacing)


@pytest.mark.parametrize("method", ["abtem", "fourier"])
def test_the_phase_is_positive_and_vacuum_is_one(method):
    settings = Multislice(method=method, sampling_angstrom=0.1)
    wave = exit_wave(specimen([6], [[6.0, 6.0, 0.0]]), settings)
    assert wave[60, 60].imag > 0.1
    assert np.abs(wave[0, 0] - 1) < 0.01
    assert np.mean(np.abs(wave) ** 2) == pytest.approx(1.0, abs=2e-3)


@pytest.mark.parametrize("fft", ["numpy", "fftw"])
def test_a_wave_is_the_same_twice(fft):
    settings = Multislice(method="abtem", projection="infinite", sampling_angstrom=0.1, fft=fft)
    atoms = specimen([42, 16], [[3.0, 8.0, 0.0], [5.0, 5.0, 1.5]])
    np.testing.assert_array_equal(exit_wave(atoms, settings), exit_wave(atoms, settings))


def test_crop_band_keeps_a_band_limited_wave():
    rng = np.random.default_rng(1)
    coefficients = np.zeros((48, 48), dtype=complex)
    block = rng.normal(size=(9, 9)) + 1j * rng.normal(size=(9, 9))
    coefficients[np.ix_(range(-4, 5), range(-4, 5))] = block
    fine = np.fft.ifft2(coefficients).astype(np.complex64)
    coarse = crop_band(fine, 12)
    np.testing.assert_allclose(coarse, fine[::4, ::4], atol=1e-6)
