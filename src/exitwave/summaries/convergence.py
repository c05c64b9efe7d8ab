"""``summary.json`` and ``errors.csv`` of the study of convergence.

>>> read_document(Path("results/convergence/summary.json"), ConvergenceSummary).settings.sampling
0.05
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """What is varied.

    Attributes
    ----------
    projection : str
        ``finite`` or ``infinite``.
    slice_thickness, sampling : float
        [Å]
    """

    projection: str
    slice_thickness: float
    sampling: float


@dataclass(frozen=True)
class ConvergenceRow:
    """One row of ``errors.csv``: one specimen, one comparison, one wave.

    Attributes
    ----------
    comparison : str
        ``slice_thickness``, ``sampling`` or ``total``, see
        `exitwave.multislice.convergence_study`.
    material, formula, sample_index : str, str, int
        The specimen.
    projection, slice_thickness_angstrom, sampling_angstrom : str, float, float
        The settings.
    grid_sampling_angstrom, points, slices : float, int, int
        What they come to: distance of points [Å], points along a side, slices.
    relative_error, relative_error_smeared : float
        Eq. (A.1) against the wave that counts as correct, also after the target's smear.
    seconds, relative_seconds : float
        Time of the wave [s], and relative to the configuration's own settings.
    """

    comparison: str
    material: str
    formula: str
    sample_index: int
    projection: str
    slice_thickness_angstrom: float
    sampling_angstrom: float
    grid_sampling_angstrom: float
    points: int
    slices: int
    relative_error: float
    relative_error_smeared: float
    seconds: float
    relative_seconds: float

    @property
    def settings(self) -> Settings:
        """The settings of the wave."""
        return Settings(self.projection, self.slice_thickness_angstrom, self.sampling_angstrom)


@dataclass(frozen=True)
class MedianErrors:
    """Medians over the specimens of a material, with the configuration's own settings."""

    relative_error: float
    relative_error_smeared: float
    seconds: float


@dataclass(frozen=True)
class ConvergenceSummary:
    """What a study compared, in the order of the file; provenance stands before it there.

    Attributes
    ----------
    settings, reference : Settings
        The configuration's own, and those of the wave that counts as correct.
    medians : mapping of str to MedianErrors
        By material.
    """

    settings: Settings
    reference: Settings
    medians: Mapping[str, MedianErrors]
