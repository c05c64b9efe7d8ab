"""Long arguments, paths with braces, and which `exitwave` the rules call."""

import re
import subprocess
from pathlib import Path

import pytest
from snakemake.utils import format as snakemake_format

from exitwave.errors import ExitwaveError
from exitwave.workflow.handover import (
    LONGEST_ARGUMENT,
    argument,
    argument_text,
    input_path,
    literal,
    require_working_folder,
    shell_prefix,
)


def test_a_short_text_is_its_own_argument(tmp_path):
    text = "{" + "x" * (LONGEST_ARGUMENT - 2) + "}"
    assert argument(text, tmp_path / "specs") == text
    assert argument_text(text) == text
    assert list(tmp_path.iterdir()) == []


def test_a_long_text_goes_through_a_file_named_by_its_content(tmp_path):
    # Bytes count, not letters.
    text = "Å" * (LONGEST_ARGUMENT // 2 + 1)
    given = argument(text, tmp_path / "specs")
    assert given.startswith("@")
    assert argument_text(given) == text
    assert argument(text, tmp_path / "specs") == given
    assert argument(text + "x", tmp_path / "specs") != given
    assert len(list((tmp_path / "specs").iterdir())) == 2


def test_the_file_is_written_once(tmp_path):
    text = "x" * (LONGEST_ARGUMENT + 1)
    path = Path(argument(text, tmp_path)[1:])
    before = path.stat()
    argument(text, tmp_path)
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(ExitwaveError, match=r"absent\.json.*cannot be read \(No such file"):
        argument_text(f"@{tmp_path}/absent.json")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    with pytest.raises(ExitwaveError, match="it is no text"):
        argument_text(f"@{tmp_path}/bytes")


@pytest.mark.parametrize("name", ["c2db.db", "c2 db.db", "a{}b.db", "a{b c}.db", "1<2.db", "ä.db"])
def test_most_paths_are_given_as_they_are(tmp_path, name):
    assert input_path(name, tmp_path / "links") == name
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["c2db {v2}.db", "{{v2}}.db", "{a,[0-9]{3}}.db", "<results>.db"])
def test_a_path_that_looks_like_a_pattern_is_given_by_a_link(tmp_path, name):
    file = tmp_path / name
    file.write_text("rows")
    given = Path(input_path(str(file), tmp_path / "links"))
    assert not re.search("[{}<>]", given.name)
    assert given.read_text() == "rows"
    before = given.lstat().st_mtime_ns
    assert input_path(str(file), tmp_path / "links") == str(given)
    assert given.lstat().st_mtime_ns == before


def test_a_link_follows_a_folder_that_was_moved(tmp_path, monkeypatch):
    for name in ("before", "after"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "{x}.db").write_text(name)
        monkeypatch.chdir(tmp_path / name)
        given = input_path("{x}.db", tmp_path / "links")
        assert Path(given).read_text() == name
    assert len(list((tmp_path / "links").iterdir())) == 1


def test_a_literal_text_is_what_snakemake_makes_of_it():
    for text in ("plain", "{a}", "{{a}}", "a } b {"):
        assert snakemake_format(literal(text)) == text


@pytest.mark.parametrize("folder", ["bin", "with space", "with {brace}", "it's"])
def test_the_prefix_puts_the_folder_of_python_first(tmp_path, folder):
    own = tmp_path / folder
    own.mkdir()
    for place, said in ((own, "ours"), (tmp_path, "foreign")):
        program = place / "exitwave"
        program.write_text(f"#!/bin/sh\necho {said}\n")
        program.chmod(0o755)
    command = snakemake_format(shell_prefix(str(own / "python"))) + "exitwave"
    done = subprocess.run(
        ["bash", "-c", command],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    assert done.stdout == "ours\n", done.stderr


def test_the_prefix_lets_no_failure_pass_into_tee():
    prefix = snakemake_format(shell_prefix("/usr/bin/python"))
    assert subprocess.run(["bash", "-c", f"{prefix}false | cat"]).returncode == 1


def test_a_working_folder_that_snakemake_cannot_take_is_told():
    for folder in ("/data/mos2", "/data/{a} b", "/data/{a b}", "/data/{}"):
        require_working_folder(Path(folder))
    with pytest.raises(ExitwaveError, match=r"takes '\{1\}' for a wildcard; rename"):
        require_working_folder(Path("/data/run {1}"))
