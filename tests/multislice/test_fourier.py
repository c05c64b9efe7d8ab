"""The multislice in Fourier space against the independent reference, abTEM and analytic limits."""

import math

import abtem.parametrizations
import numpy as np
import pytest
import reference
import scipy.fft
from ase.data import chemical_symbols
from clusters import BOX, WIDTH, mixed_cluster, molybdenite_flake, specimen
from real_rows import SAMPLE
from reference import (
    debye_waller,
    frequencies,
    phase_per_scattering_factor,
    propagated,
    relative_error,
    resampled,
)
from threadpoolctl import threadpool_limits

from exitwave.config import Multislice, Structure
from exitwave.errors import SpecimenError
from exitwave.materials.material import read_materials
from exitwave.multislice import fourier as fourier_multislice
from exitwave.multislice.atomic_scattering import (
    known_elements,
    published_parameters,
    scattering_factor,
)
from exitwave.multislice.exit_wave import exit_wave, stored_points
from exitwave.multislice.thermal import displaced
from exitwave.specimens.build import build_specimen

PARAMETRIZATIONS = {
    "lobato": abtem.parametrizations.LobatoParametrization,
    "kirkland": abtem.parametrizations.KirklandParametrization,
    "peng": abtem.parametrizations.PengParametrization,
}
ATOMS = {"cluster": mixed_cluster, "flake": molybdenite_flake}


def fourier(step=0.4, **keys):
    return Multislice(method="fourier", slice_thickness_angstrom=step, **keys)


def converged(numbers, positions, box, energy=50.0):
    """The reference in the stored band; on 0.06 Å and 0.2 Å it is converged to 2e-6."""
    positions = np.asarray(positions, dtype=float)
    points = math.ceil(box / 0.12) * 2
    wave = reference.exit_wave(numbers, positions, box, points, 0.2, WIDTH, energy)
    return resampled(wave, stored_points(fourier(), box))


# Measured: cluster 8e-6, 9e-6, 4.1e-5, 3.4e-4; flake 3e-6, 3e-6, 1.0e-5, 9.5e-5. The plain abTEM
# script has 3.1e-4 and 2.1e-4.
@pytest.mark.parametrize(
    ("step", "errors"),
    [
        (0.1, {"cluster": 1e-5, "flake": 4e-6}),
        (0.25, {"cluster": 1.2e-5, "flake": 4e-6}),
        (0.4, {"cluster": 5e-5, "flake": 1.2e-5}),
        (0.6, {"cluster": 4e-4, "flake": 1.2e-4}),
        (1.0, {"cluster": 2.2e-3, "flake": 1.4e-3}),
    ],
)
@pytest.mark.parametrize("name", ["cluster", "flake"])
def test_the_wave_agrees_with_the_reference(request, step, errors, name):
    truth = resampled(request.getfixturevalue(f"reference_{name}"), 120)
    assert relative_error(exit_wave(specimen(*ATOMS[name]()), fourier(step)), truth) < errors[name]


@pytest.mark.parametrize("name", ["cluster", "flake"])
def test_planes_at_04_are_closer_to_the_reference_than_abtem_at_02(request, name):
    truth = resampled(request.getfixturevalue(f"reference_{name}"), 120)
    atoms = specimen(*ATOMS[name]())
    error = relative_error(exit_wave(atoms, Multislice(method="abtem")), truth)
    assert relative_error(exit_wave(atoms, fourier()), truth) < error / 5


@pytest.mark.parametrize(("energy", "error"), [(80.0, 2e-5), (300.0, 3e-6)])
def test_other_energies(energy, error):
    numbers, positions = mixed_cluster()
    positions = positions - np.array([2.0, 2.0, 0.0])
    truth = converged(numbers, positions, 8.4, energy)
    wave = exit_wave(specimen(numbers, positions, 8.4), fourier(energy_kev=energy))
    assert relative_error(wave, truth) < error


@pytest.mark.parametrize("name", ["kirkland", "peng"])
def test_other_parametrisations(monkeypatch, name):
    """abTEM's own functions, in float32, stand in for the reference's scattering factor."""

    def published(number, q_squared):
        function = PARAMETRIZATIONS[name]().scattering_factor(chemical_symbols[number])
        return function(q_squared.ravel()).reshape(q_squared.shape)

    monkeypatch.setattr(reference, "scattering_factor", published)
    numbers, positions = mixed_cluster()
    positions = positions - np.array([2.0, 2.0, 0.0])
    truth = converged(numbers, positions, 8.4)
    wave = exit_wave(specimen(numbers, positions, 8.4), fourier(parametrization=name))
    assert relative_error(wave, truth) < 7e-5


