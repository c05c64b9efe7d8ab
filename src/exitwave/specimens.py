"""Specimens: convex nanoflakes of any layer material, with defects, tilt and support.

The specimen's frame is that of the simulation: x and y in the plane from the corner of a square
box, z along the electron beam. z = 0 is the atom that the beam meets first, the *highest* atom;
the support and the exit plane lie at larger z, *below* the flake.

>>> specimen = build_specimen(material, Structure(), 1, "mos2", sample_index=0)
>>> specimen.positions.shape
(213, 3)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from exitwave.config.structure import Structure
from exitwave.errors import SpecimenError
from exitwave.materials import Material
from exitwave.monolayers import monolayers
from exitwave.seeds import generator

Floats = NDArray[np.float64]
Generators = Callable[[str], np.random.Generator]


@dataclass(frozen=True)
class Specimen:
    """Atoms in a box, ready for the multislice calculation.

    Attributes
    ----------
    numbers : (n,) array
        Atomic numbers.
    positions : (n, 3) array
        x and y from the corner of the box, z along the beam from the highest atom [Å].
    layers : (n,) array
        0 for the flake, 1 for the support.
    box : float
        Side of the square box [Å].
    tilt : float
        Angle of the tilt [degree].
    tilt_axis : float
        Direction of the tilt's axis, from x towards y [degree].
    """

    numbers: NDArray[np.int64]
    positions: Floats
    layers: NDArray[np.int64]
    box: float
    tilt: float
    tilt_axis: float

    @property
    def thickness(self) -> float:
        """Distance along the beam from the highest to the lowest atom [Å]."""
        return float(np.ptp(self.positions[:, 2]))


def build_specimen(
    material: Material, structure: Structure, seed: int, dataset: str, sample_index: int
) -> Specimen:
    """Build one specimen of a material.

    Every aspect (shape, vacancies, noise, ...) has its own random draw, so that changing one key
    of the structure leaves the others' draws as they were.

    Raises
    ------
    SpecimenError
        Where no valid specimen can be made of the material.
    """

    def draws(aspect: str) -> np.random.Generator:
        return generator(seed, dataset, material.identifier, sample_index, "specimen", aspect)

    tilt = draws("tilt").uniform(*structure.tilt_degrees)
    tilt_axis = draws("tilt axis").uniform(0.0, 360.0)
    rotation = draws("rotation").uniform(0.0, 2 * np.pi)
    layers = [
        _layer(
            material.atoms(), structure, structure.flake_radius_angstrom, rotation, draws, "flake"
        )
    ]
    if structure.support == "graphene":
        layers.append(_support_layer(structure, rotation, draws))
        gap = draws("support gap").uniform(*structure.support_gap_angstrom)
        layers[1][1][:, 2] += layers[0][1][:, 2].max() + gap - layers[1][1][:, 2].min()
    numbers = np.concatenate([layer[0] for layer in layers])
    positions = np.concatenate([layer[1] for layer in layers])
    indices = np.repeat(np.arange(len(layers)), [len(layer[0]) for layer in layers])
    noise = draws("position noise").normal(size=positions.shape)
    positions = positions + structure.position_noise_angstrom * noise
    positions = _tilted(positions, tilt, tilt_axis)
    positions[:, :2] += structure.box_angstrom / 2
    positions[:, 2] -= positions[:, 2].min()
    _require_inside(positions, structure, material)
    return Specimen(numbers, positions, indices, structure.box_angstrom, tilt, tilt_axis)


def _layer(
    atoms: Atoms,
    structure: Structure,
    radius: tuple[float, float],
    rotation: float,
    draws: Generators,
    name: str,
) -> tuple[NDArray[np.int64], Floats]:
    """Cut a flake, put it at a random place about the origin and give it its defects."""
    numbers, positions = convex_flake(
        atoms,
        radius,
        structure.flake_edges,
        rotation,
        _room(structure, atoms),
        draws(f"{name} shape"),
    )
    positions[:, :2] += _random_shift(
        positions[:, :2], _room(structure, atoms), draws(f"{name} place")
    )
    keep = remove_defects(
        positions,
        structure.vacancy_share,
        structure.hole_share,
        structure.column_radius_angstrom,
        draws(f"{name} defects"),
    )
    if not keep.any():
        raise SpecimenError(
            f"no atom of the {name} is left after the defects; raise flake_radius_angstrom or "
            "lower vacancy_share and hole_share"
        )
    return numbers[keep], positions[keep]


def _support_layer(
    structure: Structure, flake_rotation: float, draws: Generators
) -> tuple[NDArray[np.int64], Floats]:
    graphene = next(entry for entry in monolayers() if entry.name == "graphene").atoms()
    rng = draws("support rotation")
    choice = structure.support_rotations_degrees[
        rng.integers(len(structure.support_rotations_degrees))
    ]
    angle = rng.uniform(0.0, 2 * np.pi) if choice == "random" else np.deg2rad(choice)
    return _layer(
        graphene,
        structure,
        structure.support_radius_angstrom,
        flake_rotation + angle,
        draws,
        "support",
    )


def _room(structure: Structure, atoms: Atoms) -> float:
    """Half the side of the square in which an untilted layer may lie [Å].

    The tilt moves atoms sideways by up to half the specimen's height times its sine.
    """
    height = float(np.ptp(atoms.positions[:, 2]))
    if structure.support != "none":
        height += structure.support_gap_angstrom[1] + 4.0
    sideways = 0.5 * height * math.sin(math.radians(structure.tilt_degrees[1]))
    noise = 5 * structure.position_noise_angstrom
    return structure.box_angstrom / 2 - structure.margin_angstrom - sideways - noise


def convex_flake(
    atoms: Atoms,
    radius: tuple[float, float],
    edges: tuple[int, int],
    rotation: float,
    room: float,
    rng: np.random.Generator,
) -> tuple[NDArray[np.int64], Floats]:
    """Cut a random convex polygon out of an infinite layer.

    Parameters
    ----------
    atoms : ase.Atoms
        Unit cell, periodic along its first two vectors, which lie in the plane.
    radius : (float, float)
        Limits of each edge's distance from the origin [Å].
    edges : (int, int)
        Limits of the number of edges.
    rotation : float
        Angle by which the lattice is turned [rad].
    room : float
        Nothing lies farther than this from the origin [Å].
    rng : numpy.random.Generator
        Source of the draws.

    Returns
    -------
    (n,) and (n, 3) arrays
        Atomic numbers and positions about the origin [Å].
    """
    count = int(rng.integers(edges[0], edges[1] + 1))
    directions = 2 * np.pi * (np.arange(count) + rng.uniform(-0.25, 0.25, count)) / count
    directions += rng.uniform(0.0, 2 * np.pi)
    distances = rng.uniform(min(radius[0], room), min(radius[1], room), count)
    cell = np.asarray(atoms.cell)[:2, :2]
    origin = rng.random(2) @ cell
    tiles = _lattice_points(cell, room + float(np.linalg.norm(cell, axis=1).sum()))
    positions = (atoms.positions[:, None, :] + _in_space(tiles - origin)).reshape(-1, 3)
    numbers = np.repeat(np.asarray(atoms.numbers, dtype=np.int64), len(tiles))
    turn = np.array([[np.cos(rotation), np.sin(rotation)], [-np.sin(rotation), np.cos(rotation)]])
    positions[:, :2] = positions[:, :2] @ turn
    normals = np.stack([np.cos(directions), np.sin(directions)])
    # The tolerance keeps both atoms of a column on the same side of an edge.
    inside = np.all(positions[:, :2] @ normals <= distances + 1e-6, axis=1)
    inside &= np.hypot(positions[:, 0], positions[:, 1]) <= room
    if not inside.any():
        raise SpecimenError(
            f"no atom lies in the flake of {distances.min():.1f} Å radius; raise "
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


def _random_shift(plane: Floats, room: float, rng: np.random.Generator) -> Floats:
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


def _tilted(positions: Floats, angle: float, axis: float) -> Floats:
    """Turn points [Å] about an axis in the plane through the middle of their height."""
    radians = np.deg2rad(angle)
    direction = np.array([np.cos(np.deg2rad(axis)), np.sin(np.deg2rad(axis)), 0.0])
    middle = np.array([0.0, 0.0, 0.5 * (positions[:, 2].min() + positions[:, 2].max())])
    points = positions - middle
    # Rodrigues' rotation formula
    along = np.outer(points @ direction, direction) * (1 - np.cos(radians))
    across = np.cross(direction, points) * np.sin(radians)
    return np.asarray(points * np.cos(radians) + across + along + middle)


def _require_inside(positions: Floats, structure: Structure, material: Material) -> None:
    gap = min(float(positions[:, :2].min()), float(structure.box_angstrom - positions[:, :2].max()))
    if gap < min(structure.margin_angstrom, 0.5) - 1e-9:
        raise SpecimenError(
            f"the flake of {material.identifier} comes within {gap:.2f} Å of the border of the "
            "box; raise box_angstrom or lower flake_radius_angstrom"
        )
