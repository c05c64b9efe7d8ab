"""Each check of `exitwave doctor`, with the problem that it looks for present."""

import errno
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from small_dataset import configuration

from exitwave.doctor import examine as doctor
from exitwave.doctor import files as doctor_files
from exitwave.doctor.cluster import Request, check_slurm, read_profile
from exitwave.doctor.examine import examine, finding_text
from exitwave.doctor.files import check_disk, check_file_system, existing_parent
from exitwave.doctor.finding import good, problem
from exitwave.doctor.machine import check_fft, check_host_name, check_python
from exitwave.doctor.packages import LOCK, check_packages
from exitwave.errors import ExitwaveError


@pytest.fixture
def without_slurm(tmp_path, monkeypatch):
    """A PATH that leads to no command."""
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.fixture(autouse=True)
def quick_backend(monkeypatch):
    """JAX is there sooner than TensorFlow."""
    monkeypatch.setenv("KERAS_BACKEND", "jax")


def found(checks):
    return {finding.subject: finding for finding in checks}


def test_all_is_examined_and_the_exit_status_tells(tmp_path, without_slurm, capsys):
    assert examine("slurm", [], tmp_path / "results") == 1
    said = capsys.readouterr().out
    marks = {
        line[2:18].strip(): line[0]
        for line in said.splitlines()
        if line.startswith(("✓", "!", "✗"))
    }
    assert marks.pop("Slurm") == "✗"
    assert marks.pop("host name") in "✓!"
    # Here the packages are the lock's, unless someone tries out others.
    assert marks.pop("packages") in "✓!"
    assert marks.pop("GPU packages") in "✓!"
    assert {subject for subject, mark in marks.items() if mark != "✓"} <= {"clock", "latency"}
    assert {"Python", "FFT", "GPU", "Dask", "renaming", "locks", "disk"} <= marks.keys()
    assert "sbatch" in said
    assert "→ Run on a login node" in said
    assert "Not fit for a run; problems: 1" in said
    assert not list(tmp_path.glob("results*"))
    assert not list(tmp_path.glob(".doctor*"))


def test_a_check_that_fails_itself_is_a_problem():
    def breaks():
        raise ImportError("no module\nnamed scipy")

    def complains():
        raise ExitwaveError("There is no such file.")

    checks = [("a", breaks), ("b", complains), ("c", lambda: good("c", "fine"))]
    verdicts = [(entry.verdict, entry.sentence) for entry in doctor._findings(checks)]
    assert verdicts == [
        ("problem", "The check itself failed with ImportError: no module named scipy."),
        ("problem", "There is no such file."),
        ("good", "fine"),
    ]


def test_findings_are_readable_on_any_terminal():
    finding = problem("disk", "full " * 40, "Free some space.")
    lines = finding_text(finding).splitlines()
    assert lines[0].startswith("✗ disk            full")
    assert all(line.startswith(" " * 18) and len(line) <= 100 for line in lines[1:])
    assert lines[-1].strip() == "→ Free some space."
    finding_text(finding, "latin-1").encode("ascii")


def test_an_old_python():
    finding = check_python("3.10.4")
    assert finding.verdict == "problem"
    assert "needs" in finding.sentence
    assert "PYTHON=python3.12" in finding.remedy


def test_packages_that_differ_from_the_lock_are_named(tmp_path):
    lock = tmp_path / "lock.txt"
    text = LOCK.read_text()
    number = text.partition("\nnumpy==")[2].split()[0]
    lock.write_text(text.replace(f"numpy=={number}", "numpy==1.0") + "no-such-thing==2.0 \\\n")
    finding = check_packages(lock)
    assert finding.verdict == "warning"
    assert "(lock: 1.0)" in finding.sentence
    assert "no-such-thing absent (lock: 2.0)" in finding.sentence
    assert "make setup" in finding.remedy
    assert check_packages(tmp_path / "absent.txt").verdict == "warning"


def test_packages_that_cannot_be_used_are_a_problem(tmp_path, monkeypatch):
    metadata = tmp_path / "exitwave-0.1.0.dist-info/METADATA"
    metadata.parent.mkdir()
    asked = ("numpy>=99", "no-such-thing>=1", "jax>=99; extra == 'test'")
    lines = ["Name: exitwave", "Version: 0.1.0", *(f"Requires-Dist: {entry}" for entry in asked)]
    metadata.write_text("\n".join(lines))
    monkeypatch.syspath_prepend(str(tmp_path))
    finding = check_packages()
    assert finding.verdict == "problem"
    assert "(needed: >=99), no-such-thing, which is absent." in finding.sentence


