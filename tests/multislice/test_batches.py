"""Many waves at once, as on a GPU: each is the one that its specimen has alone."""

import gc
import itertools
import tracemalloc

import numpy as np
import pytest
from clusters import BOX, mixed_cluster, molybdenite_flake, specimen
from device_arrays import device_modules
from reference import relative_error

from exitwave.config import Multislice
from exitwave.errors import SpecimenError
from exitwave.multislice import batches
from exitwave.multislice.batches import fourier_waves
from exitwave.multislice.exit_wave import exit_wave, exit_waves, passage_of
from exitwave.multislice.thermal import thermal_exit_wave, thermal_exit_waves

COARSE = Multislice(sampling_angstrom=0.1, slice_thickness_angstrom=0.4)


def several():
    """Specimens of different elements and numbers of atoms and planes, and their settings."""
    numbers, positions = mixed_cluster()
    specimens = [
        specimen(numbers, positions),
        specimen(*molybdenite_flake()),
        specimen([92], [[4.0, 5.0, 0.0]]),
        specimen([6, 79], [[4.0, 4.0, 0.0], [8.0, 6.0, 14.0]]),
        specimen([16, 42], [[4.0, 2.0, 0.0], [5.0, 7.0, 0.6]]),
    ]
    settings = [COARSE.model_copy(update={"exit_distance_angstrom": d}) for d in (3, 3, 9, 1, 2)]
    settings[1] = COARSE.model_copy(update={"energy_kev": 80.0})
    return specimens, settings


@pytest.fixture
def modules(monkeypatch):
    made = device_modules()
    monkeypatch.setattr(batches, "array_modules", lambda device: made)
    return made


@pytest.fixture
def small_batches(monkeypatch):
    """Two or three of the specimens fit together."""
    most = 3 * 8 * 10 * 120**2
    monkeypatch.setattr(batches, "_BATCH_BYTES", most)


def test_waves_together_are_those_of_one_specimen_alone(modules):
    specimens, settings = several()
    for wave, atoms, own in zip(exit_waves(specimens, settings), specimens, settings, strict=True):
        alone = exit_wave(atoms, own)
        assert (wave.shape, wave.dtype) == (alone.shape, np.complex64)
        assert wave.flags.c_contiguous
        # Rows on which little happens are left out of one wave, and of no batch.
        assert relative_error(wave, alone.astype(complex)) < 1e-6


@pytest.mark.usefixtures("small_batches")
def test_order_and_company_do_not_show(modules):
    specimens, settings = several()
    alone = [exit_wave(*case, "gpu") for case in zip(specimens, settings, strict=True)]
    for order in ([0, 1, 2, 3, 4], [4, 2, 0, 3, 1], [3, 3, 1], [2, 3]):
        waves = exit_waves([specimens[i] for i in order], [settings[i] for i in order])
        for place, wave in zip(order, waves, strict=True):
            assert relative_error(wave, alone[place].astype(complex)) < 1e-8


def test_other_grids_are_batches_of_their_own(modules):
    specimens = [specimen([42], [[3.0, 4.0, 0.0]], box) for box in (6.0, 9.0, 6.0)]
    settings = [COARSE, COARSE, COARSE.model_copy(update={"parametrization": "kirkland"})]
    for case in zip(specimens, settings, exit_waves(specimens, settings), strict=True):
        assert relative_error(case[2], exit_wave(*case[:2]).astype(complex)) < 1e-6


@pytest.mark.parametrize("name", ["lobato", "kirkland", "peng"])
def test_scattering_factors_are_computed_on_the_device(modules, name):
    settings = COARSE.model_copy(update={"parametrization": name})
    atoms = specimen(*mixed_cluster())
    wave = exit_wave(atoms, settings, "gpu")
    assert relative_error(wave, exit_wave(atoms, settings).astype(complex)) < 1e-6


def test_no_plane_is_copied_to_or_from_the_device(modules):
    arrays, fft = modules
    counts = []
    for height in (0.4, 20.0):
        arrays.calls.clear()
        fft.calls.clear()
        atoms = [specimen([6, 8], [[4.0, 4.0, 0.0], [5.0, 5.0, height]]) for _ in range(3)]
        exit_waves(atoms, [COARSE] * 3)
        counts.append((arrays.transfers, arrays.calls["asnumpy"], fft.calls["fft2"]))
    assert counts[0][:2] == counts[1][:2]
    assert counts[0][1] == 1
    assert counts[0][2] < counts[1][2]


def test_each_plane_takes_three_transforms_of_the_batch(modules):
    _, fft = modules
    exit_waves([specimen([6], [[4.0, 4.0, 0.0]])] * 5, [COARSE] * 5)
    # An atom on a plane acts on this and on both neighbours; the last transform is the stored wave.
    assert dict(fft.calls) == {"ifft2": 3 + 1, "irfft2": 3, "fft2": 3}