# Three atoms of one element in a tilted line; heavier ones scatter more often within themselves.
@pytest.mark.parametrize(
    ("element", "error"), [(1, 2e-6), (6, 3e-6), (22, 6e-6), (34, 1.4e-5), (47, 2.2e-5), (82, 5e-5)]
)
def test_other_elements(element, error):
    positions = [[2.0, 4.5, 0.0], [2.93, 3.99, 0.87], [3.86, 3.48, 1.74]]
    numbers = [element] * len(positions)
    truth = converged(numbers, positions, 6.6)
    assert relative_error(exit_wave(specimen(numbers, positions, 6.6), fourier()), truth) < error


@pytest.mark.parametrize(("box", "height", "tilt"), [(7.2, 9.0, 0.0), (9.0, 4.0, 10.0)])
def test_other_boxes_thicknesses_and_tilts(box, height, tilt):
    rng = np.random.default_rng(11)
    plane = rng.uniform(2, box - 2, (8, 2))
    z = rng.uniform(0, height, 8) + np.tan(np.deg2rad(tilt)) * plane[:, 0]
    positions = np.column_stack([plane, z - z.min()])
    numbers = rng.choice([6, 16, 42], 8)
    truth = converged(numbers, positions, box)
    wave = exit_wave(specimen(numbers, positions, box), fourier())
    assert len(wave) == stored_points(fourier(), box)
    assert relative_error(wave, truth) < 1.5e-5


def test_atoms_at_rest_agree_with_abtem_on_finer_and_finer_points():
    """As for frozen phonons: measured 2.4e-3 and 2.3e-4, and 1.2e-4 at 0.0125 Å."""
    atoms = specimen([42, 16, 6], [[2.1, 3.3, 0.0], [3.9, 2.2, 0.7], [3.1, 4.4, 1.6]], 6.0)
    keys = {"thermal": "frozen_phonons"}
    ours = exit_wave(atoms, fourier(0.25, **keys))
    errors = [
        relative_error(
            exit_wave(
                atoms,
                Multislice(
                    method="abtem",
                    sampling_angstrom=sampling,
                    slice_thickness_angstrom=0.1,
                    **keys,
                ),
            ),
            ours.astype(complex),
        )
        for sampling in (0.05, 0.025)
    ]
    assert errors[1] < 4e-4
    assert errors[1] < 0.2 * errors[0]


def test_a_frozen_configuration_has_its_wave():
    rng = np.random.default_rng(1)
    settings = fourier(thermal="frozen_phonons")
    wave = exit_wave(*displaced(specimen(*mixed_cluster()), settings, rng))
    assert np.mean(np.abs(wave) ** 2) == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("distance", [0.2, 4.5, 43.0])
def test_the_exit_plane_is_exactly_where_it_is_asked_for(distance):
    atoms = specimen(*mixed_cluster())
    near = exit_wave(atoms, fourier())
    far = exit_wave(atoms, fourier(exit_distance_angstrom=distance))
    truth = propagated(near.astype(complex), BOX / len(near), distance - 3.0)
    assert relative_error(far, truth) < 1e-10


def test_the_exit_plane_does_not_depend_on_the_planes():
    atoms = specimen([6], [[6.0, 6.0, 0.0]])
    waves = [exit_wave(atoms, fourier(step)) for step in (0.25, 0.4)]
    assert relative_error(waves[1], waves[0]) < 1e-5


