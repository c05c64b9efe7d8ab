"""Frozen phonons against smeared potentials, atoms at rest and the amplitudes of Eq. (1)."""

import ase
import numpy as np
import pytest

from exitwave.config import Multislice
from exitwave.errors import SpecimenError
from exitwave.multislice.exit_wave import exit_wave, mean_square_displacement, smearing_width
from exitwave.multislice.thermal import (
    displaced,
    displacement_widths,
    frozen_phonon_waves,
    thermal_exit_wave,
)
from exitwave.samples.parts import Atoms
from exitwave.seeds import generator
from exitwave.specimens.build import Specimen

BOX = 9.6
COARSE = {
    "method": "abtem",
    "projection": "infinite",
    "sampling_angstrom": 0.1,
    "slice_thickness_angstrom": 0.5,
}
# Equal mean square displacements: all atoms are carbon, and hot, so that there is much to see.
HOT = {**COARSE, "debye_mass_dalton": 12.011, "temperature_kelvin": 900.0}


def specimen(numbers, positions):
    positions = np.asarray(positions, dtype=float)
    return Specimen(Atoms.of(np.asarray(numbers), positions), BOX)


@pytest.fixture(scope="module")
def carbon():
    rng = np.random.default_rng(2)
    x, y = np.meshgrid([2.4, 4.8, 7.2], [2.4, 4.8, 7.2])
    positions = np.column_stack([x.ravel(), y.ravel(), rng.random(9)])
    positions[:, 2] -= positions[:, 2].min()
    return specimen([6] * 9, positions)


def draws(number):
    return generator(1, "phonons", number)


def phonons(configurations, **values):
    return Multislice(
        **{**HOT, **values},
        thermal="frozen_phonons",
        frozen_phonon_configurations=configurations,
    )


def relative_error(wave, truth):
    """Eq. (A.1) of the paper."""
    return np.sum(np.abs(wave - truth) ** 2) / np.sum(np.abs(truth - 1) ** 2)


@pytest.fixture(scope="module")
def waves(carbon):
    return np.array(list(frozen_phonon_waves(carbon, phonons(120), draws)), dtype=complex)


def test_many_configurations_average_to_the_smeared_wave(carbon, waves):
    smeared = exit_wave(carbon, Multislice(**HOT))
    at_rest = exit_wave(carbon, phonons(1))
    # Of a mean of n waves, the error that chance leaves is their variance over n.
    scatter = np.mean([relative_error(wave, waves.mean(axis=0)) for wave in waves])
    for count in (10, 40):
        groups = waves.reshape(-1, count, *waves.shape[1:]).mean(axis=1)
        error = np.mean([relative_error(group, smeared) for group in groups])
        # To this comes what smearing the potential leaves out, second order in its strength.
        assert error == pytest.approx(scatter / count, rel=0.2, abs=7e-4)
    # Of all waves there is but one mean, whose error is a matter of luck.
    error = relative_error(waves.mean(axis=0), smeared)
    assert error < 2 * scatter / 120
    assert error < 0.05 * relative_error(at_rest, smeared)


def test_the_mean_wave_has_lost_what_went_into_diffuse_scattering(waves):
    elastic = np.abs(waves.mean(axis=0)) ** 2
    total = np.mean(np.abs(waves) ** 2, axis=0)
    assert total.mean() == pytest.approx(1.0, abs=2e-3)
    assert 1e-4 < (total - elastic).mean() < 0.05
    assert np.all(total >= elastic - 1e-9)


def test_atoms_without_motion_give_the_wave_of_sharp_potentials(carbon):
    # The limit of Eq. (1) for a lattice of infinite stiffness; at 0 K the zero-point motion stays.
    stiff = phonons(3, debye_temperature_kelvin=1e12)
    sharp = Multislice(**{**HOT, "debye_mass_dalton": 1e12})
    assert smearing_width(sharp) < 1e-6
    wave = thermal_exit_wave(carbon, stiff, draws)
    assert relative_error(wave, exit_wave(carbon, sharp)) < 1e-9
    cold = displacement_widths(np.array([6]), phonons(1, temperature_kelvin=0.0))
    warm = displacement_widths(np.array([6]), phonons(1, temperature_kelvin=300.0))
    assert 0 < cold[0] < warm[0]


