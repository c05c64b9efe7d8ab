"""A spec on the command line or in a file."""

import json

import pytest

from exitwave.cli import main


@pytest.fixture
def spec_of_catalog(monkeypatch):
    """Calls `exitwave catalog` and returns the spec that the stage was given."""
    given = []
    monkeypatch.setattr(
        "exitwave.stages.catalog.build_catalog", lambda spec, output: given.append(spec)
    )

    def spec(argument, folder):
        assert main(["catalog", "--spec", argument, "--output", str(folder / "catalog")]) == 0
        return given.pop()

    return spec


def test_a_spec_is_text(spec_of_catalog, tmp_path):
    assert spec_of_catalog('{"seed":1}', tmp_path) == '{"seed":1}'


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_spec_may_be_in_a_file(end, spec_of_catalog, tmp_path):
    # Longer than any argument may be.
    text = json.dumps({"label": "Å" * 200_000}, ensure_ascii=False)
    path = tmp_path / "my spec.json"
    path.write_bytes((text + end).encode())
    assert spec_of_catalog(f"@{path}", tmp_path) == text


def test_a_configuration_may_be_in_a_file(monkeypatch, tmp_path):
    given = []
    monkeypatch.setattr("exitwave.stages.crate.write_crate", lambda *values: given.append(values))
    path = tmp_path / "configuration.json"
    path.write_text("{}\n")
    output = tmp_path / "ro-crate-metadata.json"
    assert main(["crate", "--configuration", f"@{path}", "--output", str(output)]) == 0
    assert given[0][0] == "{}"


def missing(path):
    pass


def folder(path):
    path.mkdir()


def no_text(path):
    path.write_bytes(b"\xff\xfe")


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (missing, "No such file or directory"),
        (folder, "Is a directory"),
        (no_text, "it is no UTF-8 text"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_sentence(make, reason, capsys, tmp_path):
    path = tmp_path / "spec.json"
    make(path)
    assert main(["catalog", "--spec", f"@{path}", "--output", str(tmp_path / "catalog")]) == 2
    assert not (tmp_path / "catalog").exists()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"exitwave: The file in the argument '@{path}' cannot be read ({reason}")
