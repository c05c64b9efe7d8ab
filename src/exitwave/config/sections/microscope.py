"""The section ``microscope``: the limits between which each series' microscope is drawn."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from exitwave.config.fields import (
    Limits,
    NonNegative,
    NonNegativeLimits,
    PositiveLimits,
    Section,
    added_later,
)
from exitwave.config.mtf_curve import MtfCurve, check_mtf_curve, read_mtf_curve


class Microscope(Section):
    """Table 1 of the paper: the limits between which each series' microscope is drawn."""

    defocus_angstrom: Limits = (-150.0, 150.0)
    """All defoci of a series stay between these, in abTEM's sign (paper)."""
    defocus_range_angstrom: NonNegative = 100.0
    """From the first to the last image of a series, whatever their number (paper)."""
    defocus_step_error_angstrom: NonNegative = 1.0
    """Each step is off by a uniform draw of up to this (paper: 5 ± 0.1 nm)."""
    spherical_aberration_micrometre: Limits = (-15.0, 15.0)
    """Cs (paper)."""
    astigmatism_angstrom: NonNegativeLimits = (0.0, 25.0)
    """Amplitude of the two-fold astigmatism C12; its angle is uniform (paper)."""
    coma_angstrom: NonNegativeLimits = (0.0, 600.0)
    """Amplitude of the coma C21; its angle is uniform (paper)."""
    trefoil_angstrom: NonNegativeLimits = added_later((0.0, 0.0))
    """Amplitude of the three-fold astigmatism C23; its angle is uniform (paper: none)."""
    focal_spread_angstrom: NonNegativeLimits = (5.0, 20.0)
    """Focal spread as a 1/e width (paper; abTEM's convention)."""
    focal_spread_model: Literal["quasi_coherent", "incoherent"] = "quasi_coherent"
    """An envelope on the wave (paper; abTEM), or the average of intensities over foci f that are
    distributed as exp(-(f / spread)²) (ours)."""
    blur_angstrom: NonNegativeLimits = (0.5, 1.5)
    """B of the envelope exp(-B² k² / 2) on the wave (paper; abTEM of 2021)."""
    dose_log10_per_square_angstrom: Limits = (2.5, 5.0)
    """log10 of the electrons per Å² of each image (paper; log-uniform)."""
    sampling_angstrom: PositiveLimits = (0.10, 0.11)
    """Pixel of the images (paper; 0.215 to 0.235 for the experiment)."""
    misregistration_angstrom: NonNegative = added_later(0.0)
    """What registration leaves: every image but the middle one is shifted along x and y, each by a
    normal draw of this standard deviation; the exit wave lies as the middle image (paper: none)."""
    intensity_error_share: Annotated[float, Field(ge=0, lt=1)] = added_later(0.0)
    """Each image is brighter or darker than its dose says by a uniform draw of up to this share
    (paper: none)."""
    mtf_c1: Limits = (-0.6, 0.2)
    """c1 of MTF(k) = (1 - c1) / (1 + (k / (2 c2))^|c3|) + c1 (paper)."""
    mtf_c2: PositiveLimits = (0.1, 0.2)
    """c2 of the MTF (paper)."""
    mtf_c3: Limits = (0.6, 1.8)
    """c3 of the MTF (paper)."""
    mtf_frequency_unit: Literal["nyquist", "per_angstrom", "cycles_per_pixel"] = "nyquist"
    """Unit of k in the MTF (ours). With `nyquist` negative values are set to 0."""
    mtf_file: Annotated[str | None, Field(exclude=True)] = None
    """Text file of two columns with a measured MTF that replaces the formula: spatial
    frequency in units of the Nyquist frequency, from 0 to 1 or more, and MTF, from 1 on. It is
    interpolated linearly; beyond its last frequency the last value is used (ours)."""
    mtf_curve: Annotated[MtfCurve, AfterValidator(check_mtf_curve)] | None = None
    """The points of a measured MTF, `[[0, 1], ..., [1, 0.3]]`, in place of a file (ours)."""
    padding_tolerance: Annotated[float, Field(gt=0, lt=1)] = 1e-3
    """Largest difference of an image from that of an isolated specimen, through fringes that
    reach round the padded box: rms over the rms of the contrast (ours)."""

    @field_validator("mtf_file", mode="after")
    @classmethod
    def _mtf_file_is_a_curve(cls, path: str | None) -> str | None:
        if path is not None:
            read_mtf_curve(path)
        return path

    @field_validator("mtf_curve", mode="before")
    @classmethod
    def _read_mtf_file(cls, curve: Any, info: ValidationInfo) -> Any:
        path = info.data.get("mtf_file")
        if path is None:
            return curve
        if curve is not None:
            raise ValueError(f"there is also mtf_file, '{path}'; set one of the two to null")
        return read_mtf_curve(path)
