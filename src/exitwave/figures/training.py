"""Read how a network was trained."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from exitwave.errors import ExitwaveError

LOSS = "loss: mean square error of Re Ψ, Im Ψ"
"""Label of the axis of a loss."""


def read_history(network: Path) -> pd.DataFrame:
    """Return ``epoch``, ``loss`` and ``val_loss`` of a network after each epoch.

    ``val_loss`` is NaN after epochs for which it was not computed.
    """
    path = network / "history.csv"
    try:
        return pd.read_csv(path)[["epoch", "loss", "val_loss"]]
    except (OSError, ValueError, KeyError) as error:
        raise ExitwaveError(
            f"The training history {path} cannot be read ({error}); run snakemake again."
        ) from error
