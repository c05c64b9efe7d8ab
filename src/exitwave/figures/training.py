"""Read how a network was trained."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from exitwave.errors import ExitwaveError
from exitwave.figures.reading import unreadable

LOSS = "loss: mean square error of Re Ψ, Im Ψ"
"""Label of the axis of a loss."""


def read_history(network: Path) -> pd.DataFrame:
    """Return ``epoch``, ``loss`` and ``val_loss`` of a network after each epoch."""
    path = network / "history.csv"
    try:
        return pd.read_csv(path)[["epoch", "loss", "val_loss"]]
    except (OSError, ValueError, KeyError) as error:
        raise ExitwaveError(
            f"The training history {path} cannot be read ({error}); run snakemake again."
        ) from error


def read_training(network: Path) -> dict[str, float]:
    """Return numbers of samples and epochs of a training, and its losses after the last epoch."""
    path = network / "training.json"
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return {key: values[key] for key in ("training_samples", "epochs", "loss", "val_loss")}
    except (OSError, ValueError, KeyError) as error:
        raise unreadable(path, error) from error
