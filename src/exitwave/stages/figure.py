"""The figures that a configuration asks for, those of the paper among them.

>>> draw_figure(spec, [Path("results/evaluations/mos2/mos2")], Path("results/figures/fig_1"))
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from exitwave.errors import ExitwaveError
from exitwave.figures.kinds import draw
from exitwave.figures.order import Order, Source
from exitwave.workflow.specs import FigureSpec, read_spec


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
    dataset_labels = values.dataset_labels or ("",) * len(names)
    datasets = values.datasets or dataset_labels
    shown = zip(names, labels, sources, datasets, dataset_labels, strict=True)
    draw(figure.shows, Order(tuple(Source(*entry) for entry in shown), figure.percentile), output)
