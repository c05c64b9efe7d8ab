"""Errors of waves by hand, blurred truths, and the exchange of targets."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exitwave.scoring.metrics import blurred, exchange_targets, vacuum, wave_error


def test_errors_by_hand() -> None:
    truth = np.array([[1.0, 1.2 + 0.4j]])
    wave = np.array([[1.3, 1.2]])
    error = wave_error(wave, truth)
    assert error.rmse_real == pytest.approx(0.3 / math.sqrt(2))
    assert error.rmse_imag == pytest.approx(0.4 / math.sqrt(2))
    assert error.rmse == pytest.approx(0.5 / math.sqrt(2))
    # Eq. (A.1): (0.3^2 + 0.4^2) / (0.2^2 + 0.4^2)
    assert error.relative_error == pytest.approx(0.25 / 0.20)


def test_a_perfect_wave_has_no_error_and_vacuum_has_relative_error_one() -> None:
    rng = np.random.default_rng(0)
    truth = (1 + 0.1 * rng.normal(size=(8, 8)) + 0.2j * rng.normal(size=(8, 8))).astype("c8")
    perfect = wave_error(truth, truth)
    assert (perfect.rmse_real, perfect.rmse_imag, perfect.rmse, perfect.relative_error) == (0,) * 4
    assert wave_error(vacuum(truth), truth).relative_error == pytest.approx(1.0)


def test_relative_error_does_not_depend_on_the_area_of_vacuum() -> None:
    truth = np.ones((10, 10), dtype=complex)
    truth[4:6, 4:6] += 0.3j
    wave = truth + 0.1 * (truth != 1)
    padded = [np.pad(array, 20, constant_values=1) for array in (wave, truth)]
    assert wave_error(*padded).relative_error == pytest.approx(
        wave_error(wave, truth).relative_error
    )
    assert wave_error(*padded).rmse < wave_error(wave, truth).rmse


def test_a_truth_without_signal() -> None:
    empty = np.ones((4, 4), dtype=complex)
    assert wave_error(empty, empty).relative_error == 0
    assert wave_error(empty + 0.1, empty).relative_error == math.inf


def test_blur_of_a_gaussian_is_a_wider_gaussian() -> None:
    sampling, before, width = 0.1, 0.4, 0.3
    axis = sampling * (np.arange(96) - 48)
    r2 = axis[:, None] ** 2 + axis**2

    def peak(sigma: float) -> np.ndarray:
        return np.exp(-r2 / (2 * sigma**2)) / (2 * np.pi * sigma**2)

    truth = 1 + (0.1 + 0.2j) * peak(before)
    expected = 1 + (0.1 + 0.2j) * peak(math.hypot(before, width))
    assert np.abs(blurred(truth, width, sampling) - expected).max() < 1e-3 * np.abs(truth - 1).max()


def test_blur_does_not_come_round_the_border() -> None:
    truth = np.ones((64, 64), dtype=np.complex64)
    truth[:, 0] += 0.5j
    result = blurred(truth, 0.5, 0.1)
    assert np.all(result[:, 40:] == 1)
    assert result.dtype == truth.dtype


@given(
    materials=st.lists(st.sampled_from("abcdef"), min_size=2, max_size=40),
    seed=st.integers(0, 9),
)
@settings(max_examples=100, deadline=None)
def test_exchange_has_no_fixed_point_and_avoids_the_same_material(
    materials: list[str], seed: int
) -> None:
    specimens = [f"{name}{number}" for number, name in enumerate(materials)]
    targets = exchange_targets(materials, specimens, np.random.default_rng(seed))
    assert sorted(targets) == list(range(len(materials)))
    assert np.all(targets != np.arange(len(materials)))
    alike = sum(materials[i] == materials[j] for i, j in enumerate(targets))
    # The pigeonhole principle: more than this cannot be avoided.
    largest = max(Counter(materials).values())
    assert alike == max(0, 2 * largest - len(materials))


def test_exchange_avoids_the_same_specimen_in_another_epoch() -> None:
    specimens = [f"specimen {number}" for number in range(5)] * 3
    targets = exchange_targets(["MoS2"] * 15, specimens, np.random.default_rng(1))
    assert all(specimens[i] != specimens[j] for i, j in enumerate(targets))


def test_exchange_is_the_same_for_the_same_seed_only() -> None:
    names = [str(number) for number in range(50)]
    draws = [exchange_targets(names, names, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert np.array_equal(draws[0], draws[1])
    assert not np.array_equal(draws[0], draws[2])


def test_one_sample_cannot_be_exchanged() -> None:
    assert len(exchange_targets(["a"], ["a0"], np.random.default_rng(0))) == 0
