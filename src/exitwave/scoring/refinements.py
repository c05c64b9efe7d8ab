"""Refine series of epochs, whose truth is known, and say how far off what was found is.

Dose and camera are given, as they are known of a measured series, too; all aberrations, shifts and
brightnesses are not.

>>> series = read_series(Path(".../validation/00.nc"), 0)
>>> found = refine_unknown(series, wave, error_power, limits=None, smear=0.15)
>>> deviations(found, series.microscope)["spherical_aberration"]
array([-1200.])
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from exitwave.config import Microscope
from exitwave.files.reader import StoreReader
from exitwave.imaging.microscope import MicroscopeDraw
from exitwave.networks.error_power import ErrorPower
from exitwave.reconstruction.refinement.optics import COMMON, Beliefs, Unknowns, assumed_microscope
from exitwave.reconstruction.refinement.refine import Refinement, refine
from exitwave.samples import EPOCH, EpochSample
from exitwave.scoring.metrics import Wave
from exitwave.workflow.specs import RenderSpec, read_spec

# Components of the aberrations that have an angle.
_COMPONENTS = {
    "astigmatism": ("c12_a", "c12_b"),
    "coma": ("c21_a", "c21_b"),
    "trefoil": ("c23_a", "c23_b"),
}


@dataclass(frozen=True)
class Series:
    """A focal series of an epoch, and how it was made.

    Attributes
    ----------
    sample : EpochSample
        Images and truth.
    microscope : MicroscopeDraw
        That was drawn for it.
    limits : Microscope
        Between which.
    smear : float
        Standard deviation of the Gaussian that the truth is folded with [Å].
    """

    sample: EpochSample
    microscope: MicroscopeDraw
    limits: Microscope
    smear: float


def read_series(epoch: Path, place: int) -> Series:
    """Read a sample of an epoch.

    Raises
    ------
    ExitwaveError
        Where the file is damaged or does not say how it was made.
    """
    with StoreReader(epoch, EPOCH) as reader:
        sample = EpochSample.from_values(reader.read(place))
        spec = read_spec(str(reader.attributes["spec"]), RenderSpec, any_version=True)
    microscope = MicroscopeDraw.of(sample.microscope, sample.sampling, spec.microscope)
    return Series(sample, microscope, spec.microscope, spec.epochs.target_smear_angstrom)


def refine_unknown(
    series: Series,
    wave: Wave,
    error_power: ErrorPower,
    limits: Microscope | None = None,
    smear: float | None = None,
) -> Refinement:
    """Refine a network's wave with all aberrations unknown.

    Parameters
    ----------
    series : Series
        What is refined.
    wave : (y, x) array of complex
        The network's.
    error_power : ErrorPower
        Of the network.
    limits : Microscope, optional
        Between which the network's training says that microscopes lie; by default the series' own.
    smear : float, optional
        Standard deviation of the Gaussian that the network's waves are folded with [Å]; by default
        that of the series' truth.
    """
    true = series.microscope
    assumed, beliefs = assumed_microscope(
        limits or series.limits,
        true.energy_kev,
        len(true.defocus),
        true.dose,
        series.sample.sampling,
    )
    given = replace(
        assumed,
        mtf_c1=true.mtf_c1,
        mtf_c2=true.mtf_c2,
        mtf_c3=true.mtf_c3,
        mtf_frequency_unit=true.mtf_frequency_unit,
        mtf_curve=true.mtf_curve,
    )
    return _refine(series, wave, given, beliefs, error_power, smear)


def refine_known(
    series: Series, wave: Wave, error_power: ErrorPower, smear: float | None = None
) -> Refinement:
    """Refine a network's wave with everything known of the microscope: the floor.

    The parameters are those of `refine_unknown`.
    """
    return _refine(series, wave, series.microscope, Beliefs(), error_power, smear)


def _refine(
    series: Series,
    wave: Wave,
    assumed: MicroscopeDraw,
    beliefs: Beliefs,
    error_power: ErrorPower,
    smear: float | None,
) -> Refinement:
    return refine(
        series.sample.image,
        wave,
        series.sample.sampling,
        assumed,
        beliefs,
        error_power,
        series.smear if smear is None else smear,
    )


def deviations(found: MicroscopeDraw, true: MicroscopeDraw) -> dict[str, NDArray[np.float64]]:
    """Return how far the parameters of a refinement are off, by the names of its ``errors``.

    Aberrations with an angle have two components each, defocus, shift and intensity a value for
    each image; the middle image, relative to which shifts are, has none.

    Parameters
    ----------
    found, true : MicroscopeDraw
        As fitted, and as drawn.
    """
    unknowns = Unknowns(len(true.defocus))
    off = unknowns.vector(found) - unknowns.vector(true)
    common = dict(zip(COMMON, off[unknowns.common], strict=True))
    others = np.arange(unknowns.images) != unknowns.images // 2
    return {
        "defocus": off[unknowns.defocus],
        "spherical_aberration": np.array([common["cs"]]),
        **{
            name: np.array([common[component] for component in components])
            for name, components in _COMPONENTS.items()
        },
        "shift": np.concatenate([off[unknowns.shift_x][others], off[unknowns.shift_y][others]]),
        "intensity": off[unknowns.intensity],
    }
