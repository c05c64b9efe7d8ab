"""What the report says of the cost of a run, from the benchmark files of Snakemake."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from exitwave.report.blocks import Cell, Table, byte_size, duration, whole


def cost_table(benchmarks: Path) -> Table | None:
    """Return what each rule cost, from Snakemake's files ``{rule}/{job}.tsv``; None without any."""
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
    rows = tuple(_cost_row(rule, group) for rule, group in ordered)
    return Table(
        "Cost of the rules, as measured by Snakemake: number of jobs, sum and maximum of their "
        "times, sum of their processor times, largest memory of a job.",
        ("rule", "jobs", "time, all jobs", "longest job", "processor time", "peak memory"),
        (*rows, _cost_row("all", jobs, strong=True)),
    )


def _cost_row(rule: str, jobs: pd.DataFrame, strong: bool = False) -> tuple[Cell, ...]:
    texts = (
        rule,
        whole(len(jobs)),
        duration(jobs["s"].sum()),
        duration(jobs["s"].max()),
        duration(jobs["cpu_time"].sum(min_count=1)),
        # Snakemake gives MB of 2^20 bytes.
        byte_size(jobs["max_rss"].max() * 2**20),
    )
    return tuple(Cell(text, strong=strong) for text in texts)


def _stage_order(rule: str) -> tuple[int, str]:
    stages = ("catalog", "simulate", "render", "train", "evaluate", "plot", "report")
    found = [place for place, stage in enumerate(stages) if stage in rule]
    return (found[0] if found else len(stages), rule)
