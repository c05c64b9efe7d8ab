"""Specs: one frozen type for each stage, read in one way, and equal to those of former runs."""

import copy
import json

import pytest
from factory import TINY
from pydantic import ValidationError

from exitwave.config import NetworkSettings, parse_config
from exitwave.config.fields import Section, added_later
from exitwave.errors import ExitwaveError
from exitwave.stages.train import train_network
from exitwave.workflow import specs

CONFIG = parse_config(
    {
        **copy.deepcopy(TINY),
        "networks": {"unet": TINY["networks"]["unet"], "other": TINY["networks"]["unet"]},
        "ensembles": {"two": {"networks": ["unet", "other"], "dataset": "tiny"}},
        "figures": {"first": {"shows": "histograms", "of": ["unet"]}},
    }
)
TEXTS = {
    specs.CatalogSpec: specs.catalog_spec(CONFIG, "tiny"),
    specs.SimulateSpec: specs.simulate_spec(CONFIG, "tiny"),
    specs.RenderSpec: specs.render_spec(CONFIG, "tiny", 2, "training", 0),
    specs.TrainSpec: specs.train_spec(CONFIG, "unet"),
    specs.CalibrateSpec: specs.calibrate_spec(CONFIG),
    specs.EvaluateSpec: specs.evaluate_spec(CONFIG, "unet"),
    specs.RefineSpec: specs.RefineSpec(seed=1, samples=2).text,
    specs.EnsembleSpec: specs.ensemble_spec(CONFIG, "two"),
    specs.CompareSpec: specs.CompareSpec(seed=1, comparison={}).text,
    specs.FigureSpec: specs.figure_spec(CONFIG, "first"),
    specs.ReportSpec: specs.report_spec(CONFIG),
    specs.ConvergenceSpec: specs.convergence_spec(CONFIG),
}
every_stage = pytest.mark.parametrize("kind", TEXTS, ids=lambda kind: kind.stage)


def test_every_stage_with_a_version_has_a_spec():
    assert {kind.stage for kind in TEXTS} == set(specs.ALGORITHM_VERSIONS)


@every_stage
def test_a_spec_that_is_read_has_the_text_that_it_was_read_from(kind):
    assert specs.read_spec(TEXTS[kind], kind).text == TEXTS[kind]


@every_stage
def test_a_spec_cannot_be_changed(kind):
    spec = specs.read_spec(TEXTS[kind], kind)
    with pytest.raises(ValidationError, match="frozen"):
        spec.seed = 2


@every_stage
def test_the_spec_of_another_stage_is_refused(kind):
    other = next(text for stage, text in TEXTS.items() if stage is not kind)
    with pytest.raises(ExitwaveError, match=f"no spec of the stage '{kind.stage}'"):
        specs.read_spec(other, kind)


@every_stage
def test_the_spec_of_another_version_is_refused_but_by_who_only_looks(kind):
    values = {**json.loads(TEXTS[kind]), "version": 0}
    with pytest.raises(ExitwaveError, match=f"version 0 of the stage '{kind.stage}'"):
        specs.read_spec(json.dumps(values), kind)
    assert specs.read_spec(json.dumps(values), kind, any_version=True).seed == 1


@every_stage
def test_what_lacks_in_a_spec_or_is_too_much_is_named(kind):
    values = json.loads(TEXTS[kind])
    for change, message in (
        ({"seed": None}, "unusable value at seed"),
        ({"colour": "red"}, "unusable value at colour"),
    ):
        with pytest.raises(ExitwaveError, match=message):
            specs.read_spec(json.dumps({**values, **change}), kind)
    del values["seed"]
    with pytest.raises(ExitwaveError, match="--spec lacks seed"):
        specs.read_spec(json.dumps(values), kind)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "7"])
def test_what_is_no_spec_at_all_is_refused(text):
    with pytest.raises(ExitwaveError, match="--spec is no"):
        specs.read_spec(text, specs.RenderSpec)


def test_a_training_refuses_a_foreign_and_an_old_spec_before_it_looks_at_files(tmp_path):
    old = json.dumps({**json.loads(TEXTS[specs.TrainSpec]), "version": 0})
    for text, message in (
        (TEXTS[specs.RenderSpec], "no spec of the stage 'train'"),
        (old, "version 0 of the stage 'train'"),
    ):
        with pytest.raises(ExitwaveError, match=message):
            train_network(text, [tmp_path / "no.nc"], [tmp_path / "no.nc"], tmp_path)


def test_names_and_labels_stand_in_no_spec_of_a_network():
    raw = copy.deepcopy(TINY)
    raw["networks"]["renamed"] = {**raw["networks"].pop("unet"), "label": "Another name"}
    raw["evaluations"] = {}
    assert specs.train_spec(parse_config(raw), "renamed") == TEXTS[specs.TrainSpec]


def test_refined_series_stand_in_no_spec_of_the_evaluation():
    raw = copy.deepcopy(TINY)
    raw["evaluations"]["unet"]["refined_samples"] = 4
    config = parse_config(raw)
    assert specs.evaluate_spec(config, "unet") == TEXTS[specs.EvaluateSpec]
    assert json.loads(specs.refine_spec(config, "unet"))["samples"] == 4
    assert "refined_samples" not in specs.report_spec(CONFIG)
    assert {"calibrate unet", "refine unet"} <= set(specs.all_specs(config))
    assert "refine unet" not in specs.all_specs(CONFIG)


class Before(Section):
    depth: int = 3


class Now(Before):
    clip_norm: float | None = added_later(None, gt=0)


def test_a_key_that_was_added_later_stands_in_a_spec_only_where_it_was_set():
    assert Now().model_dump(mode="json") == Before().model_dump(mode="json")
    assert Now.model_validate(Before().model_dump(mode="json")) == Now()
    assert Now(clip_norm=1.0).model_dump(mode="json") == {"depth": 3, "clip_norm": 1.0}
    with pytest.raises(ValidationError):
        Now(clip_norm=-1.0)


def test_an_architecture_stands_in_a_spec_only_where_it_is_another():
    assert "architecture" not in json.loads(TEXTS[specs.TrainSpec])["network"]
    assert NetworkSettings().architecture == "unet"
