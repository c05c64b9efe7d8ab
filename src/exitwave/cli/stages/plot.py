"""``exitwave plot``: the figures that every result has."""

from __future__ import annotations

import argparse
from pathlib import Path

from exitwave.cli.options import add_output
from exitwave.errors import ExitwaveError
from exitwave.figures.order import Source
from exitwave.figures.plots import SETS, draw_set

HELP = "draw the figures of any result"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("kind", choices=tuple(SETS), help="what is to be drawn")
    parser.add_argument(
        "paths",
        type=Path,
        nargs="+",
        help="epochs of a data set, or the folder of a network, an evaluation (of several for a "
        "comparison), of refined series or of a study of convergence",
    )
    parser.add_argument("--labels", nargs="+", help="names in the legend of a comparison")
    add_output(parser, "folder of the figures")


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    paths = [str(path) for path in options.paths]
    labels = options.labels or paths
    if len(labels) != len(paths):
        raise ExitwaveError(f"--labels names {len(labels)} of {len(paths)} evaluations; name each.")
    sources = [Source(*entry) for entry in zip(paths, labels, options.paths, strict=True)]
    draw_set(options.kind, sources, options.output)