@pytest.mark.parametrize("energy", [50.0, 300.0])
def test_a_light_atom_is_a_weak_phase_object(energy):
    settings = fourier(energy_kev=energy)
    wave = exit_wave(specimen([1], [[5.0, 7.0, 0.0]]), settings)
    points = len(wave)
    k = np.fft.fftfreq(points, BOX / points)
    k_squared = frequencies(points, BOX / points)
    # On the Ewald sphere, where what is scattered once has its frequency along the beam.
    q_squared = k_squared + (0.5 * reference.wavelength(energy) * k_squared) ** 2
    place = np.exp(-2j * np.pi * (k[:, None] * 7.0 + k * 5.0))
    spectrum = place * reference.scattering_factor(1, q_squared) * debye_waller(q_squared, WIDTH)
    spectrum[points // 2] = spectrum[:, points // 2] = 0
    phase = np.fft.ifft2(spectrum) * phase_per_scattering_factor(energy) * (points / BOX) ** 2
    truth = 1 + 1j * propagated(phase, BOX / points, 3.0, energy)
    assert relative_error(wave, truth) < (5e-4 if energy == 50.0 else 2e-4)


def test_vacuum_is_one_and_the_intensity_is_kept():
    atoms = specimen([6], [[4.0, 4.0, 0.0]], 30.0)
    wave = exit_wave(atoms, fourier(sampling_angstrom=0.06))
    assert np.abs(wave[150:, 150:] - 1).max() < 2e-3
    full = exit_wave(specimen(*mixed_cluster()), fourier())
    assert np.mean(np.abs(full) ** 2) == pytest.approx(1.0, abs=3e-5)


def test_a_wave_is_indexed_y_then_x():
    wave = exit_wave(specimen([42], [[3.0, 8.0, 0.0]]), fourier())
    row, column = np.unravel_index(np.argmax(np.abs(wave - 1)), wave.shape)
    assert (0.1 * column, 0.1 * row) == pytest.approx((3.0, 8.0), abs=0.1)
    assert wave[row, column].imag > 0.1


@pytest.mark.parametrize("sampling", [0.05, 0.0667, 0.1, 0.25])
def test_every_grid_gives_the_band_it_holds(sampling):
    settings = fourier(sampling_angstrom=sampling)
    wave = exit_wave(specimen(*mixed_cluster()), settings)
    size = stored_points(settings, BOX)
    assert wave.shape == (size, size)
    assert wave.dtype == np.complex64
    finer = resampled(exit_wave(specimen(*mixed_cluster()), fourier()).astype(complex), size)
    # Of the coarsest points two thirds of the frequencies are kept.
    assert relative_error(wave, finer) < {0.05: 1e-12, 0.0667: 1e-4, 0.1: 0.05, 0.25: 0.3}[sampling]


def test_the_same_bits_whatever_the_number_of_threads():
    atoms, settings = specimen(*molybdenite_flake()), fourier()
    with threadpool_limits(1):
        first, again = exit_wave(atoms, settings), exit_wave(atoms, settings)
    with threadpool_limits(2), scipy.fft.set_workers(2):
        threaded = exit_wave(atoms, settings)
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(first, threaded)


@pytest.mark.parametrize("name", PARAMETRIZATIONS)
def test_scattering_factors_are_abtems(name):
    q_squared = np.linspace(0, 6, 50) ** 2
    for number in known_elements(name):
        function = PARAMETRIZATIONS[name]().scattering_factor(chemical_symbols[number])
        # abTEM's are in float32.
        np.testing.assert_allclose(
            scattering_factor(number, name, q_squared), function(q_squared), rtol=2e-3, atol=2e-5
        )


def test_an_unknown_element_is_named():
    with pytest.raises(SpecimenError, match="peng has no values for Lr"):
        exit_wave(specimen([103], [[6.0, 6.0, 0.0]]), fourier(parametrization="peng"))


def test_rows_that_are_left_out_do_not_show(monkeypatch):
    atoms = specimen(*molybdenite_flake())
    wave = exit_wave(atoms, fourier())
    monkeypatch.setattr(fourier_multislice, "_NEGLIGIBLE_SHIFT", -1.0)
    assert relative_error(wave, exit_wave(atoms, fourier()).astype(complex)) < 1e-7


def test_an_exchange_of_the_axes_does_not_show():
    """Rows are laid along x or y, whichever leaves more of them out."""
    numbers, positions = [42, 16, 6], np.array([[2.0, 6.0, 0.0], [5.0, 6.2, 1.0], [9.0, 5.8, 2.0]])
    wave = exit_wave(specimen(numbers, positions), fourier())
    other = exit_wave(specimen(numbers, positions[:, [1, 0, 2]]), fourier())
    assert relative_error(other.T, wave.astype(complex)) < 1e-10


@pytest.mark.skipif(not SAMPLE.is_file(), reason="no C2DB rows")
def test_specimens_of_real_rows_agree_with_the_reference():
    materials, _, _ = read_materials(SAMPLE, "natoms<=8", 8)
    structure = Structure(box_angstrom=12.0, flake_radius_angstrom=(3.0, 3.5), margin_angstrom=1.5)
    for material in materials[100::800]:
        atoms = build_specimen(material, structure, 1, "c2db", 0)
        truth = converged(atoms.numbers, atoms.positions, atoms.box)
        assert relative_error(exit_wave(atoms, fourier()), truth) < 3e-5


@pytest.mark.parametrize("name", PARAMETRIZATIONS)
def test_the_atomic_parameters_are_abtems(name):
    """They are read from its file, for importing it takes seconds."""
    theirs = PARAMETRIZATIONS[name]().parameters
    ours = published_parameters(name)
    assert ours.keys() == theirs.keys()
    for symbol, values in theirs.items():
        np.testing.assert_array_equal(ours[symbol], values)
