"""The section ``convergence``: a study of how fine the multislice must be."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from exitwave.config.fields import Positive, PositiveLimits, Section
from exitwave.config.sections.datasets import Materials


class ConvergenceSettings(Section):
    """What is compared, beside the settings that are common to all."""

    materials: Annotated[tuple[Materials, ...], Field(min_length=1)] = (
        Materials(selection="name=2H-MoS2"),
    )
    """Where the materials come from, and which are taken: a list, each entry as the `materials` of
    a data set (paper: MoS2). At most 7 in all."""
    specimens: Annotated[int, Field(ge=1)] = 1
    """Specimens of each material; curves show their median (paper: 1)."""
    projections: Annotated[tuple[Literal["finite", "infinite"], ...], Field(min_length=1)] = (
        "finite",
        "infinite",
    )
    """Projections that are compared; the reference's is always finite (ours)."""
    slice_thicknesses_angstrom: Annotated[
        tuple[Annotated[float, Field(gt=0, le=5)], ...], Field(min_length=1)
    ] = (0.1, 0.2, 0.4, 0.8, 1.6)
    """Slice thicknesses that are compared, at the sampling of `multislice` (ours)."""
    samplings_angstrom: Annotated[
        tuple[Annotated[float, Field(gt=0, le=0.5)], ...], Field(min_length=1)
    ] = (0.04, 0.05, 0.06, 0.08, 0.1)
    """Samplings that are compared, at the slice thickness of `multislice` (ours)."""
    reference_slice_thickness_angstrom: Positive = 0.05
    """Slices of the wave that counts as correct (ours; paper: 0.01)."""
    reference_sampling_angstrom: Positive = 0.03
    """Sampling of the wave that counts as correct (ours)."""

    @model_validator(mode="after")
    def _reference_is_finest(self) -> Self:
        for reference, compared in (
            ("reference_slice_thickness_angstrom", "slice_thicknesses_angstrom"),
            ("reference_sampling_angstrom", "samplings_angstrom"),
        ):
            if getattr(self, reference) > min(getattr(self, compared)):
                raise ValueError(
                    f"{reference} is {getattr(self, reference):g}, but {compared} goes down to "
                    f"{min(getattr(self, compared)):g}; the reference must be the finest"
                )
        return self


class Convergence(ConvergenceSettings):
    """Study of the multislice settings on small specimens: `snakemake convergence`."""

    box_angstrom: Positive = 19.2
    """Side of the box, in place of that of `structure` (ours; 384 points at 0.05 Å)."""
    flake_radius_angstrom: PositiveLimits = (5.0, 7.0)
    """Radius of the flakes, in place of that of `structure` (ours)."""
    support_radius_angstrom: PositiveLimits = (5.0, 7.0)
    """Radius of the support, in place of that of `structure` (ours)."""
