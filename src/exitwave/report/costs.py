"""What the report says of the cost of a run.

From the benchmark files of Snakemake, and from what jobs have said of their own speed. Results from
before jobs did have a column less.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from exitwave.durations import duration
from exitwave.report.blocks import Cell, Table, byte_size, whole
from exitwave.tasks.progress import read_progress

_HEAD = ("rule", "jobs", "time, all jobs", "longest job", "processor time", "peak memory")


def cost_table(benchmarks: Path, logs: Path | None = None) -> Table | None:
    """Return what each rule cost; None where nothing was measured.

    Parameters
    ----------
    benchmarks : Path
        Folder of Snakemake's files ``{rule}/{job}.tsv``.
    logs : Path, optional
        Folder of the jobs' progress files ``{rule}/{job}.json``, see `exitwave.tasks.progress`.
    """
    tables = [
        pd.read_csv(path, sep="\t", na_values=["-", "NA"]).assign(rule=path.parent.name)
        for path in sorted(benchmarks.glob("*/**/*.tsv"))
    ]
    if not tables:
        return None
    jobs = pd.concat(tables, ignore_index=True)
    # A job that ends before the first measurement has no numbers but its time.
    for column in ("s", "cpu_time", "max_rss"):
        jobs[column] = pd.to_numeric(jobs[column], errors="coerce")
    rules = [(str(rule), group) for rule, group in jobs.groupby("rule")]
    ordered = sorted(rules, key=lambda item: _stage_order(item[0]))
    speeds = _speeds(logs)
    rows = [_cost_row(rule, group, speeds) for rule, group in ordered]
    caption = (
        "Cost of the rules, as measured by Snakemake: number of jobs, sum and maximum of their "
        "times, sum of their processor times, largest memory of a job."
    )
    if speeds:
        caption += " Samples per second are the median of the jobs, as each measured itself."
    head = _HEAD + ("samples per second",) * bool(speeds)
    return Table(caption, head, (*rows, _cost_row("all", jobs, speeds, strong=True)))


def _speeds(logs: Path | None) -> dict[str, float]:
    """Samples per second of a finished job of each rule, the median."""
    found = defaultdict(list)
    for path in sorted(logs.glob("*/[!.]*.json")) if logs is not None else []:
        job = read_progress(path)
        if job is not None and job.state == "done" and job.samples_per_second:
            found[path.parent.name].append(job.samples_per_second)
    return {rule: statistics.median(speeds) for rule, speeds in found.items()}


def _cost_row(
    rule: str, jobs: pd.DataFrame, speeds: Mapping[str, float], strong: bool = False
) -> tuple[Cell, ...]:
    texts = [
        rule,
        whole(len(jobs)),
        duration(jobs["s"].sum()),
        duration(jobs["s"].max()),
        duration(jobs["cpu_time"].sum(min_count=1)),
        # Snakemake gives MB of 2^20 bytes.
        byte_size(jobs["max_rss"].max() * 2**20),
    ]
    if speeds:
        texts.append(f"{speeds[rule]:.3g}" if rule in speeds else "–")
    return tuple(Cell(text, strong=strong) for text in texts)


def _stage_order(rule: str) -> tuple[int, str]:
    stages = (
        "catalog",
        "simulate",
        "render",
        "train",
        "calibrate",
        "evaluate",
        "refine_",
        "plot",
        "report",
    )
    found = [place for place, stage in enumerate(stages) if stage in rule]
    return (found[0] if found else len(stages), rule)
