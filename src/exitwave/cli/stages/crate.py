"""``exitwave crate``: a run for an archive."""

from __future__ import annotations

import argparse
from pathlib import Path

from exitwave.cli.options import add_output, text_or_file

HELP = "describe a finished run as an RO-Crate"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument(
        "--configuration",
        type=text_or_file,
        required=True,
        metavar="JSON",
        help="of the run, or @FILE that holds it",
    )
    parser.add_argument("--checkout", type=Path, default=Path(), help="folder of the Snakefile")
    add_output(parser, "ro-crate-metadata.json in the folder of the results")


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from exitwave.stages.crate import write_crate

    write_crate(options.configuration, options.output, options.checkout)
