"""``exitwave status``: how far a run is."""

from __future__ import annotations

import argparse

from exitwave.cli.options import add_configfile, add_results

HELP = "say how far a run is, from the files of its results"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    add_results(parser)
    add_configfile(parser)
    parser.add_argument(
        "--watch", type=float, metavar="SECONDS", help="say it again every so often"
    )


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from exitwave.runs.status import watch_status

    watch_status(options.results, options.configfile, options.watch)
