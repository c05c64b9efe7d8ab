"""Matter without a lattice: amorphous carbon, and hydrocarbons on a surface.

Atoms join one by one a random earlier atom, at the length of a bond, or start at a random place.
No atom lies between the first and the second shell of another one, which is what diffraction shows
of amorphous carbon (J. Robertson, Mater. Sci. Eng. R 37 (2002) 129, Sec. 3). The mean number of
neighbours, 2 to 2.5, stays below the 3 to 4 of the real network: no bond is ever closed on purpose.

>>> positions = carbon_network(outline, 20.0, carbon_count(2.0, outline.area() * 20.0), 0.1, rng)
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import constants
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from exitwave.errors import SpecimenError
from exitwave.specimens.flakes import Floats, Integers, Outline

CARBON_MASS = 12.011  # [Da]
BONDS = (1.42, 1.54)  # graphite's and diamond's [Å]
CLOSEST = 1.40  # of two atoms [Å]
BETWEEN_SHELLS = (1.60, 2.10)  # where no neighbours are found [Å]
MOST_NEIGHBOURS = 4
HYDROGEN_BOND = 1.09  # of methane [Å]
HYDROGEN_CLOSEST = 1.55  # to any atom but its own carbon; 1.78 between those of methane [Å]
_BATCH = 256
_HYDROGEN_TRIALS = 20  # for each atom wanted
_TRIALS = 400  # batches with little room left are mostly refused


def carbon_count(density: float, volume: float) -> int:
    """Return the number of carbon atoms in a volume [Å³] at a density [g/cm³]."""
    gram = CARBON_MASS * constants.atomic_mass * 1e3
    return round(float(density * volume * 1e-24 / gram))


def carbon_network(
    outline: Outline, thickness: float, count: int, new_share: float, rng: np.random.Generator
) -> Floats:
    """Place carbon atoms at random inside an outline, from z = 0 to a thickness.

    Parameters
    ----------
    outline : Outline
        Region in the plane.
    thickness : float
        Of the slab [Å].
    count : int
        Number of atoms.
    new_share : float
        Share of the trials that do not join an atom; more make more and smaller molecules.
    rng : numpy.random.Generator
        Source of the draws.

    Returns
    -------
    (count, 3) array
        Positions [Å].

    Raises
    ------
    SpecimenError
        Where so many atoms find no place.
    """
    positions = np.empty((count, 3))
    neighbours = np.zeros(count, dtype=np.int64)
    placed = 0
    for _ in range(_TRIALS):
        if placed == count:
            return positions
        trials = _trials(positions[:placed], outline, thickness, new_share, rng)
        fits = _fits(cdist(trials, positions[:placed]))
        first = placed
        for point in trials[fits.all(axis=1)]:
            distances = np.linalg.norm(positions[:placed] - point, axis=1)
            # The others of the batch that were placed before it are new to this point.
            if placed == count or not _fits(distances[first:]).all():
                continue
            near = np.flatnonzero(distances < BETWEEN_SHELLS[0])
            if len(near) > MOST_NEIGHBOURS or (neighbours[near] >= MOST_NEIGHBOURS).any():
                continue
            positions[placed] = point
            neighbours[placed] = len(near)
            neighbours[near] += 1
            placed += 1
    raise SpecimenError(
        f"only {placed} of {count} carbon atoms find a place in {thickness:g} Å; lower "
        "support_density_gram_per_cm3 or contamination_per_square_angstrom"
    )


def _trials(
    positions: Floats,
    outline: Outline,
    thickness: float,
    new_share: float,
    rng: np.random.Generator,
) -> Floats:
    """Draw a batch of places inside the slab [Å]: some anywhere, the others beside an atom."""
    low = np.array([*(outline.centre - outline.room), 0.0])
    high = np.array([*(outline.centre + outline.room), thickness])
    points = rng.uniform(low, high, (_BATCH, 3))
    joined = rng.random(_BATCH) >= new_share
    if len(positions):
        parents = positions[rng.integers(len(positions), size=_BATCH)]
        lengths = rng.uniform(*BONDS, (_BATCH, 1))
        points[joined] = (parents + lengths * _directions(_BATCH, rng))[joined]
    inside = outline.contains(points) & (points[:, 2] >= 0) & (points[:, 2] <= thickness)
    return np.asarray(points[inside])


def _fits(distances: Floats) -> NDArray[np.bool_]:
    """Say which distances [Å] two carbon atoms may have."""
    low, high = BETWEEN_SHELLS
    return (distances >= CLOSEST) & ((distances <= low) | (distances >= high))


def _directions(count: int, rng: np.random.Generator) -> Floats:
    vectors = rng.normal(size=(count, 3))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def hydrocarbon(
    outline: Outline,
    thickness: float,
    carbon_per_area: float,
    hydrogen_per_carbon: float,
    rng: np.random.Generator,
) -> tuple[Integers, Floats]:
    """Place a layer of random hydrocarbon inside an outline, from z = 0 to a thickness.

    Parameters
    ----------
    outline : Outline
        Region in the plane.
    thickness : float
        Of the layer [Å].
    carbon_per_area : float
        Carbon atoms per area [1/Å²].
    hydrogen_per_carbon : float
        Hydrogen atoms wanted for each carbon atom; there are fewer where no more find room.
    rng : numpy.random.Generator
        Source of the draws.

    Returns
    -------
    (n,) and (n, 3) arrays
        Atomic numbers and positions [Å].
    """
    count = round(carbon_per_area * outline.area())
    carbon = carbon_network(outline, thickness, count, 0.1, rng)
    hydrogen = _hydrogen(carbon, outline, thickness, round(hydrogen_per_carbon * count), rng)
    numbers = np.repeat(np.array([6, 1], dtype=np.int64), [len(carbon), len(hydrogen)])
    return numbers, np.concatenate([carbon, hydrogen])


def _hydrogen(
    carbon: Floats, outline: Outline, thickness: float, count: int, rng: np.random.Generator
) -> Floats:
    """Bind hydrogen to carbon atoms that have fewer than four neighbours [Å]."""
    tree = cKDTree(carbon)
    free = (
        MOST_NEIGHBOURS + 1 - tree.query_ball_point(carbon, BETWEEN_SHELLS[0], return_length=True)
    )
    parents = rng.integers(len(carbon), size=_HYDROGEN_TRIALS * count)
    points = carbon[parents] + HYDROGEN_BOND * _directions(len(parents), rng)
    inside = outline.contains(points) & (points[:, 2] >= 0) & (points[:, 2] <= thickness)
    # Every point has its own carbon atom beside it.
    inside &= tree.query_ball_point(points, HYDROGEN_CLOSEST, return_length=True) == 1
    hydrogen = np.empty((count, 3))
    placed = 0
    for parent, point in zip(parents[inside], points[inside], strict=True):
        if placed == count:
            break
        distances = np.linalg.norm(hydrogen[:placed] - point, axis=1)
        if free[parent] and np.all(distances >= HYDROGEN_CLOSEST):
            hydrogen[placed] = point
            free[parent] -= 1
            placed += 1
    return hydrogen[:placed]
