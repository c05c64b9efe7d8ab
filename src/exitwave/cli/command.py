"""What the module of a command has to have; its file gives the command its name."""

from __future__ import annotations

import argparse
from typing import Protocol


class Command(Protocol):
    """The module of one command: what it takes and what it does.

    Attributes
    ----------
    HELP : str
        One line on what the command does.
    """

    __name__: str
    HELP: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's arguments to its parser.

        A command with ``--output`` runs under the lock of what it makes.
        """

    def run(self, options: argparse.Namespace) -> int | None:
        """Do it, and return the exit status if that is not 0.

        Modules that take long to import are imported here.
        """
