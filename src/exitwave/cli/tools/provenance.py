"""``exitwave provenance``: where a result comes from."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "say how a result was made, and what makes it again"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument(
        "files", type=Path, nargs="+", metavar="FILE", help="a store, or the folder of a result"
    )


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from exitwave.provenance.remake import description

    print("\n\n".join(description(path) for path in options.files))
