"""Read the small files that figures are drawn from."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from exitwave.errors import ExitwaveError


def read_table(path: Path) -> pd.DataFrame:
    """Return a CSV file.

    Raises
    ------
    ExitwaveError
        Where it cannot be read.
    """
    try:
        return pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise ExitwaveError(
            f"{path} cannot be read ({error}); run snakemake again to make it."
        ) from error
