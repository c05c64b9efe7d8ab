"""``exitwave export``: a data set in the format of another program."""

from __future__ import annotations

import argparse
from pathlib import Path

from exitwave.cli.options import add_output
from exitwave.exports.formats import FORMATS

HELP = "write the epochs or exit waves of a data set in another format"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("dataset", type=Path, help="folder of a data set, such as results/mos2")
    parser.add_argument("--to", choices=FORMATS.names(), required=True, help="the format")
    add_output(parser, "folder of the export; portions that it holds already are kept")
    parser.add_argument(
        "--split",
        choices=("training", "validation"),
        nargs="+",
        default=("training", "validation"),
        help="sides of the data set (default: both)",
    )
    parser.add_argument(
        "--images",
        type=int,
        nargs="+",
        default=(),
        metavar="NUMBER",
        help="lengths of the focal series (default: all)",
    )
    parser.add_argument(
        "--exit-waves",
        action="store_true",
        help="the simulated exit waves of all specimens in place of the epochs",
    )


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from exitwave.exports import portions
    from exitwave.exports.dataset import export_dataset

    dataset = options.dataset.absolute()
    chosen = (
        portions.exit_waves(dataset)
        if options.exit_waves
        else portions.epochs(dataset, options.split, options.images)
    )
    export_dataset(chosen, dataset, options.to, options.output)
