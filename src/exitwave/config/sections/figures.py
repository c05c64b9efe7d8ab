"""The section ``figures``: pictures that the report shows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from exitwave.config.fields import Name, OneOf, Section


@dataclass(frozen=True)
class Shown:
    """What a kind of figure shows.

    Attributes
    ----------
    section : str or None
        Section of the configuration that its sources stand in; None for the study of convergence.
    one_sample : bool
        Whether it shows one sample of each source, chosen by ``percentile``.
    """

    section: str | None
    one_sample: bool = False


SHOWN = {
    "samples": Shown("evaluations", one_sample=True),
    "histograms": Shown("evaluations"),
    "argand": Shown("evaluations", one_sample=True),
    "history": Shown("networks"),
    "training_size": Shown("networks"),
    "disagreement": Shown("ensembles"),
    "calibration": Shown("ensembles"),
    "comparison": Shown("comparisons", one_sample=True),
    "convergence": Shown(None),
}
"""The kinds of figures; each is a module of `exitwave.figures.kinds`."""


def _joined(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _by_section() -> str:
    kinds: dict[str, list[str]] = {}
    for name, shown in SHOWN.items():
        kinds.setdefault(shown.section or "the study of convergence", []).append(name)
    return "; ".join(f"{_joined(names)} of {section}" for section, names in kinds.items()) + "."


class FigureSettings(Section):
    """What is drawn."""

    shows: Annotated[str, OneOf(SHOWN), Field(description=_by_section())]
    of: tuple[Name, ...] = ()
    """Names of the evaluations, networks, ensembles or comparisons; none for `convergence`."""
    percentile: Annotated[
        float,
        Field(
            ge=0,
            le=100,
            description="Which sample is shown (paper: the median), for "
            f"{_joined(name for name, shown in SHOWN.items() if shown.one_sample)}.",
        ),
    ] = 50.0


class Figure(FigureSettings):
    """A figure of the report, drawn into a folder of its own."""

    title: str = ""
    """Title in the report; the key itself if empty."""
    paper: str = ""
    """Which figure of the paper it is, such as `Fig. 4`; empty for none."""
