"""Figures of a data set: a sheet of samples, and the microscopes that were drawn."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exitwave.errors import ExitwaveError
from exitwave.figures.style import (
    BLUE,
    RED,
    Caption,
    colour_bar,
    dose_text,
    drawing,
    formula_text,
    new_figure,
    plain_formula,
    robust_limits,
    save_figure,
    show_image,
    show_structure,
    show_wave,
    signed,
    symmetric_limit,
)
from exitwave.files.reader import StoreReader
from exitwave.samples import EPOCH, EpochSample

SHEET_SAMPLES = 6

# Sizes in inches.
_PANEL, _GAP, _LEFT, _TOP, _BOTTOM = 1.85, 0.07, 0.3, 0.55, 0.62


@dataclass(frozen=True)
class Parameter:
    """A column of an epoch that is drawn at random, and the key that limits it.

    ``factor`` turns the column's unit into the key's.
    """

    column: str
    label: str
    key: str
    factor: float = 1.0
    logarithmic: bool = False


PARAMETERS = (
    Parameter("defocus", "defocus of all images [Å]", "defocus_angstrom"),
    Parameter(
        "spherical_aberration",
        "spherical aberration C$_s$ [µm]",
        "spherical_aberration_micrometre",
        1e-4,
    ),
    Parameter("astigmatism", "astigmatism C$_{12}$ [Å]", "astigmatism_angstrom"),
    Parameter("astigmatism_angle", "angle of C$_{12}$ [rad]", ""),
    Parameter("coma", "coma C$_{21}$ [Å]", "coma_angstrom"),
    Parameter("coma_angle", "angle of C$_{21}$ [rad]", ""),
    Parameter("trefoil", "three-fold astigmatism C$_{23}$ [Å]", "trefoil_angstrom"),
    Parameter("trefoil_angle", "angle of C$_{23}$ [rad]", ""),
    Parameter("shift_x", "shift of all images along x [Å]", ""),
    Parameter("shift_y", "shift of all images along y [Å]", ""),
    Parameter("intensity", "factor of the intensity of all images", ""),
    Parameter("focal_spread", "focal spread, 1/e [Å]", "focal_spread_angstrom"),
    Parameter("blur", "blur B [Å]", "blur_angstrom"),
    Parameter(
        "dose",
        "log$_{10}$ of the dose [Å$^{-2}$]",
        "dose_log10_per_square_angstrom",
        logarithmic=True,
    ),
    Parameter("sampling", "pixel [Å]", "sampling_angstrom"),
    Parameter("mtf_c1", "MTF c$_1$", "mtf_c1"),
    Parameter("mtf_c2", "MTF c$_2$", "mtf_c2"),
    Parameter("mtf_c3", "MTF c$_3$", "mtf_c3"),
    Parameter("atom_count", "atoms of a specimen", ""),
)


def drawn_parameters(reader: StoreReader) -> list[Parameter]:
    """Return the parameters that an epoch has; some are only in those that vary them."""
    names = {variable.name for variable in reader.schema.variables}
    return [parameter for parameter in PARAMETERS if parameter.column in names]


def plot_dataset(epochs: Sequence[Path], output: Path) -> None:
    """Draw ``samples``, some samples of the first epoch, and ``parameters``, histograms of all.

    Parameters
    ----------
    epochs : sequence of Path
        Epochs of one side of a data set.
    output : Path
        Folder of the figures.

    Raises
    ------
    ExitwaveError
        Where there are no samples.
    """
    with contextlib.ExitStack() as stack:
        readers = [stack.enter_context(StoreReader(path, EPOCH)) for path in epochs]
        if not readers or not len(readers[0]):
            raise ExitwaveError("There is no sample to draw; give epochs that hold some.")
        with drawing():
            _plot_samples(readers[0], output)
            _plot_parameters(readers, output)


def sheet_places(materials: Sequence[str], count: int) -> list[int]:
    """Return the places of samples that show as many materials as possible.

    Every material's first sample comes before any material's second one.
    """
    seen: dict[str, int] = {}
    turns = []
    for place, material in enumerate(materials):
        turns.append((seen.get(material, 0), place))
        seen[material] = seen.get(material, 0) + 1
    return [place for _, place in sorted(turns)[:count]]


def _plot_samples(reader: StoreReader, output: Path) -> None:
    materials = [str(name) for name in reader.column("material")]
    samples = [
        EpochSample.from_values(reader.read(place))
        for place in sheet_places(materials, SHEET_SAMPLES)
    ]
    waves = [sample.wave for sample in samples]
    width = _LEFT + len(samples) * (_PANEL + _GAP) + 0.1
    height = _TOP + 4 * _PANEL + 3 * _GAP + _BOTTOM
    figure = new_figure(width, height)
    limit = symmetric_limit(waves)
    drawn: dict[str, Any] = {}
    for column, (sample, wave) in enumerate(zip(samples, waves, strict=True)):
        left = _LEFT + column * (_PANEL + _GAP)
        axes = [_place(figure, left, row) for row in range(4)]
        sampling, image = sample.sampling, sample.image[..., 0]
        show_structure(axes[0], sample.atoms.numbers, sample.atoms.positions, wave.shape, sampling)
        axes[0].set_title(formula_text(sample.identity.formula), pad=15, fontweight="bold")
        drawn["image"] = show_image(axes[1], image, sampling, robust_limits(image))
        drawn_for = sample.microscope
        _note(axes[1], f"Δf = {signed(drawn_for.defocus[0])} Å\n{dose_text(drawn_for.dose)}")
        show_wave(axes[2], wave.real - 1, sampling, limit)
        drawn["wave"] = show_wave(axes[3], wave.imag, sampling, limit)
        if column == 0:
            for axis, label in zip(axes, ("Structure", "Image 1", "Re Ψ − 1", "Im Ψ"), strict=True):
                axis.set_ylabel(label, labelpad=3)
    middle = width / 2
    bar = ((middle - 1.6) / width, 0.4 / height, 3.2 / width, 0.09 / height)
    colour_bar(figure, drawn["wave"], bar, "Re Ψ − 1 and Im Ψ (incident wave = 1)")
    names = ", ".join(plain_formula(sample.identity.formula) for sample in samples)
    caption = Caption(
        "Some samples",
        f"{len(samples)} samples of the data set, of as many materials as possible: the structure "
        "as the beam meets it, the first image of the focal series on its own grey scale with its "
        "defocus and dose, and real and imaginary part of "
        f"the exit wave on one colour scale. From the left: {names}.",
        f"Structures, images and exit waves of {names}.",
    )
    save_figure(figure, output, "samples", caption)


def _place(figure: Any, left: float, row: int) -> Any:
    width, height = figure.get_size_inches()
    bottom = _BOTTOM + (3 - row) * (_PANEL + _GAP)
    return figure.add_axes((left / width, bottom / height, _PANEL / width, _PANEL / height))


def _note(axes: Any, text: str) -> None:
    axes.text(
        0.97,
        0.965,
        text,
        transform=axes.transAxes,
        ha="right",
        va="top",
        fontsize=7,
        color="white",
        linespacing=1.25,
        bbox={"facecolor": "black", "alpha": 0.55, "edgecolor": "none", "pad": 2},
    )


def _plot_parameters(readers: Sequence[StoreReader], output: Path) -> None:
    limits = json.loads(str(readers[0].attributes["spec"])).get("microscope", {})
    parameters = drawn_parameters(readers[0])
    drawn = {parameter: _drawn_values(readers, parameter) for parameter in parameters}
    # With a measured modulation transfer function its formula has no parameters.
    drawn = {parameter: values for parameter, values in drawn.items() if np.isfinite(values).all()}
    columns = 5
    rows = math.ceil(len(drawn) / columns)
    figure = new_figure(10.4, 1.62 * rows)
    for number, (parameter, values) in enumerate(drawn.items()):
        row, column = divmod(number, columns)
        axes = figure.add_axes(
            (0.045 + 0.194 * column, 1 - (row + 0.72) / rows, 0.168, 0.62 / rows)
        )
        _histogram(axes, values, limits.get(parameter.key))
        axes.set_xlabel(parameter.label, labelpad=2, fontsize=8)
        if column == 0:
            axes.set_ylabel("count", labelpad=2, fontsize=8)
    samples = sum(len(reader) for reader in readers)
    text = (
        f"The parameters drawn for {samples} focal series, one microscope a series; the bars "
        "count series, or single images for the defocus. Dashed lines mark the limits of the "
        "configuration. The last histogram shows the sizes of the specimens."
    )
    caption = Caption("The microscopes", text, "Histograms of the drawn microscope parameters.")
    save_figure(figure, output, "parameters", caption)


def _drawn_values(readers: Sequence[StoreReader], parameter: Parameter) -> NDArray[np.float64]:
    values = np.concatenate([reader.column(parameter.column).ravel() for reader in readers])
    values = values.astype(np.float64) * parameter.factor
    return np.log10(values) if parameter.logarithmic else values


def _histogram(axes: Any, values: NDArray[np.float64], limits: Sequence[float] | None) -> None:
    bins = int(np.clip(math.sqrt(values.size), 5, 30))
    low, high = (values.min(), values.max()) if limits is None else limits
    low, high = min(low, values.min()), max(high, values.max())
    if low == high:
        low, high = low - 0.5, high + 0.5
    axes.hist(values, bins=bins, range=(low, high), color=BLUE, alpha=0.85, lw=0)
    for limit in limits or ():
        axes.axvline(limit, color=RED, ls="--", lw=1)
    axes.locator_params(axis="both", nbins=4)
    axes.tick_params(length=2, pad=1.5)
