"""The section ``evaluations``: a network on the validation samples of a data set."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from exitwave.config.fields import Name, Positive, Section, added_later


class EvaluationSettings(Section):
    """What determines the scores, beside the network and the epochs."""

    percentiles: tuple[Annotated[float, Field(ge=0, le=100)], ...] = (5.0, 25.0, 50.0, 75.0, 95.0)
    """Samples that are drawn, ranked by Eq. (A.1): so many per cent are worse (paper)."""
    blurs_angstrom: tuple[Positive, ...] = (0.3, 0.6, 1.0)
    """Widths of the blurred truths that serve as baselines (ours)."""
    peak_distance_angstrom: Positive = 0.5
    """A true peak is found if a predicted one lies within this (ours)."""
    peak_threshold: Annotated[float, Field(gt=0, lt=1)] = 0.3
    """Peaks of |Psi - 1| count from this share of the sample's highest true peak (ours)."""


class Evaluation(EvaluationSettings):
    """One network compared with the truth of the validation samples of one data set."""

    network: Name
    """The network."""
    dataset: Name
    """The data set; need not be the one it was trained on."""
    label: str = ""
    """Name in figures and reports; the key itself if empty."""
    refined_samples: int = added_later(0, ge=0)
    """So many samples, at even distances by dose, are refined by their own images: wave and
    aberrations (ours)."""
    paper_rmse: float | None = None
    """The paper's RMSE of its median sample, to stand beside ours."""
    paper_largest_displacement_pm: float | None = None
    """The paper's largest displacement of a peak of its median sample [pm]."""
