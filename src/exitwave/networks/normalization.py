"""Bring focal series of any intensity to the range that a network was trained on.

>>> normalize_series(np.full((64, 64, 3), 7.0), "mean", 0.1).mean()
np.float32(1.0)
"""

from __future__ import annotations

import functools
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import toeplitz

from exitwave.errors import ExitwaveError

LOCAL_SIGMA_ANGSTROM = 12.0
"""Width of the neighbourhood of local normalisation, as a standard deviation [Å]."""

LEAST_SPREAD = 1e-6
"""A spread below this share of the series' mean is rounding: such a series holds no image."""


def normalize_series(
    image: NDArray[np.floating],
    method: Literal["mean", "local"],
    sampling_angstrom: ArrayLike,
    sigma_angstrom: float = LOCAL_SIGMA_ANGSTROM,
    out: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Normalise focal series; all images of one series share the same statistics.

    Parameters
    ----------
    image : array of shape (..., y, x, frame)
        One series or a batch of them, in any unit of intensity.
    method : {"mean", "local"}
        Divide by the mean of the series; or subtract, at each pixel, the mean of its neighbourhood
        and divide by the standard deviation there.
    sampling_angstrom : float or array of shape (...)
        Side of a pixel [Å]; only local normalisation uses it.
    sigma_angstrom : float
        Standard deviation of the Gaussian that weighs the neighbourhood [Å].
    out : array of shape (..., y, x, frame), optional
        Takes the result of ``"mean"``; may be the image itself.

    Returns
    -------
    array of shape (..., y, x, frame)
        With mean 1 (``"mean"``) or with local mean 0 and local spread 1 (``"local"``).

    Raises
    ------
    ExitwaveError
        Where the mean of a series is not a positive number.
    """
    mean = np.mean(image, axis=(-3, -2, -1), dtype=np.float64, keepdims=True)
    if not np.all(mean > 0) or not np.all(np.isfinite(mean)):
        worst = float(np.ravel(mean)[np.argmin(np.ravel(np.nan_to_num(mean, nan=-np.inf)))])
        raise ExitwaveError(
            f"An image series has a mean intensity of {worst:g}, but only a positive one can be "
            "normalised; check that the images hold counts or intensities and no background was "
            "taken off."
        )
    scaled = np.divide(np.asarray(image, dtype=np.float32), mean.astype(np.float32), out=out)
    if method == "mean":
        return scaled
    flat = scaled.reshape(-1, *image.shape[-3:])
    samplings = np.broadcast_to(sampling_angstrom, image.shape[:-3]).ravel()
    local = [
        _normalize_locally(series, sigma_angstrom / float(sampling))
        for series, sampling in zip(flat, samplings, strict=True)
    ]
    return np.stack(local).reshape(image.shape)


def _normalize_locally(series: NDArray[np.float32], sigma_px: float) -> NDArray[np.float32]:
    # Frame by frame, since NumPy is slow along an axis as short as that of the frames; and as
    # deviations from 1, the mean of the series, since their squares keep more digits.
    frames = np.ascontiguousarray(np.moveaxis(series, -1, 0)) - np.float32(1)
    mean = _smooth(frames.mean(axis=0, dtype=np.float64), sigma_px)
    square = _smooth((frames**2).mean(axis=0, dtype=np.float64), sigma_px)
    spread = np.sqrt(np.maximum(square - mean**2, LEAST_SPREAD**2))
    frames -= mean.astype(np.float32)
    frames /= spread.astype(np.float32)
    return np.moveaxis(frames, 0, -1)


def _smooth(image: NDArray[np.float64], sigma_px: float) -> NDArray[np.float64]:
    """Average each pixel's neighbourhood; beyond the border there is nothing to average."""
    rows, columns = (_weights(size, sigma_px) for size in image.shape)
    return np.asarray(rows @ image @ columns.T)


@functools.lru_cache(maxsize=8)
def _weights(size: int, sigma_px: float) -> NDArray[np.float64]:
    # The neighbourhood is about as wide as the image, where two matrix products are many times
    # faster than a filter that walks over the pixels.
    weights = toeplitz(np.exp(-0.5 * (np.arange(size) / sigma_px) ** 2))
    normalized: NDArray[np.float64] = weights / weights.sum(axis=1, keepdims=True)
    return normalized
