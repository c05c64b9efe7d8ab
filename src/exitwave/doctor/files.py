"""Checks of `exitwave doctor` on the folder of results: renaming, locks, speed, clock, space."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from exitwave.doctor.finding import Finding, good, problem, warning

if TYPE_CHECKING:
    from exitwave.config import Config

MOST_SECONDS = 0.1
"""A small file should be on the disk within this [s]; a shard writes about one per sample."""
MOST_SKEW = 2.0
"""Snakemake compares times of files, so clocks should agree to this [s]."""
_TRIALS = 10


def check_file_system(results: Path, clock: Callable[[], float] = time.time) -> Iterator[Finding]:
    """Try in the folder of the results what the stages rely on."""
    folder = existing_parent(results)
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".doctor_") as name:
            Path(name, "trial").write_bytes(bytes(2**16))
    except OSError as error:
        yield problem(
            "file system",
            f"Nothing can be written into {folder}: {error.strerror}.",
            "Work in a folder that is yours and has room, such as your project's on the cluster's "
            "scratch or work file system.",
        )
        return
    with tempfile.TemporaryDirectory(dir=folder, prefix=".doctor_") as name:
        yield _check_renaming(Path(name))
        yield _check_hard_links(Path(name))
        yield _check_locks(Path(name))
        yield _check_speed(Path(name))
        yield _check_clock(Path(name), clock)


def existing_parent(folder: Path) -> Path:
    """Return the folder or, where it does not exist yet, the nearest one above that does."""
    folder = folder.absolute()
    return next(parent for parent in (folder, *folder.parents) if parent.is_dir())


def _check_renaming(folder: Path) -> Finding:
    """A reader that has a file open keeps the old content while it is replaced by another."""
    path, temporary = folder / "store", folder / ".store.tmp"
    try:
        path.write_text("old")
        with path.open() as reader:
            temporary.write_text("new")
            temporary.replace(path)
            whole = (reader.read(), path.read_text()) == ("old", "new")
    except OSError as error:
        whole, path = False, Path(error.filename or folder)
    if whole:
        return good("renaming", "a new file takes the place of an old one at once")
    return problem(
        "renaming",
        f"A file in {folder.parent} cannot be replaced by another while it is read.",
        "Put the results on another file system.",
    )


def _check_hard_links(folder: Path) -> Finding:
    path, second = folder / "linked", folder / "second"
    path.touch()
    with contextlib.suppress(OSError):
        os.link(path, second)
        if second.samefile(path):
            return good("hard links", "a file can have two names")
    return warning(
        "hard links",
        f"The file system of {folder.parent} knows no hard links: a shard that changes is computed "
        "whole, not only its new samples.",
        "If one is available, put the results on a file system that does (Lustre, GPFS, NFS, "
        "BeeGFS, ext4, XFS).",
    )


def _check_locks(folder: Path) -> Finding:
    """A second process must find a file locked that this one has locked; HDF5 asks for that."""
    path = folder / "locked"
    code = (
        "import fcntl, sys\n"
        "file = open(sys.argv[1], 'r+b')\n"
        "try: fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)\n"
        "except BlockingIOError: sys.exit(42)\n"
    )
    try:
        with path.open("w+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            second = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True)
        if second.returncode == 42:
            return good("locks", "a file that is locked is locked for others")
        text = "Locks are given but do not hold"
    except OSError as error:
        text = f"Files cannot be locked ({error.strerror})"
    return warning(
        "locks",
        f"{text} in {folder.parent}.",
        "Make sure that no second snakemake runs on the same results, which locks would notice; "
        "if stores cannot be opened, set HDF5_USE_FILE_LOCKING=FALSE.",
    )


def _check_speed(folder: Path) -> Finding:
    """Time what each finished sample costs: a small write that must be on the disk."""
    seconds = []
    for number in range(_TRIALS):
        start = time.perf_counter()
        temporary = folder / f".{number}.tmp"
        with temporary.open("wb") as file:
            file.write(bytes(4096))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(folder / f"{number}")
        seconds.append(time.perf_counter() - start)
    median = statistics.median(seconds)
    text = f"a small file is on the disk after {1e3 * median:.2g} ms (median of {_TRIALS})"
    if median <= MOST_SECONDS:
        return good("latency", text)
    return warning(
        "latency",
        f"In {folder.parent} {text}.",
        "Work on the cluster's scratch or work file system rather than in a home folder, and raise "
        "`latency-wait` in the profile.",
    )


def _check_clock(folder: Path, clock: Callable[[], float]) -> Finding:
    path = folder / "clock"
    before = clock()
    path.touch()
    after = clock()
    changed = path.stat().st_mtime
    skew = max(before - changed, changed - after, 0.0)
    if skew <= MOST_SKEW:
        return good("clock", "file system and machine agree")
    return warning(
        "clock",
        f"The clocks of this machine and of the file system differ by {skew:.0f} s: Snakemake may "
        "take new files for old ones.",
        "Ask the administrators to set the clocks (NTP); until then run all on one machine.",
    )


def check_disk(results: Path, config: Config | None) -> Finding:
    """Compare the free space with what a configuration will write."""
    folder = existing_parent(results)
    free = shutil.disk_usage(folder).free
    text = f"{_gigabytes(free)} free in {folder}"
    if config is None:
        return good("disk", f"{text}; with --configfile it is compared with what will be written")
    from exitwave.runs.plan import plan

    needed = 1e9 * sum(step.gigabytes for step in plan(config, results))
    text = f"{_gigabytes(free)} free in {folder}, about {_gigabytes(needed)} will be written"
    if free > 1.2 * needed:
        return good("disk", f"{text} (a quota may be lower)")
    report = problem if free < needed else warning
    return report(
        "disk",
        f"{text}.",
        "Free some space or put the results on a larger file system; finished samples are kept "
        "when a disk is full.",
    )


def _gigabytes(size: float) -> str:
    return f"{size / 1e9:.3g} GB"
