"""Errors of one evaluation beside its baselines, as in the paper's Fig. 4."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from exitwave.figures.error_histograms import (
    PARTS,
    draw_outline,
    finish_histogram,
    log_bins,
    two_axes,
)
from exitwave.figures.evaluations import read_samples
from exitwave.figures.order import Order
from exitwave.figures.style import (
    BLACK,
    BLUE,
    GREEN,
    ORANGE,
    PURPLE,
    RED,
    SKY,
    Caption,
    new_figure,
    save_figure,
)


def draw(order: Order, output: Path) -> None:
    """Draw ``histograms`` of an evaluation."""
    for source in order.sources:
        _plot_histograms(read_samples(source.path), output)


def _baselines(samples: pd.DataFrame) -> dict[str, tuple[str, str, Any]]:
    """Prefix of the columns, colour and line of each baseline, by its name in the figure."""
    found = {
        "exchanged target": ("exchanged_", RED, "-"),
        "vacuum": ("vacuum_", BLACK, (0, (1, 1.2))),
    }
    blurs = sorted(
        {
            str(column).split("_")[1]
            for column in samples.columns
            if str(column).startswith("blurred_")
        },
        key=float,
    )
    looks = ((GREEN, "--"), (SKY, "-."), (PURPLE, (0, (5, 1, 1, 1, 1, 1))), (ORANGE, (0, (7, 2))))
    for place, width in enumerate(blurs):
        found[f"truth blurred by {width} Å"] = (f"blurred_{width}_", *looks[place % len(looks)])
    return {name: look for name, look in found.items() if f"{look[0]}rmse" in samples.columns}


def _plot_histograms(samples: pd.DataFrame, output: Path) -> None:
    baselines = _baselines(samples)
    figure = new_figure(10.4, 3.6)
    both = two_axes(figure)
    for axes, (column, part) in zip(both, PARTS.items(), strict=True):
        values = {"network": samples[column].to_numpy()}
        values |= {
            name: samples[prefix + column].to_numpy() for name, (prefix, *_) in baselines.items()
        }
        edges = log_bins(np.concatenate(list(values.values())))
        draw_outline(axes, values.pop("network"), edges, BLUE, "-", "network", filled=True)
        for name, entries in values.items():
            draw_outline(axes, entries, edges, *baselines[name][1:], name)
        finish_histogram(axes, part)
    both[1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5), handlelength=2.6)
    medians = ", ".join(
        f"{samples[column].median():.4f} of the {part}" for column, part in PARTS.items()
    )
    text = (
        f"Root mean square errors of the reconstructed exit waves of {len(samples)} samples. "
        "For comparison: the predictions paired with the exit waves of other samples (exchanged "
        "target, the paper's null baseline), an empty image (vacuum), and the true waves folded "
        "with Gaussians of the given standard deviations. Triangles mark the medians, for the "
        f"network {medians}. The axis is logarithmic."
    )
    alternative = "Histograms of the errors of the network and of the baselines."
    save_figure(figure, output, "histograms", Caption("Errors of all samples", text, alternative))
