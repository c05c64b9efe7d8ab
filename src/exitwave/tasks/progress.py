"""How far a job is: lines or a bar for people, and a small file for programs.

The command line opens the `Progress` of its job; whatever counts or trains finds it by `current`,
as it would find a logger. The file is the JSON of a `JobProgress`. It is written when the job
begins, when it ends or fails, and about once a second in between, by the process that writes the
results. It lies beside the job's log, see `exitwave.workflow.layout.progress_file`: outside
what Snakemake deletes, and part of no result. Nothing waits for it and nothing fails because of it:
if it cannot be written, it is left out.

A process that is killed leaves a file that says "running"; its age shows it.

>>> with Progress(path, "simulate", "mos2.000") as progress:
...     progress.begin("exit waves", total=60)
...     progress.step()
>>> read_progress(path).state
'done'
"""

from __future__ import annotations

import contextlib
import json
import logging
import sys
import time
from collections.abc import Iterable, Iterator
from contextvars import ContextVar, Token
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self, TypeVar

from pydantic import TypeAdapter, ValidationError
from tqdm import tqdm

from exitwave.durations import rough_duration
from exitwave.errors import ExitwaveError
from exitwave.files.atomic import write_text

Item = TypeVar("Item")

logger = logging.getLogger(__name__)

FORMAT_VERSION: Final = 1
LINE_SECONDS = 10.0
"""So long between two lines for people [s]."""
FILE_SECONDS = 1.0
"""So long at least between two files [s]."""
MOST_FAILED_SAMPLES = 100
"""The file names no more of them; it counts them all."""

# On a slow disk the files are fewer: writing them takes one part in so many of the time.
_WRITING_SHARE = 100


@dataclass(frozen=True)
class FailedSample:
    """A sample that cannot be made, and why."""

    material: str
    sample_index: int
    reason: str


@dataclass(frozen=True)
class TrainedEpochs:
    """How far a training is."""

    epoch: int
    """The last finished epoch, the first being 1."""
    epochs: int
    loss: float
    val_loss: float | None
    """None where it was not computed after this epoch."""
    seconds_per_epoch: float
    """The median of the last few."""


@dataclass(frozen=True)
class JobProgress:
    """What the file of a job says."""

    format_version: Literal[1]
    stage: str
    """The command, such as ``simulate``."""
    name: str
    """The job among those of its stage, as its log is named: ``mos2.000``."""
    state: Literal["running", "done", "failed"]
    started_at: float
    """[s since 1970]."""
    updated_at: float
    """[s since 1970]."""
    title: str = ""
    """What is counted."""
    total: int | None = None
    """Samples, or epochs of a training; None before they are counted."""
    done: int = 0
    """Those that are finished, also by an earlier attempt; without those that failed."""
    failed: int = 0
    samples_per_second: float | None = None
    seconds_left: float | None = None
    failed_samples: tuple[FailedSample, ...] = ()
    """The first `MOST_FAILED_SAMPLES`."""
    training: TrainedEpochs | None = None
    error: str = ""
    """The sentence that a failed job ended with."""


_READER = TypeAdapter(JobProgress)


def read_progress(path: Path) -> JobProgress | None:
    """Return what a file says, or None where it is missing, torn or of another version."""
    try:
        return _READER.validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


