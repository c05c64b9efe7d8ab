"""What exit waves and epochs have in common: which sample it is, and its atoms."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from exitwave.files.schemas import Value, Values, Variable, column

IDENTITY = (
    column("material", "str", "1", "identifier of the material in the catalog"),
    column("formula", "str", "1", "chemical formula of the material"),
    column("sample_index", "i4", "1", "number of the specimen among those of its material"),
    column("split", "str", "1", "training or validation"),
    column("sample_key", "str", "1", "hash of spec, structure and sample identity"),
)

ENERGY = column("energy", "f8", "keV", "kinetic energy of the electrons")

COMPONENTS = ("flake", "support", "contamination")
"""What an atom may belong to, by its number in a store."""

_COMPONENTS = ", ".join(f"{number} {name}" for number, name in enumerate(COMPONENTS))


@dataclass(frozen=True)
class Identity:
    """Which sample it is; see `IDENTITY`."""

    material: str
    formula: str
    sample_index: int
    split: str
    sample_key: str

    def values(self) -> dict[str, Value]:
        """Return the columns of a store."""
        return {variable.name: getattr(self, variable.name) for variable in IDENTITY}

    @classmethod
    def from_values(cls, values: Values) -> Self:
        """Take the columns of a store."""
        return cls(
            material=str(values["material"]),
            formula=str(values["formula"]),
            sample_index=int(values["sample_index"]),
            split=str(values["split"]),
            sample_key=str(values["sample_key"]),
        )


@dataclass(frozen=True)
class Atoms:
    """Atoms of a specimen, or those that were taken out of its crystals.

    Attributes
    ----------
    numbers : (n,) array
        Atomic numbers.
    components : (n,) array
        0 for the flake, 1 for the support, 2 for contamination. Stores call it ``layer``.
    columns : (n,) array
        Column of the crystal that an atom belongs to; -1 outside crystals.
    positions : (n, 3) array
        x, y, z [Å]; z along the beam, 0 at the highest atom.
    """

    numbers: NDArray[np.integer] = field(default_factory=lambda: np.zeros(0, dtype=np.int32))
    components: NDArray[np.integer] = field(default_factory=lambda: np.zeros(0, dtype=np.int32))
    columns: NDArray[np.integer] = field(default_factory=lambda: np.zeros(0, dtype=np.int32))
    positions: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 3)))

    def __len__(self) -> int:
        return len(self.numbers)

    @classmethod
    def of(cls, numbers: NDArray[np.integer], positions: NDArray[np.float64]) -> Self:
        """Return atoms of a flake that is no crystal, of which no column is known."""
        return cls(
            numbers,
            np.zeros(len(numbers), dtype=np.int32),
            np.full(len(numbers), -1, dtype=np.int32),
            positions,
        )

    def chosen(self, which: NDArray[np.bool_]) -> Atoms:
        """Return some of the atoms, by a mask (n,)."""
        return Atoms(
            self.numbers[which],
            self.components[which],
            self.columns[which],
            self.positions[which],
        )

    def moved(self, origin: NDArray[np.float64]) -> Atoms:
        """Return the same atoms as seen from another origin [Å]."""
        return Atoms(self.numbers, self.components, self.columns, self.positions - origin)

    def values(self, kind: str) -> dict[str, Value]:
        """Return the columns of a store; ``kind`` is ``atom`` or ``vacancy``."""
        return {
            f"{kind}_count": len(self),
            f"{kind}_number": self.numbers,
            f"{kind}_layer": self.components,
            f"{kind}_column": self.columns,
            f"{kind}_position": self.positions,
        }

    @classmethod
    def from_values(cls, kind: str, values: Values) -> Self:
        """Take the columns of a store."""
        numbers, components, columns, positions = (
            _array(values[f"{kind}_{name}"]) for name in ("number", "layer", "column", "position")
        )
        return cls(numbers, components, columns, positions)


def _array(value: Value) -> NDArray[Any]:
    return np.asarray(value)


def atom_variables(origin: str) -> tuple[Variable, ...]:
    """Return the variables of atoms and of missing atoms, placed from an origin."""
    place = f"position from {origin}; z along the beam, 0 at the highest atom"
    return tuple(
        variable
        for kind, what in (("atom", "atom"), ("vacancy", "missing atom"))
        for variable in (
            column(f"{kind}_count", "i4", "1", f"number of {what}s of the specimen"),
            Variable(f"{kind}_number", (kind,), "i4", "1", f"atomic number of the {what}"),
            Variable(f"{kind}_layer", (kind,), "i4", "1", _COMPONENTS),
            Variable(
                f"{kind}_column",
                (kind,),
                "i4",
                "1",
                f"column of the crystal that the {what} belongs to; -1 outside crystals",
            ),
            Variable(f"{kind}_position", (kind, "xyz"), "f8", "angstrom", place),
        )
    )
