"""``exitwave ensemble``: the disagreement of several networks."""

from __future__ import annotations

import argparse
from pathlib import Path

from exitwave.cli.options import add_output, add_spec

HELP = "ask whether networks disagree where they err"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    add_spec(parser)
    parser.add_argument(
        "--networks",
        type=Path,
        nargs="+",
        required=True,
        metavar="FOLDER",
        help="folders of the networks",
    )
    add_output(parser, "folder of the ensemble")
    parser.add_argument("epochs", type=Path, nargs="+", help="validation epochs")


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from exitwave.stages.ensemble import judge_ensemble

    judge_ensemble(options.spec, options.networks, options.epochs, options.output)
