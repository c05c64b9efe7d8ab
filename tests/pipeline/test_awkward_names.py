"""Braces in labels, titles, selections and paths, long curves, a foreign `exitwave`: one real run.

Snakemake takes braces for wildcards, Linux takes at most 128 KiB as one argument.
"""

import copy
import json
import math
import os
import re
import shutil

import pytest
from factory import ROOT, TINY, Factory, write_database

from exitwave.config.mtf_curve import MOST_POINTS
from exitwave.materials.monolayers import monolayers

LABEL = "MoS$_{2}$ on graphene"
CHECKOUT = ("Snakefile", "config", "envs", "profiles", "src", "workflow")
CURVE = "camera {1}.csv"


def configuration():
    config = copy.deepcopy(TINY)
    tiny = config["datasets"]["tiny"]
    tiny |= {"label": LABEL, "shards": 1}
    tiny["materials"] |= {"source": "c2db {v2}.db", "selection": "natoms<=3,name!={v2}"}
    tiny["epochs"] |= {"training_epochs": 1}
    tiny["microscope"]["mtf_file"] = CURVE
    config["datasets"]["second"] = another(tiny)
    config["networks"]["unet"] |= {"label": "{unet}", "epochs": 1}
    config["evaluations"]["unet"]["label"] = LABEL
    title = "Histograms of {label} in MoS$_{2}$"
    config["figures"] = {"errors": {"shows": "histograms", "of": ["unet"], "title": title}}
    return config


def another(tiny):
    """A data set of the same waves, with the curve in its spec as well."""
    own = {key: copy.deepcopy(tiny[key]) for key in ("label", "microscope", "epochs")}
    return {"exit_waves_from": "tiny", **own}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkouts") / "exit {wave} 2"
    folder.mkdir()
    for name in CHECKOUT:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name)
        else:
            shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def made(checkout, tmp_path_factory):
    """A run of everything, with another program of the name `exitwave` first on the path."""
    base = tmp_path_factory.mktemp("awkward")
    foreign = base / "bin/exitwave"
    foreign.parent.mkdir()
    foreign.write_text("#!/bin/sh\necho a foreign program >&2\nexit 3\n")
    foreign.chmod(0o755)
    folder = base / "run {of} mine"
    folder.mkdir()
    # With all digits that a measurement may have.
    frequencies = [math.sqrt(place / (MOST_POINTS - 1)) for place in range(MOST_POINTS)]
    lines = [f"{frequency!r},{math.exp(-12 * frequency)!r}\n" for frequency in frequencies]
    (folder / CURVE).write_text("".join(lines))
    write_database(folder / "c2db {v2}.db", monolayers())
    factory = Factory(folder, configuration())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{foreign.parent}:{os.environ['PATH']}")
        factory.must_run("all", "results/comparison", timeout=1700, checkout=checkout)
    return factory


def test_all_is_made_and_nothing_is_left_to_do(made, checkout):
    assert (made.results / "report.html").exists()
    assert (made.results / "comparison").is_dir()
    assert (made.results / "figures/errors").is_dir()
    assert made.planned(checkout) == {}


def test_the_labels_arrive(made):
    page = (made.results / "report.html").read_text()
    for text in (LABEL, "{unet}", "Histograms of {label}"):
        assert text in page
    assert LABEL in (made.results / "tiny/README.md").read_text()


def test_the_database_is_an_input_by_a_link(made):
    (link,) = (made.folder / ".snakemake/exitwave/databases").iterdir()
    assert link.resolve() == (made.folder / "c2db {v2}.db").resolve()
    summary = json.loads((made.results / "tiny/catalog/summary.json").read_text())
    assert "c2db {v2}.db" in summary["spec"]


def test_another_database_makes_another_catalog(made, checkout, tmp_path):
    database = made.folder / "c2db {v2}.db"
    kept = shutil.copy2(database, tmp_path)
    write_database(database, monolayers()[:20])
    try:
        assert made.planned(checkout)["build_catalog"] == 1
    finally:
        shutil.copy2(kept, database)


def test_what_is_long_goes_through_a_file(made, checkout):
    specs = made.folder / ".snakemake/exitwave/specs"
    assert "report" in {json.loads(path.read_text()).get("stage") for path in specs.iterdir()}
    made.config["datasets"]["third"] = another(made.config["datasets"]["tiny"])
    said = made.must_run("--dry-run", "--printshellcmds", checkout=checkout)
    del made.config["datasets"]["third"]
    (given,) = re.findall(r"exitwave report --spec @(\S+)", said)
    # More than Linux takes.
    assert len((made.folder / given).read_text()) > 131072


def test_the_run_is_described(made, checkout):
    made.must_run("crate", checkout=checkout)
    described = json.loads((made.results / "workflow/config.json").read_text())
    assert described["networks"]["unet"]["label"] == "{unet}"
    assert len(described["datasets"]["second"]["microscope"]["mtf_curve"]) == MOST_POINTS
