"""Refine series of epochs, whose truth is known, and say how far off what was found is.

Dose and camera are given, as they are known of a measured series, too; all aberrations, shifts and
brightnesses are not.

>>> series = read_series(Path(".../validation/00.nc"), 0)
>>> found = refine_unknown(series, wave, error_power, limits=None, smear=0.15)
>>> deviations(found, series.microscope)["spherical_aberration"]
array([-1200.])
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from exitwave.config import Microscope
from exitwave.errors import ExitwaveError
from exitwave.files.reader import StoreReader
from exitwave.imaging.microscope import MicroscopeDraw
from exitwave.networks.error_power import ErrorPower
from exitwave.reconstruction.refinement.optics import COMMON, Beliefs, Unknowns, assumed_microscope
from exitwave.reconstruction.refinement.refine import Refinement, refine
from exitwave.samples import EPOCH, EpochSample
from exitwave.scoring.metrics import Wave
from exitwave.scoring.validation_samples import (
    BATCH_SIZE,
    Predictor,
    ValidationSamples,
    predicted,
)
from exitwave.tasks.parallel import chunks, map_tasks
from exitwave.workflow.specs import RenderSpec, read_spec

logger = logging.getLogger(__name__)

Refined = TypeVar("Refined")

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


@dataclass(frozen=True)
class SeriesTask:
    """One focal series to be refined: where it lies, and the network's wave (y, x) of it."""

    epoch: Path
    place: int
    wave: Wave


def spread_places(count: int, wanted: int) -> list[int]:
    """Return at most so many places among `count`, at even distances."""
    return sorted({round(place) for place in np.linspace(0, count - 1, min(count, wanted))})


def series_tasks(
    samples: ValidationSamples, predict: Predictor, places: Sequence[int]
) -> list[SeriesTask]:
    """Return tasks of some samples, with the waves that a network predicts of them."""
    found = []
    for batch in chunks(places, BATCH_SIZE):
        waves = predicted(predict, [samples[place] for place in batch])
        for place, wave in zip(batch, waves, strict=True):
            found.append(SeriesTask(*samples.location(place), wave))
    return found


def refined_series(
    refine_one: Callable[[SeriesTask], Refined], tasks: Sequence[SeriesTask], workers: int
) -> dict[int, Refined]:
    """Refine series in processes, in their order; those that cannot be solved are left out.

    Parameters
    ----------
    refine_one : callable
        What is done with each.
    tasks : sequence of SeriesTask
        The series.
    workers : int
        Processes.

    Returns
    -------
    dict
        What came of each, by its place among the tasks.

    Raises
    ------
    ExitwaveError
        Where none is left.
    """
    done: dict[int, Refined] = {}
    for place, result in map_tasks(refine_one, tasks, workers, "refinements"):
        if isinstance(result, np.linalg.LinAlgError):
            logger.warning("A series could not be refined (%s); it is left out.", result)
        elif isinstance(result, Exception):
            raise result
        else:
            done[place] = result
    if not done:
        raise ExitwaveError(
            f"None of {len(tasks)} series could be refined; check the network, whose "
            "waves may be far from the truth, by `exitwave evaluate`."
        )
    # Workers finish in any order.
    return {place: done[place] for place in sorted(done)}


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
    assumed, beliefs = assumed_of(series.microscope, limits or series.limits)
    return _refine(series, wave, assumed, beliefs, error_power, smear)


def assumed_of(true: MicroscopeDraw, limits: Microscope) -> tuple[MicroscopeDraw, Beliefs]:
    """Return what is assumed of a microscope of which energy, dose, pixel and camera are known."""
    assumed, beliefs = assumed_microscope(
        limits, true.energy_kev, len(true.defocus), true.dose, true.sampling
    )
    camera = replace(
        assumed,
        mtf_c1=true.mtf_c1,
        mtf_c2=true.mtf_c2,
        mtf_c3=true.mtf_c3,
        mtf_frequency_unit=true.mtf_frequency_unit,
        mtf_curve=true.mtf_curve,
    )
    return camera, beliefs


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
