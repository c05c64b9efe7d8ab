"""How far a run is, from real files: nothing yet, in the middle, failed, finished."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from small_dataset import RAW, configuration
from summary_cases import training_summary

from exitwave.config import parse_config
from exitwave.files.documents import write_document
from exitwave.files.journal import count_samples
from exitwave.files.reader import StoreReader
from exitwave.files.shard_files import ShardFiles
from exitwave.materials.manifest import read_manifest
from exitwave.networks.training.checkpoints import EpochRecord
from exitwave.runs.progress import Moment, dataset_progress, network_progress
from exitwave.runs.snakemake_log import newest_run, read_run
from exitwave.runs.status import status_text
from exitwave.stages.catalog import build_catalog
from exitwave.stages.simulate import simulate_exit_waves
from exitwave.summaries.scores import EvaluationSummary
from exitwave.tasks.progress import FailedSample, JobProgress, TrainedEpochs
from exitwave.workflow import layout, specs

FOURIER = {**RAW["datasets"]["small"]["multislice"], "method": "fourier"}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A data set of some shards, the first of which is simulated."""
    folder = tmp_path_factory.mktemp("run")
    config = configuration(shards=8, multislice=FOURIER)
    build_catalog(specs.catalog_spec(config, "small"), folder / "results/small/catalog")
    spec = specs.simulate_spec(config, "small")
    first, *_ = sorted((folder / "results/small/catalog/shards").glob("*.json"))
    simulate_exit_waves(spec, first, folder / f"results/small/exit_waves/{first.stem}.nc")
    return folder, spec


def shards(folder):
    return sorted((folder / "results/small/catalog/shards").glob("*.json"))


def interrupted(folder, spec, manifest, samples):
    """Leave of a shard what a job leaves that is under way: some samples in its journal."""
    stores = folder / "results/small/exit_waves"
    journal = ShardFiles(spec, manifest, stores / f"{manifest.stem}.nc").journal
    with StoreReader(stores / f"{shards(folder)[0].stem}.nc") as reader:
        for _ in range(samples):
            journal.append(reader.read(0))
    return journal.path


def say(results, stage, *names, state="running", ago=0.0, **values):
    """Write what a job says of itself, so long ago [s], and an older log; return the log."""
    path = results / layout.progress(stage, *names)
    path.parent.mkdir(parents=True, exist_ok=True)
    then = time.time() - ago
    job = JobProgress(1, stage, path.stem, state, then, then, **values)
    path.write_text(json.dumps(dataclasses.asdict(job)))
    log = path.with_suffix(".log")
    log.write_text("10:00:00 a line that means nothing to a program\n")
    os.utime(log, (1, 1))
    return log


def test_nothing_yet(tmp_path):
    assert "nothing yet" in status_text(tmp_path / "results")
    (tmp_path / "results").mkdir()
    assert status_text(tmp_path / "results").startswith("run ")


def test_done_running_failed_stopped_and_waiting(made):
    folder, spec = made
    first, second, third, *_ = shards(folder)
    results = folder / "results"
    sizes = [len(read_manifest(path).samples) for path in shards(folder)]
    journal = interrupted(folder, spec, second, 1)
    counted = {"total": 60, "done": 1, "failed": 1, "samples_per_second": 0.17}
    lost = (FailedSample("MoS2-0123456789ab", 1, "no atom is left"),)
    say(results, "simulate", "small", second.stem, failed_samples=lost, **counted)
    failing = say(results, "simulate", "small", third.stem, state="failed", error="Full.")
    failing.write_text("10:00:00 begun\nexitwave: The disk is full.\n")
    progress = dataset_progress(results, "small", Moment(time.time()))
    states = [shard.state for shard in progress.shards]
    assert states == ["done", "running", "failed", "waiting"][: len(states)]
    assert [shard.samples for shard in progress.shards] == sizes
    assert [shard.finished for shard in progress.shards][:3] == [sizes[0], 1, 0]
    assert progress.samples_per_hour == pytest.approx(3600 * 0.17)
    assert progress.samples_left == sum(sizes[1:]) - 2

    text = status_text(results)
    assert f"1 done, 1 running, 1 failed, {len(sizes) - 3} waiting (of {len(sizes)})" in text
    assert f"{sizes[0] + 1} of 10 done" in text
    assert "612 an hour" in text
    assert "small: MoS2-0123456789ab, 1 sample: no atom is left" in text
    assert "| exitwave: The disk is full." in text

    # A job that says nothing yet takes the speed of those that are done.
    say(results, "simulate", "small", second.stem)
    benchmark = results / f"benchmarks/simulate/small.{first.stem}.tsv"
    benchmark.parent.mkdir(parents=True, exist_ok=True)
    benchmark.write_text(f"s\th:m:s\n{2.0 * sizes[0]}\t0:00:08\n")
    assert dataset_progress(results, "small", Moment(time.time())).samples_per_hour == 1800

    # One that says nothing any more was killed.
    os.utime(journal, (time.time() - 7200,) * 2)
    say(results, "simulate", "small", second.stem, ago=7200, **counted)
    assert "1 done, 1 failed, 1 stopped" in status_text(results)
    assert "an hour" not in status_text(results)
    # What is half written is not there; what is torn is not counted.
    with journal.open("r+b") as file:
        file.truncate(journal.stat().st_size - 1)
    summary = results / f"small/exit_waves/{first.stem}.json"
    whole = summary.read_text()
    summary.write_text(whole[:20])
    (results / layout.progress("simulate", "small", second.stem)).write_text("{")
    assert "0 of 10 done" in status_text(results)
    summary.write_text(whole)
    journal.unlink()
    shutil.rmtree(results / "logs")


