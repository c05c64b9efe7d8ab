"""``exitwave figure``: one figure of the configuration."""

from __future__ import annotations

import argparse
from pathlib import Path

from exitwave.cli.options import add_output, add_spec

HELP = "draw a figure that a configuration asks for by name"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    add_spec(parser)
    add_output(parser, "folder of the figure")
    parser.add_argument("sources", type=Path, nargs="+", help="folders of what it shows, in order")


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from exitwave.stages.figure import draw_figure

    draw_figure(options.spec, options.sources, options.output)
