"""A study of convergence: the paper's Figs. S2 and S4, and what accuracy costs."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from matplotlib import patheffects
from numpy.typing import NDArray

from exitwave.errors import ExitwaveError
from exitwave.figures.order import Order
from exitwave.figures.style import (
    BLACK,
    BLUE,
    GREY,
    RED,
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
from exitwave.files.documents import read_document
from exitwave.summaries.convergence import ConvergenceSummary, Settings

SETTINGS = {"slice_thickness": "slice thickness", "sampling": "lateral sampling"}
_X = {"slice_thickness": "slice_thickness_angstrom", "sampling": "grid_sampling_angstrom"}
_LINES = {"finite": ("-", "o"), "infinite": ("--", "s")}
_PANELS = {
    "relative_error": "a   Error of the wave",
    "relative_error_smeared": "b   Error after the target's smear",
    "relative_seconds": "c   Time",
}


@dataclass(frozen=True)
class _Results:
    """What the files of a study hold: rows, settings, and one wave before and after the smear."""

    rows: pd.DataFrame
    own: Settings
    reference: Settings
    smear: float
    wave: NDArray[np.complex64]
    smeared_wave: NDArray[np.complex64]
    sampling: float
    """Of both waves [Å]."""
    formula: str

    @classmethod
    def read(cls, study: Path) -> Self:
        """Read the folder of a study."""
        summary = read_document(study / "summary.json", ConvergenceSummary)
        with np.load(study / "wave.npz", allow_pickle=False) as stored:
            return cls(
                rows=pd.read_csv(study / "errors.csv"),
                own=summary.settings,
                reference=summary.reference,
                smear=float(stored["smear"]),
                wave=stored["wave"],
                smeared_wave=stored["smeared"],
                sampling=float(stored["sampling"]),
                formula=str(stored["formula"]),
            )

    def curves(self, comparison: str) -> Iterator[tuple[str, int, str, pd.DataFrame]]:
        """Yield name, number, projection and medians over specimens of each material."""
        chosen = self.rows[self.rows["comparison"] == comparison]
        names = _names(self.rows)
        for (material, projection), rows in chosen.groupby(["material", "projection"], sort=False):
            settings = ["slice_thickness_angstrom", "sampling_angstrom"]
            medians = rows.groupby(settings, as_index=False).median(numeric_only=True)
            yield names[material], list(names).index(material), str(projection), medians


def draw(order: Order, output: Path) -> None:
    """Draw the figures of a study of convergence.

    Writes ``slice_thickness`` (the paper's Fig. S2), ``sampling``, ``cost`` and ``smear``
    (Fig. S4).
    """
    for source in order.sources:
        results = _read(source.path)
        for comparison in SETTINGS:
            _plot_setting(results, comparison, output)
        _plot_cost(results, output)
        _plot_smear(results, output)


def _read(study: Path) -> _Results:
    """Read ``errors.csv``, ``summary.json`` and ``wave.npz``."""
    try:
        results = _Results.read(study)
    except (ExitwaveError, OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise ExitwaveError(
            f"The study of convergence in {study} cannot be read ({error}); remove the folder and "
            "run `snakemake convergence` again."
        ) from error
    return results


def _names(rows: pd.DataFrame) -> dict[Any, str]:
    """Materials by identifier, as their formula where it is the only one with it."""
    pairs = rows[["material", "formula"]].drop_duplicates()
    several = pairs["formula"].duplicated(keep=False)
    return {
        material: str(material if twice else formula)
        for material, formula, twice in zip(
            pairs["material"], pairs["formula"], several, strict=True
        )
    }


def _plot_setting(results: _Results, comparison: str, output: Path) -> None:
    """Draw both errors and the time against one setting."""
    figure = new_figure(10.4, 3.5)
    panels = {
        column: figure.add_axes((left, 0.15, 0.22, 0.76))
        for column, left in zip(_PANELS, (0.065, 0.335, 0.635), strict=True)
    }
    own = _value(results.own, comparison)
    for name, number, projection, medians in results.curves(comparison):
        line, marker = _LINES[projection]
        for column, axes in panels.items():
            shown = medians[medians[column] > 0]
            axes.plot(
                shown[_X[comparison]],
                shown[column],
                color=SERIES[number],
                ls=line,
                marker=marker,
                ms=3.8,
                mfc=SERIES[number] if projection == "finite" else "white",
                label=f"{formula_text(name)}, {projection}",
            )
    for column, axes in panels.items():
        axes.set(xscale="log", yscale="log", xlabel=f"{SETTINGS[comparison]} [Å]")
        axes.set_title(_PANELS[column], loc="left")
        axes.axvline(own, color=GREY, lw=0.8, ls=":", zorder=0)
        _finish(axes, results, comparison)
    panels["relative_error"].set_ylabel("Δ, Eq. (A.1)")
    panels["relative_seconds"].set_ylabel("time, relative to this configuration", labelpad=2)
    _readable(panels["relative_seconds"].yaxis)
    _share_limits([panels["relative_error"], panels["relative_error_smeared"]])
    panels["relative_seconds"].legend(
        loc="center left", bbox_to_anchor=(1.0, 0.5), handlelength=2.6
    )
    save_figure(figure, output, comparison, _setting_caption(results, comparison))


def _finish(axes: Any, results: _Results, comparison: str) -> None:
    from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator

    values = results.rows.loc[results.rows["comparison"] == comparison, _X[comparison]]
    shown = sorted({round(float(value), 4) for value in values})
    axes.xaxis.set_major_locator(FixedLocator(shown))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.3g}")
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.grid(axis="y", color="#E4E4E4", lw=0.5)
    axes.set_axisbelow(True)


def _readable(axis: Any) -> None:
    """Label a logarithmic axis of few decades with plain numbers, too."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    low, high = axis.get_view_interval()
    if high / low < 1e3:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low < 100 else (1, 3)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def _share_limits(panels: list[Any]) -> None:
    limits = np.array([axes.get_ylim() for axes in panels])
    for axes in panels:
        axes.set_ylim(limits[:, 0].min(), limits[:, 1].max())


def _value(settings: Settings, comparison: str) -> float:
    """The one of the settings that a comparison varies [Å]."""
    return {"slice_thickness": settings.slice_thickness, "sampling": settings.sampling}[comparison]


def _described(settings: Settings) -> str:
    return f"{settings.projection}, {settings.slice_thickness:g} Å slices, {settings.sampling:g} Å"


def _setting_caption(results: _Results, comparison: str) -> Caption:
    other = "sampling" if comparison == "slice_thickness" else "slice_thickness"
    finest = f"{_value(results.reference, comparison):g} Å"
    held = (
        f"The correct wave has finite projection and slices of {finest}"
        if comparison == "slice_thickness"
        else f"The correct wave has the same projection and a sampling of {finest}"
    )
    specimens = results.rows["sample_index"].nunique()
    fixed = f"{SETTINGS[other]} is {_value(results.own, other):g} Å"
    text = (
        f"Eq. (A.1) of exit waves against the {SETTINGS[comparison]}, (a) of the waves "
        f"and (b) after the target's Gaussian of {results.smear:g} Å, and (c) the processor time "
        f"of one wave relative to that of the configuration's settings, {_described(results.own)}"
        f" (dotted line). {held}; the {fixed} in all. "
        f"Specimens of each material: {specimens}; medians. All axes are logarithmic."
    )
    alternative = f"Error and time of exit waves against the {SETTINGS[comparison]}."
    return Caption(f"Convergence with {SETTINGS[comparison]}", text, alternative)


def _plot_cost(results: _Results, output: Path) -> None:
    """Draw the error of all settings against their time: what a user may choose from."""
    total = results.rows[results.rows["comparison"] == "total"]
    settings = ["projection", "slice_thickness_angstrom", "sampling_angstrom"]
    medians = total.groupby(settings, as_index=False).median(numeric_only=True)
    own = results.own
    figure = new_figure(10.4, 4.2)
    for place, (column, left) in enumerate(
        {"relative_error": 0.065, "relative_error_smeared": 0.455}.items()
    ):
        axes = figure.add_axes((left, 0.13, 0.36, 0.79))
        for projection, colour in (("finite", BLUE), ("infinite", RED)):
            of_projection = medians[medians["projection"] == projection]
            for comparison, other in (
                ("slice_thickness", "sampling"),
                ("sampling", "slice_thickness"),
            ):
                rows = of_projection[of_projection[f"{other}_angstrom"] == _value(own, other)]
                rows = rows[rows[column] > 0].sort_values(f"{comparison}_angstrom")
                _draw_cost(axes, rows, column, colour, comparison, projection)
        chosen = medians[
            (medians["projection"] == own.projection)
            & (medians["slice_thickness_angstrom"] == own.slice_thickness)
            & (medians["sampling_angstrom"] == own.sampling)
        ]
        axes.plot(
            chosen["relative_seconds"],
            chosen[column],
            "o",
            ms=11,
            mfc="none",
            mec=BLACK,
            label=f"this configuration:\n{_described(own)}",
        )
        axes.set(xscale="log", yscale="log", xlabel="time, relative to this configuration")
        axes.set_title(list(_PANELS.values())[place], loc="left")
        axes.grid(color="#E4E4E4", lw=0.5)
        axes.set_axisbelow(True)
        axes.margins(0.1)
        _readable(axes.xaxis)
    panels = figure.axes
    panels[0].set_ylabel("Δ, Eq. (A.1)")
    _share_limits(panels)
    panels[1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5), handlelength=3)
    text = (
        "Eq. (A.1) of the exit wave against the time that it takes, for all settings, (a) before "
        f"and (b) after the target's Gaussian of {results.smear:g} Å; medians over all specimens. "
        f"The correct wave: {_described(results.reference)}. Numbers are slice thicknesses "
        f"(circles) or samplings (triangles) in Å; the other of the two is as in this "
        f"configuration ({_described(own)}). Settings to the lower left are better."
    )
    alternative = "Error of exit waves against the time of the multislice for all settings."
    save_figure(figure, output, "cost", Caption("Error and time", text, alternative))


