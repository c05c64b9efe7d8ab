"""What only the user's cluster knows, and what is said where it is written wrongly."""

from pathlib import Path

import pytest
import yaml

from exitwave.doctor.cluster import read_profile
from exitwave.doctor.slurm_site import Site, read_site
from exitwave.errors import ExitwaveError
from exitwave.tasks.worker_jobs import own_job

PROFILES = Path(__file__).parents[2] / "profiles/slurm"


@pytest.fixture
def site(tmp_path, monkeypatch):
    """Write a site file and let it be found."""
    path = tmp_path / "site.yaml"
    monkeypatch.setenv("EXITWAVE_SLURM_SITE", str(path))
    return path.write_text


def test_without_a_file_all_is_left_to_slurm(monkeypatch, tmp_path):
    monkeypatch.delenv("EXITWAVE_SLURM_SITE", raising=False)
    monkeypatch.setattr("exitwave.doctor.slurm_site.SITE", tmp_path / "absent.yaml")
    assert read_site() == Site()


def test_an_example_that_was_only_copied_changes_nothing(site):
    site((PROFILES / "site.example.yaml").read_text())
    assert read_site() == Site()


def test_what_is_in_the_example_as_a_comment_can_be_used(site):
    text = (PROFILES / "site.example.yaml").read_text()
    _, commented = text.split("the others stay.\n")
    site(commented.replace("# ", ""))
    values = read_profile("slurm").values
    assert values["set-threads"] == {
        "simulate_exit_waves": 64,
        "render_epoch": 8,
        "train_network": 8,
        "calibrate_network": 8,
        "evaluate_network": 8,
        "refine_samples": 8,
        "judge_ensemble": 8,
        "compare_reconstructions": 16,
        "measure_convergence": 16,
    }
    simulate = values["set-resources"]["simulate_exit_waves"]
    assert simulate["worker_jobs"] == 4
    assert simulate["mem_mb"] == "(2000 + 1200 * threads) * attempt"
    assert values["default-resources"] == {
        "mem_mb": "4000 * attempt",
        "runtime": "30 * attempt",
    }


def test_jobs_with_a_gpu_go_to_its_partition(site):
    site("{cpu_partition: 7, gpu_partition: big, account: us, qos: high, gpu_model: a100, jobs: 9}")
    profile = read_profile("slurm")
    partitions = {request.rule: request.partition for request in profile.requests()}
    assert partitions["simulate_exit_waves"] == "7"
    assert partitions["train_network"] == "big"
    assert profile.values["set-resources"]["train_network"]["gpu_model"] == "a100"
    assert profile.values["default-resources"]["slurm_account"] == "us"
    assert profile.values["slurm-qos"] == "high"
    assert profile.values["jobs"] == 9
    assert "slurm-no-account" not in profile.values


def test_the_profile_names_rules_that_there_are():
    rules = {
        line.split()[1].rstrip(":")
        for path in (PROFILES.parents[1] / "workflow/rules").glob("*.smk")
        for line in path.read_text().splitlines()
        if line.startswith(("rule ", "checkpoint "))
    }
    values = read_profile("slurm").values
    assert {*values["set-threads"], *values["set-resources"]} <= rules
    default = yaml.safe_load((PROFILES.parent / "default/profile.yaml").read_text())
    # They would overrule those of the cluster.
    assert not {"executor", "default-resources", "jobs"} & default.keys()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("cpu_partiton: x", "cpu_partiton: Extra inputs are not permitted"),
        ("jobs: 0", "jobs: Input should be greater than or equal to 1"),
        ("status_command: qstat", "status_command: Input should be 'sacct' or 'squeue'"),
        ("set-threads: {render_epoch: all}", "set-threads.render_epoch: Input should be a valid"),
        ("- cpu_partition", "the whole: Input should be a valid dictionary"),
        ("cpu_partition: [", "cannot be read: while parsing"),
    ],
)
def test_a_mistake_is_told_with_its_place(site, text, sentence):
    site(text)
    with pytest.raises(ExitwaveError, match="The site file") as told:
        read_site()
    assert sentence in str(told.value)
    assert "\n" not in str(told.value)


def test_a_file_that_is_named_and_not_there(monkeypatch):
    monkeypatch.setenv("EXITWAVE_SLURM_SITE", "/no/such/site.yaml")
    with pytest.raises(ExitwaveError, match="No such file"):
        read_site()


def test_worker_jobs_outside_of_slurm(monkeypatch):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    with pytest.raises(ExitwaveError, match="runs in no Slurm job itself"):
        own_job()
