"""How atoms are shared among the planes at which a multislice lets them act.

An atom's whole projected potential acts in planes near its height, with weights that sum to one.
Four more numbers of a distribution along the beam decide what the wave sees of it:

* the mean, which must be the atom's height: an error shifts the atom along the beam;
* the third central moment, zero as the atom's own;
* the mean distance of two of its points: scattering twice within an atom needs propagation between
  the two places, on average over this distance. For a real atom it is its core's size, some 0.1 Å;
* the variance, which damps what is scattered once, and can be undone (`variance`).

Four planes have four weights, for the sum and the first three. Weights beyond the two inner planes
come out slightly negative where an atom lies between planes, which is right: cubic interpolation.

>>> planes = shared_among_planes(np.array([0.0, 1.3, 3.1]), 0.4, 0.12)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_STENCIL = np.array([-1.5, -0.5, 0.5, 1.5])
_DISTANCES = np.abs(_STENCIL[:, None] - _STENCIL)
# Takes the moments 0 to 3 of four weights to the weights.
_FROM_MOMENTS = np.linalg.inv(np.vander(_STENCIL, increasing=True).T)
# A weight that float32 cannot distinguish from none.
_NEGLIGIBLE = 1e-7


@dataclass(frozen=True)
class Plane:
    """What acts at one height."""

    height: float
    """Above the lowest atom [Å]; may be negative."""
    atoms: NDArray[np.int64]
    """Indices of the atoms that share in it."""
    weights: Floats
    """Their shares."""


def shared_among_planes(heights: Floats, distance: float, mean_distance: float) -> list[Plane]:
    """Return the planes in which atoms act, the highest first; planes without atoms are left out.

    Parameters
    ----------
    heights : (n,) array
        Of the atoms above the lowest one [Å].
    distance : float
        Between planes [Å]; the lowest atom lies on one.
    mean_distance : float
        Mean distance along the beam of two points of an atom [Å].
    """
    below, weights = _weights(heights / distance, mean_distance / distance)
    counts = np.abs(weights) > _NEGLIGIBLE
    numbers = (below[:, None] + np.arange(-1, 3))[counts]
    atoms, shares = np.nonzero(counts)[0], weights[counts]
    # Within a plane in the order of the atoms.
    order = np.argsort(-numbers, kind="stable")
    borders = np.flatnonzero(np.diff(numbers[order])) + 1
    return [
        Plane(float(numbers[own[0]] * distance), atoms[own], shares[own])
        for own in np.split(order, borders)
        if len(own)
    ]


def mean_variance(distance: float, mean_distance: float) -> float:
    """Return the variance [Å²] of the shares of an atom, averaged over its place between planes."""
    places = (np.arange(64) + 0.5) / 64
    _, weights = _weights(places, mean_distance / distance)
    offsets = _STENCIL + 0.5 - places[:, None]
    return float(distance**2 * np.mean(np.sum(weights * offsets**2, axis=1)))


def _weights(places: Floats, mean_distance: float) -> tuple[NDArray[np.int64], Floats]:
    """Return the plane below each atom, and its shares in this, the one under it and two above.

    Lengths are in units of the distance of the planes. With the mean m and the variance v about the
    middle of the four planes the moments are 1, m, m² + v, m³ + 3 m v: the weights are linear in v.
    v is the smaller root of the quadratic equation that the mean distance of two points sets.
    """
    below = np.floor(places + 1e-9)
    mean = places - below - 0.5
    fixed = np.stack([mean**power for power in range(4)], axis=1) @ _FROM_MOMENTS.T
    nothing = np.zeros_like(mean)
    per_variance = np.stack([nothing, nothing, nothing + 1, 3 * mean], axis=1) @ _FROM_MOMENTS.T
    a = np.einsum("ni,ij,nj->n", per_variance, _DISTANCES, per_variance)
    half_b = np.einsum("ni,ij,nj->n", fixed, _DISTANCES, per_variance)
    c = np.einsum("ni,ij,nj->n", fixed, _DISTANCES, fixed) - mean_distance
    variance = (-half_b + np.sqrt(np.maximum(half_b**2 - a * c, 0.0))) / a
    return below.astype(np.int64), fixed + variance[:, None] * per_variance
