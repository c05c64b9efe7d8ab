"""All figures of the report, from the files that the stages wrote.

Each function writes PNG and SVG files and their captions into a folder.

>>> plot_dataset([Path("results/demo/epochs/3_images/validation/00.nc")], Path("figures/demo"))
>>> plot_history(Path("results/networks/demo"), Path("figures/history"))
>>> plot_evaluation(Path("results/evaluations/demo/demo"), Path("figures/evaluation"))
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from exitwave.errors import ExitwaveError
from exitwave.figures.argand import plot_argand
from exitwave.figures.convergence import plot_convergence
from exitwave.figures.datasets import plot_dataset
from exitwave.figures.networks import plot_histories
from exitwave.figures.samples import plot_example
from exitwave.figures.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    RED,
    SERIES,
    SKY,
    Caption,
    drawing,
    new_figure,
    save_figure,
)
from exitwave.files.documents import read_document
from exitwave.provenance.attributes import Origin
from exitwave.scoring.examples import Example, read_examples
from exitwave.workflow.specs import EvaluateSpec, read_spec

__all__ = [
    "plot_comparison",
    "plot_convergence",
    "plot_dataset",
    "plot_evaluation",
    "plot_history",
]

PARTS = {"rmse_real": "real part", "rmse_imag": "imaginary part"}
_DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)), (0, (7, 2)))


def plot_evaluation(evaluation: Path, output: Path) -> None:
    """Draw the figures of one evaluation.

    Writes ``percentile_{percentile}`` for each example, ``histograms`` (the paper's Fig. 4) and
    ``argand`` (Fig. 5, of the median sample or the one nearest to it).

    Parameters
    ----------
    evaluation : Path
        Folder with ``samples.csv``, ``summary.json`` and ``examples.npz``.
    output : Path
        Folder of the figures.
    """
    samples = read_samples(evaluation)
    examples = read_examples(evaluation)
    peaks = peak_settings(evaluation)
    with drawing():
        _plot_histograms(samples, output)
        if examples:
            median = min(examples, key=lambda example: abs(example.percentile - 50))
            plot_argand(median, "argand", output, *peaks)
        for example in examples:
            plot_example(example, example_name(example), output, *peaks, len(samples))


def peak_settings(evaluation: Path) -> tuple[float, float]:
    """Return threshold (a share) and distance [Å] by which an evaluation judged peaks."""
    origin = read_document(evaluation / "summary.json", Origin)
    settings = read_spec(origin.spec, EvaluateSpec).evaluation
    return settings.peak_threshold, settings.peak_distance_angstrom


def example_name(example: Example) -> str:
    """Return the name of the figure of an example, such as ``percentile_05``."""
    whole, _, fraction = f"{example.percentile:g}".partition(".")
    return f"percentile_{whole:0>2}" + (f"_{fraction}" if fraction else "")


def read_samples(evaluation: Path) -> pd.DataFrame:
    """Read ``samples.csv`` in the folder of an evaluation."""
    path = evaluation / "samples.csv"
    try:
        return pd.read_csv(path, dtype={"epoch": str, "sample_key": str})
    except (OSError, ValueError) as error:
        raise ExitwaveError(
            f"The evaluation {path} cannot be read ({error}); run snakemake again to make it."
        ) from error


def _baselines(samples: pd.DataFrame) -> dict[str, tuple[str, str, Any]]:
    """Prefix of the columns, colour and line of each baseline, by its name in the figure."""
    found = {
        "exchanged target": ("exchanged_", RED, "-"),
        "vacuum": ("vacuum_", BLACK, (0, (1, 1.2))),
    }
    blurs = sorted(
        {
            str(column).split("_")[1]
            for column in samples.columns
            if str(column).startswith("blurred_")
        },
        key=float,
    )
    looks = ((GREEN, "--"), (SKY, "-."), (PURPLE, (0, (5, 1, 1, 1, 1, 1))), (ORANGE, (0, (7, 2))))
    for place, width in enumerate(blurs):
        found[f"truth blurred by {width} Å"] = (f"blurred_{width}_", *looks[place % len(looks)])
    return {name: look for name, look in found.items() if f"{look[0]}rmse" in samples.columns}


def _plot_histograms(samples: pd.DataFrame, output: Path) -> None:
    baselines = _baselines(samples)
    figure = new_figure(10.4, 3.6)
    both = _two_axes(figure)
    for axes, (column, part) in zip(both, PARTS.items(), strict=True):
        values = {"network": samples[column].to_numpy()}
        values |= {
            name: samples[prefix + column].to_numpy() for name, (prefix, *_) in baselines.items()
        }
        edges = log_bins(np.concatenate(list(values.values())))
        _outline(axes, values.pop("network"), edges, BLUE, "-", "network", filled=True)
        for name, entries in values.items():
            _outline(axes, entries, edges, *baselines[name][1:], name)
        _finish_histogram(axes, part)
    both[1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5), handlelength=2.6)
    medians = ", ".join(
        f"{samples[column].median():.4f} of the {part}" for column, part in PARTS.items()
    )
    text = (
        f"Root mean square errors of the reconstructed exit waves of {len(samples)} samples. "
        "For comparison: the predictions held against the exit waves of other samples (exchanged "
        "target, the paper's null baseline), an empty image (vacuum), and the true waves folded "
        "with Gaussians of the given standard deviations. Triangles mark the medians, for the "
        f"network {medians}. The axis is logarithmic."
    )
    alternative = "Histograms of the errors of the network and of the baselines."
    save_figure(figure, output, "histograms", Caption("Errors of all samples", text, alternative))


def plot_comparison(evaluations: Mapping[str, Path], output: Path) -> None:
    """Draw the errors of several evaluations in one figure, as in the paper's Figs. 4 and 6.

    Parameters
    ----------
    evaluations : mapping of str to Path
        Folders of evaluations by the name in the legend.
    output : Path
        Folder of the figure ``comparison``.
    """
    samples = {name: read_samples(path) for name, path in evaluations.items()}
    with drawing():
        figure = new_figure(10.4, 3.6)
        both = _two_axes(figure)
        for axes, (column, part) in zip(both, PARTS.items(), strict=True):
            null = f"exchanged_{column}"
            every = [
                table[name]
                for table in samples.values()
                for name in (column, null)
                if name in table
            ]
            edges = log_bins(np.concatenate([entries.to_numpy() for entries in every]))
            for place, (name, table) in enumerate(samples.items()):
                colour, line = SERIES[place % len(SERIES)], _DASHES[place % len(_DASHES)]
                _outline(axes, table[column].to_numpy(), edges, colour, line, name)
            nulls = [table[null].to_numpy() for table in samples.values() if null in table]
            if nulls:
                look = (GREY, (0, (1, 1.2)), "exchanged targets")
                _outline(axes, np.concatenate(nulls), edges, *look)
            _finish_histogram(axes, part)
        both[1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5), handlelength=2.6)
        caption = Caption(
            "Errors of all evaluations",
            "Root mean square errors of the reconstructed exit waves, one curve an evaluation. "
            "The dotted curve holds the predictions of all of them against the exit waves of other "
            "samples, the paper's null baseline. Triangles mark the medians. The axis is "
            "logarithmic.",
            "Histograms of the errors of all evaluations.",
        )
        save_figure(figure, output, "comparison", caption)


def _two_axes(figure: Any) -> list[Any]:
    return [figure.add_axes((left, 0.14, 0.36, 0.76)) for left in (0.055, 0.445)]


def log_bins(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return bin edges, evenly spaced in the logarithm, that hold all positive values."""
    positive = values[np.isfinite(values) & (values > 0)]
    low, high = (positive.min(), positive.max()) if positive.size else (0.1, 1.0)
    bins = int(np.clip(round(2 * positive.size ** (1 / 3)), 10, 40))
    return np.geomspace(low / 1.05, high * 1.05, bins + 1)


def _outline(
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


def _finish_histogram(axes: Any, part: str) -> None:
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


def plot_history(network: Path, output: Path) -> None:
    """Draw the learning curves of a network as the figure ``history``."""
    plot_histories({"network": network}, output)
