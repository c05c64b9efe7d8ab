"""ASE databases, in SQLite or JSON form, opened so that nothing is written to or beside them.

The structures of a .cif, .xyz or POSCAR file are read as a database of their own.

>>> selection = parsed_selection("natoms<=8,gap>0")
>>> with opened_database("c2db.db") as rows:
...     total, chosen, lacking = selected_rows(rows, selection, "c2db.db")
...     structure, label = decoded_row(rows, chosen[0])
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
from ase import Atoms
from ase.db.core import invop, parse_selection, word
from ase.db.jsondb import JSONDatabase
from ase.db.sqlite import SQLite3Database
from ase.io import jsonio, read
from pydantic import JsonValue

from exitwave.config.constraints import BUILT_IN
from exitwave.config.sources import missing_source
from exitwave.errors import ExitwaveError
from exitwave.materials.monolayers import monolayers
from exitwave.materials.unit_cells import RawCell, UnusableError

_COLUMNS = ["id", "numbers", "positions", "cell", "pbc", "key_value_pairs"]
_LABELS = ("uid", "name")
# ASE's names of the formats by the endings of the files; VASP's own files have none.
_STRUCTURE_FORMATS = {
    ".cif": "cif",
    ".xyz": "extxyz",
    ".extxyz": "extxyz",
    ".vasp": "vasp",
    ".poscar": "vasp",
}
_VASP_NAMES = ("POSCAR", "CONTCAR")


@dataclass(frozen=True)
class Selection:
    """An ASE selection: its text, the keys that a row has to have, and what is compared."""

    text: str
    keys: tuple[str, ...]
    comparisons: tuple[tuple[str | int, str, Any], ...]


class Rows(Protocol):
    """What is needed of an open database."""

    def matching(self, selection: list[Any]) -> list[int]:
        """Return the numbers of the rows that fulfil all conditions, in order."""

    def row(self, number: int) -> Any:
        """Return one row; whatever ASE raises passes through."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *details: object) -> None: ...


def parsed_selection(selection: str) -> Selection:
    """Take a selection apart, or say what is wrong with it.

    ASE itself takes what it cannot make sense of for a key that no row has.

    Raises
    ------
    ExitwaveError
        Where the text is no ASE selection.
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
    return Selection(selection, tuple(keys), tuple(comparisons))


def _wrong_selection(selection: str, why: str) -> ExitwaveError:
    return ExitwaveError(
        f"materials.selection is '{selection}', which is no ASE selection: {why}; write "
        "comparisons with commas between, such as 'natoms<=8,gap>0'."
    )


@contextlib.contextmanager
def opened_database(source: str | Path) -> Iterator[Rows]:
    """Open a source for reading only: nothing is created or locked beside it.

    Parameters
    ----------
    source : str or Path
        ``monolayers`` for the built-in table, the path of an ASE database (SQLite or JSON), or that
        of a .cif, .xyz or POSCAR file.

    Raises
    ------
    ExitwaveError
        Where the source is no database, or its structures cannot be read.
    """
    with tempfile.TemporaryDirectory() as folder, _opened(source, Path(folder)) as rows:
        yield rows


def _opened(source: str | Path, folder: Path) -> Rows:
    """Open a source for reading; the folder is a place for a database of what is none yet."""
    if source == BUILT_IN:
        return _SQLiteRows(_built_in_database(folder))
    path = Path(source)
    try:
        with path.open("rb") as file:
            start = file.read(16)
    except FileNotFoundError:
        raise missing_source(source) from None
    except OSError as error:
        raise _no_database(source, f"it cannot be read ({error.strerror})") from error
    if not start:
        raise _no_database(source, "it is empty")
    if (kind := _structure_format(path)) is not None:
        return _SQLiteRows(_database_of_structures(path, kind, folder))
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


def _structure_format(path: Path) -> str | None:
    """Return ASE's name of the format of a file with structures; None for any other file."""
    if path.name.startswith(_VASP_NAMES):
        return "vasp"
    return _STRUCTURE_FORMATS.get(path.suffix.lower())


