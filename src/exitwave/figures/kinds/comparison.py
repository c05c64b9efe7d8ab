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
from exitwave.files.documents import read_document
from exitwave.scoring.examples import WAYS, ComparisonExample, read_examples_of
from exitwave.summaries.scores import ComparisonSummary

# Sizes in inches.
_PANEL, _GAP, _ROW_GAP, _LEFT, _TOP, _BOTTOM = 1.75, 0.07, 0.26, 0.3, 1.0, 0.62


def draw(order: Order, output: Path) -> None:
    """Draw ``example``, one sample of a comparison, and ``errors``, those of all samples.

    Without a percentile it shows the median sample.
    """
    percentile = 50.0 if order.percentile is None else order.percentile
    for source in order.sources:
        example = _read_example(source.path, percentile)
        rows = read_table(source.path / "samples.csv")
        summary = read_document(source.path / "summary.json", ComparisonSummary)
        few = len(summary.network_frames)
        _plot_example(example, few, output, order.picture(source, "example"))
        images = (few, example.image.shape[-1])
        _plot_errors(rows, images, output, order.picture(source, "errors"))


def _read_example(comparison: Path, percentile: float) -> ComparisonExample:
    for example in read_examples_of(ComparisonExample, comparison):
        if example.percentile == percentile:
            return example
    raise ExitwaveError(
        f"The comparison {comparison} keeps no sample at {percentile:g} %; add it to the "
        "comparison's percentiles."
    )


def _plot_example(example: ComparisonExample, few: int, output: Path, name: str) -> None:
    row = example.row
    figure = new_figure(_LEFT + 7 * (_PANEL + _GAP) + 0.2, _TOP + 2 * _PANEL + _ROW_GAP + _BOTTOM)
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
        "(d) Network, refined": example.network_refined - 1,
        "(e) Truth": example.truth - 1,
        "(f) Classical, paper": example.classical_paper - 1,
        "(g) Truth, high pass": example.high_pass_truth,
        "(h) Classical, all known": example.classical_all - 1,
    }
    errors = {0: "network", 1: "network_refined", 3: "classical_paper", 5: "classical_all"}
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
    colour_bar(figure, drawn, _bar(figure, 2, 6), "Re Ψ − 1 and Im Ψ (incident wave = 1)")
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
        f"refined {row['network_refined_rmse']:.4f}",
        f"of the classical wave {row['classical_paper_rmse']:.4f}, "
        f"after the high pass {row['classical_paper_high_pass_rmse']:.4f}",
        f"with all aberrations known {row['classical_all_rmse']:.4f}",
        f"dose {dose_text(example.dose)} an image",
    )
    figure.text(
        0.1 / width, 1 - 0.36 / height, "   ·   ".join(details), fontsize=8.5, color=GREY, va="top"
    )
    save_figure(figure, output, name, _example_caption(example, few))


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


def _example_caption(example: ComparisonExample, few: int) -> Caption:
    row, frames = example.row, example.image.shape[-1]
    formula = plain_formula(example.formula)
    text = (
        f"Specimen {row['sample_index']} of {formula}; {example.percentile:g} % of the samples are "
        f"worse for the network. (a, b) The first and the last of {frames} images. (c) The "
        f"network's wave from {few} of them, at even distances from the first to the last. (d) "
        "That wave refined by the same images, with all aberrations unknown. (e) The truth. (f) "
        f"Classical reconstruction from all {frames} images, given defocus, Cs and focal spread "
        "but neither coma nor astigmatism. (g) The truth without its longest wavelengths, which "
        "(f) cannot contain. (h) Classical reconstruction given all parameters. Upper row: real "
        "part; lower row: imaginary part. The RMSE of the complex wave against (e) is "
        f"{row['network_rmse']:.4f} for (c), {row['network_refined_rmse']:.4f} for (d), "
        f"{row['classical_paper_rmse']:.4f} for (f) and {row['classical_all_rmse']:.4f} for (h); "
        f"that of (f), filtered as (g), against (g) is {row['classical_paper_high_pass_rmse']:.4f} "
        f"(the network, so filtered: {row['network_high_pass_rmse']:.4f}; refined: "
        f"{row['network_refined_high_pass_rmse']:.4f}). It is {row['network_floor_rmse']:.4f} if "
        f"the refinement is given all parameters, and {row['classical_few_rmse']:.4f} if the "
        "classical reconstruction is, but gets only the network's images."
    )
    return Caption(
        f"Network and classical reconstruction, {formula}",
        text,
        f"Images, waves of network and classical reconstruction, and the truth of {formula}.",
    )


def _plot_errors(rows: pd.DataFrame, images: tuple[int, int], output: Path, picture: str) -> None:
    few, every = images
    names = {
        column: f"{way.label}, {every if way.all_images else few} images"
        for column, way in WAYS.items()
    }
    figure = new_figure(9.8, 5.0)
    both = [figure.add_axes((left, 0.1, 0.325, 0.83)) for left in (0.265, 0.64)]
    titles = ("a   All wavelengths", "b   Without the longest wavelengths")
    for axes, infix, title in zip(both, ("", "high_pass_"), titles, strict=True):
        for place, name in enumerate(WAYS):
            values = rows[f"{name}_{infix}rmse"]
            spread = place + 0.12 * np.linspace(-1, 1, len(values))
            axes.plot(values, spread, "o", ms=4, color=_colour(name), alpha=0.7)
            axes.plot([values.median()] * 2, [place - 0.3, place + 0.3], color=BLACK, lw=1.5)
        axes.set(xscale="log", xlabel="RMSE of the complex wave", ylim=(len(WAYS) - 0.5, -0.5))
        axes.set_yticks(range(len(WAYS)), list(names.values()) if not infix else [])
        readable_log(axes, axes.xaxis)
        axes.set_title(title, loc="left")
    medians = "; ".join(
        f"{label} {rows[f'{name}_rmse'].median():.4f} "
        f"({rows[f'{name}_high_pass_rmse'].median():.4f})"
        for name, label in names.items()
    )
    caption = Caption(
        "Errors of network and classical reconstruction",
        f"Errors of {len(rows)} samples, chosen along the network's ranking, in its order from "
        "top to bottom of each row of points; bars mark the medians. (a) All wavelengths. (b) "
        f"Truth and waves without their longest wavelengths. The network gets {few} images; its "
        f"wave of these is refined by them or by all {every}, all aberrations unknown or “all "
        "known”. The classical reconstruction is given defocus, Cs and focal spread (“as in the "
        "paper”), all parameters (“all known”), or those that the refinement of the network's "
        f"images found (“microscope fitted”). Medians (filtered): {medians}.",
        "Errors of the network, of its refined waves and of classical reconstructions.",
    )
    save_figure(figure, output, picture, caption)


def _colour(name: str) -> str:
    if name.startswith("network"):
        return BLUE if name == "network" else GREEN
    return RED if name == "classical_paper" else ORANGE
