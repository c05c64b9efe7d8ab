"""``exitwave doctor``: whether a run can work here."""

from __future__ import annotations

import argparse

from exitwave.cli.options import add_configfile, add_results

HELP = "say whether this machine, its cluster and its disk are fit"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("--profile", default="", help="name or folder of the profile to be used")
    add_configfile(parser)
    add_results(parser)


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    from exitwave.doctor.examine import examine

    return examine(options.profile, options.configfile, options.results)
