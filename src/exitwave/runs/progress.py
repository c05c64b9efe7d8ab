"""How far the results of a configuration are, found out from their files alone.

Files are only read, none is locked, and each may be missing, half written or vanish: what cannot be
read counts as not there. Shards are judged by their small summaries, journals and logs, so that
thousands of samples are counted within a second.

>>> dataset_progress(Path("results"), "c2db", newest_run(Path(".snakemake/log")), time.time())
"""

from __future__ import annotations

import contextlib
import csv
import json
import re
import statistics
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from exitwave.files.journal import count_samples
from exitwave.runs.snakemake_log import RunLog

QUIET_SECONDS = 900
"""A shard that has shown no sign of life for so long counts as stopped [s]."""
TAIL_BYTES = 8192

State = Literal["done", "running", "failed", "stopped", "waiting"]
STATES: tuple[State, ...] = get_args(State)

_PROGRESS = re.compile(r": (\d+) of (\d+) samples.*, ([\d.]+) a second, (\d+) s left", re.MULTILINE)
_FAILURE = re.compile(r"^[\d:]{8} (\S+), sample (\d+) failed: (.*)$", re.MULTILINE)
# What the last line of a log begins with after a failure: our own sentence, Python's, the shell's.
_LAST_WORDS = re.compile(
    r"(exitwave: |slurmstepd: error|Killed|Segmentation fault|\w*(Error|Exception)\b)"
)


@dataclass(frozen=True)
class ShardProgress:
    """One shard of exit waves."""

    name: str
    state: State
    samples: int
    """Samples of the shard in the catalog."""
    finished: int
    """Samples in its store or, where there is none yet, in its journal."""
    failed: tuple[tuple[str, str], ...]
    """Material and reason of each sample that failed."""
    samples_per_second: float | None
    """Of a running shard, as its log says."""


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
        return sum(
            max(0, shard.samples - shard.finished - len(shard.failed)) for shard in self.shards
        )


@dataclass(frozen=True)
class NetworkProgress:
    """One network: its training so far."""

    name: str
    done: bool
    finished: int
    epochs: int | None
    loss: float | None
    val_loss: float | None
    seconds_per_epoch: float | None


