"""``exitwave plan``: what a run would do."""

from __future__ import annotations

import argparse
from pathlib import Path

from exitwave.cli.options import add_results

HELP = "say before a run what it will do, why, and what that costs"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument(
        "--configfile",
        type=Path,
        nargs="+",
        default=[Path("config/demo.yaml")],
        help="the configuration of the run, as for snakemake (default: the demo)",
    )
    add_results(parser)
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from exitwave.config import load_config
    from exitwave.runs.plan import as_json, plan, plan_table

    steps = plan(load_config(*options.configfile), options.results)
    print(as_json(steps) if options.json else plan_table(steps))
