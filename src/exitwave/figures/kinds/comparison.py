"""Networks beside classical reconstruction: the paper's Figs. 10, S13 and S14."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from exitwave.errors import ExitwaveError
from exitwave.figures.order import Order
from exitwave.figures.reading import read_table
from exitwave.figures.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    RED,
    Caption,
    colour_bar,
    dose_text,
    formula_text,
    new_figure,
    plain_formula,
    readable_log,
    robust_limits,
    save_figure,
    show_image,
    show_wave,
    signed,
    symmetric_limit,
)
from exitwave.scoring.examples import WAYS, ComparisonExample, read_examples_of

_NAMES = {
    "network": "network",
    "classical_paper": "classical, as in the paper",
    "classical_all": "classical, all known",
    "classical_few": "classical, the network's images",
}
_COLOURS = dict(zip(WAYS, (BLUE, RED, GREEN, ORANGE), strict=True))

# Sizes in inches.
_PANEL, _GAP, _ROW_GAP, _LEFT, _TOP, _BOTTOM = 1.85, 0.07, 0.26, 0.3, 1.0, 0.62


def draw(order: Order, output: Path) -> None:
    """Draw ``example``, one sample of a comparison, and ``errors``, those of all samples.

    Without a percentile it shows the median sample.
    """
    percentile = 50.0 if order.percentile is None else order.percentile
    for source in order.sources:
        example, rows = (
            _read_example(source.path, percentile),
            read_table(source.path / "samples.csv"),
        )
        _plot_example(example, output, order.picture(source, "example"))
        _plot_errors(rows, output, order.picture(source, "errors"))


def _read_example(comparison: Path, percentile: float) -> ComparisonExample:
    for example in read_examples_of(ComparisonExample, comparison):
        if example.percentile == percentile:
            return example
    raise ExitwaveError(
        f"The comparison {comparison} keeps no sample at {percentile:g} %; add it to the "
        "comparison's percentiles."
    )


def _plot_example(example: ComparisonExample, output: Path, name: str) -> None:
    row = example.row
    figure = new_figure(_LEFT + 6 * (_PANEL + _GAP) + 0.2, _TOP + 2 * _PANEL + _ROW_GAP + _BOTTOM)
    limits = robust_limits(example.image[..., [0, -1]])
    for place, (letter, frame) in enumerate((("a", 0), ("b", example.image.shape[-1] - 1))):
        axes = _place(figure, 0, place)
        drawn = show_image(axes, example.image[..., frame], example.sampling, limits)
        axes.set_title(
            f"({letter}) Image {frame + 1}: Δf = {signed(example.defocus[frame])} Å", pad=3
        )
    colour_bar(figure, drawn, _bar(figure, 0, 1), "intensity (incident = 1)")
    waves = {
        "(c) Network": example.prediction - 1,
        "(d) Truth": example.truth - 1,
        "(e) Classical, paper": example.classical_paper - 1,
        "(f) Truth, high pass": example.high_pass_truth,
        "(g) Classical, all known": example.classical_all - 1,
    }
    errors = {0: "network", 2: "classical_paper", 4: "classical_all"}
    limit = symmetric_limit([example.truth, example.prediction])
    for column, (title, wave) in enumerate(waves.items(), 1):
        for line, (part, which) in enumerate(((wave.real, "real"), (wave.imag, "imag"))):
            axes = _place(figure, column, line)
            drawn = show_wave(axes, part, example.sampling, limit)
            known = errors.get(column - 1)
            error = f"RMSE {row[f'{known}_rmse_{which}']:.4f}" if known else ""
            axes.set_title("\n".join(filter(None, (title if line == 0 else "", error))), pad=3)
            if column == 1:
                axes.set_ylabel(("Re Ψ − 1", "Im Ψ")[line], labelpad=3)
    colour_bar(figure, drawn, _bar(figure, 2, 5), "Re Ψ − 1 and Im Ψ (incident wave = 1)")
    width, height = figure.get_size_inches()
    figure.text(
        0.1 / width,
        1 - 0.1 / height,
        f"{formula_text(example.formula)}, specimen {row['sample_index']}: "
        f"{example.percentile:g} % of the samples are worse for the network",
        fontsize=11,
        fontweight="bold",
        va="top",
    )
    details = (
        f"RMSE of the network {row['network_rmse']:.4f}",
        f"of the classical wave {row['classical_paper_rmse']:.4f}, "
        f"after the high pass {row['classical_paper_high_pass_rmse']:.4f}",
        f"with all aberrations known {row['classical_all_rmse']:.4f}",
        f"dose {dose_text(example.dose)} an image",
    )
    figure.text(
        0.1 / width, 1 - 0.36 / height, "   ·   ".join(details), fontsize=8.5, color=GREY, va="top"
    )
    save_figure(figure, output, name, _example_caption(example))


def _place(figure: Any, column: int, line: int) -> Any:
    width, height = figure.get_size_inches()
    left = 0.1 + column * (_PANEL + _GAP) + (_LEFT if column else 0)
    bottom = _BOTTOM + (1 - line) * (_PANEL + _ROW_GAP)
    return figure.add_axes((left / width, bottom / height, _PANEL / width, _PANEL / height))


def _bar(figure: Any, first: int, last: int) -> tuple[float, float, float, float]:
    width, height = figure.get_size_inches()
    left, right = (
        0.1 + column * (_PANEL + _GAP) + (_LEFT if column else 0) for column in (first, last)
    )
    return ((left + 0.15) / width, 0.4 / height, (right - left - 0.6) / width, 0.09 / height)


def _example_caption(example: ComparisonExample) -> Caption:
    row, frames = example.row, example.image.shape[-1]
    formula = plain_formula(example.formula)
    text = (
        f"Specimen {row['sample_index']} of {formula}; {example.percentile:g} % of the samples are "
        f"worse for the network. (a, b) The first and the last of {frames} images. (c) The "
        "network's wave from the first, the last and images between at even distances. (d) The "
        f"truth. (e) Classical reconstruction from all {frames} images, given defocus, Cs and "
        "focal spread but neither coma nor astigmatism. (f) The truth without its longest "
        "wavelengths, which (e) cannot contain. (g) Classical reconstruction given all parameters. "
        "Upper row: real part; lower row: imaginary part. The RMSE of the complex wave is "
        f"{row['network_rmse']:.4f} for (c) against (d), {row['classical_paper_rmse']:.4f} for (e) "
        f"against (d), {row['classical_paper_high_pass_rmse']:.4f} for (e), filtered alike, "
        f"against (f) (the network, so filtered: {row['network_high_pass_rmse']:.4f}), "
        f"{row['classical_all_rmse']:.4f} for (g) against (d), and "
        f"{row['classical_few_rmse']:.4f} if the classical reconstruction is given all "
        "parameters but only the network's images."
    )
    return Caption(
        f"Network and classical reconstruction, {formula}",
        text,
        f"Images, waves of network and classical reconstruction, and the truth of {formula}.",
    )


def _plot_errors(rows: pd.DataFrame, output: Path, picture: str) -> None:
    figure = new_figure(9.4, 3.2)
    both = [figure.add_axes((left, 0.15, 0.325, 0.73)) for left in (0.225, 0.61)]
    titles = ("a   All wavelengths", "b   Without the longest wavelengths")
    for axes, infix, title in zip(both, ("", "high_pass_"), titles, strict=True):
        for place, name in enumerate(WAYS):
            values = rows[f"{name}_{infix}rmse"]
            spread = place + 0.12 * np.linspace(-1, 1, len(values))
            axes.plot(values, spread, "o", ms=4, color=_COLOURS[name], alpha=0.7)
            axes.plot([values.median()] * 2, [place - 0.3, place + 0.3], color=BLACK, lw=1.5)
        axes.set(xscale="log", xlabel="RMSE of the complex wave", ylim=(3.5, -0.5))
        axes.set_yticks(range(len(WAYS)), list(_NAMES.values()) if not infix else [])
        readable_log(axes, axes.xaxis)
        axes.set_title(title, loc="left")
    medians = ", ".join(
        f"{_NAMES[name]} {rows[f'{name}_rmse'].median():.4f} "
        f"({rows[f'{name}_high_pass_rmse'].median():.4f})"
        for name in WAYS
    )
    caption = Caption(
        "Errors of network and classical reconstruction",
        f"Errors of {len(rows)} samples, chosen along the network's ranking, in its order from "
        "top to bottom of each row of points; bars mark the medians. (a) All wavelengths. (b) "
        "Truth and waves without their longest wavelengths. “As in the paper” is given "
        "defocus, Cs and focal spread; “all known” all parameters; “the network's images” "
        f"likewise, but no more images than the network. Medians (filtered): {medians}.",
        "Errors of the network and of three classical reconstructions.",
    )
    save_figure(figure, output, picture, caption)
