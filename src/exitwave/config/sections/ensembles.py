"""The section ``ensembles``: networks that look at the same images."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from exitwave.config.fields import Name, Positive, Section


class EnsembleSettings(Section):
    """What determines the judgement of an ensemble, beside its networks and the epochs."""

    bins: Annotated[int, Field(ge=2, le=1000)] = 40
    """Points of the calibration curve, from the least to the greatest disagreement (ours)."""
    peak_distance_angstrom: Positive = 0.5
    """As that of an evaluation."""
    peak_threshold: Annotated[float, Field(gt=0, lt=1)] = 0.3
    """As that of an evaluation."""


class Ensemble(EnsembleSettings):
    """Networks that look at the same images, and whether they disagree where they err."""

    networks: Annotated[tuple[Name, ...], Field(min_length=2)]
    """Two or more networks with the same number of images; their mean is the ensemble's wave."""
    dataset: Name
    """The data set whose validation samples they look at."""
    label: str = ""
    """Name in figures and reports; the key itself if empty."""
