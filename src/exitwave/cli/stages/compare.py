"""``exitwave compare``: a network beside classical reconstruction."""

from __future__ import annotations

import argparse
from pathlib import Path

from exitwave.cli.options import add_output, add_spec, add_workers

HELP = "compare a network with classical reconstruction"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    add_spec(parser)
    parser.add_argument("--network", type=Path, required=True, help="folder of the network")
    add_output(parser, "folder of the comparison")
    add_workers(parser)
    parser.add_argument("epochs", type=Path, nargs="+", help="validation epochs of long series")


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from exitwave.stages.compare import compare_reconstructions

    compare_reconstructions(
        options.spec, options.network, options.epochs, options.output, options.workers
    )
