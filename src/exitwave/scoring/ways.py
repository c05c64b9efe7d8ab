"""The ways from a focal series to its wave that a comparison sets side by side.

| name | images | known of the microscope |
|---|---|---|
| ``network`` | the network's | nothing |
| ``network_refined`` | the network's | the camera, and between which limits the rest was drawn |
| ``network_floor`` | the network's | everything |
| ``network_refined_all`` | all | as for ``network_refined`` |
| ``network_floor_all`` | all | everything |
| ``classical_paper`` | all | defocus, Cs and focal spread only, as in the paper |
| ``classical_all`` | all | everything |
| ``classical_fitted`` | all | the camera; all else is what ``network_refined`` found |
| ``classical_few`` | the network's | everything |
| ``classical_fitted_few`` | the network's | as for ``classical_fitted`` |

The second to fifth begin with the network's wave from its few images and take it as right within
the error that the network is known to have, see `exitwave.reconstruction.refinement`; those that
know everything show what this assumption gives at best. All classical ones but ``classical_paper``
are as strong as we can make them (accelerated iterations).

>>> found = find_waves(sample, limits, smear, wave, (0, 5, 10), error_power, iterations=100)
>>> found.waves["network_refined"].shape
(352, 352)
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from exitwave.config import Microscope
from exitwave.imaging.microscope import MicroscopeDraw
from exitwave.networks.error_power import ErrorPower
from exitwave.reconstruction.classical import known_microscope, reconstruct_wave
from exitwave.reconstruction.refinement.optics import Beliefs
from exitwave.reconstruction.refinement.refine import refine
from exitwave.samples import EpochSample
from exitwave.scoring.metrics import Wave, blurred
from exitwave.scoring.refinements import assumed_of


@dataclass(frozen=True)
class FoundWaves:
    """The waves of one series.

    Attributes
    ----------
    waves : dict of str to (y, x) array of complex
        By the names of `exitwave.scoring.examples.WAYS`; smeared as the truth is.
    seconds : dict of str to float
        What finding each took but the network's [s].
    """

    waves: dict[str, Wave]
    seconds: dict[str, float]


def find_waves(
    sample: EpochSample,
    limits: Microscope,
    smear: float,
    wave: NDArray[np.complexfloating],
    few: Sequence[int],
    error_power: ErrorPower,
    iterations: int,
) -> FoundWaves:
    """Find the wave of a series in all ways.

    Parameters
    ----------
    sample : EpochSample
        A focal series whose microscope is known.
    limits : Microscope
        Between which that was drawn.
    smear : float
        Standard deviation of the Gaussian that the truth is folded with [Å].
    wave : (y, x) array of complex
        The network's, relative to the incident wave.
    few : sequence of int
        The images that it is from, first and last of the series among them.
    error_power : ErrorPower
        Of the network.
    iterations : int
        Of the classical reconstruction.

    Raises
    ------
    ExitwaveError
        Where the series cannot be reconstructed.
    """
    sampling = sample.sampling
    true = MicroscopeDraw.of(sample.microscope, sampling, limits)
    every, chosen = list(range(len(true.defocus))), list(few)
    found = FoundWaves({"network": wave}, {})

    fitted: dict[str, MicroscopeDraw] = {}
    for name, frames, (assumed, beliefs) in (
        ("network_refined", chosen, _assumed(true, limits, chosen)),
        ("network_floor", chosen, (true.of_frames(chosen), Beliefs())),
        ("network_refined_all", every, _assumed(true, limits, every)),
        ("network_floor_all", every, (true, Beliefs())),
    ):
        begun = time.perf_counter()
        refined = refine(
            sample.image[..., frames], wave, sampling, assumed, beliefs, error_power, smear
        )
        found.seconds[name] = time.perf_counter() - begun
        found.waves[name] = refined.wave
        fitted[name] = refined.microscope

    few_fitted = fitted["network_refined"]
    images = np.moveaxis(sample.image, -1, 0)
    for name, frames, microscope in (
        ("classical_paper", every, known_microscope(true, "paper")),
        ("classical_all", every, true),
        ("classical_fitted", every, _of_all_images(few_fitted, chosen, len(every))),
        ("classical_few", chosen, true.of_frames(chosen)),
        ("classical_fitted_few", chosen, few_fitted),
    ):
        begun = time.perf_counter()
        accelerated = name != "classical_paper"
        classical = reconstruct_wave(images[frames], sampling, microscope, iterations, accelerated)
        found.seconds[name] = time.perf_counter() - begun
        found.waves[name] = blurred(classical.wave, smear, sampling)
    return found


def _assumed(
    true: MicroscopeDraw, limits: Microscope, frames: Sequence[int]
) -> tuple[MicroscopeDraw, Beliefs]:
    """Return what is assumed of some images where energy, dose and camera are all that is known."""
    assumed, beliefs = assumed_of(true, limits)
    # From one of them to the next the errors of all steps between add up.
    step = beliefs.defocus_step * math.sqrt(frames[1] - frames[0])
    return assumed.of_frames(frames), replace(beliefs, defocus_step=step)


def _of_all_images(fitted: MicroscopeDraw, few: Sequence[int], images: int) -> MicroscopeDraw:
    """Return the microscope of a whole series, fitted to some of its images.

    The defocus changes evenly between them. All images are taken as registered and equally bright,
    since nothing is known of the others.
    """
    defocus = np.interp(np.arange(images), few, fitted.defocus)
    return replace(
        fitted,
        defocus=tuple(float(each) for each in defocus),
        shift_x=(),
        shift_y=(),
        intensity=(),
    )
