"""``exitwave card``: the card of a data set."""

from __future__ import annotations

import argparse
from pathlib import Path

from exitwave.cli.options import add_output, add_results, add_spec

HELP = "write the card of a data set: what it is and how to load it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    add_spec(parser)
    parser.add_argument("--dataset", required=True, metavar="NAME", help="in the configuration")
    add_results(parser)
    add_output(parser, "the card, README.md in the folder of the data set")
    parser.add_argument("epochs", type=Path, nargs="+", help="all epochs of the data set")


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from exitwave.stages.card import write_card

    write_card(options.spec, options.dataset, options.results, options.epochs, options.output)
