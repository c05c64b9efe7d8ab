"""``exitwave train``: a trained network."""

from __future__ import annotations

import argparse
from pathlib import Path

from exitwave.cli.options import add_gpu, add_output, add_spec
from exitwave.cli.settings import keep_compiled_steps

HELP = "train a network on pre-generated epochs"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    add_spec(parser)
    parser.add_argument(
        "--training", type=Path, nargs="+", required=True, metavar="EPOCH", help="to train on"
    )
    parser.add_argument(
        "--validation", type=Path, nargs="+", required=True, metavar="EPOCH", help="to judge by"
    )
    add_output(parser, "folder of the network")
    add_gpu(parser, "so many GPUs share each batch")


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    if options.gpu:
        keep_compiled_steps()
    from exitwave.stages.train import train_network

    train_network(
        options.spec,
        options.training,
        options.validation,
        options.output,
        gpus=options.gpu,
    )