class Progress:
    """The progress of one job, from its beginning to its end.

    Parameters
    ----------
    path : Path, optional
        The file; without a path, or where its folder is not there, none is written.
    stage, name : str
        See `JobProgress`.
    """

    def __init__(self, path: Path | None = None, stage: str = "", name: str = "") -> None:
        self._path = path if path is not None and path.parent.is_dir() else None
        now = time.time()
        self._state = JobProgress(FORMAT_VERSION, stage, name, "running", now, now)
        self._next_file = self._next_line = 0.0
        # Of what is counted: when it began [s], and how many an earlier attempt had finished.
        self._begun_at, self._before = time.monotonic(), 0
        self._noun = "samples"
        self._bar: tqdm[Any] | None = None
        self._token: Token[Progress | None] | None = None

    def __enter__(self) -> Self:
        self._token = _CURRENT.set(self)
        self._write()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._token is not None
        _CURRENT.reset(self._token)
        self.end()
        if error is None:
            self._state = replace(self._state, state="done", seconds_left=None)
        else:
            sentence = _sentence(error)
            self._state = replace(self._state, state="failed", error=sentence, seconds_left=None)
        self._write()

    def begin(self, title: str, total: int, done: int = 0, noun: str = "samples") -> None:
        """Begin to count samples, or what the noun says; ``done`` were finished before."""
        self._state = replace(self._state, title=title, total=total, done=done, failed=0)
        self._state = replace(self._state, samples_per_second=None, seconds_left=None)
        self._begun_at, self._before = time.monotonic(), done
        self._noun = noun
        self._next_line = self._begun_at + LINE_SECONDS
        self.end()
        if sys.stderr.isatty():
            self._bar = tqdm(total=total, initial=done, desc=title, unit=noun.removesuffix("s"))
        self._write()

    def step(self, failed: bool = False) -> None:
        """Count one sample."""
        state = self._state
        done, lost = state.done + (not failed), state.failed + failed
        now = time.monotonic()
        rate = (done + lost - self._before) / max(now - self._begun_at, 1e-9)
        left = (state.total or 0) - done - lost
        self._state = replace(
            state, done=done, failed=lost, samples_per_second=rate, seconds_left=left / rate
        )
        if self._bar is not None:
            self._bar.update()
        elif now >= self._next_line or left == 0:
            self._next_line = now + LINE_SECONDS
            self._log()
        self._write_if_due(now)

    def end(self) -> None:
        """End what was begun: the next lines stand below its bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def name_failed(self, sample: FailedSample) -> None:
        """Name a sample that was counted as failed."""
        known = self._state.failed_samples
        if len(known) < MOST_FAILED_SAMPLES:
            self._state = replace(self._state, failed_samples=(*known, sample))
        self._write_if_due(time.monotonic())

    def train(self, epochs: TrainedEpochs, samples_per_second: float | None) -> None:
        """Say how far a training is; the lines for people are its own."""
        self._state = replace(
            self._state,
            title="training",
            total=epochs.epochs,
            done=epochs.epoch,
            samples_per_second=samples_per_second,
            seconds_left=(epochs.epochs - epochs.epoch) * epochs.seconds_per_epoch,
            training=epochs,
        )
        self._write_if_due(time.monotonic())

    def _log(self) -> None:
        state = self._state
        logger.info(
            "%s: %d of %d %s%s, %.2f a second, %s left",
            state.title,
            state.done + state.failed,
            state.total,
            self._noun,
            f" ({state.failed} failed)" if state.failed else "",
            state.samples_per_second,
            rough_duration(state.seconds_left or 0.0),
        )

    def _write_if_due(self, now: float) -> None:
        if now >= self._next_file:
            self._write()

    def _write(self) -> None:
        if self._path is None:
            return
        begun = time.monotonic()
        self._state = replace(self._state, updated_at=time.time())
        # A full disk, for instance. The job's own files say it where it matters.
        with contextlib.suppress(ExitwaveError):
            # It need not outlive the machine, and to wait for a disk costs time.
            write_text(self._path, json.dumps(asdict(self._state)) + "\n", durable=False)
        took = time.monotonic() - begun
        self._next_file = begun + max(FILE_SECONDS, _WRITING_SHARE * took)


_CURRENT: ContextVar[Progress | None] = ContextVar("progress", default=None)


def current() -> Progress:
    """Return the progress of this process' job; elsewhere, as in a notebook, one without a file."""
    return _CURRENT.get() or Progress()


def counted(items: Iterable[Item], title: str, total: int, noun: str = "samples") -> Iterator[Item]:
    """Yield items and count them; the noun is what lines and bar call them."""
    progress = current()
    progress.begin(title, total, noun=noun)
    try:
        for item in items:
            yield item
            progress.step()
    finally:
        progress.end()


def _sentence(error: BaseException) -> str:
    if isinstance(error, ExitwaveError):
        return str(error)
    if isinstance(error, KeyboardInterrupt):
        return "interrupted; finished samples are kept."
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
