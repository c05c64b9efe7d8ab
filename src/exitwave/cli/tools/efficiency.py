"""``exitwave efficiency``: whether jobs asked for what they needed."""

from __future__ import annotations

import argparse

from exitwave.cli.options import add_results

HELP = "say what jobs asked for, what they used, and what would suffice"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    add_results(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from exitwave.runs.efficiency import efficiency_text

    print(efficiency_text(options.results))
