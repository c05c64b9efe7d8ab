"""Loss of networks against their number of training samples, as in the paper's Fig. S3a."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from exitwave.figures.order import Order
from exitwave.figures.style import SERIES, Caption, new_figure, readable_log, save_figure
from exitwave.figures.training import LOSS
from exitwave.files.documents import read_document
from exitwave.summaries.training import TrainingSummary


def draw(order: Order, output: Path) -> None:
    """Draw ``training_size``; networks of one data set share a curve."""
    labels = {source.dataset: source.dataset_label for source in order.sources}
    trainings = [
        {
            "dataset": source.dataset,
            **vars(read_document(source.path / "training.json", TrainingSummary)),
        }
        for source in order.sources
    ]
    rows = pd.DataFrame(trainings).sort_values("training_samples")
    figure = new_figure(6.4, 3.4)
    axes = figure.add_axes((0.115, 0.145, 0.86, 0.8))
    for place, (dataset, label) in enumerate(labels.items()):
        chosen, colour = rows[rows["dataset"] == dataset], SERIES[place % len(SERIES)]
        sizes = chosen["training_samples"]
        look = {"color": colour, "ms": 4.5}
        axes.plot(
            sizes, chosen["loss"], ls="--", marker="s", mfc="white", **look,
            label=f"{label}, training",
        )  # fmt: skip
        axes.plot(sizes, chosen["val_loss"], marker="o", **look, label=f"{label}, validation")
    axes.set(xlabel="training samples", ylabel=LOSS, xscale="log", yscale="log")
    readable_log(axes, axes.yaxis)
    ticks = sorted(set(rows["training_samples"]))
    axes.set_xticks(ticks, [f"{size:g}" for size in ticks])
    axes.xaxis.minorticks_off()
    axes.legend()
    save_figure(figure, output, "training_size", _caption(rows, labels))


def _caption(rows: pd.DataFrame, labels: Mapping[str, str]) -> Caption:
    gains = []
    for dataset, chosen in rows.groupby("dataset", sort=False):
        first, last = chosen.iloc[0], chosen.iloc[-1]
        gains.append(
            f"{labels[str(dataset)]} {first['val_loss']:.3g} with {first['training_samples']:g} "
            f"samples and {last['val_loss']:.3g} with {last['training_samples']:g}"
        )
    text = "; ".join(gains)
    epochs = sorted(set(rows["epochs"]))
    alike = rows.groupby("dataset")["validation_samples"].nunique().max() == 1
    validation = "are the same" if alike else "differ in their number"
    return Caption(
        "Loss and number of training samples",
        "Loss after the last epoch on the training samples (dashed, squares) and the validation "
        "samples (solid, circles) of networks that saw only so many of the training samples; the "
        f"validation samples {validation}. All were trained for {' or '.join(map(str, epochs))} "
        f"epochs, so those with fewer samples took fewer steps. Validation loss: {text}.",
        f"Loss against the number of training samples: {text}.",
    )
