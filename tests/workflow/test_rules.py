"""What the rules ask, without Snakemake: wildcards are any object with their names."""

import copy
import inspect
import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from factory import ROOT, TINY

from exitwave.config import parse_config
from exitwave.config.mtf_curve import MOST_POINTS
from exitwave.errors import ExitwaveError
from exitwave.workflow import specs
from exitwave.workflow.handover import argument_text
from exitwave.workflow.rules import Rules

NONE = SimpleNamespace()
TINY_DATA = SimpleNamespace(dataset="tiny")
UNET = SimpleNamespace(network="unet")
PAIR = SimpleNamespace(network="unet", dataset="tiny")
TWO = SimpleNamespace(ensemble="two")
CLASSICAL = SimpleNamespace(comparison="classical")
HISTORY = SimpleNamespace(figure="history")

VALIDATION = ["results/tiny/epochs/2_images/validation/00.nc"]
LONG_VALIDATION = ["results/tiny/epochs/3_images/validation/00.nc"]
TRAINING = [f"results/tiny/epochs/2_images/training/0{epoch}.nc" for epoch in (0, 1)]


def configuration():
    raw = copy.deepcopy(TINY)
    raw["datasets"]["tiny"]["epochs"]["image_size_px"] = 48
    raw["datasets"]["shown"] = {
        "exit_waves_from": "tiny",
        "label": "Shown {again}",
        "epochs": {"image_size_px": 48, "training_epochs": 1},
    }
    raw["networks"]["other"] = {**raw["networks"]["unet"], "replica": 1}
    raw["evaluations"]["unet"]["label"] = "MoS$_{2}$"
    raw["ensembles"] = {"two": {"networks": ["unet", "other"], "dataset": "tiny"}}
    raw["comparisons"] = {"classical": {"network": "unet", "dataset": "tiny", "images": 3}}
    raw["figures"] = {"history": {"shows": "history", "of": ["other", "unet"]}}
    return raw


@pytest.fixture
def config():
    return parse_config(configuration())


@pytest.fixture
def ask(config, tmp_path):
    return Rules(config, checkout="checkouts/exit{wave}", kept=tmp_path / "kept")


def test_places_hold_wildcards_as_they_are(ask):
    assert ask.path("{dataset}/catalog", "a.csv") == "results/{dataset}/catalog/a.csv"
    assert ask.log("train", "{network}") == "results/logs/train/{network}.log"
    assert ask.benchmark("train", "{network}") == "results/benchmarks/train/{network}.tsv"


@pytest.mark.parametrize(
    ("method", "wildcards", "expected"),
    [
        ("database", TINY_DATA, []),
        ("convergence_databases", NONE, []),
        ("source", TINY_DATA, "tiny"),
        ("source", SimpleNamespace(dataset="shown"), "tiny"),
        ("training_epochs", UNET, TRAINING),
        ("validation_epochs", UNET, VALIDATION),
        ("all_epochs", TINY_DATA, [*TRAINING, *VALIDATION, *LONG_VALIDATION]),
        ("shown_epochs", TINY_DATA, TRAINING),
        ("evaluated_epochs", PAIR, VALIDATION),
        ("ensemble_epochs", TWO, VALIDATION),
        ("compared_epochs", CLASSICAL, LONG_VALIDATION),
        ("member_networks", TWO, ["results/networks/unet", "results/networks/other"]),
        (
            "member_models",
            TWO,
            ["results/networks/unet/model.keras", "results/networks/other/model.keras"],
        ),
        (
            "member_descriptions",
            TWO,
            ["results/networks/unet/network.json", "results/networks/other/network.json"],
        ),
        ("compared_network", CLASSICAL, "results/networks/unet"),
        ("compared_model", CLASSICAL, "results/networks/unet/model.keras"),
        ("compared_description", CLASSICAL, "results/networks/unet/network.json"),
        ("compared_calibration", CLASSICAL, "results/networks/unet/calibration.json"),
        ("figure_sources", HISTORY, ["results/networks/other", "results/networks/unet"]),
        (
            "figure_inputs",
            HISTORY,
            [
                f"results/networks/{name}/{file}"
                for name in ("other", "unet")
                for file in ("history.csv", "training.json")
            ],
        ),
        ("evaluations", NONE, ["results/evaluations/unet/tiny"]),
        ("evaluation_samples", NONE, ["results/evaluations/unet/tiny/samples.csv"]),
        ("evaluation_summaries", NONE, ["results/evaluations/unet/tiny/summary.json"]),
        ("evaluation_labels", NONE, ["MoS$_{2}$"]),
        ("checkout", NONE, "checkouts/exit{wave}"),
    ],
)
def test_inputs(ask, method, wildcards, expected):
    assert getattr(ask, method)(wildcards) == expected


