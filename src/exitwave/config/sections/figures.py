"""The section ``figures``: pictures that the report shows."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from exitwave.config.fields import Name, Section

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
"""What figures may show, and the section of the configuration that contains their sources."""


class FigureSettings(Section):
    """What is drawn."""

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
    percentile: Annotated[float, Field(ge=0, le=100)] = 50.0
    """Which sample `samples`, `argand` and `comparison` show (paper: the median)."""


class Figure(FigureSettings):
    """A figure of the report, drawn into a folder of its own."""

    title: str = ""
    """Title in the report; the key itself if empty."""
    paper: str = ""
    """Which figure of the paper it is, such as `Fig. 4`; empty for none."""
