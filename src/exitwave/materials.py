"""Materials: rows of an ASE database, or of the built-in table, as normalised single layers.

Every row that the selection matches becomes either a `Material` or a `Rejected` with one reason.

>>> materials, rejected, counts = read_materials("monolayers", "name=2H-MoS2", max_atoms=8)
>>> materials[0].formula
'MoS2'
"""

from __future__ import annotations

import hashlib
import json
import math
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from ase.db.core import invop, parse_selection, word
from ase.db.jsondb import JSONDatabase
from ase.db.sqlite import SQLite3Database
from ase.io import jsonio
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from exitwave.errors import ExitwaveError
from exitwave.monolayers import monolayers

BUILT_IN = "monolayers"
# Elements that the Lobato and the Kirkland parametrisation know.
PARAMETRISED = frozenset(range(1, 104))

# The normalised structure is rounded to this [Å], a hundredth of the noise put on every atom, so
# that the last bits of a row, or of a processor, do not change what a material is called.
_RESOLUTION = 1e-4
# Vacuum on either side of a normalised layer [Å].
_VACUUM = 7.5
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

_COLUMNS = ["id", "numbers", "positions", "cell", "pbc", "key_value_pairs"]
_LABELS = ("uid", "name")

Floats = NDArray[np.float64]
Vector = tuple[float, float, float]


