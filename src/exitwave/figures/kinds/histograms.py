"""Errors of several evaluations in one figure, as in the paper's Figs. 4 and 6."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from exitwave.figures.error_histograms import (
    PARTS,
    draw_outline,
    finish_histogram,
    log_bins,
    two_axes,
)
from exitwave.figures.evaluations import read_samples
from exitwave.figures.order import Order
from exitwave.figures.style import GREY, SERIES, Caption, new_figure, save_figure

_DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)), (0, (7, 2)))


def draw(order: Order, output: Path) -> None:
    """Draw ``comparison``, one curve per evaluation."""
    samples = [(source.label, read_samples(source.path)) for source in order.sources]
    figure = new_figure(10.4, 3.6)
    both = two_axes(figure)
    for axes, (column, part) in zip(both, PARTS.items(), strict=True):
        null = f"exchanged_{column}"
        every = [table[name] for _, table in samples for name in (column, null) if name in table]
        edges = log_bins(np.concatenate([entries.to_numpy() for entries in every]))
        for place, (label, table) in enumerate(samples):
            colour, line = SERIES[place % len(SERIES)], _DASHES[place % len(_DASHES)]
            draw_outline(axes, table[column].to_numpy(), edges, colour, line, label)
        nulls = [table[null].to_numpy() for _, table in samples if null in table]
        if nulls:
            look = (GREY, (0, (1, 1.2)), "exchanged targets")
            draw_outline(axes, np.concatenate(nulls), edges, *look)
        finish_histogram(axes, part)
    both[1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5), handlelength=2.6)
    caption = Caption(
        "Errors of all evaluations",
        "Root mean square errors of the reconstructed exit waves, one curve per evaluation. "
        "The dotted curve pairs the predictions of all of them with the exit waves of other "
        "samples, the paper's null baseline. Triangles mark the medians. The axis is "
        "logarithmic.",
        "Histograms of the errors of all evaluations.",
    )
    save_figure(figure, output, "comparison", caption)