def test_a_specimen_that_fails_costs_only_itself(modules):
    specimens, _ = several()
    settings = [COARSE.model_copy(update={"parametrization": "peng"})] * len(specimens)
    specimens[2] = specimen([103], [[6.0, 6.0, 0.0]])
    specimens[4] = specimen([6], [[np.nan, 6.0, 0.0]])
    waves = exit_waves(specimens, settings)
    assert [isinstance(wave, SpecimenError) for wave in waves] == [False, False, True, False, True]
    assert "no values for Lr" in str(waves[2])
    assert "not finite" in str(waves[4])
    for place in (0, 1, 3):
        alone = exit_wave(specimens[place], settings[place])
        assert relative_error(waves[place], alone.astype(complex)) < 1e-6


def test_one_wave_that_is_not_finite_is_not_computed_again(modules):
    specimens = [specimen([6], [[x, 6.0, 0.0]]) for x in (4.0, np.nan, 5.0)]
    waves = exit_waves(specimens, [COARSE] * 3)
    assert [isinstance(wave, SpecimenError) for wave in waves] == [False, True, False]
    assert modules[0].calls["asnumpy"] == 1


def test_where_the_memory_of_the_gpu_runs_out_one_wave_follows_the_other(modules, monkeypatch):
    def in_little_memory(specimens, passages, device="gpu"):
        if len(specimens) > 1:
            raise MemoryError("out of memory allocating 3,000,000,000 bytes")
        return fourier_waves(specimens, passages, device)

    monkeypatch.setattr("exitwave.multislice.exit_wave.fourier_waves", in_little_memory)
    specimens, settings = several()
    assert all(isinstance(wave, np.ndarray) for wave in exit_waves(specimens, settings))


def test_batches_hold_what_fits_into_the_memory(monkeypatch):
    specimens, settings = several()
    passage = passage_of(specimens[0], settings[0])
    crossings = [batches._Crossing.of(atoms, passage) for atoms in specimens * 4]
    monkeypatch.setattr(batches, "_BATCH_BYTES", 4 * max(each.bytes for each in crossings))
    parts = list(batches._batches(crossings))
    assert sorted(itertools.chain(*parts)) == list(range(20))
    assert [len(part) for part in parts] == [4] * 5
    # Few planes go with few.
    most = [max(crossings[place].planes for place in part) for part in parts]
    assert most == sorted(most)
    # One that does not fit is tried nevertheless.
    monkeypatch.setattr(batches, "_BATCH_BYTES", 1)
    assert [len(part) for part in batches._batches(crossings)] == [1] * 20


def test_memory_does_not_grow_with_the_number_of_samples(modules):
    """In chunks, as the stage asks for them; the peak is that of one chunk."""
    specimens = [
        specimen([6, 42], [[2.0, 3.0, 0.0], [4.0, 3.0, 0.1 * number]], BOX / 2)
        for number in range(60)
    ]
    peaks = []
    tracemalloc.start()
    try:
        for first in range(0, 60, 6):
            gc.collect()
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            exit_waves(specimens[first : first + 6], [COARSE] * 6)
            peaks.append(tracemalloc.get_traced_memory()[1] - before)
        left = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert max(peaks[1:]) < 1.5 * min(peaks[1:])
    assert left < 0.1 * peaks[-1]


@pytest.mark.usefixtures("small_batches")
def test_a_full_pool_of_memory_is_emptied_after_each_batch(modules):
    arrays, _ = modules
    specimens, _ = several()
    exit_waves(specimens, [COARSE] * 5)
    count, arrays.calls["asnumpy"] = arrays.calls["asnumpy"], 0
    assert (arrays.freed, count > 1) == (0, True)
    arrays.pool_bytes = 3 * batches._BATCH_BYTES
    exit_waves(specimens, [COARSE] * 5)
    assert arrays.freed == arrays.cleared == arrays.calls["asnumpy"] == count


def test_configurations_of_frozen_phonons_are_a_batch(modules):
    settings = COARSE.model_copy(
        update={"thermal": "frozen_phonons", "frozen_phonon_configurations": 5}
    )
    atoms = specimen(*mixed_cluster())
    (wave,) = thermal_exit_waves([atoms], [settings], [np.random.default_rng])
    assert modules[0].calls["asnumpy"] == 1
    alone = thermal_exit_wave(atoms, settings, np.random.default_rng)
    assert relative_error(wave, alone.astype(complex)) < 1e-6


def test_frozen_phonons_that_fail_cost_only_their_specimen(modules):
    settings = COARSE.model_copy(
        update={"thermal": "frozen_phonons", "frozen_phonon_configurations": 2}
    )
    close = settings.model_copy(update={"exit_distance_angstrom": 1e-4})
    atoms = specimen([6] * 9, [[4.0, 1.0 + y, 0.0] for y in range(9)])
    draws = [np.random.default_rng] * 2
    failed, wave = thermal_exit_waves([atoms, atoms], [close, settings], draws)
    assert "vibrates through the exit plane" in str(failed)
    assert isinstance(wave, np.ndarray)
