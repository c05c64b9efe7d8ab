"""Peaks of synthetic lattices: positions, values, matches and chance."""

from __future__ import annotations

import math

import numpy as np
import pytest
from evaluation_files import gaussian_wave
from numpy.typing import NDArray

from exitwave.scoring.peaks import (
    Peaks,
    find_peaks,
    match_peaks,
    random_found_share,
    threshold_level,
)

SAMPLING = 0.105
DISTANCE = 0.5


def lattice(offset: tuple[float, float] = (0.0, 0.0)) -> NDArray[np.float64]:
    rng = np.random.default_rng(5)
    x, y = np.meshgrid(3.0 + 2.2 * np.arange(5), 3.0 + 1.9 * np.arange(4))
    plane = np.stack([x.ravel(), y.ravel()], axis=1) + rng.uniform(-0.2, 0.2, (20, 2)) + offset
    return np.pad(plane, ((0, 0), (0, 1)))


def wave_of(positions: NDArray[np.float64], number: int = 42) -> NDArray[np.complex64]:
    return gaussian_wave(140, SAMPLING, np.full(len(positions), number), positions)


def peaks_of(positions: NDArray[np.float64]) -> Peaks:
    return Peaks(positions[:, :2], np.ones(len(positions), dtype=complex))


def test_positions_are_found_to_a_hundredth_of_a_pixel() -> None:
    positions = lattice()
    wave = wave_of(positions)
    peaks = find_peaks(wave, SAMPLING, threshold_level(wave, 0.3))
    assert len(peaks) == len(positions)
    match = match_peaks(peaks_of(positions), peaks, DISTANCE)
    assert match.found_share == 1
    assert match.spurious_share == 0
    assert match.largest_displacement < 0.02 * SAMPLING


def test_values_are_those_of_the_wave_between_the_pixels() -> None:
    positions = lattice()
    wave = wave_of(positions)
    peaks = find_peaks(wave, SAMPLING, threshold_level(wave, 0.3))
    phase = 0.02 * 42**0.8
    expected = np.exp(1j * phase - 0.25 * phase**2)
    assert np.abs(peaks.values - expected).max() < 5e-3 * abs(expected - 1)


def test_x_runs_along_columns() -> None:
    wave = np.ones((20, 30), dtype=complex)
    wave[4, 11] = 1.5
    peaks = find_peaks(wave, 0.5, 0.1)
    assert peaks.positions == pytest.approx(np.array([[5.5, 2.0]]))


def test_a_flat_top_is_one_peak() -> None:
    wave = np.ones((20, 20), dtype=complex)
    wave[8:10, 8:10] = 1 + 0.5j
    assert len(find_peaks(wave, 0.1, 0.1)) == 1


def test_vacuum_and_border_have_no_peaks() -> None:
    wave = np.ones((20, 20), dtype=complex)
    assert len(find_peaks(wave, 0.1, 0.0)) == 0
    wave[0, 5] = 1.5
    assert len(find_peaks(wave, 0.1, 0.1)) == 0


def test_weak_peaks_do_not_count() -> None:
    positions = lattice()
    numbers = np.where(np.arange(20) < 5, 6, 42)
    wave = gaussian_wave(140, SAMPLING, numbers, positions)
    assert len(find_peaks(wave, SAMPLING, threshold_level(wave, 0.5))) == 15
    assert len(find_peaks(wave, SAMPLING, threshold_level(wave, 0.1))) == 20


def test_a_shifted_lattice_is_displaced_by_the_shift() -> None:
    truth, wave = wave_of(lattice()), wave_of(lattice((0.06, -0.08)))
    level = threshold_level(truth, 0.3)
    match = match_peaks(
        find_peaks(truth, SAMPLING, level), find_peaks(wave, SAMPLING, level), DISTANCE
    )
    assert match.median_displacement == pytest.approx(0.10, abs=0.002)
    assert match.largest_displacement == pytest.approx(0.10, abs=0.005)


def test_missing_and_spurious_peaks_are_counted() -> None:
    positions = lattice()
    predicted = np.concatenate([positions[3:], [[13.0, 13.5, 0.0]]])
    match = match_peaks(peaks_of(positions), peaks_of(predicted), DISTANCE)
    assert match.found_share == 17 / 20
    assert match.spurious_share == 1 / 18


def test_the_match_is_one_to_one_and_has_the_most_pairs() -> None:
    # The middle prediction is nearest to both true peaks; a greedy match would find only one.
    true = peaks_of(np.array([[0.0, 0, 0], [0.7, 0, 0]]))
    predicted = peaks_of(np.array([[0.3, 0, 0], [-0.4, 0, 0], [9, 9, 0]]))
    match = match_peaks(true, predicted, DISTANCE)
    assert match.found_share == 1
    assert match.pairs.tolist() == [[0, 1], [1, 0]]
    assert match.displacements == pytest.approx([0.4, 0.4])
    crowded = match_peaks(peaks_of(np.zeros((1, 3))), peaks_of(np.full((3, 3), 0.1)), DISTANCE)
    assert (crowded.found_share, crowded.spurious_share) == (1, 2 / 3)


def test_nothing_to_match() -> None:
    none, some = peaks_of(np.empty((0, 3))), peaks_of(lattice())
    unseen = match_peaks(some, none, DISTANCE)
    assert (unseen.found_share, unseen.spurious_share) == (0, 0)
    assert math.isnan(unseen.largest_displacement)
    assert math.isnan(match_peaks(none, some, DISTANCE).found_share)


def test_random_level_agrees_with_random_peaks() -> None:
    true = peaks_of(lattice())
    rng = np.random.default_rng(1)
    low, high = true.positions.min(axis=0) - DISTANCE, true.positions.max(axis=0) + DISTANCE
    shares = []
    for _ in range(200):
        thrown = rng.uniform(low, high, (40, 2))
        distances = np.linalg.norm(true.positions[:, None] - thrown, axis=-1)
        shares.append(np.mean(distances.min(axis=1) <= DISTANCE))
    # The rectangle is a little larger than the widened hull.
    assert random_found_share(true, 40, DISTANCE) == pytest.approx(np.mean(shares), rel=0.2)


def test_random_level_of_few_peaks() -> None:
    for count in (1, 2, 3):
        line = peaks_of(np.outer(np.arange(count), [1.0, 1.0, 0.0]))
        assert random_found_share(line, 0, DISTANCE) == 0
        assert 0 < random_found_share(line, 2, DISTANCE) <= 1
    assert math.isnan(random_found_share(peaks_of(np.empty((0, 3))), 5, DISTANCE))
