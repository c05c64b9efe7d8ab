"""``exitwave export``: a data set or a network in the format of another program."""

from __future__ import annotations

import argparse
from pathlib import Path

from exitwave.cli.options import add_output
from exitwave.errors import ExitwaveError
from exitwave.exports import NETWORK_FORMATS
from exitwave.exports.formats import FORMATS

HELP = "write the epochs or exit waves of a data set, or a network, in another format"

_SPLITS = ("training", "validation")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument(
        "folder",
        type=Path,
        help="folder of a data set, such as results/mos2, or of a network, such as "
        "results/networks/mine",
    )
    parser.add_argument(
        "--to",
        choices=(*FORMATS.names(), *NETWORK_FORMATS),
        required=True,
        help=f"the format; of a network {' or '.join(NETWORK_FORMATS)}",
    )
    add_output(
        parser, "folder of the export; portions of a data set that it holds already are kept"
    )
    parser.add_argument(
        "--split",
        choices=_SPLITS,
        nargs="+",
        help="sides of the data set (default: both)",
    )
    parser.add_argument(
        "--images",
        type=int,
        nargs="+",
        metavar="NUMBER",
        help="lengths of the focal series of the data set (default: all)",
    )
    parser.add_argument(
        "--exit-waves",
        action="store_true",
        help="the simulated exit waves of all specimens in place of the epochs",
    )


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    folder = options.folder.absolute()
    if options.to in NETWORK_FORMATS:
        _export_network(folder, options)
    else:
        _export_dataset(folder, options)


def _export_network(folder: Path, options: argparse.Namespace) -> None:
    from exitwave.exports.network import export_network, is_network

    if not is_network(folder):
        raise ExitwaveError(
            f"{options.folder} holds no trained network, but --to {options.to} exports one; give "
            "the folder of a network, such as results/networks/mine, or for a data set --to "
            f"{' or '.join(FORMATS.names())}."
        )
    for option in ("split", "images", "exit_waves"):
        if getattr(options, option):
            raise ExitwaveError(
                f"--{option.replace('_', '-')} is for data sets, but {options.folder} is exported "
                "as a network; leave it out."
            )
    export_network(folder, options.output)


def _export_dataset(dataset: Path, options: argparse.Namespace) -> None:
    from exitwave.exports import portions
    from exitwave.exports.dataset import export_dataset
    from exitwave.exports.network import is_network

    if is_network(dataset):
        raise ExitwaveError(
            f"{options.folder} holds a network, but --to {options.to} exports a data set; give "
            "the folder of a data set, such as results/mos2, or for the network --to "
            f"{' or '.join(NETWORK_FORMATS)}."
        )
    chosen = (
        portions.exit_waves(dataset)
        if options.exit_waves
        else portions.epochs(dataset, options.split or _SPLITS, options.images or ())
    )
    export_dataset(chosen, dataset, options.to, options.output)
