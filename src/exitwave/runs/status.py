"""Tell how far a run is: shards, samples, time left, networks, failures and their logs.

From files alone, so it works on a login node while jobs run on others, and after they ended.

>>> print(status_text(Path("results")))
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from exitwave.config import Config, load_config
from exitwave.config.root import RESERVED_NAMES
from exitwave.durations import rough_duration
from exitwave.files.documents import find_document
from exitwave.runs.progress import (
    STATES,
    DatasetProgress,
    Moment,
    NetworkProgress,
    changed_at,
    dataset_progress,
    epoch_kind,
    job_files,
    network_progress,
)
from exitwave.runs.snakemake_log import newest_run
from exitwave.summaries.scores import EvaluationSummary
from exitwave.tasks.progress import JobProgress
from exitwave.workflow import layout

_TAIL_BYTES = 8192
_MOST_REASONS = 10
_MOST_JOBS = 10
_MOST_LOGS = 5
_LAST_LINES = 4
_LONGEST_LINE = 200


def watch_status(results: Path, configs: Sequence[Path] = (), seconds: float | None = None) -> None:
    """Print the status, with ``seconds`` again and again until it is interrupted.

    The run's config files, ``configs``, say how many epochs there will be.
    """
    config = load_config(*configs) if configs else None
    while True:
        text = status_text(results, config)
        if seconds is not None and sys.stdout.isatty():
            text = f"\033[H\033[2J\033[3J{text}"
        print(text, flush=True)  # noqa: T201
        if seconds is None:
            return
        try:
            time.sleep(seconds)
        except KeyboardInterrupt:
            return


def status_text(results: Path, config: Config | None = None) -> str:
    """Return the status of the results in a folder, as lines for people.

    Parameters
    ----------
    results : Path
        Folder of all results; Snakemake's working folder is the one that holds it.
    config : Config, optional
        What is to be made: says how many epochs there will be.
    """
    moment = Moment(time.time(), newest_run(results.absolute().parent / ".snakemake/log"))
    lines = [_line("run", _run_text(moment))]
    if not results.is_dir():
        lines.append(_line("results", f"nothing yet in {results}"))
        return "\n".join(lines)
    datasets = [dataset_progress(results, name, moment) for name in _dataset_names(results)]
    for dataset in datasets:
        lines += ["", *_dataset_lines(dataset, _epochs_wanted(config, dataset.name))]
    networks = sorted(
        path for path in results.glob(layout.as_glob(layout.NETWORK)) if path.is_dir()
    )
    if networks:
        lines += ["", *(_network_line(network_progress(folder, moment)) for folder in networks)]
    lines += [*_evaluation_lines(results), *_report_line(results)]
    jobs = dict(job_files(results))
    lines += _jobs_under_way(jobs, moment)
    lines += [*_failed_samples(datasets), *_failing_logs(results, jobs, moment)]
    return "\n".join(lines)


def _line(name: str, text: str) -> str:
    return f"{name:<12}{text}"


def _run_text(moment: Moment) -> str:
    run = moment.run
    if run is None:
        return "no run of Snakemake has left a log beside the results"
    parts = []
    if run.steps:
        share = 100 * run.finished_steps / run.steps
        parts.append(f"{run.finished_steps} of {run.steps} jobs done ({share:.0f} %)")
    failures = sum(job.failures for job in run.jobs.values())
    if failures:
        left = len(run.failed_jobs())
        parts.append(f"{failures} failed attempts, {left} not made good")
    ended = "ended" if run.ended else "last word of Snakemake"
    return ", ".join([*parts, f"{ended} {_ago(moment.now - run.changed)}"])


def _dataset_names(results: Path) -> list[str]:
    return sorted(
        folder.name
        for folder in results.iterdir()
        if folder.name not in RESERVED_NAMES
        and any((folder / part).is_dir() for part in ("catalog", "exit_waves", "epochs"))
    )


def _epochs_wanted(config: Config | None, dataset: str) -> dict[str, int]:
    """Epochs by kind that a configuration asks of a data set."""
    if config is None or dataset not in config.datasets:
        return {}
    return Counter(epoch_kind(path) for path in layout.all_epochs(config, dataset))


def _dataset_lines(dataset: DatasetProgress, wanted: Mapping[str, int]) -> Iterator[str]:
    yield _line("data set", dataset.name)
    if dataset.shards:
        counts = [f"{dataset.count(state)} {state}" for state in STATES if dataset.count(state)]
        yield _line("  shards", f"{', '.join(counts)} (of {len(dataset.shards)})")
        yield _line("  samples", _samples_text(dataset))
    epochs = [
        f"{kind} {dataset.epochs.get(kind, 0)}" + (f" of {wanted[kind]}" if kind in wanted else "")
        for kind in sorted({*dataset.epochs, *wanted})
    ]
    yield _line("  epochs", ", ".join(epochs) or "none yet")


def _samples_text(dataset: DatasetProgress) -> str:
    total = sum(shard.samples for shard in dataset.shards)
    finished = sum(shard.finished for shard in dataset.shards)
    parts = [f"{finished} of {total} done ({100 * finished / max(total, 1):.0f} %)"]
    if failed := sum(shard.failed for shard in dataset.shards):
        parts.append(f"{failed} failed")
    if rate := dataset.samples_per_hour:
        parts.append(f"{rate:.3g} an hour")
        parts.append(f"{rough_duration(3600 * dataset.samples_left / rate)} left at this rate")
    return ", ".join(parts)


def _network_line(network: NetworkProgress) -> str:
    parts = ["no epoch finished yet"]
    if network.finished:
        parts = [f"epoch {network.finished} of {network.epochs or '?'}"]
    parts += [
        f"{name} {value:.3e}"
        for name, value in (("loss", network.loss), ("val_loss", network.val_loss))
        if value is not None
    ]
    if network.state in ("done", "failed", "stopped"):
        parts.append(network.state)
    elif network.epochs and network.seconds_per_epoch:
        left = (network.epochs - network.finished) * network.seconds_per_epoch
        parts.append(f"{rough_duration(left)} left")
    return _line("network", f"{network.name}: {', '.join(parts)}")


def _evaluation_lines(results: Path) -> Iterator[str]:
    for path in sorted(results.glob(layout.as_glob(layout.SUMMARIES["evaluations"]))):
        if summary := find_document(path, EvaluationSummary):
            name = f"{path.parent.parent.name} on {path.parent.name}"
            yield _line("evaluation", f"{name}: {summary.samples} samples, done")


def _report_line(results: Path) -> Iterator[str]:
    if (report := results / layout.REPORT).exists():
        yield _line("report", str(report))


def _jobs_under_way(jobs: Mapping[Path, JobProgress], moment: Moment) -> Iterator[str]:
    """One line per job that counts samples; data sets and networks have lines of their own."""
    running = [
        job
        for path, job in jobs.items()
        if job.stage not in ("catalog", "simulate", "train")
        and job.state == "running"
        and moment.is_alive(job.updated_at)
        and not moment.has_failed(path)
    ]
    if running:
        yield "\njobs under way"
    for job in running[:_MOST_JOBS]:
        parts = [f"{job.stage} {job.name}: {job.done + job.failed} of {job.total or '?'} samples"]
        if job.total is None:
            parts = [f"{job.stage} {job.name}: begun"]
        if job.seconds_left is not None:
            parts.append(f"{rough_duration(job.seconds_left)} left")
        yield f"  {', '.join(parts)}"
    if len(running) > _MOST_JOBS:
        yield f"  and {len(running) - _MOST_JOBS} more"


def _failed_samples(datasets: Sequence[DatasetProgress]) -> Iterator[str]:
    """Materials whose samples failed, each with its reason."""
    failures = Counter(
        (dataset.name, *failure)
        for dataset in datasets
        for shard in dataset.shards
        for failure in shard.reasons
    )
    if failures:
        yield "\nfailed materials"
    for (dataset, material, reason), count in failures.most_common(_MOST_REASONS):
        samples = "1 sample" if count == 1 else f"{count} samples"
        yield f"  {dataset}: {material}, {samples}: {reason}"
    if (more := len(failures) - _MOST_REASONS) > 0:
        yield f"  and {more} more, in results/{{dataset}}/exit_waves/*.json"


def _failing_logs(results: Path, jobs: Mapping[Path, JobProgress], moment: Moment) -> Iterator[str]:
    """Yield the last lines of the logs of failed jobs, the newest first."""
    found = {
        path.with_suffix(".log").absolute(): ""
        for path, job in jobs.items()
        if job.state == "failed"
    }
    for failed in moment.run.failed_jobs() if moment.run is not None else []:
        reason = f", Slurm says {failed.slurm_state}" if failed.slurm_state else ""
        # Snakemake names logs from its working folder.
        logs = [results.absolute().parent / log for log in failed.logs]
        own = [failed.slurm_log] if failed.slurm_log else []
        found.update(dict.fromkeys([*logs, *own], reason))
    newest = sorted(found, key=changed_at, reverse=True)
    if newest:
        yield "\nlogs of failed jobs"
    for path in newest[:_MOST_LOGS]:
        changed = changed_at(path)
        when = _ago(moment.now - changed) if changed else "not there: the job never began"
        yield f"  {path} ({when}{found[path]})"
        yield from (f"    | {line[:_LONGEST_LINE]}" for line in _last_lines(path))
    if len(newest) > _MOST_LOGS:
        yield f"  and {len(newest) - _MOST_LOGS} more"


def _last_lines(path: Path) -> list[str]:
    """The end of a log, or nothing where it cannot be read."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except OSError:
        return []
    return text.rstrip().splitlines()[-_LAST_LINES:]


def _ago(seconds: float) -> str:
    return f"{rough_duration(max(0.0, seconds))} ago"
