"""Places of the results: written down once, and the same in the commands of the rules."""

import re

from factory import ROOT

from exitwave.config.root import RESERVED_NAMES
from exitwave.workflow import layout

PATTERNS = [
    value
    for name, value in vars(layout).items()
    if name.isupper() and isinstance(value, str) and name not in ("RESULTS", "OWN_FIGURES")
]


def test_commands_name_places_of_the_layout():
    """They are literal, since Snakemake compares their text with that of the last run."""
    named = set()
    for path in (ROOT / "workflow/rules").glob("*.smk"):
        named |= set(re.findall(r"\bresults/[^\s\"']+", path.read_text()))
    places = {re.sub(r"\{wildcards\.", "{", place).removeprefix("results/") for place in named}
    assert len(places) >= 6
    assert places <= set(PATTERNS)


def test_no_dataset_takes_the_name_of_another_folder():
    folders = {pattern.split("/")[0] for pattern in PATTERNS if "." not in pattern.split("/")[0]}
    assert {name for name in folders if "{" not in name} == set(RESERVED_NAMES)


def test_a_glob_finds_what_the_rules_make_and_no_leftovers(tmp_path):
    waves = tmp_path / "mos2/exit_waves"
    waves.mkdir(parents=True)
    for name in ("000.nc", "000.json", ".tmp_001.nc"):
        (waves / name).touch()
    assert list(tmp_path.glob(layout.as_glob(layout.STORE))) == [waves / "000.nc"]
    assert layout.as_glob(layout.EPOCH) == "*/epochs/*_images/*/[0-9]*.nc"
    assert layout.as_glob(layout.SUMMARIES["evaluations"]) == "evaluations/*/*/summary.json"


def test_logs_and_benchmarks():
    assert str(layout.log("simulate", "mos2.000")) == "logs/simulate/mos2.000.log"
    assert str(layout.benchmark("simulate", "mos2.*")) == "benchmarks/simulate/mos2.*.tsv"
