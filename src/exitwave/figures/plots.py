"""The sets of figures that every result has, beside those that a configuration asks for.

>>> draw_set("network", [Source("mos2", "mos2", Path("results/networks/mos2"))], folder)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from exitwave.figures.kinds import draw
from exitwave.figures.order import Order, Source


@dataclass(frozen=True)
class FigureSet:
    """Kinds of figures, drawn of each source by itself or of all ``together``."""

    kinds: tuple[str, ...]
    together: bool = False


SETS = {
    "dataset": FigureSet(("dataset",), together=True),
    "network": FigureSet(("history",)),
    "evaluation": FigureSet(("baselines", "argand", "samples")),
    "refinement": FigureSet(("refinement",)),
    "comparison": FigureSet(("histograms",), together=True),
    "convergence": FigureSet(("convergence",)),
}
"""By what `exitwave plot` calls them."""


def draw_set(name: str, sources: Sequence[Source], output: Path) -> None:
    """Draw a set of `SETS` into a folder."""
    entry = SETS[name]
    groups = [tuple(sources)] if entry.together else [(source,) for source in sources]
    for group in groups:
        for kind in entry.kinds:
            draw(kind, Order(group), output)
