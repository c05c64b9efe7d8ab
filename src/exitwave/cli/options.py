"""Options that several commands share."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Literal


def add_spec(parser: argparse.ArgumentParser, required: bool = True) -> None:
    """Add ``--spec``: JSON, or ``@FILE`` with it."""
    parser.add_argument(
        "--spec",
        type=text_or_file,
        required=required,
        metavar="JSON",
        help="what determines the result, or @FILE that holds it",
    )


def text_or_file(value: str) -> str:
    """Return a JSON text as it is, or for ``@FILE`` the text of that file."""
    from exitwave.workflow.handover import argument_text

    return argument_text(value)


def add_output(parser: argparse.ArgumentParser, text: str) -> None:
    """Add ``--output``; `text` says what lies there afterwards."""
    parser.add_argument("--output", type=Path, required=True, help=text)


def add_results(parser: argparse.ArgumentParser) -> None:
    """Add ``--results``, the folder of a run."""
    parser.add_argument(
        "--results", type=Path, default=Path("results"), help="folder of all results"
    )


def add_configfile(parser: argparse.ArgumentParser) -> None:
    """Add ``--configfile``, which the commands that look at a run need not have."""
    parser.add_argument(
        "--configfile",
        type=Path,
        nargs="+",
        default=[],
        help="the configuration of the run, as for snakemake",
    )


def add_workers(parser: argparse.ArgumentParser) -> None:
    """Add ``--workers``."""
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, help="processes (default: all cores)"
    )


def add_gpu(parser: argparse.ArgumentParser, use: str = "1: compute on a GPU") -> None:
    """Add ``--gpu``, a number since Snakemake's resources are numbers."""
    parser.add_argument("--gpu", type=int, default=0, help=f"{use}, and fail if there is none")


def device(options: argparse.Namespace) -> Literal["cpu", "gpu"]:
    """Return where ``--gpu`` lets exit waves be computed."""
    return "gpu" if options.gpu else "cpu"
