"""``exitwave plot``: the figures that every result has."""

from __future__ import annotations

import argparse
from pathlib import Path

from exitwave.cli.options import add_output
from exitwave.errors import ExitwaveError

HELP = "draw the figures of any result"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument(
        "kind",
        choices=("dataset", "network", "evaluation", "comparison", "convergence"),
        help="what is to be drawn",
    )
    parser.add_argument(
        "paths",
        type=Path,
        nargs="+",
        help="epochs of a data set, or the folder of a network, an evaluation (of several for a "
        "comparison) or a study of convergence",
    )
    parser.add_argument("--labels", nargs="+", help="names in the legend of a comparison")
    add_output(parser, "folder of the figures")


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from exitwave.figures.kinds import histograms as plots

    if options.kind == "dataset":
        plots.plot_dataset(options.paths, options.output)
    elif options.kind == "comparison":
        labels = options.labels or [str(path) for path in options.paths]
        if len(labels) != len(options.paths):
            raise ExitwaveError(
                f"--labels names {len(labels)} of {len(options.paths)} evaluations; name each."
            )
        plots.plot_comparison(dict(zip(labels, options.paths, strict=True)), options.output)
    else:
        draw = {
            "network": plots.plot_history,
            "evaluation": plots.plot_evaluation,
            "convergence": plots.plot_convergence,
        }[options.kind]
        for path in options.paths:
            draw(path, options.output)
