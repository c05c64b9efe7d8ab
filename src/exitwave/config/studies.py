"""What is made of trained networks beside evaluations: ensembles, comparisons, figures."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from exitwave.config.fields import Name, Positive, Section


class Ensemble(Section):
    """Networks that look at the same images, and whether they disagree where they err."""

    networks: Annotated[tuple[Name, ...], Field(min_length=2)]
    """Two or more networks with the same number of images; their mean is the ensemble's wave."""
    dataset: Name
    """The data set whose validation samples they look at."""
    label: str = ""
    """Name in figures and reports; the key itself where empty."""
    bins: Annotated[int, Field(ge=2, le=1000)] = 40
    """Points of the calibration curve, from the least to the greatest disagreement (ours)."""
    peak_distance_angstrom: Positive = 0.5
    """As that of an evaluation."""
    peak_threshold: Annotated[float, Field(gt=0, lt=1)] = 0.3
    """As that of an evaluation."""


class Comparison(Section):
    """A network held against classical reconstruction from a longer focal series."""

    network: Name
    """The network; it gets images of the series at even distances, first and last among them."""
    dataset: Name
    """The data set whose validation samples are reconstructed."""
    label: str = ""
    """Name in figures and reports; the key itself where empty."""
    images: Annotated[int, Field(ge=2)] = 11
    """Images of the series, over the same range of defocus as the network's (paper)."""
    iterations: Annotated[int, Field(ge=1)] = 100
    """Iterations of the classical reconstruction (ours)."""
    samples: Annotated[int, Field(ge=1)] = 12
    """Samples that are reconstructed, at even distances in the network's ranking (paper: 3)."""
    percentiles: tuple[Annotated[float, Field(ge=0, le=100)], ...] = (25.0, 50.0, 75.0)
    """Samples that are drawn: so many per cent are worse for the network (paper)."""
    high_pass_px: Positive = 8.0
    """Width of the Gaussian taken off the waves, since classical reconstruction loses the long
    wavelengths (paper)."""
    paper_network_rmse: float | None = None
    """The paper's value for the network, to stand beside ours."""
    paper_classical_rmse: float | None = None
    """The paper's value for the classical reconstruction, to stand beside ours."""


SHOWN = {
    "samples": "evaluations",
    "histograms": "evaluations",
    "argand": "evaluations",
    "history": "networks",
    "training_size": "networks",
    "disagreement": "ensembles",
    "calibration": "ensembles",
    "comparison": "comparisons",
    "convergence": None,
}
"""What figures may show, and the section of the configuration that their sources stand in."""


class Figure(Section):
    """A figure of the report, drawn into a folder of its own."""

    shows: Literal[
        "samples",
        "histograms",
        "argand",
        "history",
        "training_size",
        "disagreement",
        "calibration",
        "comparison",
        "convergence",
    ]
    """`samples`, `histograms`, `argand` of evaluations; `history`, `training_size` of networks;
    `disagreement`, `calibration` of ensembles; `comparison` of comparisons; `convergence` of the
    study of convergence."""
    of: tuple[Name, ...] = ()
    """Names of the evaluations, networks, ensembles or comparisons; none for `convergence`."""
    title: str = ""
    """Title in the report; the key itself where empty."""
    paper: str = ""
    """Which figure of the paper it is, such as `Fig. 4`; empty for none."""
    percentile: Annotated[float, Field(ge=0, le=100)] = 50.0
    """Which sample `samples`, `argand` and `comparison` show (paper: the median)."""
