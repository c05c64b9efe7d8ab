"""``exitwave evaluate``: the errors of a network."""

from __future__ import annotations

import argparse
from pathlib import Path

from exitwave.cli.options import add_output, add_spec

HELP = "compare a network's exit waves with the truth"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    add_spec(parser)
    parser.add_argument("--network", type=Path, required=True, help="folder of the network")
    add_output(parser, "folder of the evaluation")
    parser.add_argument("epochs", type=Path, nargs="+", help="validation epochs")


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from exitwave.stages.evaluate import evaluate_network

    evaluate_network(options.spec, options.network, options.epochs, options.output)
