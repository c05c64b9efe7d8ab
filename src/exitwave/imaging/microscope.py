"""The microscope of one focal series, drawn between the limits of Table 1 of the paper.

>>> from exitwave.config import Microscope
>>> draw = draw_microscope(Microscope(), 50.0, images=3, rng=np.random.default_rng(1))
>>> len(draw.defocus)
3
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from exitwave.config import Microscope
from exitwave.config.mtf_curve import MtfCurve
from exitwave.errors import ExitwaveError
from exitwave.samples.microscope import MicroscopeParameters

FrequencyUnit = Literal["nyquist", "per_angstrom", "cycles_per_pixel"]
FocalSpreadModel = Literal["quasi_coherent", "incoherent"]

ANGSTROM_PER_MICROMETRE = 1e4


@dataclass(frozen=True, kw_only=True)
class MicroscopeDraw(MicroscopeParameters):
    """All parameters of one focal series: those that an epoch stores, and how they act.

    Attributes
    ----------
    sampling : float
        Side of a pixel as drawn [Å]; that of the image lies within 0.2 % of it.
    mtf_frequency_unit : {'nyquist', 'per_angstrom', 'cycles_per_pixel'}
        Unit of the frequency in the modulation transfer function.
    focal_spread_model : {'quasi_coherent', 'incoherent'}
        An envelope on the wave, or an average of intensities over foci.
    mtf_curve : tuple of (float, float), optional
        Measured modulation transfer function, which takes the place of the formula; see
        `exitwave.config.mtf_curve`.
    """

    sampling: float
    mtf_frequency_unit: FrequencyUnit
    focal_spread_model: FocalSpreadModel = "quasi_coherent"
    mtf_curve: MtfCurve | None = None

    @property
    def stored(self) -> MicroscopeParameters:
        """The parameters for an epoch; none of the formula where the camera was measured."""
        values = {entry.name: getattr(self, entry.name) for entry in fields(MicroscopeParameters)}
        if self.mtf_curve is not None:
            values |= dict.fromkeys(("mtf_c1", "mtf_c2", "mtf_c3"), math.nan)
        return MicroscopeParameters(**values)

    @classmethod
    def of(cls, stored: MicroscopeParameters, sampling: float, limits: Microscope) -> Self:
        """Return the microscope that made a series.

        Parameters
        ----------
        stored : MicroscopeParameters
            From the series' epoch.
        sampling : float
            Side of a pixel [Å].
        limits : Microscope
            From the epoch's spec: how the parameters act.
        """
        return cls(
            **{entry.name: getattr(stored, entry.name) for entry in fields(MicroscopeParameters)},
            sampling=sampling,
            mtf_frequency_unit=limits.mtf_frequency_unit,
            focal_spread_model=limits.focal_spread_model,
            mtf_curve=limits.mtf_curve,
        )


def draw_microscope(
    limits: Microscope, energy_kev: float, images: int, rng: np.random.Generator
) -> MicroscopeDraw:
    """Draw the microscope of a series: Table 1 of the paper, uniform but for the dose.

    The dose is log-uniform. The order of the draws is fixed and the steps of the defocus come
    last, so series of one, two or more images drawn from equal generators differ in their defoci
    only.

    Parameters
    ----------
    limits : Microscope
        Limits of each parameter.
    energy_kev : float
        Kinetic energy of the electrons [keV].
    images : int
        Images in the series.
    rng : numpy.random.Generator
        Source of the draws.

    Raises
    ------
    ExitwaveError
        Where a series need not fit between the limits of the defocus.
    """
    turn = (0.0, 2 * np.pi)
    # Generators of their own, so that what the paper has not leaves its draws as they are.
    trefoil, drift, brightness = rng.spawn(3)
    shifts = _draw_shifts(limits.misregistration_angstrom, images, drift)
    dose = 10.0 ** rng.uniform(*limits.dose_log10_per_square_angstrom)
    spherical_aberration = ANGSTROM_PER_MICROMETRE * rng.uniform(
        *limits.spherical_aberration_micrometre
    )
    return MicroscopeDraw(
        dose=dose,
        spherical_aberration=spherical_aberration,
        # Keyword arguments are evaluated in the order in which they stand here.
        astigmatism=rng.uniform(*limits.astigmatism_angstrom),
        astigmatism_angle=rng.uniform(*turn),
        coma=rng.uniform(*limits.coma_angstrom),
        coma_angle=rng.uniform(*turn),
        focal_spread=rng.uniform(*limits.focal_spread_angstrom),
        blur=rng.uniform(*limits.blur_angstrom),
        sampling=rng.uniform(*limits.sampling_angstrom),
        mtf_c1=rng.uniform(*limits.mtf_c1),
        mtf_c2=rng.uniform(*limits.mtf_c2),
        mtf_c3=rng.uniform(*limits.mtf_c3),
        defocus=_draw_defocus(limits, images, rng),
        energy_kev=energy_kev,
        mtf_frequency_unit=limits.mtf_frequency_unit,
        focal_spread_model=limits.focal_spread_model,
        mtf_curve=limits.mtf_curve,
        trefoil=trefoil.uniform(*limits.trefoil_angstrom),
        trefoil_angle=trefoil.uniform(*turn) if limits.trefoil_angstrom[1] else 0.0,
        shift_x=shifts[0],
        shift_y=shifts[1],
        intensity=_draw_intensity(limits.intensity_error_share, images, brightness),
    )


def optional_parameters(limits: Microscope) -> frozenset[str]:
    """Return the optional variables of an epoch whose microscopes are drawn between limits."""
    names: list[str] = []
    if limits.trefoil_angstrom[1]:
        names += ["trefoil", "trefoil_angle"]
    if limits.misregistration_angstrom:
        names += ["shift_x", "shift_y"]
    if limits.intensity_error_share:
        names.append("intensity")
    return frozenset(names)


def _draw_shifts(
    deviation: float, images: int, rng: np.random.Generator
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Draw the shifts of the images along x and y [Å]; empty where there are none."""
    if not deviation:
        return (), ()
    shifts = deviation * rng.normal(size=(images, 2))
    # As registration does, which moves the others onto it.
    shifts[images // 2] = 0.0
    along_x, along_y = (tuple(float(each) for each in axis) for axis in shifts.T)
    return along_x, along_y


def _draw_intensity(share: float, images: int, rng: np.random.Generator) -> tuple[float, ...]:
    if not share:
        return ()
    return tuple(float(each) for each in rng.uniform(1 - share, 1 + share, images))


def _draw_defocus(limits: Microscope, images: int, rng: np.random.Generator) -> tuple[float, ...]:
    """Draw the defoci of a series, increasing from the first image to the last [Å].

    The nominal steps share out ``defocus_range_angstrom`` evenly, whatever their number; each is
    off by its own error. The first defocus is uniform over all values that keep the whole series
    between the limits.
    """
    if images < 1:
        raise ExitwaveError(f"A focal series of {images} images was asked for; take 1 or more.")
    lowest, highest = limits.defocus_angstrom
    steps = images - 1
    total = limits.defocus_range_angstrom if steps else 0.0
    error = limits.defocus_step_error_angstrom
    if total + steps * error > highest - lowest:
        raise ExitwaveError(
            f"A focal series of {images} images over {total:g} Å, with steps off by up to "
            f"{error:g} Å, does not fit between the defoci {lowest:g} and {highest:g} Å; widen "
            "microscope.defocus_angstrom, or lower defocus_range_angstrom or "
            "defocus_step_error_angstrom."
        )
    fraction = rng.uniform()
    offsets: NDArray[np.float64] = np.zeros(images)
    if steps:
        offsets[1:] = np.cumsum(total / steps + rng.uniform(-error, error, size=steps))
    # A step may run backwards where its error is larger than the step itself.
    least, most = lowest - offsets.min(), highest - offsets.max()
    defocus = np.clip(least + fraction * (most - least) + offsets, lowest, highest)
    return tuple(float(value) for value in defocus)
