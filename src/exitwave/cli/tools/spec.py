"""``exitwave spec``: the specs of a configuration."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "print the specs of all stages of a configuration"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument(
        "configs", type=Path, nargs="+", help="YAML files; later ones override earlier ones"
    )


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from exitwave.config import load_config
    from exitwave.workflow import specs

    for name, spec in specs.all_specs(load_config(*options.configs)).items():
        print(f"{name}\t{spec}")
