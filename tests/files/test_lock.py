"""Two processes that make the same result."""

import fcntl
import subprocess
import sys
import time

import pytest
from small_dataset import configuration, make_catalog

from exitwave.errors import ExitwaveError
from exitwave.files import lock as module
from exitwave.files.lock import one_writer
from exitwave.workflow import specs

HOLD = """
import sys, time
from pathlib import Path
from exitwave.files.lock import one_writer
with one_writer(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """A process that makes `result` until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "result")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


def test_the_second_waits_and_says_so(tmp_path, holder, caplog, monkeypatch):
    def told(file, operation):
        if not operation & fcntl.LOCK_NB:
            assert "result" in caplog.text
            holder.stdin.close()
            holder.wait()
        return flock(file, operation)

    flock = fcntl.flock
    monkeypatch.setattr(module.fcntl, "flock", told)
    with one_writer(tmp_path / "result"):
        assert holder.returncode == 0
    assert "waiting for it to end" in caplog.text
    assert list(tmp_path.iterdir()) == []


def test_a_killed_process_holds_nothing(tmp_path, holder):
    (tmp_path / ".result.1234.tmp").write_text("half")
    holder.kill()
    holder.wait()
    start = time.monotonic()
    with one_writer(tmp_path / "result"):
        assert not (tmp_path / ".result.1234.tmp").exists()
    assert time.monotonic() - start < 60
    assert list(tmp_path.iterdir()) == []


def test_without_locks_all_go_on(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(module.fcntl, "flock", refuse)
    with one_writer(tmp_path / "result"), one_writer(tmp_path / "result"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ExitwaveError, match="Could not write"), one_writer(tmp_path / "file/x"):
        pass


def test_two_jobs_of_one_shard_compute_each_sample_once(tmp_path):
    """As after the death of a Snakemake whose jobs go on."""
    config = configuration()
    manifest = make_catalog(tmp_path, config)
    command = [sys.executable, "-m", "exitwave.cli", "simulate", "--workers", "1"]
    command += ["--spec", specs.simulate_spec(config, "small"), "--manifest", str(manifest)]
    command += ["--output", str(tmp_path / "exit_waves/000.nc")]
    jobs = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [job.communicate(timeout=300)[1] for job in jobs]
    assert [job.returncode for job in jobs] == [0, 0], said
    assert sum(", 10 to compute" in text for text in said) == 1, said
    assert sum(", 0 to compute" in text for text in said) == 1, said