def dataset_progress(
    results: Path, name: str, run: RunLog | None, now: float, quiet: float = QUIET_SECONDS
) -> DatasetProgress:
    """Return how far a data set is.

    Parameters
    ----------
    results : Path
        Folder of all results.
    name : str
        The data set.
    run : RunLog or None
        The newest run of Snakemake.
    now : float
        Present time [s since 1970].
    quiet : float
        After so long without a sign of life a shard counts as stopped [s].
    """
    folder = results / name
    failed = _failed_shards(name, run)
    shards = tuple(
        _shard_progress(results, name, shard, samples, failed, _alive_since(run, now, quiet))
        for shard, samples in sorted(_samples_of_shards(folder / "catalog").items())
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


def _alive_since(run: RunLog | None, now: float, quiet: float) -> float:
    """After which time a file must have changed to be a sign of life [s since 1970]."""
    # Jobs that outlive their Snakemake go on writing after its end.
    return max(now - quiet, run.changed + 30 if run is not None and run.ended else 0.0)


def _samples_of_shards(catalog: Path) -> dict[str, int]:
    with contextlib.suppress(OSError, KeyError, csv.Error):
        table = (catalog / "samples.csv").read_text(encoding="utf-8")
        return Counter(row["shard"] for row in csv.DictReader(table.splitlines()))
    return {}


def _failed_shards(dataset: str, run: RunLog | None) -> set[str]:
    if run is None:
        return set()
    logs = (log.name for job in run.failed_jobs() for log in job.logs)
    return {log.removeprefix(f"{dataset}.").removesuffix(".log") for log in logs}


def _shard_progress(
    results: Path, dataset: str, shard: str, samples: int, failed: set[str], alive_since: float
) -> ShardProgress:
    stores = results / dataset / "exit_waves"
    summary = read_json(stores / f"{shard}.json")
    if summary and (stores / f"{shard}.nc").exists():
        lost = tuple((entry["material"], entry["reason"]) for entry in summary["failed"])
        return ShardProgress(shard, "done", samples, summary["samples"], lost, None)
    log = results / "logs/simulate" / f"{dataset}.{shard}.log"
    text = tail(log, 2**20)
    finished, journal_changed = _newest_journal(stores / ".kept", shard)
    changed = max(changed_at(log), journal_changed)
    state: State
    if shard in failed or ends_in_failure(text):
        state = "failed"
    elif changed > alive_since:
        state = "running"
    else:
        state = "stopped" if changed else "waiting"
    lost = tuple((material, reason) for material, _, reason in _FAILURE.findall(text))
    rate = _rate(text) if state == "running" else None
    return ShardProgress(shard, state, samples, finished, lost, rate)


def _newest_journal(kept: Path, shard: str) -> tuple[int, float]:
    """Samples in the journal of a shard, and when it was last written to; the newest counts."""
    newest = (0, 0.0)
    for path in kept.glob(f"{shard}.*.journal"):
        with contextlib.suppress(OSError):
            if (changed := path.stat().st_mtime) > newest[1]:
                newest = (count_samples(path), changed)
    return newest


def _rate(log: str) -> float | None:
    """Samples a second by the last line of progress, more exact by the time left where long."""
    found = _PROGRESS.findall(log)
    if not found:
        return None
    done, total, rate, left = (float(number) for number in found[-1])
    return (total - done) / left if left >= 10 else rate or None


def _past_rates(results: Path, dataset: str, shards: list[str]) -> Iterator[float]:
    """Samples a second of finished jobs, from Snakemake's benchmarks."""
    for shard in shards:
        summary = read_json(results / dataset / "exit_waves" / f"{shard}.json") or {}
        with contextlib.suppress(OSError, ValueError, KeyError, IndexError, ZeroDivisionError):
            table = results / "benchmarks/simulate" / f"{dataset}.{shard}.tsv"
            seconds = float(table.read_text().splitlines()[1].split("\t")[0])
            if summary["computed"]:
                yield summary["computed"] / seconds


def network_progress(folder: Path) -> NetworkProgress:
    """Return how far the training of the network in a folder is."""
    training = read_json(folder / "training.json")
    state = read_json(folder / "checkpoints/state.json") or {}
    records = state.get("records") or []
    last = records[-1] if records else {}
    epochs = None
    with contextlib.suppress(KeyError, ValueError):
        epochs = json.loads(state["spec"])["network"]["epochs"]
    done = training is not None and (folder / "model.keras").exists()
    if done and training is not None and not records:
        last, epochs = training, training.get("epochs")
    seconds = [record["seconds"] for record in records[-5:]]
    return NetworkProgress(
        name=folder.name,
        done=done,
        finished=epochs if done and epochs else len(records),
        epochs=epochs,
        loss=last.get("loss"),
        val_loss=last.get("val_loss"),
        seconds_per_epoch=statistics.median(seconds) if seconds else None,
    )


def ends_in_failure(log: str) -> bool:
    """Return whether the last line of a log tells of a failure; each attempt begins it anew."""
    lines = log.rstrip().splitlines()
    return bool(lines and _LAST_WORDS.match(lines[-1]))


def read_json(path: Path) -> dict[str, Any] | None:
    """Return the content of a JSON file, or None where it is missing or half written."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def tail(path: Path, size: int = TAIL_BYTES) -> str:
    """Return the end of a text file, or nothing where it cannot be read."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - size))
            return file.read().decode(errors="replace")
    except OSError:
        return ""


def changed_at(path: Path) -> float:
    """Return when a file was last written to [s since 1970], or 0 where there is none."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
