"""``exitwave check``: whether stores are whole."""

from __future__ import annotations

import argparse
from pathlib import Path

from exitwave.errors import ExitwaveError

HELP = "say whether stores are complete and agree with their checksums"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("files", type=Path, nargs="+", help="stores of exit waves, or epochs")


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    import exitwave.samples  # noqa: F401  The schemas of all stores.
    from exitwave.files.checks import check_store

    damaged = []
    for path in options.files:
        try:
            schema = check_store(path)
        except ExitwaveError as error:
            damaged.append(str(error))
        else:
            print(f"{path}: complete, {schema.kind}")
    if damaged:
        raise ExitwaveError(" ".join(damaged))
