"""Flakes: pieces of crystals inside convex outlines, and their defects.

>>> outline = draw_outline((7.0, 15.0), (4, 8), 17.0, rng)
>>> numbers, positions = cut_flake(atoms, outline, rotation, rng)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from exitwave.config import Structure
from exitwave.errors import SpecimenError
from exitwave.seeds import Generators

Floats = NDArray[np.float64]
Integers = NDArray[np.integer]


@dataclass(frozen=True)
class Outline:
    """A convex polygon cut off by a circle, in the plane.

    Attributes
    ----------
    normals : (2, n) array
        Outward normals of the edges.
    distances : (n,) array
        Distances of the edges from the centre [Å].
    room : float
        Radius of the circle about the centre [Å].
    centre : (2,) array
        The centre [Å].
    """

    normals: Floats
    distances: Floats
    room: float
    centre: Floats

    def contains(self, plane: Floats) -> NDArray[np.bool_]:
        """Say for each of some points, (n, 2) or (n, 3) [Å], whether it lies within."""
        points = plane[:, :2] - self.centre
        # The tolerance keeps both atoms of a column on the same side of an edge.
        inside = np.all(points @ self.normals <= self.distances + 1e-6, axis=1)
        return np.asarray(inside & (np.hypot(points[:, 0], points[:, 1]) <= self.room))

    def moved(self, shift: Floats) -> Outline:
        """Return the outline shifted in the plane [Å]."""
        return replace(self, centre=self.centre + shift)

    def area(self, step: float = 0.2) -> float:
        """Return the area [Å²], counted on a grid of a step [Å]."""
        axis = np.arange(-self.room + step / 2, self.room, step)
        points = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
        return float(self.contains(points + self.centre).sum() * step**2)


@dataclass(frozen=True)
class Piece:
    """One part of a specimen.

    Attributes
    ----------
    numbers : (n,) array
        Atomic numbers.
    positions : (n, 3) array
        Positions [Å].
    outline : Outline
        What the atoms fill.
    present : (n,) array of bool
        False where the atom is missing: a vacancy, or part of a hole.
    columns : (n,) array
        Number of the column of the crystal that an atom belongs to; -1 outside crystals.
    """

    numbers: Integers
    positions: Floats
    outline: Outline
    present: NDArray[np.bool_]
    columns: Integers

    def raised(self, height: float) -> Piece:
        """Return the piece shifted along z [Å]."""
        return replace(self, positions=self.positions + np.array([0.0, 0.0, height]))

    def span(self) -> tuple[float, float]:
        """Return the least and the greatest z of the atoms that are present [Å]."""
        z = self.positions[self.present, 2]
        return float(z.min()), float(z.max())


def disordered_piece(numbers: Integers, positions: Floats, outline: Outline) -> Piece:
    """Return a piece that is no crystal: it has neither columns nor vacancies."""
    count = len(numbers)
    return Piece(
        numbers, positions, outline, np.ones(count, dtype=bool), np.full(count, -1, dtype=np.int64)
    )


def number_columns(plane: Floats, radius: float) -> Integers:
    """Return the column of each atom: chains of atoms closer than a radius in the plane.

    Parameters
    ----------
    plane : (n, 2) array
        Positions [Å].
    radius : float
        Distance of neighbours in a column [Å].
    """
    pairs = cKDTree(plane).query_pairs(radius, output_type="ndarray")
    links = coo_array(
        (np.ones(len(pairs), dtype=bool), (pairs[:, 0], pairs[:, 1])), shape=(len(plane),) * 2
    )
    return np.asarray(connected_components(links, directed=False)[1], dtype=np.int64)


def piece_outline(
    structure: Structure,
    radius: tuple[float, float],
    room: float,
    draws: Generators,
    rng: np.random.Generator,
) -> Outline:
    """Return the outline of a piece: drawn, or all of the box where the specimen fills it.

    Parameters
    ----------
    structure : Structure
        Edges, and the share of specimens that fill their box.
    radius : (float, float)
        Limits of each edge's distance from the origin [Å].
    room : float
        Half the side of the square in which the piece may lie [Å].
    draws : callable
        Gives the random generator of an aspect; all pieces of a specimen fill the box, or none.
    rng : numpy.random.Generator
        Source of the outline's draws.
    """
    if structure.full_share and draws("full").random() < structure.full_share:
        return full_outline(room)
    return draw_outline(radius, structure.flake_edges, room, rng)


def full_outline(room: float) -> Outline:
    """Return the outline of all that lies up to a distance [Å] from the origin along x and y."""
    normals = np.array([[1.0, 0.0, -1.0, 0.0], [0.0, 1.0, 0.0, -1.0]])
    return Outline(normals, np.full(4, room), 1.5 * room, np.zeros(2))


def draw_outline(
    radius: tuple[float, float], edges: tuple[int, int], room: float, rng: np.random.Generator
) -> Outline:
    """Draw a convex outline about the origin.

    Parameters
    ----------
    radius : (float, float)
        Limits of each edge's distance from the origin [Å].
    edges : (int, int)
        Limits of the number of edges.
    room : float
        Nothing lies farther than this from the origin [Å].
    rng : numpy.random.Generator
        Source of the draws.
    """
    count = int(rng.integers(edges[0], edges[1] + 1))
    directions = 2 * np.pi * (np.arange(count) + rng.uniform(-0.25, 0.25, count)) / count
    directions += rng.uniform(0.0, 2 * np.pi)
    distances = rng.uniform(min(radius[0], room), min(radius[1], room), count)
    normals = np.stack([np.cos(directions), np.sin(directions)])
    return Outline(normals, distances, room, np.zeros(2))


def cut_flake(
    atoms: Atoms, outline: Outline, rotation: float, rng: np.random.Generator
) -> tuple[Integers, Floats]:
    """Cut the part inside an outline out of an infinite layer.

    Parameters
    ----------
    atoms : ase.Atoms
        Unit cell, periodic along its first two vectors, which lie in the plane.
    outline : Outline
        What to cut out.
    rotation : float
        Angle by which the lattice is turned [rad].
    rng : numpy.random.Generator
        Source of the place of the outline on the lattice.

    Returns
    -------
    (n,) and (n, 3) arrays
        Atomic numbers and positions [Å].
    """
    cell = np.asarray(atoms.cell)[:2, :2]
    origin = rng.random(2) @ cell
    tiles = _lattice_points(cell, outline.room + float(np.linalg.norm(cell, axis=1).sum()))
    positions = (atoms.positions[:, None, :] + _in_space(tiles - origin)).reshape(-1, 3)
    numbers = np.repeat(np.asarray(atoms.numbers, dtype=np.int64), len(tiles))
    turn = np.array([[np.cos(rotation), np.sin(rotation)], [-np.sin(rotation), np.cos(rotation)]])
    positions[:, :2] = positions[:, :2] @ turn
    inside = outline.contains(positions)
    if not inside.any():
        raise SpecimenError(
            f"no atom lies in the flake of {outline.distances.min():.1f} Å radius; raise "
            "flake_radius_angstrom"
        )
    return numbers[inside], positions[inside]


def _lattice_points(cell: Floats, radius: float) -> Floats:
    """All points of a plane lattice within a radius [Å] of the origin, and some more."""
    # The rows of the inverse bound the indices that a disc can need.
    reach = np.ceil(radius * np.linalg.norm(np.linalg.inv(cell), axis=0)).astype(int)
    first, second = np.meshgrid(*(np.arange(-n, n + 1) for n in reach), indexing="ij")
    points = np.stack([first.ravel(), second.ravel()], axis=1) @ cell
    within = points[np.hypot(points[:, 0], points[:, 1]) <= radius]
    return np.asarray(within, dtype=np.float64)


def _in_space(plane: Floats) -> Floats:
    return np.pad(plane, ((0, 0), (0, 1)))


def stack_layers(atoms: Atoms, shifts: Sequence[Floats], distance: float) -> Atoms:
    """Lay equal layers below each other.

    Parameters
    ----------
    atoms : ase.Atoms
        Unit cell of one layer.
    shifts : sequence of (2,) arrays
        Shift of each layer in the plane against the first [Å].
    distance : float
        From the lowest atoms of a layer to the highest of the next [Å].
    """
    pitch = float(np.ptp(atoms.positions[:, 2])) + distance
    stack = atoms[:0]
    for number, shift in enumerate(shifts):
        layer = atoms.copy()
        layer.positions += np.array([*shift, number * pitch])
        stack += layer
    return stack


def random_shift(plane: Floats, room: float, rng: np.random.Generator) -> Floats:
    """A uniform shift [Å] after which the points still lie in the square of half side `room`."""
    low = -room - plane.min(axis=0)
    high = room - plane.max(axis=0)
    return np.asarray(low + rng.random(2) * (high - low))


def _rounded(expected: float, rng: np.random.Generator) -> int:
    # Rounded up with the probability of the fraction, so that the mean share is exact.
    return int(np.floor(expected + rng.random()))


def remove_defects(
    positions: Floats,
    vacancy_share: float,
    hole_share: float,
    column_radius: float,
    rng: np.random.Generator,
) -> NDArray[np.bool_]:
    """Choose the atoms that stay after vacancies and then holes were made.

    A vacancy is one atom. A hole is the column of an atom: all atoms that are left within
    `column_radius` [Å] of it in the plane.

    Returns
    -------
    (n,) array of bool
        True where the atom stays.
    """
    keep = np.ones(len(positions), dtype=bool)
    vacancies = _rounded(vacancy_share * len(positions), rng)
    keep[rng.choice(len(positions), vacancies, replace=False)] = False
    left = np.flatnonzero(keep)
    holes = _rounded(hole_share * len(left), rng)
    if holes:
        plane = positions[left, :2]
        columns = cKDTree(plane).query_ball_point(
            plane[rng.choice(len(left), holes, replace=False)], column_radius
        )
        keep[left[np.concatenate(columns).astype(int)]] = False
    return keep
