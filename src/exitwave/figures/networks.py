"""Learning curves: loss against the epoch and against the number of training samples.

>>> plot_histories({"MoS2": Path("results/networks/mos2")}, Path("results/figures/fig_s3b"))
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from exitwave.errors import ExitwaveError
from exitwave.figures.style import (
    BLACK,
    SERIES,
    Caption,
    drawing,
    new_figure,
    readable_log,
    save_figure,
)
from exitwave.files.documents import read_document
from exitwave.summaries.training import TrainingSummary

_LOSS = "loss: mean square error of Re Ψ, Im Ψ"


def read_history(network: Path) -> pd.DataFrame:
    """Return ``epoch``, ``loss`` and ``val_loss`` of a network after each epoch."""
    path = network / "history.csv"
    try:
        return pd.read_csv(path)[["epoch", "loss", "val_loss"]]
    except (OSError, ValueError, KeyError) as error:
        raise ExitwaveError(
            f"The training history {path} cannot be read ({error}); run snakemake again."
        ) from error


def plot_histories(networks: Mapping[str, Path], output: Path) -> None:
    """Draw the learning curves of one or more networks as the figure ``history``.

    Parameters
    ----------
    networks : mapping of str to Path
        Folders with ``history.csv`` (columns ``epoch``, ``loss``, ``val_loss``) by the name in the
        legend.
    output : Path
        Folder of the figure.
    """
    with drawing():
        figure = new_figure(6.4, 3.4)
        axes = figure.add_axes((0.115, 0.145, 0.86, 0.8))
        lowest = {}
        for place, (name, folder) in enumerate(networks.items()):
            history, colour = read_history(folder), SERIES[place % len(SERIES)]
            few = "o" if len(history) < 15 else ""
            look = {"color": colour, "marker": few, "ms": 3.5}
            ahead = f"{name}, " if len(networks) > 1 else ""
            axes.plot(history["epoch"], history["loss"], ls="--", **look, label=f"{ahead}training")
            axes.plot(history["epoch"], history["val_loss"], **look, label=f"{ahead}validation")
            best = int(history["val_loss"].to_numpy().argmin())
            lowest[name] = history.iloc[best]
            axes.plot(
                lowest[name]["epoch"], lowest[name]["val_loss"], "o", ms=8, mfc="none", mec=BLACK
            )
        axes.set(xlabel="epoch", ylabel=_LOSS, yscale="log")
        readable_log(axes, axes.yaxis)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.legend(ncol=1 + (len(networks) > 2))
        save_figure(figure, output, "history", _history_caption(lowest))


def _history_caption(lowest: Mapping[str, pd.Series]) -> Caption:
    where = "; ".join(
        (f"{name} " if len(lowest) > 1 else "") + f"{row['val_loss']:.3g} in epoch {row['epoch']:g}"
        for name, row in lowest.items()
    )
    return Caption(
        "Learning curves",
        "Mean square error of the real and imaginary part of the exit wave on the training samples "
        "(dashed) and the validation samples (solid) after each epoch. Circles mark the lowest "
        f"validation loss: {where}.",
        f"Training and validation loss against the epoch; the lowest are {where}.",
    )


def plot_training_size(networks: Mapping[str, Path], groups: Sequence[str], output: Path) -> None:
    """Draw the loss of networks against their number of training samples, as in Fig. S3a.

    Parameters
    ----------
    networks : mapping of str to Path
        Folders with ``training.json``.
    groups : sequence of str
        Name of the data set of each network; networks of one data set share a curve.
    output : Path
        Folder of the figure ``training_size``.
    """
    rows = pd.DataFrame(
        [
            {"group": group, **vars(read_document(folder / "training.json", TrainingSummary))}
            for group, folder in zip(groups, networks.values(), strict=True)
        ]
    ).sort_values("training_samples")
    with drawing():
        figure = new_figure(6.4, 3.4)
        axes = figure.add_axes((0.115, 0.145, 0.86, 0.8))
        for place, group in enumerate(dict.fromkeys(groups)):
            chosen, colour = rows[rows["group"] == group], SERIES[place % len(SERIES)]
            sizes = chosen["training_samples"]
            look = {"color": colour, "ms": 4.5}
            axes.plot(
                sizes, chosen["loss"], ls="--", marker="s", mfc="white", **look,
                label=f"{group}, training",
            )  # fmt: skip
            axes.plot(sizes, chosen["val_loss"], marker="o", **look, label=f"{group}, validation")
        axes.set(xlabel="training samples", ylabel=_LOSS, xscale="log", yscale="log")
        readable_log(axes, axes.yaxis)
        ticks = sorted(set(rows["training_samples"]))
        axes.set_xticks(ticks, [f"{size:g}" for size in ticks])
        axes.xaxis.minorticks_off()
        axes.legend()
        save_figure(figure, output, "training_size", _size_caption(rows))


def _size_caption(rows: pd.DataFrame) -> Caption:
    gains = []
    for group, chosen in rows.groupby("group", sort=False):
        first, last = chosen.iloc[0], chosen.iloc[-1]
        gains.append(
            f"{group} {first['val_loss']:.3g} with {first['training_samples']:g} samples and "
            f"{last['val_loss']:.3g} with {last['training_samples']:g}"
        )
    text = "; ".join(gains)
    epochs = sorted(set(rows["epochs"]))
    return Caption(
        "Loss and number of training samples",
        "Loss after the last epoch on the training samples (dashed, squares) and the validation "
        "samples (solid, circles) of networks that saw only so many of the training samples; the "
        f"validation samples are the same. All were trained for {' or '.join(map(str, epochs))} "
        f"epochs, so those with fewer samples took fewer steps. Validation loss: {text}.",
        f"Loss against the number of training samples: {text}.",
    )