@dataclass(frozen=True)
class Material:
    """One layer: its unit cell in the project's frame.

    The first lattice vector lies along x, the second in the upper half of the xy plane, the third
    along z; the layer is whole and centred in z.

    Attributes
    ----------
    identifier : str
        Formula and a hash of the structure: the same for the same structure wherever it stands.
    formula : str
        Chemical formula of the unit cell.
    numbers : tuple of int
        Atomic numbers.
    positions : tuple of (float, float, float)
        Positions [Å].
    cell : tuple of (float, float, float)
        Lattice vectors [Å].
    label : str
        The row's ``uid`` or ``name``; empty where it has none. No part of the identity.
    row : int or None
        Number of the row in its database. No part of the identity.
    """

    identifier: str
    formula: str
    numbers: tuple[int, ...]
    positions: tuple[Vector, ...]
    cell: tuple[Vector, Vector, Vector]
    label: str = field(default="", compare=False)
    row: int | None = field(default=None, compare=False)

    def atoms(self) -> Atoms:
        """Return the unit cell, periodic in the plane."""
        return Atoms(
            self.numbers, positions=self.positions, cell=self.cell, pbc=(True, True, False)
        )

    @property
    def thickness(self) -> float:
        """Distance from the lowest to the highest atom [Å]."""
        return self.cell[2][2] - 2 * _VACUUM

    def as_dict(self) -> dict[str, Any]:
        """Return what identifies the material, ready for JSON; `from_dict` reads it."""
        return {
            "identifier": self.identifier,
            "formula": self.formula,
            "numbers": list(self.numbers),
            "positions": [list(position) for position in self.positions],
            "cell": [list(vector) for vector in self.cell],
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Return the material that `as_dict` described.

        Raises
        ------
        KeyError, TypeError, ValueError
            Where the values are no such description.
        """
        cell = tuple(_vector(vector) for vector in values["cell"])
        numbers = tuple(int(number) for number in values["numbers"])
        positions = tuple(_vector(position) for position in values["positions"])
        if len(cell) != 3 or len(numbers) != len(positions) or not numbers:
            raise ValueError("numbers, positions and cell of a material do not fit together")
        return cls(str(values["identifier"]), str(values["formula"]), numbers, positions, cell)


def _vector(values: Collection[float]) -> Vector:
    x, y, z = (float(value) for value in values)
    return x, y, z


@dataclass(frozen=True)
class Rejected:
    """A row of which no material was made.

    Attributes
    ----------
    row : int
        Number of the row in its database.
    label : str
        The row's ``uid`` or ``name``; empty where it has none.
    formula : str
        Chemical formula; empty where it cannot be told.
    reason : str
        The one reason, in the same words for all rows that it applies to.
    detail : str
        What was found in this row.
    """

    row: int
    label: str
    formula: str
    reason: str
    detail: str = ""


@dataclass(frozen=True)
class Counts:
    """How many rows a source has and how many of them the selection matched.

    ``lacking`` names the keys that the selection compares and some rows lack, with the number of
    these rows; they cannot match.
    """

    rows: int
    matched: int
    lacking: dict[str, int]


class _UnusableError(Exception):
    """No material can be made of a row: the reason and what was found."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


def read_materials(
    source: str | Path,
    selection: str = "",
    max_atoms: int | None = None,
    allowed_numbers: Collection[int] = PARAMETRISED,
) -> tuple[list[Material], list[Rejected], Counts]:
    """Read the rows of a database that a selection matches.

    The database is only read: nothing is created or locked beside it.

    Parameters
    ----------
    source : str or Path
        ``monolayers`` for the built-in table, or the path of an ASE database (SQLite or JSON).
    selection : str
        ASE selection string; empty for all rows. No key is needed unless it is compared here.
    max_atoms : int, optional
        Most atoms in the unit cell.
    allowed_numbers : collection of int
        Atomic numbers of which potentials are known.

    Returns
    -------
    list of Material, list of Rejected, Counts
        Each matched row is in one of the lists, which follow the order of the rows.

    Raises
    ------
    ExitwaveError
        Where the source is no database, the selection cannot be read or matches nothing, or no
        matched row makes a material.
    """
    keys, comparisons = _parsed(selection)
    with tempfile.TemporaryDirectory() as folder, _opened(source, Path(folder)) as rows:
        counts, chosen = _select(rows, selection, keys, comparisons, source)
        materials, rejected = _read_rows(rows, chosen, max_atoms, allowed_numbers)
    if not materials:
        reason, number = Counter(entry.reason for entry in rejected).most_common(1)[0]
        raise ExitwaveError(
            f"None of the {counts.matched} rows of {source} that materials.selection matches makes "
            f"a material: {number} of them were rejected for '{reason}'; choose other rows or mend "
            "the database."
        )
    return materials, rejected, counts


@dataclass(frozen=True)
class _Structure:
    """What is used of a row."""

    numbers: NDArray[np.int64]
    positions: Floats
    cell: Floats
    pbc: NDArray[np.bool_]
    label: str


def _read_rows(
    rows: _Rows, chosen: list[int], max_atoms: int | None, allowed_numbers: Collection[int]
) -> tuple[list[Material], list[Rejected]]:
    materials: list[Material] = []
    rejected: list[Rejected] = []
    first_rows: dict[str, int] = {}
    for number in chosen:
        label = formula = ""
        try:
            structure = _decoded(rows, number)
            label, formula = structure.label, _formula(structure.numbers)
            _require_wanted(structure, max_atoms, allowed_numbers)
            material = _normalised(structure, number)
            if material.identifier in first_rows:
                earlier = first_rows[material.identifier]
                raise _UnusableError("same structure as an earlier row", f"row {earlier}")
        except _UnusableError as error:
            rejected.append(Rejected(number, label, formula, error.reason, error.detail))
        else:
            first_rows[material.identifier] = number
            materials.append(material)
    return materials, rejected


def _decoded(rows: _Rows, number: int) -> _Structure:
    try:
        row = rows.row(number)
        labels = [row.key_value_pairs.get(key) for key in _LABELS]
        structure = _Structure(
            np.asarray(row.numbers, dtype=np.int64),
            np.asarray(row.positions, dtype=np.float64),
            np.asarray(row.cell, dtype=np.float64),
            np.asarray(row.pbc, dtype=np.bool_),
            next((label for label in labels if isinstance(label, str)), ""),
        )
    except Exception as error:
        # Whatever ASE stumbles over in one row must not cost the others.
        raise _unreadable(f"{type(error).__name__}: {error}") from error
    arrays = (structure.numbers, structure.positions, structure.cell, structure.pbc)
    count = structure.numbers.size
    if [array.shape for array in arrays] != [(count,), (count, 3), (3, 3), (3,)]:
        raise _unreadable(f"arrays of shapes {', '.join(str(array.shape) for array in arrays)}")
    return structure


def _unreadable(detail: str) -> _UnusableError:
    return _UnusableError("not readable as an ASE row", " ".join(detail.split()))


def _formula(numbers: NDArray[np.int64]) -> str:
    """Return the formula, metals first; empty where a number is no element's."""
    if not numbers.size or numbers.min() < 1 or numbers.max() >= len(chemical_symbols):
        return ""
    return str(Atoms(numbers).get_chemical_formula("metal"))


def _require_wanted(
    structure: _Structure, max_atoms: int | None, allowed_numbers: Collection[int]
) -> None:
    count = len(structure.numbers)
    if count == 0:
        raise _UnusableError("no atoms", "0 atoms")
    if max_atoms is not None and count > max_atoms:
        raise _UnusableError(f"more than {max_atoms} atoms", f"{count} atoms")
    unknown = set(structure.numbers.tolist()) - set(allowed_numbers)
    if unknown:
        raise _UnusableError("element without a potential", f"atomic number {min(unknown)}")
    coordinates = np.concatenate([structure.positions, structure.cell])
    if not np.isfinite(coordinates).all():
        raise _UnusableError("positions or cell not finite", "nan or infinity")
    if np.abs(coordinates).max() > _GREATEST_COORDINATE:
        raise _UnusableError(
            f"positions or cell beyond {_GREATEST_COORDINATE:g} Å",
            f"{np.abs(coordinates).max():.3g} Å",
        )


def _normalised(structure: _Structure, row: int) -> Material:
    """Bring a structure into the project's frame by lattice translations and a rotation alone."""
    axis = _vacuum_axis(structure.positions, structure.cell, structure.pbc)
    positions, cell = _upright(structure.positions, structure.cell, axis)
    positions = _unwrapped(positions, cell, is_periodic=bool(structure.pbc[axis]))
    thickness = float(np.ptp(positions[:, 2]))
    if thickness > _GREATEST_THICKNESS:
        raise _UnusableError(
            f"thicker than {_GREATEST_THICKNESS:g} Å", f"{thickness:.1f} Å from top to bottom"
        )
    plane = cell[:2, :2]
    positions = _wrapped_in_plane(positions, plane)
    distance = _least_distance(positions, plane)
    if distance < _LEAST_DISTANCE:
        raise _UnusableError(
            f"atoms closer than {_LEAST_DISTANCE:g} Å", f"{distance:.3f} Å between two atoms"
        )
    positions[:, 2] += _VACUUM - positions[:, 2].min()
    return _rounded_material(structure.numbers, positions, plane, structure.label, row)


def _vacuum_axis(positions: Floats, cell: Floats, pbc: NDArray[np.bool_]) -> int:
    """Return the lattice vector that leads out of the layer, once the other two are sound."""
    periodic = np.flatnonzero(pbc)
    if len(periodic) == 2:
        axis = int(np.flatnonzero(~pbc)[0])
    elif len(periodic) == 3:
        axis = _axis_with_vacuum(positions, cell)
    else:
        raise _UnusableError(
            "not periodic in a plane", f"periodic along {len(periodic)} directions"
        )
    _require_sound_plane(*(cell[index] for index in range(3) if index != axis))
    return axis


def _axis_with_vacuum(positions: Floats, cell: Floats) -> int:
    volume = abs(float(np.linalg.det(cell)))
    if volume < 1e-6:
        raise _UnusableError("unusable cell", f"volume of {volume:g} Å³")
    inverse = np.linalg.inv(cell)
    gaps = _largest_gaps(positions @ inverse)[0] / np.linalg.norm(inverse, axis=0)
    wide = np.flatnonzero(gaps >= _LEAST_VACUUM)
    if len(wide) == 0:
        raise _UnusableError(
            f"periodic in space, no vacuum of {_LEAST_VACUUM:g} Å", f"gap of {gaps.max():.1f} Å"
        )
    if len(wide) > 1:
        raise _UnusableError("not a layer", f"vacuum along {len(wide)} directions")
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
        raise _UnusableError(
            "unusable cell", f"lattice vectors of {lengths[0]:.2f} and {lengths[1]:.2f} Å"
        )
    sine = float(np.linalg.norm(np.cross(first, second))) / (lengths[0] * lengths[1])
    if sine < _LEAST_SINE:
        raise _UnusableError(
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


def _rounded_material(
    numbers: NDArray[np.int64], positions: Floats, plane: Floats, label: str, row: int
) -> Material:
    """Round the structure, put its atoms into a fixed order, and name it.

    The identifier is made of nothing but the rounded structure, so one stands for the other.
    """
    atoms = _units(positions)
    order = np.lexsort((*atoms.T, numbers))
    numbers, atoms = numbers[order], atoms[order]
    (ax, _), (bx, by) = _units(plane)
    height = int(atoms[:, 2].max()) + int(_units(np.array(_VACUUM)))
    lattice = [[int(ax), 0, 0], [int(bx), int(by), 0], [0, 0, height]]
    structure = json.dumps([numbers.tolist(), atoms.tolist(), lattice])
    digest = hashlib.blake2b(structure.encode(), digest_size=6).hexdigest()
    formula = _formula(numbers)
    a, b, c = (_angstrom(vector) for vector in lattice)
    return Material(
        identifier=f"{formula}-{digest}",
        formula=formula,
        numbers=tuple(int(number) for number in numbers),
        positions=tuple(_angstrom(atom) for atom in atoms),
        cell=(a, b, c),
        label=label,
        row=row,
    )


def _units(lengths: Floats) -> NDArray[np.int64]:
    return np.rint(lengths / _RESOLUTION).astype(np.int64)


def _angstrom(units: Collection[int]) -> Vector:
    # Dividing, unlike multiplying by 1e-4, gives the float nearest to the four decimals.
    return _vector([int(unit) / round(1 / _RESOLUTION) for unit in units])


Comparison = tuple[str | int, str, Any]


def _parsed(selection: str) -> tuple[list[str], list[Comparison]]:
    """Return the keys and comparisons of a selection, or say what is wrong with it.

    ASE itself takes what it cannot make sense of for a key that no row has.
    """
    for part in selection.split(","):
        try:
            parse_selection(part.strip())
        except Exception as error:
            # ASE's own words are those of whatever its parser stumbled over.
            raise _wrong_selection(selection, f"'{part.strip()}' cannot be read") from error
    keys, comparisons = parse_selection(selection)
    for key in keys:
        if not word.match(key.removeprefix("-")):
            raise _wrong_selection(selection, f"'{key}' is neither a key nor a comparison")
    for key, operator, value in comparisons:
        if isinstance(key, str) and not word.match(key):
            raise _wrong_selection(selection, f"'{key}' is no key")
        if value == "":
            raise _wrong_selection(selection, f"there is nothing after '{key}{operator}'")
        if key == "pbc" and operator not in ("=", "!="):
            raise _wrong_selection(selection, "pbc can only be = or !=")
    return keys, comparisons


def _wrong_selection(selection: str, why: str) -> ExitwaveError:
    return ExitwaveError(
        f"materials.selection is '{selection}', which is no ASE selection: {why}; write "
        "comparisons with commas between, such as 'natoms<=8,gap>0'."
    )


def _select(
    rows: _Rows,
    selection: str,
    keys: list[str],
    comparisons: list[Comparison],
    source: str | Path,
) -> tuple[Counts, list[int]]:
    total = len(rows.matching([]))
    if total == 0:
        raise ExitwaveError(f"{source} is an ASE database without rows; give one that has some.")
    chosen = rows.matching([*keys, *comparisons])
    lacking = {}
    for key, operator, value in comparisons:
        if isinstance(key, str):
            # A row whose key is there to be compared fulfils either a comparison or its opposite.
            either = ((key, operator, value), (key, invop[operator], value))
            lacking[key] = total - sum(len(rows.matching([one])) for one in either)
    for key in keys:
        if not key.startswith("-"):
            lacking[key] = total - len(rows.matching([key]))
    lacking = {key: number for key, number in lacking.items() if number}
    if not chosen:
        lack = "; ".join(f"{number} lack the key '{key}'" for key, number in lacking.items())
        raise ExitwaveError(
            f"materials.selection is '{selection}', which matches none of the {total} rows of "
            f"{source}{f' ({lack})' if lack else ''}; widen it or correct its keys."
        )
    return Counts(total, len(chosen), lacking), chosen


class _Rows(Protocol):
    """What is needed of a database."""

    def matching(self, selection: list[Any]) -> list[int]:
        """Return the numbers of the rows that fulfil all conditions, in order."""

    def row(self, number: int) -> Any:
        """Return one row; whatever ASE raises passes through."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *details: object) -> None: ...


def _opened(source: str | Path, folder: Path) -> _Rows:
    """Open a source for reading; the folder is a place for the built-in table."""
    if source == BUILT_IN:
        return _SQLiteRows(_built_in_database(folder))
    path = Path(source)
    try:
        with path.open("rb") as file:
            start = file.read(16)
    except FileNotFoundError:
        raise ExitwaveError(
            f"There is no file {source} (looked for {path.absolute()}); set materials.source to "
            f"the path of an ASE database, or to '{BUILT_IN}' for the built-in table."
        ) from None
    except OSError as error:
        raise _no_database(source, f"it cannot be read ({error.strerror})") from error
    if not start:
        raise _no_database(source, "it is empty")
    return _SQLiteRows(path) if start.startswith(b"SQLite format 3") else _JSONRows(path)


def _no_database(source: str | Path, why: str) -> ExitwaveError:
    return ExitwaveError(
        f"{source} is no ASE database: {why}; give one in SQLite (.db) or JSON form."
    )


def _built_in_database(folder: Path) -> Path:
    path = folder / "monolayers.db"
    with SQLite3Database(str(path), use_lock_file=False) as database:
        for entry in monolayers():
            database.write(entry.atoms(), name=entry.name, prototype=entry.prototype)
    return path


class _ReadOnlySQLite(SQLite3Database):  # type: ignore[misc]
    """ASE's SQLite database, opened so that nothing is written to it or beside it."""

    def _connect(self) -> sqlite3.Connection:
        path = Path(self.filename)
        # SQLite's own read-only mode still makes files beside a database in WAL mode, which a
        # read-only folder does not allow. Immutable, it makes none, but it would overlook what
        # an unfinished transaction has left there.
        unfinished = [path.with_name(path.name + end) for end in ("-wal", "-journal")]
        immutable = "" if any(file.exists() for file in unfinished) else "&immutable=1"
        return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro{immutable}", uri=True)


class _SQLiteRows:
    def __init__(self, path: Path) -> None:
        self.path = path
        self._database = _ReadOnlySQLite(str(path), use_lock_file=False)

    def __enter__(self) -> Self:
        try:
            self._database.__enter__()
            tables = self._database.connection.execute("SELECT name FROM sqlite_master").fetchall()
            if ("systems",) not in tables:
                raise sqlite3.DatabaseError("it has no table 'systems'")
        except sqlite3.Error as error:
            self.__exit__()
            raise _no_database(self.path, str(error)) from error
        return self

    def __exit__(self, *details: object) -> None:
        if self._database.connection is not None:
            self._database.connection.close()

    def matching(self, selection: list[Any]) -> list[int]:
        try:
            rows = self._database.select(selection, columns=["id"], include_data=False)
            return sorted(row.id for row in rows)
        except (sqlite3.Error, OSError) as error:
            # A damaged file, or one of a version that this ASE cannot read.
            raise _no_database(self.path, " ".join(str(error).split()).rstrip(".")) from error

    def row(self, number: int) -> Any:
        return next(self._database.select(number, columns=_COLUMNS, include_data=False))


class _OneRow(JSONDatabase):  # type: ignore[misc]
    """One row of a JSON database, so that one that ASE cannot read does not hide the others."""

    def __init__(self, number: int, content: dict[str, Any]) -> None:
        super().__init__(None)
        self.number = number
        self.values = jsonio.decode(json.dumps({**content, "data": {}}))
        # ASE cannot compare its own numpy booleans with a text such as TTF.
        self.values["pbc"] = [int(is_periodic) for is_periodic in self.values.get("pbc", (0, 0, 0))]
        self.row = self[number]

    def _read_json(self) -> tuple[dict[int, dict[str, Any]], list[int], int]:
        return {self.number: self.values}, [self.number], self.number + 1


class _JSONRows:
    def __init__(self, path: Path) -> None:
        try:
            content = json.loads(path.read_bytes())
            numbers = np.ravel(jsonio.decode(json.dumps(content.get("ids", [1])))).tolist()
            contents = {int(number): content[str(number)] for number in numbers}
        except (ValueError, AttributeError, KeyError, TypeError) as error:
            why = "it is neither in SQLite nor in ASE's JSON form"
            raise _no_database(path, why) from error
        self._rows: dict[int, _OneRow | Exception] = {}
        for number in sorted(contents):
            try:
                self._rows[number] = _OneRow(number, contents[number])
            except Exception as error:
                self._rows[number] = error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        return None

    def matching(self, selection: list[Any]) -> list[int]:
        # What a broken row would match cannot be told; it is kept, to be named among the rejected.
        return [
            number
            for number, row in self._rows.items()
            if isinstance(row, Exception) or _fulfils(row, selection)
        ]

    def row(self, number: int) -> Any:
        row = self._rows[number]
        if isinstance(row, Exception):
            raise row
        return row.row


def _fulfils(database: _OneRow, selection: list[Any]) -> bool:
    try:
        return any(True for _ in database.select(selection))
    except TypeError:
        # A number and a text are compared; such rows do not match in SQLite either.
        return False