def test_an_fft_that_gives_other_bits_each_time(tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text(
        "import os, scipy.fft\n"
        "exact = scipy.fft.fft2\n"
        "scipy.fft.fft2 = lambda *a, **k: exact(*a, **k) * (1 + 1e-6 * (os.getpid() % 1000))\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    finding = check_fft()
    assert finding.verdict == "problem"
    assert "scipy gave different bits in another process" in finding.sentence


def test_a_machine_whose_loopback_interface_is_down():
    """A network namespace of its own begins without one."""
    code = "from exitwave.doctor.machine import check_dask; print(check_dask())"
    isolated = ["unshare", "--net", sys.executable, "-c", code]
    done = subprocess.run(isolated, capture_output=True, text=True, timeout=120)
    if "unshare" in done.stderr:
        pytest.skip(f"no network namespace can be made here: {done.stderr.strip()}")
    assert "verdict='problem'" in done.stdout, done.stderr
    assert "cannot talk over 127.0.0.1" in done.stdout


def test_a_host_name_that_others_cannot_reach():
    assert "means nothing on other machines" in check_host_name("localhost").sentence
    assert "has no address" in check_host_name("no.such.host.invalid").sentence


def test_a_folder_that_may_not_be_written_to():
    (finding,) = check_file_system(Path("/proc/results"))
    assert finding.verdict == "problem"
    assert "Nothing can be written into /proc" in finding.sentence


def test_file_systems_without_hard_links_or_locks(tmp_path, monkeypatch):
    def refused(*arguments):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    monkeypatch.setattr(doctor_files.fcntl, "flock", refused)
    findings = found(check_file_system(tmp_path))
    assert findings["hard links"].verdict == "warning"
    assert "cannot be locked (Operation not permitted)" in findings["locks"].sentence
    assert "HDF5_USE_FILE_LOCKING=FALSE" in findings["locks"].remedy
    # As on file systems that give locks and do not keep them.
    monkeypatch.setattr(doctor_files.fcntl, "flock", lambda *arguments: None)
    assert "do not hold" in found(check_file_system(tmp_path))["locks"].sentence


def test_a_slow_file_system_whose_clock_is_wrong(tmp_path, monkeypatch):
    monkeypatch.setattr(doctor_files, "MOST_SECONDS", 0.0)
    findings = found(check_file_system(tmp_path, clock=lambda: time.time() + 120))
    assert "latency-wait" in findings["latency"].remedy
    assert "differ by 120 s" in findings["clock"].sentence


def test_a_full_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    mounted = subprocess.run(mount, capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    try:
        finding = check_disk(disk / "results", configuration())
        assert finding.verdict == "problem"
        assert "GB will be written" in finding.sentence
        (disk / "ballast").write_bytes(bytes(shutil.disk_usage(disk).free))
        (finding,) = check_file_system(disk)
    finally:
        subprocess.run(["umount", str(disk)], check=True)
    assert finding.verdict == "problem"
    assert check_disk(tmp_path, None).verdict == "good"
    assert check_disk(tmp_path, configuration()).verdict == "good"
    assert existing_parent(tmp_path / "a/b") == tmp_path


def test_a_machine_without_slurm(without_slurm):
    (finding,) = check_slurm(read_profile("slurm"))
    assert finding.verdict == "problem"
    assert "sbatch, scancel, scontrol, sinfo, squeue cannot be found" in finding.sentence
    assert list(check_slurm(read_profile("local"))) == []
    assert list(check_slurm(None)) == []


def test_a_profile_that_is_not_there():
    with pytest.raises(ExitwaveError, match="no profile 'slrum'"):
        read_profile("slrum")


def test_what_a_profile_names(tmp_path):
    (tmp_path / "profile.yaml").write_text(
        "executor: slurm\n"
        "default-resources: [slurm_partition=cpu, mem_mb=4000 * attempt]\n"
        "set-resources:\n"
        "  train_network: {slurm_partition: 'gpu,gpu_long', gpu: 1}\n"
        "  render_epoch: {gpu: 0}\n"
    )
    profile = read_profile(str(tmp_path))
    assert profile.submits
    assert profile.status_command == "sacct"
    assert profile.gpu_rules() == ["train_network"]
    assert profile.requests() == [
        Request("default-resources", "cpu", 1, 4000),
        Request("train_network", "gpu,gpu_long", 1, 4000, gpus=1),
        Request("render_epoch", "cpu", 1, 4000),
    ]
