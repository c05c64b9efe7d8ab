"""The plane of complex numbers in which Argand plots show the values of a wave."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from exitwave.figures.style import GREY


def finish_plane(axes: Any, values: NDArray[np.complexfloating]) -> None:
    """Mark vacuum, and give a plane limits that hold all values and vacuum.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        The plane.
    values : (n,) array of complex
        What the plane has to hold, relative to the incident wave; may be empty.
    """
    every = np.append(values, 1.0 + 0.0j)
    low = np.array([every.real.min(), every.imag.min()])
    high = np.array([every.real.max(), every.imag.max()])
    middle, half = (low + high) / 2, 0.56 * float((high - low).max() or 1.0)
    axes.plot(1.0, 0.0, "k.", ms=4)
    # To the left, where points rarely are, unless the axis with its numbers is there.
    side, away = ("right", -4) if 1.0 - (middle[0] - half) > 0.6 * half else ("left", 4)
    axes.annotate("vacuum", (1.0, 0.0), (away, 3), textcoords="offset points", fontsize=7, ha=side)
    axes.axhline(0, color=GREY, lw=0.4, zorder=0)
    axes.axvline(1, color=GREY, lw=0.4, zorder=0)
    axes.set(
        xlim=(middle[0] - half, middle[0] + half),
        ylim=(middle[1] - half, middle[1] + half),
        aspect="equal",
        xlabel="Re Ψ",
        ylabel="Im Ψ",
    )