def test_each_element_has_its_own_amplitude():
    settings = phonons(
        1, temperature_kelvin=300.0, debye_temperatures_kelvin={"Mo": 450.0, "W": 312.0}
    )
    numbers = np.array([42, 16, 74, 16])
    expected = [
        mean_square_displacement(mass, debye, 300.0)
        for mass, debye in ((95.95, 450.0), (32.06, 580.0), (183.84, 312.0), (32.06, 580.0))
    ]
    assert displacement_widths(numbers, settings) ** 2 == pytest.approx(expected, rel=1e-3)
    # The paper's value is that of sulphur.
    assert displacement_widths(numbers, settings)[1] == pytest.approx(0.0548, abs=3e-4)


def test_displacements_are_gaussian_alike_along_each_axis_and_independent():
    atoms = specimen(np.repeat([42, 16], 4000), np.random.default_rng(0).random((8000, 3)) * 9)
    settings = phonons(1, temperature_kelvin=300.0)
    moved, _ = displaced(atoms, settings, draws(0))
    steps = moved.positions - atoms.positions
    steps -= steps.mean(axis=0)
    widths = displacement_widths(np.array([42, 16]), settings)
    for element, width in zip((42, 16), widths, strict=True):
        chosen = steps[atoms.numbers == element]
        assert chosen.std(axis=0) == pytest.approx([width] * 3, rel=0.05)
        assert np.mean(np.abs(chosen) < width) == pytest.approx(0.6827, abs=0.01)
    assert np.abs(np.corrcoef(steps.T) - np.eye(3)).max() < 0.05
    other, _ = displaced(atoms, settings, draws(1))
    assert (
        abs(
            np.corrcoef(
                moved.positions[:, 0] - atoms.positions[:, 0],
                other.positions[:, 0] - atoms.positions[:, 0],
            )[0, 1]
        )
        < 0.05
    )


def test_every_configuration_ends_at_the_same_plane(carbon):
    settings = phonons(1, temperature_kelvin=300.0)
    for number in range(20):
        moved, adjusted = displaced(carbon, settings, draws(number))
        assert moved.positions[:, 2].min() == 0
        # Any atom tells by how much the frame was shifted, but for its own displacement.
        frame = np.median(carbon.positions[:, 2] - moved.positions[:, 2])
        plane = frame + moved.positions[:, 2].max() + adjusted.exit_distance_angstrom
        assert plane == pytest.approx(carbon.positions[:, 2].max() + 3.0, abs=0.15)
    one = specimen([6], [[4.8, 4.8, 0.0]])
    moved, adjusted = displaced(one, settings, draws(0))
    step = draws(0).normal(size=(1, 3))[0, 2] * displacement_widths(one.numbers, settings)[0]
    assert adjusted.exit_distance_angstrom == pytest.approx(3.0 - step)


def test_an_atom_that_comes_through_the_exit_plane_is_told():
    one = specimen([1], [[4.8, 4.8, 0.0]])
    settings = phonons(1, exit_distance_angstrom=1e-3, debye_temperature_kelvin=50.0)
    with pytest.raises(SpecimenError, match="raise exit_distance_angstrom"):
        for number in range(20):
            displaced(one, settings, draws(number))


def test_the_same_draws_give_the_same_wave_and_others_another(carbon):
    settings = phonons(2)
    wave = thermal_exit_wave(carbon, settings, draws)
    np.testing.assert_array_equal(wave, thermal_exit_wave(carbon, settings, draws))
    other = thermal_exit_wave(carbon, settings, lambda number: draws(number + 2))
    assert relative_error(other, wave) > 1e-4


def test_smeared_is_the_default_and_leaves_the_draws_alone(carbon):
    def none(number):
        raise AssertionError(number)

    settings = Multislice(**COARSE)
    np.testing.assert_array_equal(
        thermal_exit_wave(carbon, settings, none), exit_wave(carbon, settings)
    )


def test_a_wave_without_smearing_is_abtems():
    import abtem

    from exitwave.multislice.exit_wave import crop_band

    settings = phonons(1, exit_distance_angstrom=0.25)
    wave = exit_wave(specimen([16], [[4.8, 4.8, 0.0]]), settings)
    atoms = ase.Atoms("S", positions=[[4.8, 4.8, 0.25]], cell=[BOX, BOX, 0.5], pbc=True)
    with abtem.config.set({"precision": "float64"}):
        potential = abtem.Potential(
            atoms, gpts=96, slice_thickness=0.25, projection="infinite"
        ).build(lazy=False)
        waves = abtem.PlaneWave(energy=50e3).multislice(potential, lazy=False)
        truth = waves.array.T.astype(np.complex64)
    assert relative_error(wave, crop_band(truth, len(wave))) < 1e-6
