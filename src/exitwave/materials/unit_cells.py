"""Bring the unit cell of a layer into the project's frame, however its source gives it.

The first lattice vector lies along x, the second in the upper half of the xy plane, the third along
z; the layer is whole and centred in z. Only lattice translations and a rotation lead there, so a
chiral layer keeps its hand. What cannot be brought there is an `UnusableError`.

>>> normalised(RawCell(numbers, positions, cell, pbc)).cell
((3.16, 0.0, 0.0), (-1.58, 2.7366, 0.0), (0.0, 0.0, 18.172))
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

# The normalised structure is rounded to this [Å], a hundredth of the noise put on every atom, so
# that the last bits of a row, or of a processor, do not change what a material is called.
_RESOLUTION = 1e-4
# Vacuum on either side of a normalised layer [Å].
VACUUM = 7.5
# Atoms this close below the far border of the cell count as upon the near one [Å].
_BORDER = 1e-3
# Least gap that separates a layer from its periodic images [Å]; the gaps inside layered bulk
# crystals, such as the 3.35 Å of graphite, are narrower.
_LEAST_VACUUM = 5.0
_LEAST_LATTICE_VECTOR = 1.0
_GREATEST_LATTICE_VECTOR = 60.0
# Least sine of the angle between the lattice vectors.
_LEAST_SINE = 0.05
_GREATEST_THICKNESS = 30.0
_GREATEST_COORDINATE = 1e4
_LEAST_DISTANCE = 0.5

Floats = NDArray[np.float64]
Vector = tuple[float, float, float]


class UnusableError(Exception):
    """No material can be made of a row: the reason and what was found."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True)
class RawCell:
    """A unit cell as its source gives it; positions and lattice vectors in Å."""

    numbers: NDArray[np.int64]
    positions: Floats
    cell: Floats
    pbc: NDArray[np.bool_]


@dataclass(frozen=True)
class UnitCell:
    """A unit cell in the project's frame, rounded, its atoms in a fixed order.

    Attributes
    ----------
    numbers : tuple of int
        Atomic numbers.
    positions : tuple of (float, float, float)
        Positions [Å].
    cell : tuple of (float, float, float)
        Lattice vectors [Å].
    digest : str
        Hash of nothing but the rounded structure, so one stands for the other.
    """

    numbers: tuple[int, ...]
    positions: tuple[Vector, ...]
    cell: tuple[Vector, Vector, Vector]
    digest: str


def as_vector(values: Collection[float]) -> Vector:
    """Return three numbers as a vector; another count is a `ValueError`."""
    x, y, z = (float(value) for value in values)
    return x, y, z


def normalised(structure: RawCell) -> UnitCell:
    """Bring a structure into the project's frame by lattice translations and a rotation alone.

    Raises
    ------
    UnusableError
        Where the structure is no sound single layer.
    """
    _require_sound_coordinates(structure)
    axis = _vacuum_axis(structure.positions, structure.cell, structure.pbc)
    positions, cell = _upright(structure.positions, structure.cell, axis)
    positions = _unwrapped(positions, cell, is_periodic=bool(structure.pbc[axis]))
    thickness = float(np.ptp(positions[:, 2]))
    if thickness > _GREATEST_THICKNESS:
        raise UnusableError(
            f"thicker than {_GREATEST_THICKNESS:g} Å", f"{thickness:.1f} Å from top to bottom"
        )
    plane = cell[:2, :2]
    positions = _wrapped_in_plane(positions, plane)
    distance = _least_distance(positions, plane)
    if distance < _LEAST_DISTANCE:
        raise UnusableError(
            f"atoms closer than {_LEAST_DISTANCE:g} Å", f"{distance:.3f} Å between two atoms"
        )
    positions[:, 2] += VACUUM - positions[:, 2].min()
    return _rounded(structure.numbers, positions, plane)


def _require_sound_coordinates(structure: RawCell) -> None:
    coordinates = np.concatenate([structure.positions, structure.cell])
    if not np.isfinite(coordinates).all():
        raise UnusableError("positions or cell not finite", "nan or infinity")
    if np.abs(coordinates).max() > _GREATEST_COORDINATE:
        raise UnusableError(
            f"positions or cell beyond {_GREATEST_COORDINATE:g} Å",
            f"{np.abs(coordinates).max():.3g} Å",
        )


def _vacuum_axis(positions: Floats, cell: Floats, pbc: NDArray[np.bool_]) -> int:
    """Return the lattice vector that leads out of the layer, once the other two are sound."""
    periodic = np.flatnonzero(pbc)
    if len(periodic) == 2:
        axis = int(np.flatnonzero(~pbc)[0])
    elif len(periodic) == 3:
        axis = _axis_with_vacuum(positions, cell)
    else:
        raise UnusableError("not periodic in a plane", f"periodic along {len(periodic)} directions")
    _require_sound_plane(*(cell[index] for index in range(3) if index != axis))
    return axis


def _axis_with_vacuum(positions: Floats, cell: Floats) -> int:
    volume = abs(float(np.linalg.det(cell)))
    if volume < 1e-6:
        raise UnusableError("unusable cell", f"volume of {volume:g} Å³")
    inverse = np.linalg.inv(cell)
    gaps = _largest_gaps(positions @ inverse)[0] / np.linalg.norm(inverse, axis=0)
    wide = np.flatnonzero(gaps >= _LEAST_VACUUM)
    if len(wide) == 0:
        raise UnusableError(
            f"periodic in space, no vacuum of {_LEAST_VACUUM:g} Å", f"gap of {gaps.max():.1f} Å"
        )
    if len(wide) > 1:
        raise UnusableError("not a layer", f"vacuum along {len(wide)} directions")
    return int(wide[0])


