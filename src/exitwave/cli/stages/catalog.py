"""``exitwave catalog``: the materials and samples of a data set."""

from __future__ import annotations

import argparse

from exitwave.cli.options import add_output, add_spec

HELP = "choose materials, split them and draw the list of samples"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    add_spec(parser)
    add_output(parser, "folder of the catalog")


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from exitwave.stages.catalog import build_catalog

    build_catalog(options.spec, options.output)