def test_results_from_before_jobs_said_how_far_they_are(made):
    folder, spec = made
    results = folder / "results"
    sizes = [len(read_manifest(path).samples) for path in shards(folder)]
    journal = interrupted(folder, spec, shards(folder)[1], 1)
    text = status_text(results)
    assert f"1 done, 1 running, {len(sizes) - 2} waiting (of {len(sizes)})" in text
    assert f"{sizes[0] + 1} of 10 done" in text
    os.utime(journal, (time.time() - 7200,) * 2)
    assert f"1 done, 1 stopped, {len(sizes) - 2} waiting" in status_text(results)
    journal.unlink()


def test_a_shard_whose_store_is_gone_is_no_longer_done(made):
    folder, _ = made
    second = shards(folder)[1].stem
    say(folder / "results", "simulate", "small", second, state="done", ago=7200, total=9, done=9)
    shard = dataset_progress(folder / "results", "small", Moment(time.time())).shards[1]
    assert (shard.state, shard.finished) == ("stopped", 0)
    shutil.rmtree(folder / "results/logs")


def test_a_journal_is_counted_while_it_is_written(made, tmp_path):
    folder, spec = made
    journal = interrupted(folder, spec, shards(folder)[-1], 3)
    content = journal.read_bytes()
    copy = tmp_path / "part.journal"
    counts = []
    for size in range(0, len(content) + 1, 4096):
        copy.write_bytes(content[:size])
        counts.append(count_samples(copy))
    assert sorted(set(counts)) == [0, 1, 2]
    assert counts == sorted(counts)
    assert count_samples(journal) == 3
    journal.unlink()


def test_training_evaluation_and_report(tmp_path):
    results = tmp_path / "results"
    raw = {**RAW, "networks": {"unet": {"dataset": "small", "epochs": 20}}}
    config = parse_config(raw)
    folder = results / "networks/unet"
    (folder / "checkpoints").mkdir(parents=True)
    assert "unet: no epoch finished yet" in status_text(results)
    records = [EpochRecord(n + 1, 0.5 / (n + 1), 0.6, 1e-3, 60.0).__dict__ for n in range(5)]
    state = {"spec": specs.train_spec(config, "unet"), "records": records}
    (folder / "checkpoints/state.json").write_text(json.dumps(state))
    text = status_text(results, config)
    assert "unet: epoch 5 of 20, loss 1.000e-01, val_loss 6.000e-01, 15 min left" in text
    write_document(
        folder / "training.json", dataclasses.asdict(training_summary(epochs=20, loss=0.1))
    )
    (folder / "model.keras").touch()
    assert network_progress(folder, Moment(time.time())).state == "done"

    epoch = results / "small/epochs/3_images/training/00.nc"
    epoch.parent.mkdir(parents=True)
    epoch.touch()
    evaluation = results / "evaluations/unet/small/summary.json"
    write_document(
        evaluation, dataclasses.asdict(EvaluationSummary(samples=7, statistics={}, ratios={}))
    )
    (results / "report.html").touch()
    text = status_text(results, config)
    assert "epochs    3_images/training 1 of 10, 3_images/validation 0 of 1" in text
    assert "epochs    3_images/training 1\n" in status_text(results)
    assert "unet on small: 7 samples, done" in text
    assert "report.html" in text


def test_a_job_that_could_not_say_that_it_failed_failed_all_the_same(made):
    folder, _ = made
    results, second = folder / "results", shards(folder)[1].stem
    say(results, "simulate", "small", second)
    log = say(results, "render", "small", "3_images", "training", "00", total=9)
    assert "jobs under way" in status_text(results)
    lines = [
        "rule a:",
        "    jobid: 8",
        "Error in rule a:",
        "    jobid: 8",
        f"    log: results/logs/simulate/small.{second}.log, results/logs/render/{log.name}",
    ]
    (folder / ".snakemake/log").mkdir(parents=True)
    (folder / ".snakemake/log/2026.snakemake.log").write_text("\n".join(lines))
    text = status_text(results)
    assert "1 done, 1 failed" in text
    assert "jobs under way" not in text
    for name in ("results/logs", ".snakemake"):
        shutil.rmtree(folder / name)