def _largest_gaps(fractions: Floats) -> tuple[Floats, Floats]:
    """Return the largest gap of each column between neighbours on a ring of length 1, and its end.

    The end of the gap is where the atoms begin.
    """
    ordered = np.sort(fractions % 1.0, axis=0)
    following = np.roll(ordered, -1, axis=0)
    following[-1] += 1.0
    widest = np.argmax(following - ordered, axis=0)
    columns = np.arange(ordered.shape[1])
    return (following - ordered)[widest, columns], following[widest, columns] % 1.0


def _require_sound_plane(first: Floats, second: Floats) -> None:
    lengths = sorted(float(np.linalg.norm(vector)) for vector in (first, second))
    if lengths[0] < _LEAST_LATTICE_VECTOR or lengths[1] > _GREATEST_LATTICE_VECTOR:
        raise UnusableError(
            "unusable cell", f"lattice vectors of {lengths[0]:.2f} and {lengths[1]:.2f} Å"
        )
    sine = float(np.linalg.norm(np.cross(first, second))) / (lengths[0] * lengths[1])
    if sine < _LEAST_SINE:
        raise UnusableError(
            "unusable cell", f"lattice vectors at {math.degrees(math.asin(sine)):.1f}° in line"
        )


def _upright(positions: Floats, cell: Floats, axis: int) -> tuple[Floats, Floats]:
    """Turn a layer so that its first lattice vector lies along x and its normal along z.

    A left-handed cell is made right-handed by exchanging the two vectors in the plane. That names
    the same lattice in another order and moves no atom. To invert a vector and keep the
    fractional coordinates, or to turn the cell by a matrix of determinant -1, would give the
    mirror image: another crystal wherever the layer is chiral.
    """
    # A cyclic exchange of the three vectors keeps the handedness.
    first, second, third = cell[(axis + 1) % 3], cell[(axis + 2) % 3], cell[axis]
    if np.dot(np.cross(first, second), third) < 0:
        first, second = second, first
    normal = np.cross(first, second)
    normal /= np.linalg.norm(normal)
    along = first / np.linalg.norm(first)
    rotation = np.array([along, np.cross(normal, along), normal]).T
    return positions @ rotation, np.array([first, second, third]) @ rotation


def _unwrapped(positions: Floats, cell: Floats, is_periodic: bool) -> Floats:
    """Make a layer whole that the border of the cell cuts.

    Along a direction that is not periodic, a layer that keeps off the border, or that is larger
    than the cell, stands as it is.
    """
    period = float(cell[2, 2])
    margin = period - float(np.ptp(positions[:, 2]))
    if not is_periodic and not 0.0 < margin < _LEAST_VACUUM:
        return positions
    fractions = positions[:, 2:] / period
    gap, start = _largest_gaps(fractions)
    if gap[0] * period < _LEAST_VACUUM:
        return positions
    # The tolerance keeps the lowest atom itself from being taken for one below it.
    return np.asarray(positions - np.floor(fractions - start + 1e-9) * cell[2])


def _wrapped_in_plane(positions: Floats, plane: Floats) -> Floats:
    fractions = positions[:, :2] @ np.linalg.inv(plane)
    steps = np.floor(fractions + _BORDER / np.linalg.norm(plane, axis=1))
    wrapped = positions.copy()
    wrapped[:, :2] -= steps @ plane
    return wrapped


def _least_distance(positions: Floats, plane: Floats) -> float:
    """Return the least distance between atoms, images in the plane included, if it is short [Å].

    Only images that can lie within `_LEAST_DISTANCE` are looked at.
    """
    heights = abs(np.linalg.det(plane)) / np.linalg.norm(plane[::-1], axis=1)
    reach = [1 + math.floor(_LEAST_DISTANCE / height) for height in heights]
    first, second = np.meshgrid(*(np.arange(-n, n + 1) for n in reach), indexing="ij")
    shifts = np.stack([first.ravel(), second.ravel()], axis=1) @ plane
    images = np.repeat(positions, len(shifts), axis=0)
    images[:, :2] += np.tile(shifts, (len(positions), 1))
    # The nearest is the atom itself.
    return float(cKDTree(images).query(positions, k=2)[0][:, 1].min())


def _rounded(numbers: NDArray[np.int64], positions: Floats, plane: Floats) -> UnitCell:
    atoms = _units(positions)
    order = np.lexsort((*atoms.T, numbers))
    numbers, atoms = numbers[order], atoms[order]
    (ax, _), (bx, by) = _units(plane)
    height = int(atoms[:, 2].max()) + int(_units(np.array(VACUUM)))
    lattice = [[int(ax), 0, 0], [int(bx), int(by), 0], [0, 0, height]]
    structure = json.dumps([numbers.tolist(), atoms.tolist(), lattice])
    a, b, c = (_angstrom(vector) for vector in lattice)
    return UnitCell(
        numbers=tuple(int(number) for number in numbers),
        positions=tuple(_angstrom(atom) for atom in atoms),
        cell=(a, b, c),
        digest=hashlib.blake2b(structure.encode(), digest_size=6).hexdigest(),
    )


def _units(lengths: Floats) -> NDArray[np.int64]:
    return np.rint(lengths / _RESOLUTION).astype(np.int64)


def _angstrom(units: Collection[int]) -> Vector:
    # Dividing, unlike multiplying by 1e-4, gives the float nearest to the four decimals.
    return as_vector([int(unit) / round(1 / _RESOLUTION) for unit in units])
