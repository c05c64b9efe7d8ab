"""`exitwave provenance FILE`: the command that it prints makes the result again."""

import hashlib
import json
import shlex
import shutil
from pathlib import Path

import pytest
from ase.db import connect
from factory import TINY

from exitwave.cli import main
from exitwave.config import parse_config
from exitwave.files.checks import content_digest
from exitwave.materials.monolayers import monolayers
from exitwave.provenance.inputs import of_file
from exitwave.stages.catalog import build_catalog
from exitwave.stages.evaluate import evaluate_network
from exitwave.stages.render import render_epoch
from exitwave.stages.simulate import simulate_exit_waves
from exitwave.stages.train import train_network
from exitwave.workflow import specs

pytestmark = pytest.mark.timeout(600)

MANIFEST = "tiny/catalog/shards/000.json"
STORE = "tiny/exit_waves/000.nc"
TRAINING, VALIDATION = (f"tiny/{side}/00.nc" for side in ("training", "validation"))
# What each result is made from, and the file in it that has to be the same.
RESULTS = {
    "tiny/catalog": (["rows.db"], "samples.csv"),
    STORE: ([MANIFEST, "tiny/catalog/summary.json"], ""),
    TRAINING: ([STORE], ""),
    "networks/unet": ([TRAINING, VALIDATION], "model.keras"),
    "evaluations/unet": (["networks/unet", VALIDATION], "samples.csv"),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """One result of each stage, made in a folder by relative paths."""
    folder = tmp_path_factory.mktemp("made")
    patch = pytest.MonkeyPatch()
    patch.chdir(folder)
    with connect("rows.db") as database:
        for entry in monolayers():
            database.write(entry.atoms())
    tiny = {**TINY["datasets"]["tiny"], "shards": 1}
    tiny["materials"] = {"source": "rows.db", "selection": "natoms<=3", "limit": 4}
    config = parse_config({**TINY, "datasets": {"tiny": tiny}})
    build_catalog(specs.catalog_spec(config, "tiny"), Path("tiny/catalog"))
    simulate_exit_waves(specs.simulate_spec(config, "tiny"), Path(MANIFEST), Path(STORE))
    for side, path in (("training", TRAINING), ("validation", VALIDATION)):
        render_epoch(specs.render_spec(config, "tiny", 2, side, 0), [Path(STORE)], Path(path))
    train_network(
        specs.train_spec(config, "unet"),
        [Path(TRAINING)],
        [Path(VALIDATION)],
        Path("networks/unet"),
    )
    evaluate_network(
        specs.evaluate_spec(config, "unet"),
        Path("networks/unet"),
        [Path(VALIDATION)],
        Path("evaluations/unet"),
    )
    yield folder
    patch.undo()


@pytest.fixture
def exitwave(capsys):
    """The command line in this process; it has to succeed, and gives what it printed."""

    def run(*arguments):
        assert main(arguments) == 0, capsys.readouterr().err
        return capsys.readouterr().out

    return run


def content(path):
    if path.suffix == ".nc":
        return content_digest(path)
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("result", RESULTS)
def test_the_printed_command_makes_the_result_again(made, result, tmp_path, exitwave, monkeypatch):
    sources, file = RESULTS[result]
    for source in sources:
        (tmp_path / source).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (made / source).is_dir() else shutil.copy
        copy(made / source, tmp_path / source)
    words = shlex.split(exitwave("provenance", result).splitlines()[-1])
    assert words.pop(0) == "exitwave"
    monkeypatch.chdir(tmp_path)
    exitwave(*words, *(["--workers", "1"] if result.endswith(".nc") else []))
    assert content(tmp_path / result / file) == content(made / result / file)


def test_every_result_names_its_inputs_and_the_database(made, exitwave):
    database = of_file(made / "rows.db")
    for result in RESULTS:
        said = exitwave("provenance", result)
        assert f"database    rows.db ({database['digest']}, {database['bytes']} bytes)" in said
        for word in ("algorithm version", "commit", "numpy", "seed        1"):
            assert word in said, word
    said = exitwave("provenance", "networks/unet/history.csv")
    assert f"training    {TRAINING} ({content_digest(made / TRAINING)})" in said
    assert "learning_rate: 0.0005" in said


def test_a_file_that_tells_nothing_is_refused(made, capsys):
    for path in ("rows.db", "absent/network", "absent.nc"):
        assert main(["provenance", path]) == 2
        assert path in capsys.readouterr().err


def test_a_result_of_an_older_version_says_what_to_check_out(made, tmp_path, exitwave):
    shutil.copytree(made / "networks/unet", tmp_path / "unet")
    settings = tmp_path / "unet/network.json"
    values = json.loads(settings.read_text())
    values["spec"] = values["spec"].replace('"version":1', '"version":0')
    settings.write_text(json.dumps(values))
    said = exitwave("provenance", str(tmp_path / "unet"))
    assert f"check out commit {values['git_commit']} first" in said
