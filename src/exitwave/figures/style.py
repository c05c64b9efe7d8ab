"""The look of all figures: type, colours that the colour-blind can tell apart, scale bars, files.

Colours are those of Okabe and Ito; signed values use a diverging map that is symmetrical about
vacuum, in which an exit wave relative to the incident one is white.

>>> with drawing():
...     figure = new_figure(4.0, 3.0)
...     figure.add_subplot().plot([1, 2])
...     save_figure(figure, Path("folder"), "line", Caption("A line", "It rises.", "A line."))
"""

from __future__ import annotations

import contextlib
import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from ase.data import chemical_symbols, covalent_radii
from matplotlib import patheffects
from matplotlib.collections import EllipseCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from exitwave.errors import ExitwaveError
from exitwave.files.atomic import replacing, write_text

BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, RED, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"
GREY = "#6B6B6B"

SERIES = (BLUE, RED, GREEN, PURPLE, ORANGE, SKY, BLACK)
"""Colours of lines and points, in the order of their use."""
ELEMENTS = (BLUE, ORANGE, GREEN, RED, SKY, PURPLE, YELLOW)
"""Colours of a specimen's elements from the heaviest; carbon is always grey."""
WAVE_COLOURS = "RdBu_r"
IMAGE_COLOURS = "gray"
ERROR_COLOURS = "inferno"

DPI = 150
CAPTIONS = "captions.json"
"""Captions of all figures in a folder, by the figures' names, in the order of reading."""

_STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "axes.titlesize": 8.5,
    "axes.labelsize": 8.5,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.4,
    "mathtext.default": "regular",
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    # Fixed names inside SVG files, so that a second run writes the same bytes.
    "svg.hashsalt": "exitwave",
    "image.interpolation": "antialiased",
}


@dataclass(frozen=True)
class Caption:
    """What a reader needs beside a figure.

    Attributes
    ----------
    title : str
        A few words.
    text : str
        What is shown, in full sentences.
    alternative : str
        What a reader who does not see the figure should know of it.
    """

    title: str
    text: str
    alternative: str


@contextlib.contextmanager
def drawing() -> Iterator[None]:
    """Draw in this project's style, whatever the user's own settings are."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        yield


def new_figure(width: float, height: float) -> Any:
    """Return an empty figure of a size in inches; it needs no display."""
    return Figure(figsize=(width, height))


def save_figure(figure: Any, folder: Path, name: str, caption: Caption) -> None:
    """Write a figure as PNG and SVG, and its caption into the folder's `CAPTIONS`."""
    with replacing(folder / f"{name}.png") as path:
        figure.savefig(path, dpi=DPI, metadata={"Software": "exitwave"})
    with replacing(folder / f"{name}.svg") as path:
        figure.savefig(path, dpi=DPI, metadata={"Date": None})
    captions = {**read_captions(folder), name: caption}
    text = {key: asdict(value) for key, value in captions.items()}
    write_text(folder / CAPTIONS, json.dumps(text, indent=1, ensure_ascii=False) + "\n")


def read_captions(folder: Path) -> dict[str, Caption]:
    """Return the captions of the figures in a folder, in the order of reading."""
    path = folder / CAPTIONS
    if not path.exists():
        return {}
    try:
        return {
            name: Caption(**values)
            for name, values in json.loads(path.read_text(encoding="utf-8")).items()
        }
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ExitwaveError(
            f"{path} holds no captions of figures ({error}); remove it, or write the figures to "
            "another folder."
        ) from error


def formula_text(formula: str) -> str:
    """Return a chemical formula with its numbers set low, in matplotlib's markup."""
    return re.sub(r"(\d+)", r"$_{\1}$", formula)


def plain_formula(formula: str) -> str:
    """Return a chemical formula with its numbers set low, for captions."""
    return formula.translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))


def dose_text(dose: float) -> str:
    """Return a dose [1/Å²] in plain numbers of two digits."""
    digits = 1 - math.floor(math.log10(dose)) if dose > 0 else 0
    return f"{round(dose, digits):,.0f}".replace(",", "\u202f") + " e/Å²"


def rounded(value: float | None) -> str:
    """Write a number with two digits after the point, where it is known."""
    return "unknown" if value is None else f"{value:.2f}".replace("-", "−")


def signed(value: float) -> str:
    """Return a whole number with a sign that is as wide as a plus."""
    whole = round(float(value))
    return f"{whole:+d}".replace("-", "−") if whole else "0"


def extent(size: tuple[int, ...], sampling: float) -> tuple[float, float, float, float]:
    """Limits [Å] of an image whose first pixel's centre is 0, with rows from the top down."""
    rows, columns = size[:2]
    return (-0.5 * sampling, (columns - 0.5) * sampling, (rows - 0.5) * sampling, -0.5 * sampling)


