"""What the jobs of a run asked for and what they used, rule by rule, from Snakemake's benchmarks.

The profile of Slurm makes Snakemake note what each job asked for (``benchmark-extended``). Times
and memory are those of the stage and its workers on the job's node; worker jobs are not among them.

>>> print(efficiency_text(Path("results")))
"""

from __future__ import annotations

import ast
import contextlib
import csv
import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from exitwave.errors import ExitwaveError
from exitwave.workflow import layout

# Snakemake's own process, which each job on a cluster has besides its stage [MB].
_SNAKEMAKE_MB = 300
_SPARE_MEMORY = 1.3
_SPARE_TIME = 2.0
_LEAST_MINUTES = 10


@dataclass(frozen=True)
class JobUse:
    """One finished job. What was not noted is None."""

    rule: str
    seconds: float
    core_seconds: float
    megabytes_used: float | None
    cores: int | None
    megabytes: float | None
    minutes: float | None


@dataclass(frozen=True)
class RuleUse:
    """All jobs of one rule."""

    rule: str
    jobs: tuple[JobUse, ...]

    @property
    def cores_used(self) -> float:
        """Mean over the time of all jobs."""
        seconds = sum(job.seconds for job in self.jobs)
        return sum(job.core_seconds for job in self.jobs) / max(seconds, 1e-3)

    @property
    def longest_minutes(self) -> float:
        """Time of the longest job [min]."""
        return max(job.seconds for job in self.jobs) / 60

    @property
    def most_megabytes(self) -> float | None:
        """Memory of the largest job [MB]; None where all were too short to be measured."""
        return max((job.megabytes_used for job in self.jobs if job.megabytes_used), default=None)

    def asked(self, name: str) -> float | None:
        """Return the most that any job asked for of ``cores``, ``megabytes`` or ``minutes``."""
        values = [getattr(job, name) for job in self.jobs]
        return max((value for value in values if value is not None), default=None)

    def suggested(self) -> dict[str, int]:
        """Return what the site file could ask for, with something to spare, where it is known."""
        values = {}
        if self.most_megabytes is not None:
            needed = _SPARE_MEMORY * self.most_megabytes + _SNAKEMAKE_MB
            values["mem_mb"] = 100 * math.ceil(needed / 100)
        values["runtime"] = max(_LEAST_MINUTES, math.ceil(_SPARE_TIME * self.longest_minutes))
        return values


def measured_use(results: Path) -> list[RuleUse]:
    """Return what each rule used, in the order of their names.

    Raises
    ------
    ExitwaveError
        Where there are no benchmarks.
    """
    rules = defaultdict(list)
    for path in sorted(results.glob(str(layout.benchmark("*", "*")))):
        # A job may be writing the file just now.
        with contextlib.suppress(OSError, ValueError, KeyError, SyntaxError, csv.Error):
            for row in csv.DictReader(
                path.read_text(encoding="utf-8").splitlines(), delimiter="\t"
            ):
                job = _job_use(row, path.parent.name)
                rules[job.rule].append(job)
    if not rules:
        raise ExitwaveError(
            f"There are no benchmarks in {results / layout.BENCHMARKS}; run snakemake first, or "
            "name the folder of its results by --results."
        )
    return [RuleUse(rule, tuple(jobs)) for rule, jobs in sorted(rules.items())]


def _job_use(row: dict[str, str], stage: str) -> JobUse:
    if None in row.values():
        raise ValueError("a torn line")
    # Numbers and words, as Python writes a dictionary.
    resources = ast.literal_eval(row.get("resources") or "{}")
    return JobUse(
        rule=row.get("rule_name") or stage,
        seconds=float(row["s"]),
        core_seconds=_number(row["cpu_time"]) or 0.0,
        megabytes_used=_number(row["max_rss"]),
        cores=int(row["threads"]) if row.get("threads") else None,
        # On one machine Snakemake fills in a default that nothing holds a job to.
        megabytes=resources.get("mem_mb") if "runtime" in resources else None,
        minutes=resources.get("runtime"),
    )


def _number(text: str) -> float | None:
    """A job of less than a moment has no values but its time."""
    return None if text in ("NA", "-", "") else float(text)


def efficiency_text(results: Path) -> str:
    """Return the table of all rules, and below what the site file could ask for."""
    rules = measured_use(results)
    lines = [
        "                          ---- cores ----   ---- memory [GB] ----   ---- time [min] ----",
        "rule                jobs  asked      used   asked     largest job   asked    longest job",
        *(_line(use) for use in rules),
    ]
    # Beside the results of Snakemake's working folder; local rules have no logs there.
    logs = results.absolute().parent / ".snakemake/slurm_logs"
    if submitted := [use for use in rules if (logs / f"rule_{use.rule}").is_dir()]:
        lines += ["", *_suggestion(submitted)]
    else:
        lines += [
            "",
            "What was asked for is noted in runs on Slurm alone (`--profile slurm`).",
        ]
    return "\n".join(lines)


def _line(use: RuleUse) -> str:
    cores, memory, minutes = (use.asked(name) for name in ("cores", "megabytes", "minutes"))
    return (
        f"{use.rule:<19} {len(use.jobs):>4}  {_text(cores, '.0f'):>5}  {use.cores_used:>8.1f}   "
        f"{_text(memory, '.1f', 1e3):>5}  {_text(use.most_megabytes, '.2f', 1e3):>14}   "
        f"{_text(minutes, '.0f'):>5}  {use.longest_minutes:>13.1f}"
    )


def _text(value: float | None, form: str, unit: float = 1.0) -> str:
    return "-" if value is None else f"{value / unit:{form}}"


def _suggestion(rules: list[RuleUse]) -> Iterator[str]:
    yield (
        f"With {100 * (_SPARE_MEMORY - 1):.0f} % of memory and twice the time to spare, "
        "profiles/slurm/site.yaml could ask for:"
    )
    yield ""
    yield "set-resources:"
    for use in rules:
        values = ", ".join(f"{key}: {value} * attempt" for key, value in use.suggested().items())
        yield f"  {use.rule}: {{{values}}}"
    for use in rules:
        asked = use.asked("cores") or 1
        if asked > 1 and use.cores_used < asked / 2:
            yield (
                f"# {use.rule} kept {use.cores_used:.1f} of {asked:.0f} cores busy: fewer, set by "
                "set-threads, would do, or more samples a job (fewer shards)."
            )
