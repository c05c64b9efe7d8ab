"""The progress of a job: its file is always whole, seldom written, and never in the way."""

import dataclasses
import json
import logging
import os
import re
import resource
import signal
import subprocess
import sys
import time

import pytest
from small_dataset import RAW, configuration, make_catalog

from exitwave import cli
from exitwave.errors import ExitwaveError, SpecimenError
from exitwave.stages import simulate
from exitwave.tasks import progress as module
from exitwave.tasks.parallel import map_tasks
from exitwave.tasks.progress import (
    FailedSample,
    JobProgress,
    Progress,
    TrainedEpochs,
    counted,
    current,
    read_progress,
)
from exitwave.workflow import specs

FOURIER = {**RAW["datasets"]["small"]["multislice"], "method": "fourier"}


class Clock:
    """Time that passes only where a test lets it."""

    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now

    def time(self):
        return 1e9 + self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def written(monkeypatch):
    """What is written, one text a file."""
    texts = []
    write = module.write_text

    def counting(path, text, durable=True):
        texts.append(text)
        write(path, text, durable)

    monkeypatch.setattr(module, "write_text", counting)
    return texts


def test_a_job_from_beginning_to_end(tmp_path, clock):
    path = tmp_path / "mos2.000.json"
    with Progress(path, "simulate", "mos2.000") as progress:
        assert current() is progress
        assert read_progress(path) == JobProgress(
            1, "simulate", "mos2.000", "running", 1e9 + 1000, 1e9 + 1000
        )
        progress.begin("mos2/000", total=60, done=20)
        clock.now += 10
        progress.step()
        assert read_progress(path).done == 21
        clock.now += 10
        progress.step(failed=True)
        progress.name_failed(FailedSample("MoS2", 3, "no atom is left"))
        clock.now += 10
        progress.step()
        found = read_progress(path)
        assert (found.total, found.done, found.failed) == (60, 22, 1)
        assert found.samples_per_second == pytest.approx(0.1)
        assert found.seconds_left == pytest.approx(370)
        assert found.updated_at == found.started_at + 30
        assert found.failed_samples == (FailedSample("MoS2", 3, "no atom is left"),)
    assert read_progress(path).state == "done"
    assert current() is not progress


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ExitwaveError("The disk is full."), "The disk is full."),
        (ZeroDivisionError("by\n  zero"), "ZeroDivisionError: by zero"),
        (KeyboardInterrupt(), "interrupted; finished samples are kept."),
    ],
)
def test_a_failure_ends_with_its_sentence(tmp_path, error, sentence):
    path = tmp_path / "a.json"
    with pytest.raises(type(error)), Progress(path, "render", "a") as progress:
        progress.begin("a", total=2)
        progress.step()
        raise error
    found = read_progress(path)
    assert (found.state, found.error, found.done) == ("failed", sentence, 1)
    with Progress(path, "render", "a"):
        assert read_progress(path).error == ""


def test_files_are_few_however_many_samples_there_are(tmp_path, clock, written):
    with Progress(tmp_path / "a.json") as progress:
        progress.begin("a", total=100_000)
        for _ in range(100_000):
            clock.now += 1e-3
            progress.step()
    # In 100 s one a second; at the beginnings and the end one more each.
    assert 100 <= len(written) <= 103


def test_on_a_slow_disk_files_are_fewer(tmp_path, clock, monkeypatch):
    writes = []

    def slow(path, text, durable):
        writes.append(clock.now)
        clock.now += 0.5

    monkeypatch.setattr(module, "write_text", slow)
    with Progress(tmp_path / "a.json") as progress:
        progress.begin("a", total=1000)
        for _ in range(1000):
            clock.now += 1
            progress.step()
    assert len(writes) < 25


def test_the_file_stays_small_however_many_samples_fail(tmp_path):
    path = tmp_path / "a.json"
    with Progress(path) as progress:
        progress.begin("a", total=10_000)
        for number in range(10_000):
            progress.step(failed=True)
            progress.name_failed(FailedSample("MoS2", number, "no atom is left"))
    assert path.stat().st_size < 20_000
    found = read_progress(path)
    assert (found.failed, len(found.failed_samples)) == (10_000, 100)


def test_what_cannot_be_read_is_not_there(tmp_path):
    path = tmp_path / "a.json"
    assert read_progress(path) is None
    with Progress(path, "train", "a") as progress:
        progress.train(TrainedEpochs(1, 20, 0.5, 0.6, 60.0), 3.0)
    whole = path.read_text()
    assert read_progress(path).training == TrainedEpochs(1, 20, 0.5, 0.6, 60.0)
    for size in range(len(whole) - 1):
        path.write_text(whole[:size])
        assert read_progress(path) is None
    for field, value in (("format_version", 2), ("state", "lost"), ("done", "many")):
        path.write_text(json.dumps({**json.loads(whole), field: value}))
        assert read_progress(path) is None
    path.write_bytes(b"\xff\x00")
    assert read_progress(path) is None


