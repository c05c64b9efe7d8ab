"""How far the results of a configuration are, found out from their files alone.

Files are only read, none is locked, and each may be missing, half written or vanish: what cannot be
read counts as not there. Shards are judged by their small summaries, their journals and what their
jobs say of themselves (`exitwave.tasks.progress`), so that thousands of samples are counted within
a second. Results from before there were progress files are judged by the rest.

>>> moment = Moment(time.time(), newest_run(Path(".snakemake/log")))
>>> dataset_progress(Path("results"), "c2db", moment)
"""

from __future__ import annotations

import contextlib
import csv
import json
import math
import statistics
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, get_args

from exitwave.files.documents import find_document
from exitwave.files.journal import count_samples
from exitwave.networks.training.checkpoints import CheckpointState
from exitwave.runs.snakemake_log import RunLog
from exitwave.summaries.exit_waves import ShardSummary
from exitwave.summaries.training import TrainingSummary
from exitwave.tasks.progress import JobProgress, read_progress
from exitwave.workflow import layout

QUIET_SECONDS = 900
"""A job that has shown no sign of life for so long counts as stopped [s]."""

# A healthy training reports once per epoch.
_QUIET_EPOCHS = 3

State = Literal["done", "running", "failed", "stopped", "waiting"]
STATES: tuple[State, ...] = get_args(State)


@dataclass(frozen=True)
class Moment:
    """When results are looked at, and what Snakemake has said until then."""

    now: float
    """[s since 1970]."""
    run: RunLog | None = None
    """The newest run."""
    quiet: float = QUIET_SECONDS
    """After so long without a sign of life a job counts as stopped [s]."""

    def is_alive(self, sign: float, quiet: float | None = None) -> bool:
        """Return whether a job lives whose last sign of life was at a time [s since 1970]."""
        since = self.now - (self.quiet if quiet is None else quiet)
        if self.run is not None and self.run.ended:
            # Jobs that outlive their Snakemake go on writing after its end.
            since = max(since, self.run.changed + 30)
        return sign > since

    def has_failed(self, progress: Path) -> bool:
        """Return whether Snakemake says that the job of a progress file failed."""
        return (progress.parent.name, progress.stem) in self._failed_logs

    @cached_property
    def _failed_logs(self) -> set[tuple[str, str]]:
        jobs = self.run.failed_jobs() if self.run is not None else []
        return {(log.parent.name, log.stem) for job in jobs for log in job.logs}


@dataclass(frozen=True)
class ShardProgress:
    """One shard of exit waves."""

    name: str
    state: State
    samples: int
    """Samples of the shard in the catalog."""
    finished: int
    """Samples in its store or, where there is none yet, in its journal."""
    failed: int
    """Samples that failed."""
    reasons: tuple[tuple[str, str], ...]
    """Material and reason of each of them; of a running shard, of the first ones."""
    samples_per_second: float | None
    """Of a running shard, as its job says."""


@dataclass(frozen=True)
class DatasetProgress:
    """One data set: its shards, and how many epochs there are of each kind."""

    name: str
    shards: tuple[ShardProgress, ...]
    epochs: dict[str, int]
    """Rendered epochs by kind, such as ``3_images/training``."""
    typical_rate: float | None
    """Samples a second of a job of this data set, the median."""

    def count(self, state: State) -> int:
        """Return the number of shards in a state."""
        return sum(shard.state == state for shard in self.shards)

    @property
    def samples_per_hour(self) -> float | None:
        """Samples an hour of all running jobs; those that have not said take the median."""
        running = [shard for shard in self.shards if shard.state == "running"]
        rates = [shard.samples_per_second or self.typical_rate for shard in running]
        known = [rate for rate in rates if rate]
        if not known:
            return None
        return 3600 * statistics.mean(known) * len(running)

    @property
    def samples_left(self) -> int:
        """Samples that are neither there nor failed."""
        return sum(max(0, shard.samples - shard.finished - shard.failed) for shard in self.shards)


@dataclass(frozen=True)
class NetworkProgress:
    """One network: its training so far."""

    name: str
    state: State | None
    """None where the results are from before there were progress files."""
    finished: int
    epochs: int | None
    loss: float | None
    val_loss: float | None
    seconds_per_epoch: float | None


def dataset_progress(results: Path, name: str, moment: Moment) -> DatasetProgress:
    """Return how far a data set in the folder of all results is."""
    folder = results / name
    shards = tuple(
        _shard_progress(results, name, shard, samples, moment)
        for shard, samples in sorted(_samples_of_shards(results / layout.catalog(name)).items())
    )
    epochs = Counter(epoch_kind(path) for path in folder.glob("epochs/*/*/[0-9]*.nc"))
    rates = [shard.samples_per_second for shard in shards if shard.samples_per_second]
    if not rates and any(shard.state == "running" for shard in shards):
        done = [shard.name for shard in shards if shard.state == "done"]
        rates = list(_past_rates(results, name, done))
    typical = statistics.median(rates) if rates else None
    return DatasetProgress(name, shards, dict(sorted(epochs.items())), typical)


def epoch_kind(epoch: Path) -> str:
    """Return the kind of an epoch by its path, such as ``3_images/training``."""
    return f"{epoch.parent.parent.name}/{epoch.parent.name}"


