"""A sheet of samples of a data set, and the microscopes that were drawn."""

from __future__ import annotations

from pathlib import Path

from exitwave.figures.datasets import plot_dataset
from exitwave.figures.order import Order


def draw(order: Order, output: Path) -> None:
    """Draw ``samples`` and ``parameters``; the sources are epochs of one side of a data set."""
    plot_dataset([source.path for source in order.sources], output)