def test_nothing_is_written_where_there_is_no_folder(tmp_path):
    for path in (None, tmp_path / "logs/simulate/a.json"):
        with Progress(path) as progress:
            progress.begin("a", total=1)
            progress.step()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_to_harms_nothing(tmp_path):
    """A link to a folder that vanished, and a file in its place: root may write anywhere else."""
    folder = tmp_path / "logs"
    folder.mkdir()
    with Progress(folder / "a.json") as progress:
        folder.joinpath("a.json").unlink()
        folder.rmdir()
        folder.write_text("in the way")
        progress.begin("a", total=1)
        progress.step()
    assert folder.read_text() == "in the way"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_harms_nothing(tmp_path):
    tmp_path.chmod(0o500)
    with Progress(tmp_path / "a.json") as progress:
        progress.begin("a", total=1)
    tmp_path.chmod(0o700)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_harms_nothing(tmp_path, clock):
    """The limit of the system stands for it: no file may grow."""
    path = tmp_path / "a.json"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Progress(path) as progress:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
        try:
            clock.now += 10
            progress.begin("a", total=2)
            progress.step()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        # What was there stays whole, and when there is space again it goes on.
        assert read_progress(path).total is None
        clock.now += 10
        progress.step()
        assert read_progress(path).done == 2
    assert list(tmp_path.iterdir()) == [path]


def double(number):
    if number == 3:
        raise SpecimenError("no atom is left")
    return 2 * number


@pytest.mark.parametrize("workers", [1, 2])
def test_tasks_are_counted(tmp_path, workers):
    path = tmp_path / "a.json"
    with Progress(path):
        list(map_tasks(double, range(6), workers, "numbers", already_done=4))
    found = read_progress(path)
    assert (found.title, found.total, found.done, found.failed) == ("numbers", 10, 9, 1)
    with Progress(path):
        assert list(counted("abc", "letters", 3)) == ["a", "b", "c"]
    assert (read_progress(path).title, read_progress(path).done) == ("letters", 3)


def test_people_get_a_line_now_and_then(clock, caplog):
    caplog.set_level(logging.INFO, "exitwave")
    progress = current()
    progress.begin("mos2/000", total=50)
    for number in range(50):
        clock.now += 1
        progress.step(failed=number == 0)
    first, *_, last = [record.getMessage() for record in caplog.records]
    assert len(caplog.records) == 5
    assert first == "mos2/000: 10 of 50 samples (1 failed), 1.00 a second, 40 s left"
    assert last == "mos2/000: 50 of 50 samples (1 failed), 1.00 a second, 0 s left"


def test_what_is_counted_has_a_name(caplog):
    caplog.set_level(logging.INFO, "exitwave")
    assert list(counted("ab", "wave", 2, "tiles")) == ["a", "b"]
    assert caplog.records[-1].getMessage().startswith("wave: 2 of 2 tiles, ")


@pytest.fixture
def shard(tmp_path):
    """The command that simulates a shard of a tiny data set, and its progress file."""
    config = configuration(multislice=FOURIER)
    dataset = tmp_path / "results/small"
    manifest = make_catalog(dataset, config)
    path = tmp_path / "results/logs/simulate/small.000.json"
    path.parent.mkdir(parents=True)
    arguments = ["simulate", "--spec", specs.simulate_spec(config, "small"), "--workers", "1"]
    arguments += ["--manifest", str(manifest), "--output", str(dataset / "exit_waves/000.nc")]
    return arguments, path


def test_a_real_simulation_says_how_far_it_is(shard, monkeypatch):
    arguments, path = shard
    original, seen = simulate.build_specimen, []

    def build(material, structure, seed, dataset, sample_index):
        seen.append(read_progress(path))
        if sample_index == 1:
            raise SpecimenError("no atom is left")
        return original(material, structure, seed, dataset, sample_index)

    monkeypatch.setattr(module, "FILE_SECONDS", 0.0)
    monkeypatch.setattr(module, "_WRITING_SHARE", 0)
    monkeypatch.setattr(simulate, "build_specimen", build)
    assert cli.main(arguments) == 0
    assert [entry.done + entry.failed for entry in seen] == list(range(10))
    assert {entry.state for entry in seen} == {"running"}
    assert (seen[0].stage, seen[0].name, seen[0].total) == ("simulate", "small.000", 10)
    found = read_progress(path)
    assert (found.state, found.done, found.failed) == ("done", 5, 5)
    assert {(entry.sample_index, entry.reason) for entry in found.failed_samples} == {
        (1, "no atom is left")
    }
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_a_simulation_that_fails_says_why(shard, monkeypatch, capsys):
    arguments, path = shard

    def build(*_):
        raise ImportError("no such library")

    monkeypatch.setattr(simulate, "build_specimen", build)
    assert cli.main(arguments) == 2
    found = read_progress(path)
    assert found.state == "failed"
    assert found.error in capsys.readouterr().err
    assert re.match(r"Every sample of .* failed.*no such library", found.error)


def test_a_simulation_that_is_killed_leaves_its_last_word(shard):
    arguments, path = shard
    process = subprocess.Popen(
        [sys.executable, "-m", "exitwave.cli", *arguments], stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while (found := read_progress(path)) is None or found.total is None:
        assert process.poll() is None, "it finished before it was killed"
        assert time.monotonic() < deadline
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    found = read_progress(path)
    assert (found.state, found.total) == ("running", 10)
    # What was finished counts when it goes on.
    assert cli.main(arguments) == 0
    assert dataclasses.astuple(read_progress(path))[6:10] == ("small/000", 10, 10, 0)