def test_stores_are_those_of_the_catalog_that_is_shown(ask, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shards = Path("results/tiny/catalog/shards")
    shards.mkdir(parents=True)
    for name in ("001.json", "000.json", ".tmp_002.json"):
        (shards / name).touch()
    expected = ["results/tiny/exit_waves/000.nc", "results/tiny/exit_waves/001.nc"]
    assert ask.stores(TINY_DATA) == ask.stores(SimpleNamespace(dataset="shown")) == expected


def test_the_report_shows_everything(ask):
    shown = ask.report_inputs(NONE)
    assert shown["epochs"][:5] == [*TRAINING, *VALIDATION, *LONG_VALIDATION, shown["epochs"][4]]
    assert shown["epochs"][4].startswith("results/shown/epochs/")
    del shown["epochs"]
    assert shown == {
        "datasets": ["results/tiny/figures", "results/shown/figures"],
        "cards": ["results/tiny/README.md", "results/shown/README.md"],
        "networks": ["results/networks/unet/figures", "results/networks/other/figures"],
        "calibrations": [
            "results/networks/unet/calibration.json",
            "results/networks/other/calibration.json",
        ],
        "evaluations": ["results/evaluations/unet/tiny/figures"],
        "refinements": [],
        "comparison": [],
        "ensembles": ["results/ensembles/two/summary.json"],
        "comparisons": [
            "results/comparisons/classical/summary.json",
            "results/comparisons/classical/examples.npz",
        ],
        "figures": ["results/figures/history"],
    }


def test_what_is_refined_is_shown_and_networks_of_one_image_are_not_calibrated():
    raw = configuration()
    raw["evaluations"]["unet"]["refined_samples"] = 2
    raw["networks"]["one"] = {**raw["networks"]["unet"], "images": 1}
    shown = Rules(parse_config(raw)).report_inputs(NONE)
    assert shown["refinements"] == ["results/evaluations/unet/tiny/refinement/figures"]
    assert "results/networks/one/calibration.json" not in shown["calibrations"]
    assert len(shown["calibrations"]) == 2


def test_without_figures_by_name_the_report_shows_the_overview():
    raw = configuration()
    del raw["figures"]
    assert Rules(parse_config(raw)).report_inputs(NONE)["comparison"] == ["results/comparison"]


def test_specs_are_those_of_the_configuration(ask, config):
    epoch = SimpleNamespace(dataset="tiny", images="2", split="training", epoch="01")
    assert ask.catalog_spec(TINY_DATA) == specs.catalog_spec(config, "tiny")
    assert ask.simulate_spec(TINY_DATA) == specs.simulate_spec(config, "tiny")
    assert ask.render_spec(epoch) == specs.render_spec(config, "tiny", 2, "training", 1)
    assert ask.train_spec(UNET) == specs.train_spec(config, "unet")
    assert ask.calibrate_spec(UNET) == specs.calibrate_spec(config)
    assert ask.evaluate_spec(PAIR) == specs.evaluate_spec(config, "unet")
    raw = configuration()
    raw["evaluations"]["unet"]["refined_samples"] = 2
    refined = parse_config(raw)
    assert Rules(refined).refine_spec(PAIR) == specs.refine_spec(refined, "unet")
    assert ask.ensemble_spec(TWO) == specs.ensemble_spec(config, "two")
    assert ask.compare_spec(CLASSICAL) == specs.compare_spec(config, "classical")
    assert ask.convergence_spec(NONE) == specs.convergence_spec(config)
    assert ask.figure_spec(HISTORY) == specs.figure_spec(config, "history")
    assert ask.card_spec(TINY_DATA) == specs.card_spec(config, "tiny")
    assert ask.report_spec(NONE) == specs.report_spec(config)
    assert parse_config(json.loads(ask.configuration(NONE))) == config


def test_long_specs_are_in_files(tmp_path):
    raw = configuration()
    curve = [
        (place / (MOST_POINTS - 1), 1 - 0.6180339 * place / MOST_POINTS)
        for place in range(MOST_POINTS)
    ]
    for dataset in raw["datasets"].values():
        dataset.setdefault("microscope", {})["mtf_curve"] = curve
    config = parse_config(raw)
    ask = Rules(config, kept=tmp_path)
    epoch = SimpleNamespace(dataset="tiny", images="2", split="training", epoch="01")
    assert ask.render_spec(epoch) == specs.render_spec(config, "tiny", 2, "training", 1)
    for given, expected in (
        (ask.report_spec(NONE), specs.report_spec(config)),
        (ask.configuration(NONE), config.model_dump_json()),
    ):
        assert len(given) < 200
        assert argument_text(given) == expected
    assert len(list((tmp_path / "specs").iterdir())) == 2


def test_a_database_that_is_not_there_is_told_at_once(tmp_path):
    raw = configuration()
    raw["datasets"]["tiny"]["materials"]["source"] = "absent/c2db.db"
    expected = "datasets.tiny.materials.source is 'absent/c2db.db', but there is no such file"
    with pytest.raises(ExitwaveError, match=re.escape(expected)):
        Rules(parse_config(raw))


def test_databases_of_a_study_of_convergence_are_looked_for_when_it_is_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    raw = configuration()
    raw["convergence"] = {
        "materials": [{"source": name} for name in ("b.db", "a.db", "monolayers", "a.db")]
    }
    ask = Rules(parse_config(raw))
    Path("b.db").touch()
    expected = "convergence.materials.1.source is 'a.db', but there is no such file"
    with pytest.raises(ExitwaveError, match=re.escape(expected)):
        ask.convergence_databases(NONE)
    Path("a.db").touch()
    assert ask.convergence_databases(NONE) == ["a.db", "b.db"]


def test_a_database_whose_name_looks_like_a_pattern_is_linked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    raw = configuration()
    raw["datasets"]["tiny"]["materials"]["source"] = "c2db {v2}.db"
    Path("c2db {v2}.db").write_text("rows")
    (given,) = Rules(parse_config(raw)).database(TINY_DATA)
    assert given.startswith(".snakemake/exitwave/databases/")
    assert "{" not in given
    assert Path(given).read_text() == "rows"


def test_every_method_is_asked_by_a_rule_and_every_rule_asks_what_there_is():
    """Snakemake would say so when the rule is used; some are seldom used."""
    rules = "".join(path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk"))
    asked = set(re.findall(r"\bask\.(\w+)", rules))
    methods = {
        name
        for name, _ in inspect.getmembers(Rules, inspect.isfunction)
        if not name.startswith("_")
    }
    assert asked == methods


def test_no_method_takes_what_would_hide_its_value_from_snakemake():
    """A parameter that is computed from these is not compared with that of the last run."""
    for name, method in inspect.getmembers(Rules, inspect.isfunction):
        hiding = {"input", "output", "threads", "resources"}
        assert not hiding & set(inspect.signature(method).parameters), name
