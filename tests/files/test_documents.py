"""JSON documents: what is written, and what becomes of files that are not what they should be."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import pytest

from exitwave.errors import ExitwaveError
from exitwave.files.documents import (
    find_document,
    nan_to_null,
    parsed,
    read_document,
    read_json,
    write_document,
)


@dataclass(frozen=True)
class Part:
    value: float | None


@dataclass(frozen=True)
class Whole:
    name: str
    parts: Mapping[str, Part]
    places: tuple[int, ...] = ()


WHOLE = Whole("a", {"x": Part(0.1), "y": Part(None)}, (3, 1))


def test_what_is_written_is_read_back(tmp_path):
    path = tmp_path / "folder/whole.json"
    write_document(path, asdict(WHOLE))
    assert read_document(path, Whole) == find_document(path, Whole) == WHOLE
    assert path.read_text() == json.dumps(asdict(WHOLE), indent=1) + "\n"
    assert read_json(path) == json.loads(path.read_text())


def test_numbers_that_json_does_not_have_are_null(tmp_path):
    path = tmp_path / "whole.json"
    write_document(path, {"name": "a", "parts": {"x": {"value": math.nan}}})
    assert read_document(path, Whole).parts["x"].value is None
    given = {"a": [math.inf, 1, "nan"], "b": (-math.inf, {"c": math.nan})}
    assert nan_to_null(given) == {"a": [None, 1, "nan"], "b": [None, {"c": None}]}


def test_files_of_other_versions_are_read(tmp_path):
    path = tmp_path / "whole.json"
    path.write_text('{"unknown": [1], "parts": {"x": {"value": 2, "more": 3}}, "name": "a"}')
    assert read_document(path, Whole) == Whole("a", {"x": Part(2.0)})


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "No such file"),
        (b"", "Invalid JSON"),
        (b'{"name": "a", "par', "Invalid JSON"),
        (b"\xff{}", "Invalid JSON"),
        (b"[1, 2]", "should be an object"),
        (b'{"name": "a"}', "parts: Field required"),
        (b'{"name": "a", "parts": {"x": {"value": "much"}}}', r"parts\.x\.value: .*number"),
    ],
)
def test_what_cannot_be_read_is_told_in_one_sentence(tmp_path, content, reason):
    path = tmp_path / "whole.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ExitwaveError, match=rf"whole\.json cannot be read \(.*{reason}") as told:
        read_document(path, Whole)
    assert str(told.value).endswith("; run snakemake again to make it.")
    assert "\n" not in str(told.value)
    assert find_document(path, Whole) is None


def test_an_object_is_asked_for(tmp_path):
    path = tmp_path / "list.json"
    path.write_text("[1]")
    with pytest.raises(ExitwaveError, match=r"list\.json cannot be read"):
        read_json(path)


def test_a_text_is_parsed():
    assert parsed('[{"value": 1}]', tuple[Part, ...]) == (Part(1.0),)
    with pytest.raises(ValueError, match="JSON"):
        parsed("[", tuple[Part, ...])
