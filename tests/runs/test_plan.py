"""The plan: what, why and at what cost; compared with real runs in tests/pipeline/test_rerun.py."""

import json
from pathlib import Path

import pytest
from small_dataset import configuration, make_exit_waves

from exitwave.config import Multislice, load_config
from exitwave.runs import cost
from exitwave.runs.plan import NEW, as_json, changes, plan, plan_table
from exitwave.workflow import specs


def test_a_new_run_makes_everything(tmp_path):
    config = configuration()
    steps = {step.stage: step for step in plan(config, tmp_path)}
    assert {step.why for step in steps.values()} == {NEW}
    assert (steps["simulate"].computed, steps["simulate"].copied) == (10, 0)
    assert steps["render"].jobs == 1 + config.datasets["small"].epochs.training_epochs
    assert list(tmp_path.iterdir()) == []
    assert "because: not made yet" in plan_table(list(steps.values()))


def test_what_is_made_is_not_planned_and_a_changed_key_is_named(tmp_path):
    make_exit_waves(tmp_path / "small", configuration())
    catalog, waves, *_ = plan(configuration(), tmp_path)
    assert (catalog.jobs, waves.jobs) == (0, 0)
    other = configuration(structure={"box_angstrom": 12.8, "flake_radius_angstrom": [3.0, 4.5]})
    _, waves, rendering = plan(other, tmp_path)
    assert waves.why == "structure.flake_radius_angstrom [3.0, 4.0] → [3.0, 4.5]"
    assert (waves.computed, waves.copied) == (10, 0)
    assert rendering.why == NEW


def test_more_samples_copy_those_at_hand(tmp_path):
    make_exit_waves(tmp_path / "small", configuration())
    more = configuration(split={"by": "elements", "samples_per_material": 3, "training_share": 0.5})
    catalog, waves, _ = plan(more, tmp_path)
    assert catalog.why == "split.samples_per_material 2 → 3"
    assert (waves.computed, waves.copied) == (5, 10)
    assert waves.why == "samples: 10 → 15"
    assert json.loads(as_json([waves]))[0]["computed"] == 5


def test_changes_name_keys_and_versions():
    old = specs.simulate_spec(configuration(), "small")
    new = json.dumps({**json.loads(old), "version": 99, "seed": 5})
    assert changes(old, old) == ""
    assert (
        changes(old, new)
        == f"seed 1 → 5, algorithm version {specs.ALGORITHM_VERSIONS['simulate']} → 99"
    )


def test_costs_go_with_points_planes_and_passes():
    one = cost.wave_seconds(Multislice(), 38.4)
    assert cost.wave_seconds(Multislice(slice_thickness_angstrom=0.46), 38.4) == pytest.approx(
        one / 2
    )
    assert cost.wave_seconds(Multislice(sampling_angstrom=0.1), 38.4) == pytest.approx(one / 4)
    phonons = Multislice(thermal="frozen_phonons", frozen_phonon_configurations=7)
    assert cost.wave_seconds(phonons, 38.4) == pytest.approx(7 * one)
    assert cost.wave_bytes(Multislice(), 38.4) == 8 * 384**2
    assert cost.series_bytes(3, 352) == 20 * 352**2


def test_the_whole_paper_has_a_plan(tmp_path):
    """With the built-in table in the place of C2DB."""
    (tmp_path / "table.yaml").write_text("datasets: {c2db: {materials: {source: monolayers}}}")
    config = load_config(Path(__file__).parents[2] / "config/paper.yaml", tmp_path / "table.yaml")
    steps = plan(config, tmp_path / "results")
    assert sum(step.computed for step in steps) > 4000
    assert {step.stage for step in steps} == {
        "catalog",
        "simulate",
        "render",
        "train",
        "calibrate",
        "evaluate",
    }
    assert sum(step.gigabytes for step in steps) > 50
