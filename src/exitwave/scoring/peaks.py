"""Peaks of an exit wave, which mark the atomic columns, and their match with the true ones.

Peaks are the local maxima of abs(psi - 1), as in the paper's Argand plots (Fig. 5).

>>> level = threshold_level(truth, 0.3)
>>> true = find_peaks(truth, 0.105, level)
>>> match = match_peaks(true, find_peaks(prediction, 0.105, level), distance=0.5)
>>> match.found_share, match.largest_displacement
(0.97, 0.09)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter
from scipy.optimize import linear_sum_assignment
from scipy.spatial import ConvexHull, QhullError, cKDTree
from scipy.spatial.distance import cdist

from exitwave.scoring.metrics import Wave

Floats = NDArray[np.float64]

SEPARATION_ANGSTROM = 0.25
"""Of two maxima closer than this only the higher counts; no two atomic columns are so close."""


@dataclass(frozen=True)
class Peaks:
    """Peaks of one exit wave.

    Attributes
    ----------
    positions : (n, 2) array
        x and y, along columns and rows, from the centre of the first pixel [Å].
    values : (n,) array of complex
        The wave at these positions, relative to the incident wave.
    """

    positions: Floats
    values: NDArray[np.complex128]

    def __len__(self) -> int:
        return len(self.positions)


@dataclass(frozen=True)
class PeakMatch:
    """Which predicted peak belongs to which true one.

    Attributes
    ----------
    true_count, predicted_count : int
        Number of peaks on either side.
    pairs : (m, 2) array of int
        Indices of a true peak and of the predicted peak that was found for it.
    displacements : (m,) array
        Distance between the two [Å].
    """

    true_count: int
    predicted_count: int
    pairs: NDArray[np.int64]
    displacements: Floats

    @property
    def found_share(self) -> float:
        """Share of the true peaks that were found; NaN where there are none."""
        return len(self.pairs) / self.true_count if self.true_count else math.nan

    @property
    def spurious_share(self) -> float:
        """Share of the predicted peaks that belong to no true one; 0 where none is predicted."""
        if not self.predicted_count:
            return 0.0
        return (self.predicted_count - len(self.pairs)) / self.predicted_count

    @property
    def median_displacement(self) -> float:
        """Median displacement of the peaks that were found [Å]; NaN where there are none."""
        return float(np.median(self.displacements)) if len(self.pairs) else math.nan

    @property
    def largest_displacement(self) -> float:
        """Largest displacement of the peaks that were found [Å]; NaN where there are none."""
        return float(self.displacements.max()) if len(self.pairs) else math.nan


def threshold_level(truth: Wave, share: float) -> float:
    """Return the height abs(psi - 1) from which peaks of a sample count.

    Parameters
    ----------
    truth : (y, x) array of complex
        True exit wave.
    share : float
        Share of the height of its highest point.
    """
    return share * float(np.abs(truth - 1).max())


def find_peaks(wave: Wave, sampling: float, level: float) -> Peaks:
    """Find the local maxima of abs(psi - 1) with sub-pixel positions.

    A maximum is refined by the quadratic surface through its 3 x 3 neighbourhood (least squares).
    Maxima on the outermost pixels are left out, since their neighbourhood is not known.

    Parameters
    ----------
    wave : (y, x) array of complex
        Exit wave relative to the incident wave.
    sampling : float
        Side of a pixel [Å].
    level : float
        Least height of a peak, see `threshold_level`.
    """
    height = np.abs(np.asarray(wave, dtype=np.complex128) - 1)
    rows, columns = _maxima(height, max(SEPARATION_ANGSTROM / sampling, math.sqrt(2)), level)
    shifts = _vertices(_neighbourhoods(height, rows, columns))
    values = _evaluate(
        _neighbourhoods(np.asarray(wave, dtype=np.complex128), rows, columns), shifts
    )
    positions = (np.stack([columns, rows], axis=1) + shifts) * sampling
    return Peaks(positions.astype(np.float64), values)


def _maxima(
    height: Floats, radius: float, level: float
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns of the pixels that are the highest within a radius [pixel]."""
    reach = math.floor(radius)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    highest = maximum_filter(height, footprint=np.hypot(y, x) <= radius, mode="nearest")
    candidates = (height == highest) & (height >= level) & (height > 0)
    candidates[[0, -1], :] = False
    candidates[:, [0, -1]] = False
    rows, columns = np.nonzero(candidates)
    if len(rows) > 1:
        # Equal pixels side by side are one maximum: the first stands for all.
        pairs = cKDTree(np.stack([rows, columns], axis=1)).query_pairs(
            radius, output_type="ndarray"
        )
        keep = np.ones(len(rows), dtype=bool)
        keep[pairs.max(axis=1)] = False
        rows, columns = rows[keep], columns[keep]
    return rows, columns


