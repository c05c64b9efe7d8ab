"""Rows of a grid on which atoms act, in blocks: where nothing acts, the wave passes as it is.

>>> for rows, active in blocks(active_rows(y, reaches, 0.05, 768), 32): ...
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray


def active_rows(
    places: NDArray[np.float64], reaches: NDArray[np.float64], sampling: float, points: int
) -> NDArray[np.bool_]:
    """Return which rows of a periodic grid lie within an atom's reach.

    Parameters
    ----------
    places, reaches : (n,) arrays
        Of the atoms across the rows, and how far each acts [Å].
    sampling : float
        Distance of the rows [Å].
    points : int
        Number of rows.
    """
    firsts = np.floor((places - reaches) / sampling).astype(int)
    lasts = np.ceil((places + reaches) / sampling).astype(int)
    active = np.zeros(points, dtype=bool)
    for first, last in zip(firsts, lasts, strict=True):
        active[np.arange(first, last + 1) % points] = True
    return active


def blocks(active: NDArray[np.bool_], most: int) -> Iterator[tuple[slice, bool]]:
    """Yield neighbouring rows that are all active, at most so many at once, or all inactive."""
    borders = np.flatnonzero(np.diff(active)) + 1
    for first, end in zip([0, *borders], [*borders, len(active)], strict=True):
        step = most if active[first] else end - first
        for start in range(first, end, step):
            yield slice(start, min(start + step, end)), bool(active[first])
