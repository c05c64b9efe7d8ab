"""``exitwave digest``: whether two stores hold the same."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "print a digest of the content of stores, whatever the order"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("files", type=Path, nargs="+", help="stores of exit waves, or epochs")


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    import exitwave.samples  # noqa: F401  The schemas of all stores.
    from exitwave.files.checks import content_digest

    for path in options.files:
        print(f"{content_digest(path)}  {path}")