def test_training_by_what_its_job_says(tmp_path):
    results = tmp_path / "results"
    folder = results / "networks/unet"
    folder.mkdir(parents=True)
    say(results, "train", "unet", ago=86400)
    # Nobody knows how long the first epoch takes.
    assert "unet: no epoch finished yet\n" in status_text(results) + "\n"
    say(results, "train", "unet", training=TrainedEpochs(4, 20, 0.1, None, 3600.0))
    assert "unet: epoch 4 of 20, loss 1.000e-01, 16.0 h left" in status_text(results)
    epochs = TrainedEpochs(5, 20, 0.1, 0.6, 3600.0)
    say(results, "train", "unet", ago=3 * 3600 - 60, training=epochs)
    text = status_text(results)
    assert "unet: epoch 5 of 20, loss 1.000e-01, val_loss 6.000e-01, 15.0 h left" in text
    say(results, "train", "unet", ago=3 * 3600 + 60, training=epochs)
    assert "val_loss 6.000e-01, stopped" in status_text(results)
    say(results, "train", "unet", state="failed", training=epochs).write_text("1\n2\n")
    text = status_text(results)
    assert "val_loss 6.000e-01, failed" in text
    assert "unet.log" in text
    assert "    | 2" in text


def test_jobs_under_way(tmp_path):
    results = tmp_path / "results"
    counted = {"total": 60, "done": 19, "failed": 1, "seconds_left": 600.0}
    say(results, "render", "mos2", "3_images", "training", "04", **counted)
    say(results, "evaluate", "unet", "mos2", **counted, ago=7200)
    say(results, "compare", "long")
    say(results, "convergence", state="done", **counted)
    # Not yet renamed.
    unfinished = results / "logs/render/.tmp_mos2.json"
    unfinished.write_text((results / "logs/compare/long.json").read_text())
    text = status_text(results).partition("\njobs under way\n")[2]
    assert text.splitlines() == [
        "  compare long: begun",
        "  render mos2.3_images.training.04: 20 of 60 samples, 10 min left",
    ]
    for number in range(20):
        say(results, "render", "mos2", "3_images", "training", str(number), **counted)
    assert "  and 12 more" in status_text(results)


SNAKEFILE = """
rule all:
    input: "results/good", "results/bad"

rule good:
    output: "results/good"
    log: "results/logs/simulate/good.log"
    shell: "echo fine > {log}; touch {output}"

rule bad:
    output: "results/bad"
    log: "results/logs/train/bad.log"
    shell: "echo begun > {log}; echo no such luck >> {log}; exit 1"
"""


def test_snakemakes_own_log_tells_of_failed_jobs(tmp_path):
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    snakemake = [str(Path(sys.executable).parent / "snakemake"), "--cores", "1"]
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    for options in (["--keep-going", "--retries", "1"], ["--dry-run"]):
        subprocess.run(
            [*snakemake, *options], cwd=tmp_path, env=environment, capture_output=True, timeout=120
        )
    run = newest_run(tmp_path / ".snakemake/log")
    assert (run.finished_steps, run.steps, run.ended) == (1, 3, True)
    states = {job.rule: (job.state, job.failures) for job in run.jobs.values()}
    assert states == {"good": ("finished", 0), "bad": ("failed", 2)}
    text = status_text(tmp_path / "results")
    assert "1 of 3 jobs done (33 %), 2 failed attempts, 1 not made good, ended" in text
    assert f"{tmp_path}/results/logs/train/bad.log" in text
    assert "    | no such luck" in text
    assert "good.log" not in text


def test_a_log_that_is_still_written_is_read_as_far_as_it_goes():
    lines = [
        "rule train_network:",
        "    log: results/logs/train/unet.log",
        "    jobid: 8",
        "Job 8 has been submitted with SLURM jobid 17 (log: /logs/17.log).",
        "SLURM-job '17' failed, SLURM status is: 'TIMEOUT'. Reason: Unknown.",
        "Error in rule train_network:",
        "    jobid: 8",
        "    log: results/logs/train/unet.log (check log fi",
    ]
    for end in range(len(lines) + 1):
        run = read_run(Path("run.log"), 0.0, lines[:end])
    (job,) = run.failed_jobs()
    assert (job.slurm_id, job.slurm_state, str(job.slurm_log)) == ("17", "TIMEOUT", "/logs/17.log")
    assert not run.ended
