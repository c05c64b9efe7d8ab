"""Learning curves: loss against the epoch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from exitwave.figures.order import Order
from exitwave.figures.style import (
    BLACK,
    SERIES,
    Caption,
    new_figure,
    readable_log,
    save_figure,
)
from exitwave.figures.training import LOSS, read_history


def draw(order: Order, output: Path) -> None:
    """Draw ``history``, the learning curves of one or more networks."""
    figure = new_figure(6.4, 3.4)
    axes = figure.add_axes((0.115, 0.145, 0.86, 0.8))
    lowest, everywhere = [], True
    for place, source in enumerate(order.sources):
        history, colour = read_history(source.path), SERIES[place % len(SERIES)]
        validated = history.dropna(subset="val_loss")
        everywhere = everywhere and len(validated) == len(history)
        looks = [
            {"color": colour, "marker": "o" if len(points) < 15 else "", "ms": 3.5}
            for points in (history, validated)
        ]
        ahead = f"{source.label}, " if len(order.sources) > 1 else ""
        axes.plot(history["epoch"], history["loss"], ls="--", **looks[0], label=f"{ahead}training")
        curve = validated["epoch"], validated["val_loss"]
        axes.plot(*curve, **looks[1], label=f"{ahead}validation")
        best = validated.iloc[int(validated["val_loss"].to_numpy().argmin())]
        lowest.append((source.label, best))
        axes.plot(best["epoch"], best["val_loss"], "o", ms=8, mfc="none", mec=BLACK)
    axes.set(xlabel="epoch", ylabel=LOSS, yscale="log")
    readable_log(axes, axes.yaxis)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(ncol=1 + (len(order.sources) > 2))
    save_figure(figure, output, "history", _caption(lowest, everywhere))


def _caption(lowest: Sequence[tuple[str, pd.Series]], everywhere: bool) -> Caption:
    where = "; ".join(
        (f"{label} " if len(lowest) > 1 else "")
        + f"{row['val_loss']:.3g} in epoch {row['epoch']:g}"
        for label, row in lowest
    )
    when = "after each epoch" if everywhere else "after the epochs for which they were computed"
    return Caption(
        "Learning curves",
        "Mean square error of the real and imaginary part of the exit wave on the training samples "
        f"(dashed) and the validation samples (solid) {when}. Circles mark the lowest validation "
        f"loss: {where}.",
        f"Training and validation loss against the epoch; the lowest are {where}.",
    )