def _neighbourhoods(
    image: NDArray[np.inexact], rows: NDArray[np.intp], columns: NDArray[np.intp]
) -> NDArray[np.inexact]:
    """The 3 x 3 pixels about each of n pixels, as an (n, 9) array."""
    y, x = (offset.ravel() for offset in np.mgrid[-1:2, -1:2])
    return np.asarray(image[rows[:, None] + y, columns[:, None] + x])


def _monomials(x: Floats, y: Floats) -> Floats:
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1)


# Least squares of a + b x + c y + d x^2 + e xy + f y^2 over 3 x 3 pixels: (6, 9).
_QUADRATIC = np.linalg.pinv(
    _monomials(*(offset.ravel().astype(np.float64) for offset in np.mgrid[-1:2, -1:2][::-1]))
)


def _vertices(neighbourhoods: NDArray[np.inexact]) -> Floats:
    """Maxima (x, y) of the quadratic surfaces [pixel], (n, 2); 0 where a surface has none."""
    _, b, c, d, e, f = (neighbourhoods @ _QUADRATIC.T).T
    determinant = 4 * d * f - e * e
    is_peak = (determinant > 0) & (d < 0)
    safe = np.where(is_peak, determinant, 1.0)
    shifts = np.stack([(e * c - 2 * f * b) / safe, (e * b - 2 * d * c) / safe], axis=1)
    # The centre is the highest pixel, so a vertex farther off is an artefact of a flat top.
    inside = is_peak & (np.abs(shifts) <= 1).all(axis=1)
    return np.where(inside[:, None], shifts, 0.0).astype(np.float64)


def _evaluate(neighbourhoods: NDArray[np.inexact], shifts: Floats) -> NDArray[np.complex128]:
    """The wave at the vertices, from quadratic surfaces of its two parts, (n,)."""
    coefficients = (neighbourhoods @ _QUADRATIC.T).astype(np.complex128)
    # Least squares cuts the top off a peak; the surface shall pass through the centre.
    coefficients[:, 0] = neighbourhoods[:, 4]
    return np.asarray(np.sum(coefficients * _monomials(*shifts.T), axis=1))


def match_peaks(true: Peaks, predicted: Peaks, distance: float) -> PeakMatch:
    """Assign predicted to true peaks, one to one.

    Among all assignments of peaks no farther apart than a distance, take one with the most
    pairs and, of these, the least sum of squared displacements.

    Parameters
    ----------
    true, predicted : Peaks
        The peaks of both waves.
    distance : float
        Largest distance of a pair [Å].
    """
    separations = cdist(true.positions, predicted.positions)
    # A pair that is too far apart costs more than all allowed pairs together.
    forbidden = (1 + min(separations.shape)) * max(distance, np.finfo(float).tiny) ** 2
    costs = np.where(separations <= distance, separations**2, forbidden)
    rows, columns = linear_sum_assignment(costs)
    allowed = separations[rows, columns] <= distance
    pairs = np.stack([rows[allowed], columns[allowed]], axis=1)
    displacements = separations[pairs[:, 0], pairs[:, 1]]
    return PeakMatch(len(true), len(predicted), pairs.astype(np.int64), displacements)


def random_found_share(true: Peaks, predicted_count: int, distance: float) -> float:
    """Return the share of true peaks found if the predicted ones lay anywhere on the specimen.

    The chance that at least one of n peaks, spread evenly over the convex hull of the true peaks
    (area A, widened by the distance r), comes within r of a given point:
    1 - (1 - pi r^2 / A)^n. It is the level of a network that knows the outline of a specimen and
    the number of its columns, but not where they are.

    Parameters
    ----------
    true : Peaks
        The true peaks.
    predicted_count : int
        Number n of predicted peaks.
    distance : float
        Largest distance r of a pair [Å].
    """
    if not len(true):
        return math.nan
    area, perimeter = _hull(true.positions)
    disc = math.pi * distance**2
    # Steiner's formula for the area of a convex shape widened by a distance.
    widened = area + perimeter * distance + disc
    return 1 - (1 - disc / widened) ** predicted_count


def _hull(points: Floats) -> tuple[float, float]:
    """Area [Å²] and perimeter [Å] of the convex hull."""
    try:
        hull = ConvexHull(points)
    except (QhullError, ValueError):  # fewer than three points, or all on one line
        return 0.0, 2 * float(cdist(points, points).max())
    # In the plane, ConvexHull.volume is the area and ConvexHull.area the perimeter.
    return float(hull.volume), float(hull.area)
