"""Columns and vacancies for samples that are made by hand."""

from __future__ import annotations

from typing import Any

import numpy as np


def no_vacancies(atoms: int) -> dict[str, Any]:
    """Each atom is a column of its own, and none is missing."""
    return {"atom_column": np.arange(atoms), **vacancies(0)}


def vacancies(count: int, first_column: int = 0) -> dict[str, Any]:
    """So many missing atoms, sulphur, in the columns from one on, at random places."""
    return {
        "vacancy_count": count,
        "vacancy_number": np.full(count, 16),
        "vacancy_layer": np.zeros(count, dtype=int),
        "vacancy_column": first_column + np.arange(count),
        "vacancy_position": np.random.default_rng(count).random((count, 3)),
    }
