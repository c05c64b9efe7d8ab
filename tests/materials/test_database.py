"""Opening databases, selecting and decoding rows: what is read, counted, and refused, and how."""

import json
import sqlite3
from pathlib import Path

import ase.db
import numpy as np
import pytest
from ase import Atoms
from database_files import AT_CENTRE, C2DB, database, layer, molybdenite, needs_c2db

from exitwave.errors import ExitwaveError
from exitwave.materials.material import Counts, read_materials


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE systems SET positions = x'00' WHERE id = 1",
        "UPDATE systems SET positions = NULL WHERE id = 1",
        "UPDATE systems SET numbers = NULL WHERE id = 1",
        "UPDATE systems SET cell = x'' WHERE id = 1",
        "UPDATE systems SET key_value_pairs = '{' WHERE id = 1",
        "UPDATE systems SET numbers = x'0600000006000000' WHERE id = 1",
    ],
)
def test_row_that_ase_cannot_read_is_rejected(tmp_path, damage):
    path = database(tmp_path / "a.db", layer("C", AT_CENTRE), molybdenite())
    connection = sqlite3.connect(path)
    connection.execute(damage)
    connection.commit()
    connection.close()
    materials, rejected, _ = read_materials(path)
    assert [material.row for material in materials] == [2]
    assert [(entry.row, entry.reason) for entry in rejected] == [(1, "not readable as an ASE row")]


@pytest.mark.parametrize(
    "damage",
    [
        lambda row: row.pop("numbers"),
        lambda row: row.update(positions=[[1, 2]]),
        lambda row: row.update(numbers=["carbon"]),
        lambda row: row.update(pbc=True),
        lambda row: row.update(cell={"__ndarray__": [[9], "float64", [1.0]]}),
    ],
)
def test_json_row_that_ase_cannot_read_is_rejected(tmp_path, damage):
    path = database(tmp_path / "a.json", layer("C", AT_CENTRE), molybdenite())
    content = json.loads(path.read_text())
    damage(content["1"])
    path.write_text(json.dumps(content))
    materials, rejected, counts = read_materials(path, "natoms<=8")
    assert [material.row for material in materials] == [2]
    assert [(entry.row, entry.reason) for entry in rejected] == [(1, "not readable as an ASE row")]
    assert counts.matched == 2


KEYS = [{"gap": 1.5, "dyn_stab": "Yes"}, {"gap": 0.0}, {"dyn_stab": "No"}, {}]


def some_rows() -> list[Atoms]:
    return [layer("C", AT_CENTRE, cell=(4.0 + 0.1 * index, 4.0, 20.0)) for index in range(4)]


@pytest.mark.parametrize("name", ["a.db", "a.json"])
@pytest.mark.parametrize(
    ("selection", "rows", "lacking"),
    [
        ("", [1, 2, 3, 4], {}),
        ("natoms<=8", [1, 2, 3, 4], {}),
        ("id>2", [3, 4], {}),
        ("C,gap>1", [1], {"gap": 2}),
        ("gap<=1", [2], {"gap": 2}),
        ("0<=gap<2", [1, 2], {"gap": 2}),
        ("dyn_stab!=Yes", [3], {"dyn_stab": 2}),
        ("gap>=0,dyn_stab=Yes", [1], {"gap": 2, "dyn_stab": 2}),
        ("gap", [1, 2], {"gap": 2}),
        ("pbc=TTF", [1, 2, 3, 4], {}),
    ],
)
def test_selection_and_the_rows_that_lack_its_keys(tmp_path, name, selection, rows, lacking):
    path = database(tmp_path / name, *some_rows(), keys=KEYS)
    materials, rejected, counts = read_materials(path, selection)
    assert [material.row for material in materials] == rows
    assert rejected == []
    assert counts == Counts(rows=4, matched=len(rows), lacking=lacking)


def test_a_text_does_not_match_a_number(tmp_path):
    keys = [{"gap": 1.5}, {"gap": "unknown"}]
    for name in ("a.db", "a.json"):
        path = database(tmp_path / name, *some_rows()[:2], keys=keys)
        materials, _, counts = read_materials(path, "gap>0")
        assert [material.row for material in materials] == [1]
        assert counts.lacking == {"gap": 1}


@pytest.mark.parametrize("keys", [{"uid": "1MoS2-1"}, {"name": "2H-MoS2"}])
def test_label(tmp_path, keys):
    path = database(tmp_path / "a.db", molybdenite(), keys=[keys])
    assert read_materials(path)[0][0].label == next(iter(keys.values()))


def test_nothing_is_written_beside_the_database(tmp_path):
    for name in ("a.db", "a.json"):
        folder = tmp_path / name.replace(".", "_")
        folder.mkdir()
        path = database(folder / name, molybdenite())
        before = path.read_bytes()
        path.chmod(0o444)
        folder.chmod(0o555)
        try:
            read_materials(path, "natoms<=8")
        finally:
            folder.chmod(0o755)
        assert [entry.name for entry in folder.iterdir()] == [name]
        assert path.read_bytes() == before


def test_database_in_wal_mode_is_read(tmp_path):
    path = database(tmp_path / "a.db", molybdenite())
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.close()
    assert len(read_materials(path)[0]) == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.db"]
    # What another process has written but not yet moved into the database is seen, too.
    connection = sqlite3.connect(path)
    connection.execute("UPDATE systems SET pbc = 0")
    connection.commit()
    with pytest.raises(ExitwaveError, match="not periodic in a plane"):
        read_materials(path)
    connection.close()


