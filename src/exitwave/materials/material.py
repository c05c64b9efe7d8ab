"""Materials: rows of an ASE database, or of the built-in table, as normalised single layers.

Every row that the selection matches becomes either a `Material` or a `Rejected` with one reason.

>>> materials, rejected, counts = read_materials("monolayers", "name=2H-MoS2", max_atoms=8)
>>> materials[0].formula
'MoS2'
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypedDict

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from numpy.typing import NDArray

from exitwave.errors import ExitwaveError
from exitwave.materials.unit_cells import (
    VACUUM,
    RawCell,
    UnusableError,
    Vector,
    as_vector,
    normalised,
)

if TYPE_CHECKING:
    from exitwave.materials.database import Rows

# Elements that the Lobato and the Kirkland parametrisation know.
PARAMETRISED = frozenset(range(1, 104))


class MaterialDict(TypedDict):
    """A `Material` as it stands in JSON, without what is no part of its identity."""

    identifier: str
    formula: str
    numbers: list[int]
    positions: list[list[float]]
    cell: list[list[float]]


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
        Chemical formula, reduced: Si for silicene, of which a unit cell holds Si2.
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
        return self.cell[2][2] - 2 * VACUUM

    def as_dict(self) -> MaterialDict:
        """Return what identifies the material, ready for JSON; `from_dict` reads it."""
        return {
            "identifier": self.identifier,
            "formula": self.formula,
            "numbers": list(self.numbers),
            "positions": [list(position) for position in self.positions],
            "cell": [list(vector) for vector in self.cell],
        }

    @classmethod
    def from_dict(cls, values: MaterialDict) -> Self:
        """Return the material that `as_dict` described.

        Raises
        ------
        KeyError, TypeError, ValueError
            Where the values are no such description.
        """
        cell = tuple(as_vector(vector) for vector in values["cell"])
        numbers = tuple(int(number) for number in values["numbers"])
        positions = tuple(as_vector(position) for position in values["positions"])
        if len(cell) != 3 or len(numbers) != len(positions) or not numbers:
            raise ValueError("numbers, positions and cell of a material do not fit together")
        return cls(str(values["identifier"]), str(values["formula"]), numbers, positions, cell)


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
        Chemical formula, reduced; empty if it is not known.
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
    # Half a second, which each worker that simulates would spend on a database it never opens.
    from exitwave.materials.database import opened_database, parsed_selection, selected_rows

    wanted = parsed_selection(selection)
    with opened_database(source) as rows:
        total, chosen, lacking = selected_rows(rows, wanted, source)
        materials, rejected = _read_rows(rows, chosen, max_atoms, allowed_numbers)
    counts = Counts(total, len(chosen), lacking)
    if not materials:
        reason, number = Counter(entry.reason for entry in rejected).most_common(1)[0]
        raise ExitwaveError(
            f"None of the {counts.matched} rows of {source} that materials.selection matches makes "
            f"a material: {number} of them were rejected for '{reason}'; choose other rows or mend "
            "the database."
        )
    return materials, rejected, counts


def _read_rows(
    rows: Rows, chosen: list[int], max_atoms: int | None, allowed_numbers: Collection[int]
) -> tuple[list[Material], list[Rejected]]:
    from exitwave.materials.database import decoded_row

    materials: list[Material] = []
    rejected: list[Rejected] = []
    first_rows: dict[str, int] = {}
    for number in chosen:
        label = formula = ""
        try:
            structure, label = decoded_row(rows, number)
            formula = _formula(structure.numbers)
            _require_wanted(structure, max_atoms, allowed_numbers)
            material = _material(structure, formula, label, number)
            if material.identifier in first_rows:
                earlier = first_rows[material.identifier]
                raise UnusableError("same structure as an earlier row", f"row {earlier}")
        except UnusableError as error:
            rejected.append(Rejected(number, label, formula, error.reason, error.detail))
        else:
            first_rows[material.identifier] = number
            materials.append(material)
    return materials, rejected


def _formula(numbers: NDArray[np.int64]) -> str:
    """Return the reduced formula, metals first; empty where a number is no element's."""
    if not numbers.size or numbers.min() < 1 or numbers.max() >= len(chemical_symbols):
        return ""
    return str(Atoms(numbers).get_chemical_formula("metal", empirical=True))


def _require_wanted(
    structure: RawCell, max_atoms: int | None, allowed_numbers: Collection[int]
) -> None:
    count = len(structure.numbers)
    if count == 0:
        raise UnusableError("no atoms", "0 atoms")
    if max_atoms is not None and count > max_atoms:
        raise UnusableError(f"more than {max_atoms} atoms", f"{count} atoms")
    unknown = set(structure.numbers.tolist()) - set(allowed_numbers)
    if unknown:
        raise UnusableError("element without a potential", f"atomic number {min(unknown)}")


def _material(structure: RawCell, formula: str, label: str, row: int) -> Material:
    unit_cell = normalised(structure)
    return Material(
        identifier=f"{formula}-{unit_cell.digest}",
        formula=formula,
        numbers=unit_cell.numbers,
        positions=unit_cell.positions,
        cell=unit_cell.cell,
        label=label,
        row=row,
    )