def _database_of_structures(path: Path, kind: str, folder: Path) -> Path:
    try:
        structures = read(path, index=":", format=kind)
    # Each of ASE's readers fails in its own way on a file of another form.
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ExitwaveError(
            f"The structures in {path} cannot be read ({reason}); give a .cif, .xyz or POSCAR file "
            "of a layer's unit cell."
        ) from error
    made = folder / "structures.db"
    with SQLite3Database(str(made), use_lock_file=False) as database:
        for number, atoms in enumerate(structures, start=1):
            name = path.stem if len(structures) == 1 else f"{path.stem}_{number}"
            # Without forces and energies, which a calculation may have left.
            database.write(
                Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc), name=name
            )
    return made


def selected_rows(
    rows: Rows, selection: Selection, source: str | Path
) -> tuple[int, list[int], dict[str, int]]:
    """Find the rows that a selection matches; the source is only named in messages.

    Returns
    -------
    int, list of int, dict
        How many rows there are; the numbers of those that match, in order; and the keys that the
        selection compares and some rows lack, with the number of these rows.

    Raises
    ------
    ExitwaveError
        Where there are no rows or none matches.
    """
    total = len(rows.matching([]))
    if total == 0:
        raise ExitwaveError(f"{source} is an ASE database without rows; give one that has some.")
    chosen = rows.matching([*selection.keys, *selection.comparisons])
    lacking = {}
    for key, operator, value in selection.comparisons:
        if isinstance(key, str):
            # A row whose key is there to be compared fulfils either a comparison or its opposite.
            either = ((key, operator, value), (key, invop[operator], value))
            lacking[key] = total - len({row for one in either for row in rows.matching([one])})
    for key in selection.keys:
        if not key.startswith("-"):
            lacking[key] = total - len(rows.matching([key]))
    lacking = {key: number for key, number in lacking.items() if number}
    if not chosen:
        lack = "; ".join(f"{number} lack the key '{key}'" for key, number in lacking.items())
        raise ExitwaveError(
            f"materials.selection is '{selection.text}', which matches none of the {total} rows of "
            f"{source}{f' ({lack})' if lack else ''}; widen it or correct its keys."
        )
    return total, chosen, lacking


def decoded_row(rows: Rows, number: int) -> tuple[RawCell, str]:
    """Return the structure of a row and its label: its ``uid`` or ``name``, or nothing.

    Raises
    ------
    UnusableError
        Where the row cannot be read.
    """
    try:
        row = rows.row(number)
        labels = [row.key_value_pairs.get(key) for key in _LABELS]
        structure = RawCell(
            np.asarray(row.numbers, dtype=np.int64),
            np.asarray(row.positions, dtype=np.float64),
            np.asarray(row.cell, dtype=np.float64),
            np.asarray(row.pbc, dtype=np.bool_),
        )
        label = next((label for label in labels if isinstance(label, str)), "")
    except Exception as error:
        # Whatever ASE stumbles over in one row must not cost the others.
        raise _unreadable(f"{type(error).__name__}: {error}") from error
    arrays = (structure.numbers, structure.positions, structure.cell, structure.pbc)
    count = structure.numbers.size
    if [array.shape for array in arrays] != [(count,), (count, 3), (3, 3), (3,)]:
        raise _unreadable(f"arrays of shapes {', '.join(str(array.shape) for array in arrays)}")
    return structure, label


def _unreadable(detail: str) -> UnusableError:
    return UnusableError("not readable as an ASE row", " ".join(detail.split()))


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
        except (sqlite3.Error, ValueError) as error:
            # A ValueError comes from text of the file itself, of which bytes are damaged.
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
        except (sqlite3.Error, OSError, ValueError) as error:
            # A damaged file, or one of a version that this ASE cannot read.
            raise _no_database(self.path, " ".join(str(error).split()).rstrip(".")) from error

    def row(self, number: int) -> Any:
        return next(self._database.select(number, columns=_COLUMNS, include_data=False))


class _OneRow(JSONDatabase):  # type: ignore[misc]
    """One row of a JSON database, so that one that ASE cannot read does not hide the others."""

    def __init__(self, number: int, content: Mapping[str, JsonValue]) -> None:
        super().__init__(None)
        self.number = number
        self.values = jsonio.decode(json.dumps({**content, "data": {}}))
        # ASE cannot compare its own numpy booleans with a text such as TTF.
        self.values["pbc"] = [int(is_periodic) for is_periodic in self.values.get("pbc", (0, 0, 0))]
        self.row = self[number]

    def _read_json(self) -> tuple[dict[int, dict[str, object]], list[int], int]:
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
        # What a broken row would match is not known; it is kept, to be named among the rejected.
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
