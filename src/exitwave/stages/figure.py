"""The figures that a configuration asks for, those of the paper among them.

>>> draw_figure(spec, [Path("results/evaluations/mos2/mos2")], Path("results/figures/fig_1"))
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from exitwave.config import FigureSettings
from exitwave.errors import ExitwaveError
from exitwave.figures.kinds.argand import plot_argand
from exitwave.figures.kinds.comparison import plot_comparison_errors, plot_comparison_example
from exitwave.figures.kinds.convergence import plot_convergence
from exitwave.figures.kinds.disagreement import plot_calibration, plot_disagreement
from exitwave.figures.kinds.histograms import peak_settings, plot_comparison, read_samples
from exitwave.figures.kinds.history import plot_histories, plot_training_size
from exitwave.figures.kinds.samples import plot_example
from exitwave.figures.style import drawing
from exitwave.scoring.examples import Example, read_examples
from exitwave.workflow.specs import FigureSpec, read_spec


@dataclass(frozen=True)
class _Order:
    """What is to be drawn: the entry of the configuration, and the folder of each source."""

    figure: FigureSettings
    folders: Mapping[str, Path]
    labels: Mapping[str, Path]
    dataset_labels: Sequence[str]


def draw_figure(spec: str, sources: Sequence[Path], output: Path) -> None:
    """Draw one figure of a configuration.

    Parameters
    ----------
    spec : str
        See `exitwave.workflow.specs.figure_spec`.
    sources : sequence of Path
        Folders of the evaluations, networks, ensembles or comparisons that it shows, in the order
        of its ``of``, or the folder of the study of convergence.
    output : Path
        Folder of the pictures, each as PNG and SVG, and their captions.

    Raises
    ------
    ExitwaveError
        Where the sources are not those of the spec, or a file is missing.
    """
    values = read_spec(spec, FigureSpec)
    figure = values.figure
    names = figure.of or ("convergence",)
    if len(sources) != len(names):
        raise ExitwaveError(
            f"The figure shows {len(names)} of {', '.join(names)}, but {len(sources)} folders were "
            "given; give one for each, in the same order."
        )
    labels = values.labels or names
    order = _Order(
        figure,
        dict(zip(names, sources, strict=True)),
        dict(zip(labels, sources, strict=True)),
        values.dataset_labels,
    )
    with drawing():
        _DRAWN[figure.shows](order, output)


def _draw_samples(order: _Order, output: Path) -> None:
    for name, folder in order.folders.items():
        peaks = peak_settings(folder)
        samples = len(read_samples(folder))
        plot_example(_example(folder, order.figure.percentile), name, output, *peaks, samples)


def _draw_argand(order: _Order, output: Path) -> None:
    for name, folder in order.folders.items():
        peaks = peak_settings(folder)
        plot_argand(_example(folder, order.figure.percentile), name, output, *peaks)


def _example(folder: Path, percentile: float) -> Example:
    for example in read_examples(folder):
        if example.percentile == percentile:
            return example
    raise ExitwaveError(
        f"The evaluation {folder} keeps no sample at {percentile:g} %; add it to the evaluation's "
        "percentiles."
    )


def _draw_disagreement(order: _Order, output: Path) -> None:
    for folder in order.folders.values():
        plot_disagreement(folder, output)


def _draw_comparison(order: _Order, output: Path) -> None:
    for folder in order.folders.values():
        plot_comparison_example(folder, order.figure.percentile, output)
        plot_comparison_errors(folder, output)


def _draw_convergence(order: _Order, output: Path) -> None:
    for folder in order.folders.values():
        plot_convergence(folder, output)


_DRAWN: Mapping[str, Callable[[_Order, Path], None]] = {
    "samples": _draw_samples,
    "argand": _draw_argand,
    "histograms": lambda order, output: plot_comparison(order.labels, output),
    "history": lambda order, output: plot_histories(order.labels, output),
    "training_size": lambda order, output: plot_training_size(
        order.labels, order.dataset_labels, output
    ),
    "disagreement": _draw_disagreement,
    "calibration": lambda order, output: plot_calibration(order.labels, output),
    "comparison": _draw_comparison,
    "convergence": _draw_convergence,
}
