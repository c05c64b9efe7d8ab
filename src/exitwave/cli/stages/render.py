"""``exitwave render``: one epoch of focal series."""

from __future__ import annotations

import argparse
from pathlib import Path

from exitwave.cli.options import add_output, add_spec, add_workers

HELP = "draw microscopes and form the images of one epoch"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    add_spec(parser)
    add_output(parser, "the epoch to write, {epoch}.nc")
    add_workers(parser)
    parser.add_argument("stores", type=Path, nargs="+", help="all exit-wave stores of a data set")


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from exitwave.tasks.forkserver import begin_imports

    begin_imports("exitwave.stages.render", options.workers)
    from exitwave.stages.render import render_epoch

    render_epoch(options.spec, options.stores, options.output, options.workers)
