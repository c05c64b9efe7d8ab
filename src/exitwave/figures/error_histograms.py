"""Outlines of histograms of errors on a logarithmic axis, as in the paper's Figs. 4 and 6."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

PARTS = {"rmse_real": "real part", "rmse_imag": "imaginary part"}


def two_axes(figure: Any) -> list[Any]:
    """Add axes for the real and the imaginary part to a figure of 10.4 x 3.6 inches."""
    return [figure.add_axes((left, 0.14, 0.36, 0.76)) for left in (0.055, 0.445)]


def log_bins(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return bin edges, evenly spaced in the logarithm, that hold all positive values."""
    positive = values[np.isfinite(values) & (values > 0)]
    low, high = (positive.min(), positive.max()) if positive.size else (0.1, 1.0)
    bins = int(np.clip(round(2 * positive.size ** (1 / 3)), 10, 40))
    return np.geomspace(low / 1.05, high * 1.05, bins + 1)


def draw_outline(
    axes: Any,
    values: NDArray[np.floating],
    edges: NDArray[np.float64],
    colour: str,
    line: Any,
    name: str,
    filled: bool = False,
) -> None:
    """Draw the outline of a histogram, as per cent of the samples, and mark its median."""
    known = values[np.isfinite(values)]
    if not known.size:
        return
    # Errors of 0 cannot stand on a logarithmic axis; they count at its lower end.
    counts, _ = np.histogram(np.clip(known, edges[0], edges[-1]), edges)
    share = 100 * counts / known.size
    occupied = np.flatnonzero(counts)
    share, edges = share[occupied[0] : occupied[-1] + 1], edges[occupied[0] : occupied[-1] + 2]
    if filled:
        axes.stairs(share, edges, color=colour, fill=True, alpha=0.25)
    axes.stairs(share, edges, color=colour, ls=line, lw=1.8 if filled else 1.2, label=name)
    middle = max(float(np.median(known)), edges[0])
    axes.plot(
        middle,
        -0.018,
        marker="^",
        ms=6,
        color=colour,
        mec="white",
        mew=0.5,
        clip_on=False,
        transform=axes.get_xaxis_transform(),
        zorder=5,
    )


def finish_histogram(axes: Any, part: str) -> None:
    """Label axes with the part of the wave, and give them readable ticks."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set(xscale="log", xlabel=f"RMSE of the {part}, relative to the incident wave")
    low, high = axes.get_xlim()
    if high / low < 100:
        # Fewer than two decades show too few powers of ten to read values off.
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_ylabel("samples [%]" if part.startswith("real") else "")
    axes.set_title(part[0].upper() + part[1:], loc="left")
    axes.tick_params(axis="x", pad=6)
    axes.set_ylim(bottom=0)
