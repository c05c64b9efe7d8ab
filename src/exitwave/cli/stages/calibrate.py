"""``exitwave calibrate``: how far the waves of a network are off."""

from __future__ import annotations

import argparse
from pathlib import Path

from exitwave.cli.options import add_output, add_spec, add_workers

HELP = "measure how far a network's waves are off, which `exitwave reconstruct --refine` needs"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    add_spec(parser, required=False)
    parser.add_argument("--network", type=Path, required=True, help="folder of the network")
    add_output(parser, "the file, calibration.json in the folder of the network")
    add_workers(parser)
    parser.add_argument(
        "epochs", type=Path, nargs="+", help="validation epochs of the network's data set"
    )


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from exitwave.stages.calibrate import calibrate_network
    from exitwave.workflow.specs import CalibrateSpec

    calibrate_network(
        options.spec or CalibrateSpec(seed=1).text,
        options.network,
        options.epochs,
        options.output,
        options.workers,
    )