def _draw_cost(
    axes: Any, rows: pd.DataFrame, column: str, colour: str, comparison: str, projection: str
) -> None:
    """Draw one line of settings, each but the configuration's own with its value beside it."""
    slices = comparison == "slice_thickness"
    axes.plot(
        rows["relative_seconds"],
        rows[column],
        color=colour,
        ls="-" if slices else ":",
        marker="o" if slices else "^",
        ms=4.5,
        mfc=colour if slices else "white",
        label=f"{projection}, {SETTINGS[comparison]}",
    )
    # This line runs at the lower left of the others.
    left = projection == "infinite" and not slices
    look = {"ha": "right", "va": "top"} if left else {"ha": "left", "va": "bottom"}
    around = [patheffects.withStroke(linewidth=2, foreground="white")]
    for x, y, value in zip(
        rows["relative_seconds"], rows[column], rows[f"{comparison}_angstrom"], strict=True
    ):
        if x != 1:
            axes.annotate(
                f"{value:g}",
                (x, y),
                (-4, -3) if left else (4, 3),
                textcoords="offset points",
                fontsize=7,
                color=colour,
                path_effects=around,
                **look,
            )


def _plot_smear(results: _Results, output: Path) -> None:
    """Draw one wave before and after the smear, as in the paper's Fig. S4."""
    before, after = results.wave, results.smeared_wave
    sampling, smear, formula = results.sampling, results.smear, results.formula
    figure = new_figure(6.0, 6.6)
    limit = symmetric_limit([before])
    drawn = None
    for column, (title, shown) in enumerate(
        {"Exit wave": before, f"Folded with a Gaussian of {smear:g} Å": after}.items()
    ):
        for row, (part, label) in enumerate(((shown.real - 1, "Re Ψ − 1"), (shown.imag, "Im Ψ"))):
            axes = figure.add_axes((0.05 + 0.475 * column, 0.53 - 0.425 * row, 0.465, 0.4227))
            drawn = show_wave(axes, part, sampling, limit)
            if row == 0:
                axes.set_title(title, pad=4)
            if column == 0:
                axes.set_ylabel(label, labelpad=4)
    colour_bar(figure, drawn, (0.28, 0.072, 0.46, 0.014), "Re Ψ − 1 and Im Ψ (incident wave = 1)")
    text = (
        f"Real part less 1 and imaginary part of the exit wave of a specimen of "
        f"{plain_formula(formula)} before (left) and after (right) folding with the target's "
        f"Gaussian of {smear:g} Å, on one colour scale. The rings about the sharp peaks go."
    )
    alternative = f"Exit wave of {plain_formula(formula)} before and after the target's smear."
    save_figure(figure, output, "smear", Caption("Smear of the target", text, alternative))
