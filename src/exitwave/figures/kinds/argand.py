"""Argand plots: what an exit wave says about its atomic columns, as in the paper's Fig. 5."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from exitwave.figures.complex_plane import finish_plane
from exitwave.figures.evaluations import peak_settings, read_example
from exitwave.figures.faults import example_peaks
from exitwave.figures.order import Order
from exitwave.figures.style import (
    GREY,
    SERIES,
    Caption,
    colour_bar,
    formula_text,
    new_figure,
    plain_formula,
    save_figure,
    show_wave,
    symmetric_limit,
)
from exitwave.scoring.examples import Example, read_examples
from exitwave.scoring.peaks import Floats, Peaks

MARKERS = "osD^vP*"
MOST_COMPOSITIONS = len(SERIES)


def draw(order: Order, output: Path) -> None:
    """Draw one sample of each evaluation under its name.

    Without a percentile it draws ``argand`` of the median sample or, where that is not kept, of the
    one nearest to it.
    """
    for source in order.sources:
        peaks = peak_settings(source.path)
        if order.percentile is not None:
            example = read_example(source.path, order.percentile)
            plot_argand(example, source.name, output, *peaks)
        elif kept := read_examples(source.path):
            median = min(kept, key=lambda example: abs(example.percentile - 50))
            plot_argand(median, "argand", output, *peaks)


def compositions(
    peaks: Peaks, numbers: NDArray[np.integer], positions: Floats, distance: float
) -> list[str]:
    """Return the atoms near each peak as a formula, heaviest first; "" where there are none.

    Parameters
    ----------
    peaks : Peaks
        n peaks.
    numbers, positions : (m,) and (m, 3) arrays
        Atoms; positions [Å].
    distance : float
        Atoms closer than this in the plane belong to the peak's column [Å].
    """
    near = cKDTree(positions[:, :2]).query_ball_point(peaks.positions, distance)
    names = []
    for indices in near:
        counts = Counter(int(numbers[index]) for index in indices)
        names.append(
            "".join(
                chemical_symbols[number] + (str(count) if count > 1 else "")
                for number, count in sorted(counts.items(), reverse=True)
            )
        )
    return names


def plot_argand(
    example: Example, name: str, output: Path, threshold: float, distance: float
) -> None:
    """Draw the wave's values at its peaks in the complex plane, as in the paper's Fig. 5.

    The parameters are those of `exitwave.figures.kinds.samples.plot_example`.
    """
    true, predicted, _ = example_peaks(example, threshold, distance)
    atoms = (example.atom_number, example.atom_position, distance)
    labels = [compositions(peaks, *atoms) for peaks in (predicted, true)]
    styles = _styles(Counter(labels[0] + labels[1]))
    figure = new_figure(10.4, 3.6)
    picture = figure.add_axes((0.012, 0.16, 0.255, 0.7367))
    limit = symmetric_limit([example.truth, example.prediction])
    drawn = show_wave(picture, example.prediction.imag, example.sampling, limit)
    drawn.set_alpha(0.55)
    colour_bar(figure, drawn, (0.057, 0.122, 0.165, 0.025), "Im Ψ (incident wave = 1)")
    picture.set_title("a   Prediction, Im Ψ, with its peaks", loc="left")
    planes = [figure.add_axes((left, 0.16, 0.255, 0.7367)) for left in (0.338, 0.637)]
    planes[0].set_title("b   Peak values of the prediction", loc="left")
    planes[1].set_title("c   Peak values of the truth", loc="left")
    for style, (colour, marker) in styles.items():
        for peaks, names, plane in zip((predicted, true), labels, planes, strict=True):
            chosen = np.array([_grouped(label, styles) == style for label in names], dtype=bool)
            values = peaks.values[chosen]
            look = {"color": colour, "marker": marker, "ls": "", "mec": "white", "mew": 0.3}
            plane.plot(values.real, values.imag, ms=5, **look, label=_label(style))
            if peaks is predicted:
                picture.plot(*peaks.positions[chosen].T, ms=3.2, **look)
    _finish_planes(planes, np.concatenate([predicted.values, true.values]))
    save_figure(figure, output, name, _argand_caption(example, distance))


def _styles(counts: Counter[str]) -> dict[str, tuple[str, str]]:
    """Colours and markers of the most frequent compositions; "other" and "" stand for the rest."""
    frequent = [label for label, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]
    named = [label for label in frequent if label][: MOST_COMPOSITIONS - 1]
    styles = {label: (SERIES[place], MARKERS[place]) for place, label in enumerate(named)}
    if len([label for label in frequent if label]) > len(named):
        styles["other"] = (GREY, "o")
    if "" in counts:
        styles[""] = (GREY, "X")
    return styles


def _grouped(label: str, styles: dict[str, tuple[str, str]]) -> str:
    return label if label in styles else "other"


def _label(style: str) -> str:
    return {"": "none", "other": "others"}.get(style, formula_text(style))


def _finish_planes(planes: Sequence[Any], values: NDArray[np.complex128]) -> None:
    """Give both planes the same limits, which hold all values and vacuum, and a legend."""
    for plane in planes:
        finish_plane(plane, values)
    planes[1].set_ylabel("")
    planes[1].legend(
        loc="center left", bbox_to_anchor=(1.0, 0.5), title="atoms of the\nnearest column"
    )


def _argand_caption(example: Example, distance: float) -> Caption:
    row = example.row
    formula = plain_formula(example.formula)
    return Caption(
        f"Argand plot, {formula}",
        f"Values of the exit wave at the local maxima of |Ψ − 1| of specimen "
        f"{row['sample_index']} of {formula} ({example.percentile:g} % of the samples are "
        "worse). (a) The predicted imaginary part with the predicted peaks. (b) Their values in "
        "the complex plane. (c) The same for the true exit wave. Colours and shapes tell which "
        f"atoms lie within {distance:g} Å of the peak in the plane.",
        f"Peak values of predicted and true exit wave of {formula} in the complex plane, "
        "coloured by the composition of the atomic column.",
    )
