"""Read the small files that figures are drawn from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from exitwave.errors import ExitwaveError


def read_summary(path: Path) -> dict[str, Any]:
    """Return the values of a JSON file.

    Raises
    ------
    ExitwaveError
        Where it cannot be read.
    """
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error
    return values


def read_table(path: Path) -> pd.DataFrame:
    """Return a CSV file; raises as `read_summary` does."""
    try:
        return pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: Exception) -> ExitwaveError:
    """Return the complaint that a file cannot be read."""
    return ExitwaveError(f"{path} cannot be read ({error}); run snakemake again to make it.")