def test_names_with_odd_characters_are_opened(tmp_path):
    path = database(tmp_path / "50% of C2DB? #1 & more.db", molybdenite())
    assert len(read_materials(path)[0]) == 1


@pytest.mark.parametrize(
    ("selection", "complaint"),
    [
        ("natoms<=", "natoms<="),
        ("natoms<=8,gap>>0", "'gap>>0' cannot be read"),
        ("gap>", "nothing after 'gap>'"),
        ("natoms=<8", "'natoms=' is no key"),
        ("the gap>0", "'the gap' is no key"),
        ("natoms<=8 gap>0", "cannot be read"),
        ("natoms<=8;gap", "cannot be read"),
        ("good ones", "neither a key nor a comparison"),
        ("pbc>TTF", "pbc can only be"),
        ("formula>MoS2", "cannot be read"),
        ("age<3q", "cannot be read"),
        ("Mo=many", "cannot be read"),
    ],
)
def test_selection_with_a_mistake(tmp_path, selection, complaint):
    path = database(tmp_path / "a.db", molybdenite())
    with pytest.raises(ExitwaveError, match=r"materials\.selection is") as caught:
        read_materials(path, selection)
    assert complaint in str(caught.value)
    assert "such as 'natoms<=8,gap>0'" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_selection_that_matches_nothing_says_which_keys_are_lacking(tmp_path):
    path = database(tmp_path / "a.db", *some_rows(), keys=KEYS)
    with pytest.raises(ExitwaveError, match=r"none of the 4 rows .*\(2 lack the key 'gap'\)"):
        read_materials(path, "gap>5")
    with pytest.raises(ExitwaveError, match=r"4 lack the key 'gapp'"):
        read_materials(path, "gapp>0")
    with pytest.raises(ExitwaveError, match=r"none of the 4 rows of [^(]*; widen it"):
        read_materials(path, "natoms>50")


def no_file(path: Path) -> None:
    path.unlink(missing_ok=True)


def random_bytes(path: Path) -> None:
    path.write_bytes(np.random.default_rng(1).bytes(5000))


def sqlite_without_tables(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE other (x INTEGER)")
    connection.commit()
    connection.close()


def truncated(path: Path) -> None:
    database(path, *some_rows())
    path.write_bytes(path.read_bytes()[:5000])


def emptied(path: Path) -> None:
    database(path, molybdenite())
    with ase.db.connect(path, use_lock_file=False) as connection:
        connection.delete([1])


def without_keys(path: Path) -> None:
    database(path, molybdenite())
    connection = sqlite3.connect(path)
    connection.execute("DROP TABLE number_key_values")
    connection.commit()
    connection.close()


def of_the_future(path: Path) -> None:
    database(path, molybdenite())
    connection = sqlite3.connect(path)
    connection.execute("UPDATE information SET value = '99' WHERE name = 'version'")
    connection.commit()
    connection.close()


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (no_file, "but there is no such file"),
        (lambda path: path.write_bytes(b""), "is no ASE database: it is empty"),
        (random_bytes, "is no ASE database: it is neither in SQLite nor in"),
        (lambda path: path.write_text("Dear database,\n"), "it is neither in SQLite nor in"),
        (lambda path: path.write_text('{"a": 1}'), "it is neither in SQLite nor in"),
        (lambda path: path.write_text("[1, 2]"), "it is neither in SQLite nor in"),
        (lambda path: path.write_text('{"ids": [1]}'), "it is neither in SQLite nor in"),
        (lambda path: path.mkdir(), "is no ASE database: it cannot be read"),
        (sqlite_without_tables, "it has no table 'systems'"),
        (truncated, "is no ASE database"),
        (without_keys, "is no ASE database: no such table: number_key_values"),
        (of_the_future, "is no ASE database: .*version 99"),
        (emptied, "is an ASE database without rows"),
    ],
)
def test_source_that_is_no_database(tmp_path, make, complaint):
    path = tmp_path / "source.db"
    make(path)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(ExitwaveError, match=complaint) as caught:
        read_materials(path, "gap>0" if make is without_keys else "")
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert sorted(tmp_path.iterdir()) == before


@needs_c2db
def test_selection_of_each_generation_of_keys():
    assert len(read_materials(C2DB / "c2db_fixture_66.db", "dyn_stab=Yes,gap>0")[0]) > 5
    path = C2DB / "genuine_asr_c2db_MoS2.db"
    assert len(read_materials(path, "dynamic_stability_phonons=high")[0]) == 1
    with pytest.raises(ExitwaveError, match="281 lack the key 'gap'"):
        read_materials(C2DB / "genuine_c2db_july20_281_nokvp.db", "gap>0")


def test_a_row_that_cannot_be_read_is_not_among_those_that_lack_a_key(tmp_path):
    path = database(tmp_path / "rows.json", molybdenite(), molybdenite(), keys=[{"gap": 1.0}] * 2)
    content = json.loads(path.read_text())
    content["2"] = None
    path.write_text(json.dumps(content))
    _, rejected, counts = read_materials(path, "gap>0")
    assert [entry.reason for entry in rejected] == ["not readable as an ASE row"]
    assert counts.lacking == {}


def test_a_file_with_damaged_text_is_named(tmp_path):
    path = database(tmp_path / "rows.db", molybdenite())
    path.write_bytes(path.read_bytes().replace(b"username", b"\x80sername", 1))
    with pytest.raises(ExitwaveError, match=r"rows.db is no ASE database"):
        read_materials(path)