def _samples_of_shards(catalog: Path) -> dict[str, int]:
    with contextlib.suppress(OSError, KeyError, csv.Error):
        table = (catalog / "samples.csv").read_text(encoding="utf-8")
        return Counter(row["shard"] for row in csv.DictReader(table.splitlines()))
    return {}


def _shard_progress(
    results: Path, dataset: str, shard: str, samples: int, moment: Moment
) -> ShardProgress:
    stores = results / layout.EXIT_WAVES.format(dataset=dataset)
    summary = find_document(stores / f"{shard}.json", ShardSummary)
    if summary is not None and (stores / f"{shard}.nc").exists():
        reasons = tuple((entry.material, entry.reason) for entry in summary.failed)
        return ShardProgress(shard, "done", samples, summary.samples, len(reasons), reasons, None)
    path = results / layout.progress("simulate", dataset, shard)
    job = _unless_done(read_progress(path))
    finished, journal_changed = _newest_journal(stores / ".kept", shard)
    signs = [journal_changed, changed_at(path.with_suffix(".log")), job.updated_at if job else 0.0]
    state = _state(job, path, max(signs), moment)
    if job is None:
        return ShardProgress(shard, state, samples, finished, 0, (), None)
    return ShardProgress(
        name=shard,
        state=state,
        samples=samples,
        finished=max(finished, job.done),
        failed=job.failed,
        reasons=tuple((sample.material, sample.reason) for sample in job.failed_samples),
        samples_per_second=job.samples_per_second if state == "running" else None,
    )


def _unless_done(job: JobProgress | None) -> JobProgress | None:
    """What a finished job says does not count if its result is gone: it has to be made again."""
    return None if job is not None and job.state == "done" else job


def _state(
    job: JobProgress | None, path: Path, sign: float, moment: Moment, quiet: float | None = None
) -> State:
    """The state of a job without a result, given its progress file and its last sign of life."""
    if moment.has_failed(path) or (job is not None and job.state == "failed"):
        return "failed"
    if moment.is_alive(sign, quiet):
        return "running"
    return "stopped" if sign else "waiting"


def _newest_journal(kept: Path, shard: str) -> tuple[int, float]:
    """Samples in the journal of a shard, and when it was last written to; the newest counts."""
    newest = (0, 0.0)
    for path in kept.glob(f"{shard}.*.journal"):
        with contextlib.suppress(OSError):
            if (changed := path.stat().st_mtime) > newest[1]:
                newest = (count_samples(path), changed)
    return newest


def _past_rates(results: Path, dataset: str, shards: list[str]) -> Iterator[float]:
    """Samples a second of finished jobs, from Snakemake's benchmarks."""
    stores = results / layout.EXIT_WAVES.format(dataset=dataset)
    for shard in shards:
        summary = find_document(stores / f"{shard}.json", ShardSummary)
        with contextlib.suppress(OSError, ValueError, IndexError, ZeroDivisionError):
            table = results / layout.benchmark("simulate", f"{dataset}.{shard}")
            seconds = float(table.read_text().splitlines()[1].split("\t")[0])
            if summary is not None and summary.computed:
                yield summary.computed / seconds


def network_progress(folder: Path, moment: Moment) -> NetworkProgress:
    """Return how far the training of the network in a folder is."""
    training = find_document(folder / "training.json", TrainingSummary)
    if training is not None and (folder / "model.keras").exists():
        epochs, losses = training.epochs, (training.loss, training.val_loss)
        return NetworkProgress(folder.name, "done", epochs, epochs, *losses, None)
    path = folder.parent.parent / layout.progress("train", folder.name)
    job = _unless_done(read_progress(path))
    if job is None:
        return _checkpointed_network(folder, "failed" if moment.has_failed(path) else None)
    if job.training is None:
        # Nobody knows how long its first epoch takes.
        state = _state(job, path, job.updated_at, moment, math.inf)
        return _checkpointed_network(folder, state)
    last = job.training
    quiet = max(moment.quiet, _QUIET_EPOCHS * last.seconds_per_epoch)
    return NetworkProgress(
        name=folder.name,
        state=_state(job, path, job.updated_at, moment, quiet),
        finished=last.epoch,
        epochs=last.epochs,
        loss=last.loss,
        val_loss=last.val_loss,
        seconds_per_epoch=last.seconds_per_epoch,
    )


def _checkpointed_network(folder: Path, state: State | None) -> NetworkProgress:
    """A network by its last checkpoint, from which its training goes on."""
    checkpoint = find_document(folder / "checkpoints/state.json", CheckpointState)
    records = () if checkpoint is None else checkpoint.records
    last = records[-1] if records else None
    epochs = None
    with contextlib.suppress(KeyError, ValueError):
        epochs = json.loads(checkpoint.spec if checkpoint else "")["network"]["epochs"]
    seconds = [record.seconds for record in records[-5:]]
    return NetworkProgress(
        name=folder.name,
        state=state,
        finished=len(records),
        epochs=epochs,
        loss=last.loss if last else None,
        val_loss=last.val_loss if last else None,
        seconds_per_epoch=statistics.median(seconds) if seconds else None,
    )


def job_files(results: Path) -> Iterator[tuple[Path, JobProgress]]:
    """Yield the progress file of each job and what it says."""
    for path in sorted((results / layout.LOGS).glob("*/[!.]*.json")):
        if (job := read_progress(path)) is not None:
            yield path, job


def changed_at(path: Path) -> float:
    """Return when a file was last written to [s since 1970], or 0 where there is none."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
