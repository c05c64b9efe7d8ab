"""Kinds of figures: one file for each that the configuration or `exitwave plot` may ask for."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from exitwave.figures.order import Order
from exitwave.registry import Registry


class Kind(Protocol):
    """What the module of a kind of figure defines."""

    def draw(self, order: Order, output: Path) -> None:
        """Draw into a folder.

        Parameters
        ----------
        order : Order
            What is shown.
        output : Path
            Folder of the pictures; write them with `exitwave.figures.style.save_figure`.

        Raises
        ------
        ExitwaveError
            Where a file of a source is missing or cannot be read.
        """


KINDS: Registry[Kind] = Registry(__name__, "kind of figure", Kind)


def draw(kind: str, order: Order, output: Path) -> None:
    """Draw a figure of a kind in this project's style; see `Kind.draw`."""
    from exitwave.figures.style import drawing

    with drawing():
        KINDS[kind].draw(order, output)