def bare(axes: Any) -> None:
    """Leave only a thin frame."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(True)
        spine.set_linewidth(0.4)
        spine.set_color(GREY)


def show_wave(axes: Any, part: NDArray[np.floating], sampling: float, limit: float) -> Any:
    """Draw one part of a wave, less vacuum, on a scale symmetrical about 0."""
    drawn = axes.imshow(
        part, cmap=WAVE_COLOURS, vmin=-limit, vmax=limit, extent=extent(part.shape, sampling)
    )
    bare(axes)
    scale_bar(axes, "black", "white")
    return drawn


def show_image(
    axes: Any, image: NDArray[np.floating], sampling: float, limits: tuple[float, float]
) -> Any:
    """Draw one image of a focal series."""
    drawn = axes.imshow(
        image,
        cmap=IMAGE_COLOURS,
        vmin=limits[0],
        vmax=limits[1],
        extent=extent(image.shape, sampling),
    )
    bare(axes)
    scale_bar(axes, "white", "black")
    return drawn


def show_structure(
    axes: Any,
    numbers: NDArray[np.integer],
    positions: NDArray[np.floating],
    size: tuple[int, ...],
    sampling: float,
) -> None:
    """Draw atoms as the beam meets them: the highest, at the least z, in front.

    The elements stand in a legend above the axes.
    """
    order = np.argsort(-positions[:, 2], kind="stable")
    colours = element_colours(numbers)
    diameters = 1.1 * covalent_radii[numbers[order]]
    axes.add_collection(
        EllipseCollection(
            diameters,
            diameters,
            np.zeros(len(order)),
            units="xy",
            offsets=positions[order, :2],
            offset_transform=axes.transData,
            facecolors=[colours[int(number)] for number in numbers[order]],
            edgecolors="black",
            linewidths=0.25,
        )
    )
    left, right, bottom, top = extent(size, sampling)
    axes.set(xlim=(left, right), ylim=(bottom, top), aspect="equal")
    bare(axes)
    scale_bar(axes, "black", "white")
    handles = [
        Line2D([], [], marker="o", ls="", color=colour, mec="black", mew=0.25, ms=5)
        for colour in colours.values()
    ]
    axes.legend(
        handles,
        [chemical_symbols[number] for number in colours],
        loc="lower center",
        bbox_to_anchor=(0.5, 0.985),
        ncol=len(handles),
        handletextpad=0.0,
        columnspacing=0.7,
        borderpad=0.1,
    )


def element_colours(numbers: NDArray[np.integer]) -> dict[int, str]:
    """Colours of the elements among atomic numbers, from the heaviest."""
    found = sorted({int(number) for number in numbers}, reverse=True)
    heavy = [number for number in found if number != 6]
    colours = {number: ELEMENTS[place % len(ELEMENTS)] for place, number in enumerate(heavy)}
    return {number: colours.get(number, GREY) for number in found}


def scale_bar(axes: Any, colour: str, outline: str) -> None:
    """Draw a bar of a round length [Å], about a quarter of the width, at the lower left."""
    left, right = axes.get_xlim()
    bottom, top = axes.get_ylim()
    length = round_length(0.3 * abs(right - left))
    text = f"{length / 10:g} nm" if length >= 10 else f"{length:g} Å"
    x, y = left + 0.05 * (right - left), bottom + 0.06 * (top - bottom)
    around = [patheffects.withStroke(linewidth=2.5, foreground=outline, alpha=0.85)]
    bar = [patheffects.withStroke(linewidth=3.6, foreground=outline, alpha=0.85)]
    axes.plot([x, x + length], [y, y], color=colour, lw=2, solid_capstyle="butt", path_effects=bar)
    axes.text(
        x + length / 2,
        y + 0.025 * (top - bottom),
        text,
        color=colour,
        ha="center",
        va="bottom",
        fontsize=7,
        path_effects=around,
    )


def round_length(largest: float) -> float:
    """Return the greatest of 1, 2, 5, 10, ... that is not above a length."""
    power: float = 10.0 ** math.floor(math.log10(largest))
    return max(factor * power for factor in (1, 2, 5) if factor * power <= largest * (1 + 1e-9))


def colour_bar(
    figure: Any, drawn: Any, place: tuple[float, float, float, float], label: str
) -> None:
    """Draw a horizontal colour bar in a place (left, bottom, width, height) of the figure."""
    axes = figure.add_axes(place)
    bar = figure.colorbar(drawn, cax=axes, orientation="horizontal")
    bar.set_label(label, labelpad=2)
    bar.outline.set_linewidth(0.4)
    axes.tick_params(length=2, pad=1.5)


def readable_log(axes: Any, axis: Any) -> None:
    """Label a logarithmic axis also where it spans less than a decade or two."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    low, high = axis.get_view_interval()
    if 0 < high < 100 * low:
        axis.set_major_locator(LogLocator(subs=(1, 2, 3, 5, 7)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())
    axes.grid(axis=axis.axis_name, color="#E4E4E4", lw=0.5)
    axes.set_axisbelow(True)


def robust_limits(image: NDArray[np.floating]) -> tuple[float, float]:
    """Limits of the grey scale that a few hot pixels do not move."""
    low, high = (float(value) for value in np.percentile(image, (0.2, 99.8)))
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def symmetric_limit(waves: Sequence[NDArray[np.complexfloating]]) -> float:
    """Largest deviation from vacuum, of either part, that the colours have to show."""
    largest = max(
        float(np.percentile(np.abs(part), 99.9))
        for wave in waves
        for part in (wave.real - 1, wave.imag)
    )
    return largest or 1.0
