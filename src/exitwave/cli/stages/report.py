"""``exitwave report``: all results on one page."""

from __future__ import annotations

import argparse

from exitwave.cli.options import add_output, add_results, add_spec

HELP = "explain all results of a configuration in one HTML file"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    add_spec(parser)
    add_results(parser)
    add_output(parser, "the HTML file")


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from exitwave.stages.report import report_results

    report_results(options.spec, options.results, options.output)
