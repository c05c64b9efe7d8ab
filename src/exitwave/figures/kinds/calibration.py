"""Whether the disagreement of an ensemble tells its errors, of pixels and of samples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from exitwave.figures.order import Order
from exitwave.figures.reading import read_table
from exitwave.figures.style import (
    GREY,
    SERIES,
    Caption,
    new_figure,
    readable_log,
    rounded,
    save_figure,
)
from exitwave.files.documents import read_document
from exitwave.summaries.scores import EnsembleSummary

_DASHES = (":", "-.", (0, (5, 1, 1, 1, 1, 1)))


def draw(order: Order, output: Path) -> None:
    """Draw ``calibration``: error against disagreement of one or more ensembles."""
    figure = new_figure(8.6, 4.8)
    pixels, samples = (figure.add_axes((left, 0.33, 0.4, 0.6)) for left in (0.075, 0.565))
    described, members, points = [], set(), []
    for place, source in enumerate(order.sources):
        colour = SERIES[place % len(SERIES)]
        summary = read_document(source.path / "summary.json", EnsembleSummary)
        members.add(summary.members)
        bins = _drawable(read_table(source.path / "calibration.csv"), "error")
        apart, pixel_count = bins["disagreement"], bins["pixels"]
        pixels.plot(apart, bins["error"], "o-", ms=3, color=colour, label=source.label)
        pixels.plot(apart, bins["member_error"], "--", color=colour, lw=0.9)
        if len(bins):
            overall = [
                np.sqrt(np.average(bins[column] ** 2, weights=pixel_count))
                for column in ("disagreement", "error")
            ]
            pixels.plot(*overall, "D", ms=7, mfc="white", mec=colour, mew=1.4, zorder=4)
        rows = _drawable(read_table(source.path / "samples.csv"), "rmse")
        correlation = rounded(summary.sample_correlation)
        label = f"{source.label}: rank correlation {correlation}"
        looks = {"ms": 4, "color": colour, "label": label}
        points += samples.plot(rows["disagreement"], rows["rmse"], ".", **looks)
        described.append(_described(source.label, summary))
    for axes, title in ((pixels, "a   Pixels of all samples"), (samples, "b   Samples")):
        axes.set(xscale="log", yscale="log", xlabel="disagreement s, rms")
        axes.set_title(title, loc="left")
        _draw_expectations(axes, sorted(members))
    pixels.set_ylabel("error, rms")
    samples.set_ylabel("RMSE of the mean")
    pixels.plot([], [], "--", color=GREY, lw=0.9, label="error of a member")
    pixels.plot([], [], "D", ms=6, mfc="white", mec=GREY, mew=1.2, label="all pixels")
    # Below, where they hide no points; the lines are the same in both.
    below = {"loc": "upper left", "bbox_to_anchor": (-0.02, -0.19)}
    pixels.legend(ncol=2, handlelength=2.6, **below)
    samples.legend(handles=points, **below)
    text = (
        "Root mean square error of the mean of the networks' waves against their "
        "disagreement. (a) Pixels of all samples, in bins of about equal numbers of pixels; "
        "dashed, the error of a single network; diamond, all pixels together. (b) One point per "
        "sample. If the errors of the networks were independent, a single one would be off by "
        "the disagreement (thin line, 1:1) and the mean of n by 1/√n of it (broken lines). A "
        "diamond above its line shows errors that the networks have in common, which no "
        "disagreement shows. The curves of few networks lie above the lines at small "
        "disagreement in any case, since two that err may agree by chance. "
        f"{'; '.join(described)}."
    )
    caption = Caption(
        "Does disagreement predict errors?", text, "Error of the mean against disagreement."
    )
    save_figure(figure, output, "calibration", caption)


def _drawable(table: pd.DataFrame, error: str) -> pd.DataFrame:
    """The rows that logarithmic axes can show."""
    return table[(table["disagreement"] > 0) & (table[error] > 0)]


def _draw_expectations(axes: Any, members: Sequence[int]) -> None:
    """Draw the lines of independent errors, of one network and of the means of so many."""
    if not np.isfinite(axes.dataLim.minposx):
        # Networks that agree everywhere leave nothing to draw.
        axes.set(xlim=(1e-3, 1), ylim=(1e-3, 1))
    line = np.array(axes.get_xlim())
    low, high = axes.get_ylim()
    # Far below the points the lines tell no more, and would press the points to the upper edge.
    low = min(low, max(float(line[0]) / max(members) ** 0.5, low / 30))
    limits = tuple(line), (low, max(high, float(line[1])))
    axes.plot(line, line, color=GREY, lw=0.7, zorder=1, label="1:1")
    for place, number in enumerate(members):
        look = {"ls": _DASHES[place % len(_DASHES)], "color": GREY, "lw": 1.1, "zorder": 1}
        axes.plot(line, line / number**0.5, label=f"s / √{number}, independent errors", **look)
    axes.set(xlim=limits[0], ylim=limits[1])
    for axis in (axes.xaxis, axes.yaxis):
        readable_log(axes, axis)


def _described(label: str, summary: EnsembleSummary) -> str:
    share = f"{100 * summary.worst_share:.0f} %"
    found = summary.worst_caught
    caught = "an unknown share" if found is None else f"{100 * found:.0f} %"
    return (
        f"{label}: rank correlation {rounded(summary.pixel_correlation)} over the pixels of a "
        f"specimen (median) and {rounded(summary.sample_correlation)} over "
        f"{summary.samples} samples; of the worst {share} of a specimen's pixels {caught} are "
        f"among those {share} with most disagreement; error over disagreement "
        f"{rounded(summary.error_over_disagreement)}, "
        f"{summary.independent_errors:.2f} if independent"
    )
