"""Tables as bytes, which stay the same on every machine."""

import pytest

from exitwave.errors import ExitwaveError
from exitwave.files.tables import write_table


def test_a_table_has_a_header_and_a_line_per_row(tmp_path):
    path = tmp_path / "folder/table.csv"
    rows = [
        {"formula": "MoS₂", "note": 'a "flat" cell, or none', "share": 0.1, "row": None},
        {"formula": "", "note": "two\nlines", "share": 1e-12, "row": 7},
    ]
    write_table(path, (row for row in rows))
    assert path.read_bytes().decode() == (
        'formula,note,share,row\nMoS₂,"a ""flat"" cell, or none",0.1,\n,"two\nlines",1e-12,7\n'
    )


def test_an_empty_table_has_a_header(tmp_path):
    path = tmp_path / "table.csv"
    write_table(path, [], ("row", "reason"))
    assert path.read_bytes() == b"row,reason\n"


def test_a_value_without_a_column_is_a_mistake(tmp_path):
    path = tmp_path / "table.csv"
    with pytest.raises(ValueError, match="'reason'"):
        write_table(path, [{"row": 1, "reason": ""}], ("row",))
    assert not path.exists()


def test_a_table_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ExitwaveError, match=r"Could not write .*table\.csv"):
        write_table(tmp_path / "file/table.csv", [{"row": 1}])
