"""``exitwave convergence``: how fine the multislice has to be."""

from __future__ import annotations

import argparse

from exitwave.cli.options import add_gpu, add_output, add_spec, add_workers, device

HELP = "compare multislice settings: error and time of each"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    add_spec(parser)
    add_output(parser, "folder of the study")
    add_workers(parser)
    add_gpu(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from exitwave.stages.convergence import measure_convergence

    measure_convergence(options.spec, options.output, options.workers, device(options))
