"""The journal: what was appended survives a kill at any byte."""

import numpy as np
import pytest

from exitwave.files.journal import Journal


def record(index):
    return {"sample_key": f"key{index}", "wave": np.full((4, 4), index, dtype="f4")}


def test_records_are_read_back_in_order(tmp_path):
    journal = Journal(tmp_path / ".000.journal")
    assert list(journal.read()) == []
    for index in range(3):
        journal.append(record(index))
    again = list(Journal(tmp_path / ".000.journal").read())
    assert [str(entry["sample_key"]) for entry in again] == ["key0", "key1", "key2"]
    np.testing.assert_array_equal(again[2]["wave"], np.full((4, 4), 2))
    journal.remove()
    assert not journal.path.exists()


@pytest.mark.parametrize("cut", [1, 10, 24, 30, 200])
def test_a_torn_record_is_dropped_and_written_over(tmp_path, cut):
    path = tmp_path / ".000.journal"
    journal = Journal(path)
    journal.append(record(0))
    whole = path.stat().st_size
    journal.append(record(1))
    path.write_bytes(path.read_bytes()[: whole + cut])
    resumed = Journal(path)
    assert len(list(resumed.read())) == 1
    resumed.append(record(2))
    assert [str(e["sample_key"]) for e in Journal(path).read()] == ["key0", "key2"]


def test_a_flipped_byte_ends_the_journal_before_it(tmp_path):
    path = tmp_path / ".000.journal"
    journal = Journal(path)
    for index in range(3):
        journal.append(record(index))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert len(list(Journal(path).read())) == 1
