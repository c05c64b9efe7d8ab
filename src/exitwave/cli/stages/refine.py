"""``exitwave refine``: series of an evaluation, refined by their own images."""

from __future__ import annotations

import argparse
from pathlib import Path

from exitwave.cli.options import add_output, add_spec, add_workers

HELP = "refine validation series by their own images: wave and aberrations beside the truth"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    add_spec(parser)
    parser.add_argument("--network", type=Path, required=True, help="folder of the network")
    parser.add_argument(
        "--calibration",
        type=Path,
        help="what `exitwave calibrate` measured (default: calibration.json in that folder)",
    )
    add_output(parser, "folder of the refined series")
    add_workers(parser)
    parser.add_argument("epochs", type=Path, nargs="+", help="validation epochs")


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from exitwave.stages.refine import refine_samples

    refine_samples(
        options.spec,
        options.network,
        options.epochs,
        options.output,
        options.workers,
        options.calibration,
    )
