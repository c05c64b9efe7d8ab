"""ASE databases of a few structures, and where rows of the real C2DB lie."""

from __future__ import annotations

import os
from pathlib import Path

import ase.db
import pytest
from ase import Atoms
from ase.build import mx2

CHECKOUT = Path(__file__).parents[2]
C2DB = Path(os.environ.get("EXITWAVE_C2DB", CHECKOUT.parent / "shared" / "c2db"))
needs_c2db = pytest.mark.skipif(
    not C2DB.is_dir(), reason="no C2DB rows: set EXITWAVE_C2DB to a folder that has them"
)


def database(path: Path, *structures, keys=()) -> Path:
    """Write structures, the n-th with the n-th key-value pairs, into an ASE database."""
    with ase.db.connect(path, use_lock_file=False) as connection:
        for index, structure in enumerate(structures):
            connection.write(structure, **(keys[index] if index < len(keys) else {}))
    return path


def molybdenite() -> Atoms:
    atoms = mx2("MoS2", a=3.16, thickness=3.17, vacuum=7.5)
    atoms.pbc = (True, True, False)
    return atoms


AT_CENTRE = [[0.0, 0.0, 10.0]]


def layer(symbols: str, positions, cell=(4.0, 4.0, 20.0), pbc=(True, True, False)) -> Atoms:
    return Atoms(symbols, positions=positions, cell=cell, pbc=pbc)
