"""What Snakemake's own log says of a run: jobs begun, finished and failed, and their logs.

Snakemake writes one file per run into ``.snakemake/log`` of its working folder. It is text for
people, so what is not understood here is passed over.

>>> run = newest_run(Path(".snakemake/log"))
>>> run.finished_steps, run.steps
(12, 40)
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

_BEGIN = re.compile(r"(?:local)?(?:rule|checkpoint) (\w+):$")
_ERROR = re.compile(r"Error in rule (\w+):$")
_ENTRY = re.compile(r"    (\w+): (.*)$")
_FINISHED = re.compile(r"Finished jobid: (\d+)")
_STEPS = re.compile(r"(\d+) of (\d+) steps \(")
_SUBMITTED = re.compile(r"Job (\d+) has been submitted with SLURM jobid (\d+) \(log: (.*)\)\.?$")
_SLURM_STATE = re.compile(r"SLURM-job '(\d+)' failed.*?SLURM status is: '(\w+)'")
_ENDED = ("Complete log(s):", "Nothing to be done")


@dataclass
class RunJob:
    """One job of a run, as its last attempt stands."""

    rule: str
    logs: list[Path] = field(default_factory=list)
    state: Literal["begun", "finished", "failed"] = "begun"
    failures: int = 0
    slurm_id: str = ""
    slurm_log: Path | None = None
    slurm_state: str = ""
    """Slurm's word for the end of the attempt that failed last, such as ``TIMEOUT``."""


@dataclass
class RunLog:
    """One run of Snakemake."""

    path: Path
    changed: float
    """When the log was last written to [s since 1970]."""
    finished_steps: int = 0
    steps: int = 0
    ended: bool = False
    jobs: dict[str, RunJob] = field(default_factory=dict)
    """By Snakemake's number of the job."""

    def failed_jobs(self) -> list[RunJob]:
        """Return the jobs whose last attempt failed."""
        return [job for job in self.jobs.values() if job.state == "failed"]


def newest_run(folder: Path) -> RunLog | None:
    """Return the newest run whose log lies in a folder, or None where there is none."""
    with contextlib.suppress(OSError):
        # A name begins with the date of the run.
        for path in sorted(folder.glob("*.snakemake.log"), reverse=True):
            text = path.read_text(encoding="utf-8", errors="replace")
            # Dry runs write a log too, but do nothing.
            if "This was a dry-run" not in text:
                return read_run(path, path.stat().st_mtime, text.splitlines())
    return None


def read_run(path: Path, changed: float, lines: Iterable[str]) -> RunLog:
    """Read the lines of a log.

    Parameters
    ----------
    path : Path
        Where they are from.
    changed : float
        When it was last written to [s since 1970].
    lines : iterable of str
        The last one may be incomplete.
    """
    run = RunLog(path, changed)
    reader = _Reader(run)
    for line in lines:
        reader.read(line)
    return run


class _Reader:
    """Reads line by line; entries that are indented belong to the block that was begun last."""

    def __init__(self, run: RunLog) -> None:
        self._run = run
        self._job: RunJob | None = None
        self._failing = False

    def read(self, line: str) -> None:
        if line.startswith("    "):
            self._read_entry(line)
            return
        if begun := _BEGIN.match(line):
            self._job, self._failing = RunJob(begun[1]), False
        elif error := _ERROR.match(line):
            self._job, self._failing = RunJob(error[1]), True
        else:
            self._job = None
            self._read_event(line)

    def _read_entry(self, line: str) -> None:
        if self._job is None or (entry := _ENTRY.match(line)) is None:
            return
        name, value = entry.groups()
        if name == "log":
            names = value.partition(" (check log file")[0].split(", ")
            self._job.logs = [Path(name) for name in names]
        elif name == "jobid":
            self._begin_or_fail(value)

    def _begin_or_fail(self, number: str) -> None:
        """Find the job of a block by its number; logs may be named before it and after it."""
        assert self._job is not None
        known = self._run.jobs.setdefault(number, self._job)
        known.logs = self._job.logs or known.logs
        known.state = "failed" if self._failing else "begun"
        known.failures += self._failing
        self._job = known

    def _read_event(self, line: str) -> None:
        jobs = self._run.jobs
        if (finished := _FINISHED.match(line)) and finished[1] in jobs:
            jobs[finished[1]].state = "finished"
        elif steps := _STEPS.match(line):
            self._run.finished_steps, self._run.steps = int(steps[1]), int(steps[2])
        elif (submitted := _SUBMITTED.match(line)) and submitted[1] in jobs:
            job = jobs[submitted[1]]
            job.slurm_id, job.slurm_log = submitted[2], Path(submitted[3])
        elif ended := _SLURM_STATE.search(line):
            for job in jobs.values():
                if job.slurm_id == ended[1]:
                    job.slurm_state = ended[2]
        elif line.startswith(_ENDED):
            self._run.ended = True
