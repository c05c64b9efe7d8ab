"""Normalisation of focal series."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from exitwave.errors import ExitwaveError
from exitwave.networks.normalization import normalize_series


@pytest.fixture
def series() -> np.ndarray:
    return np.random.default_rng(1).uniform(0.5, 1.5, (2, 40, 56, 3)).astype(np.float32)


def test_mean_leaves_a_series_with_mean_one_and_the_ratios_of_its_images(series):
    series[0] *= 1000
    series[1, ..., 0] *= 3
    normalized = normalize_series(series, "mean", 0.1)
    assert normalized.dtype == np.float32
    assert normalized.mean(axis=(1, 2, 3)) == pytest.approx([1, 1], rel=1e-5)
    ratio = normalized[1, ..., 0].mean() / normalized[1, ..., 1].mean()
    assert ratio == pytest.approx(series[1, ..., 0].mean() / series[1, ..., 1].mean(), rel=1e-5)


def test_a_batch_gives_what_its_series_give(series):
    for method in ("mean", "local"):
        batch = normalize_series(series, method, [0.1, 0.2])
        for one, sampling, together in zip(series, [0.1, 0.2], batch, strict=True):
            assert np.array_equal(normalize_series(one, method, sampling), together)


def test_local_agrees_with_a_gaussian_filter_away_from_the_border():
    image = np.random.default_rng(2).uniform(0.5, 1.5, (101, 101, 2))
    image *= np.linspace(1, 2, 101)[:, None, None]
    sigma = 8.0
    got = normalize_series(image, "local", sampling_angstrom=0.25, sigma_angstrom=2.0)[50, 50]
    mean = gaussian_filter(image.mean(axis=-1), sigma, truncate=8)[50, 50]
    square = gaussian_filter((image**2).mean(axis=-1), sigma, truncate=8)[50, 50]
    assert got == pytest.approx((image[50, 50] - mean) / np.sqrt(square - mean**2), rel=1e-3)


def test_local_removes_slow_changes_of_intensity(series):
    plain = normalize_series(series[0], "local", 0.2, sigma_angstrom=1.0)
    ramp = np.exp(np.linspace(0, 1, 56))[None, :, None]
    lit = normalize_series(series[0] * ramp, "local", 0.2, sigma_angstrom=1.0)
    assert np.abs(plain.mean()) < 0.05
    assert plain.std() == pytest.approx(1, abs=0.1)
    assert np.corrcoef(plain.ravel(), lit.ravel())[0, 1] > 0.99


def test_local_does_not_depend_on_the_unit_of_intensity(series):
    counts = normalize_series(series * 1e4, "local", 0.1)
    assert counts == pytest.approx(normalize_series(series, "local", 0.1), abs=1e-3)


def test_a_constant_series_gives_zeros_not_nan():
    assert np.array_equal(
        normalize_series(np.full((16, 16, 3), 5), "local", 0.1), np.zeros((16, 16, 3))
    )


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan])
def test_a_mean_that_is_not_positive_is_an_error(series, value):
    series[1] = value
    with pytest.raises(ExitwaveError, match="mean intensity of"):
        normalize_series(series, "mean", 0.1)
