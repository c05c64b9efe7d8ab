"""Refine a network's wave and find the microscope of a focal series by its own images.

>>> assumed, beliefs = assumed_microscope(limits, 50.0, images=3, dose=1e4, sampling=0.105)
>>> found = refine(images, wave, 0.105, assumed, beliefs, error_power, smear=0.15)
>>> found.microscope.defocus, found.scale
((-31.2, 18.9, 69.3), 0.8)
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from exitwave.imaging.detector import camera_response
from exitwave.imaging.microscope import MicroscopeDraw
from exitwave.networks.error_power import ErrorPower
from exitwave.reconstruction.preparation import resample_to
from exitwave.reconstruction.refinement.marginal import Fitted, Marginal
from exitwave.reconstruction.refinement.model import (
    COARSE,
    FINE,
    Complexes,
    Floats,
    Grid,
    Model,
    Singles,
)
from exitwave.reconstruction.refinement.optics import (
    COMMON,
    Beliefs,
    Unknowns,
    camera_shapes,
)
from exitwave.reconstruction.refinement.wave import FittedWave, fit_wave
from exitwave.reconstruction.registration import place_with_most, shifted

# Parameters are found on a part of larger fields, and the start on a smaller one [Å].
_FIELD, _START_FIELD = 60.0, 40.0
# Steps of the fits from each start and of the last one, and by how little the objective may fall.
_START_STEPS, _MOST_START_STEPS, _STEPS = 6, 40, 25
# From this misfit on the images are not explained, and the network's wave stays as it is.
_UNEXPLAINED = 1.5
# Points of the curve of a camera that was fitted.
_CURVE_POINTS = 60
# So many starts are followed, and more where the misfit is by so many deviations above 1.
_STARTS, _MOST_STARTS, _EXPLAINED = 3, 8, 5.0
_START_ENOUGH, _ENOUGH = 1.0, 0.3


@dataclass(frozen=True, kw_only=True)
class Refinement:
    """What the images of a series say of its wave and its microscope.

    Attributes
    ----------
    wave : (y, x) array of complex64
        Refined wave, smeared as the network's; it lies as the middle image does. The network's
        where no microscope explains the images by it.
    microscope : MicroscopeDraw
        As fitted; shifts are relative to the middle image.
    errors : dict of str to float
        Standard deviations of the fitted parameters by the curvature: ``defocus`` (of one image),
        ``spherical_aberration``, ``astigmatism``, ``coma`` and ``trefoil`` (of a component) [Å],
        ``shift`` [Å], ``intensity``; 0 for what was fixed.
    scale : float
        By how much more the network's wave is off than it was in its training; that of the
        training is around 1.
    misfit : float
        Chi-square of the images with the wave left free, per degree of freedom.
    misfit_deviation : float
        By how much that is off 1, by chance alone (standard deviation).
    at_rest : bool
        Whether both fits, of parameters and of the wave, came to their ends.
    measured, computed : (y, x, image) array of float32
        Images without the camera's response and those of the refined wave, relative to vacuum, on
        the coarse pixels of the fit.
    pixel : float
        Side of these [Å].
    """

    wave: NDArray[np.complex64]
    microscope: MicroscopeDraw
    errors: dict[str, float]
    scale: float
    misfit: float
    misfit_deviation: float
    at_rest: bool
    measured: Singles
    computed: Singles
    pixel: float

    @property
    def residual(self) -> Singles:
        """Measured less computed images, over the deviation of the noise of vacuum."""
        noise = math.sqrt(self.microscope.dose * self.pixel**2)
        return np.asarray((self.measured - self.computed) * np.float32(noise))


def refine(
    images: NDArray[np.floating],
    wave: NDArray[np.complexfloating],
    sampling: float,
    assumed: MicroscopeDraw,
    beliefs: Beliefs,
    error_power: ErrorPower,
    smear: float,
    search: bool = True,
) -> Refinement:
    """Refine a wave.

    Parameters
    ----------
    images : (y, x, image) array
        Relative to vacuum, as the camera recorded them.
    wave : (y, x) array of complex
        The network's, relative to the incident wave.
    sampling : float
        Side of a pixel [Å].
    assumed : MicroscopeDraw
        What is assumed of the microscope; energy, dose and camera are taken from it as they are.
    beliefs : Beliefs
        How far off that may be.
    error_power : ErrorPower
        Of the network.
    smear : float
        Standard deviation of the Gaussian that the network's waves are folded with [Å].
    search : bool
        Start from several defoci and Cs, in place of what is assumed.
    """
    unknowns = Unknowns(images.shape[2])
    start = unknowns.vector(assumed)

    power = np.abs(wave - 1).astype(np.float64) ** 2

    def model(grid: Grid, side: float = math.inf) -> Model:
        place = place_with_most(power, round(min(side / sampling, max(wave.shape))))
        return Model(images, wave, sampling, assumed, error_power, smear, grid, place)

    if search and (beliefs.defocus > 0 or beliefs.spherical_aberration > 0):
        start = _best_start(Marginal(model(COARSE, _START_FIELD), beliefs, start), beliefs)
    part = model(FINE, _FIELD)
    fitted = Marginal(part, beliefs, unknowns.vector(assumed)).fit(start, _STEPS, _ENOUGH)
    if beliefs.camera:
        assumed = _with_camera(assumed, fitted.vector[unknowns.camera], sampling)
    whole = part
    if beliefs.camera or max(wave.shape) * sampling > _FIELD:
        whole = model(FINE)
    return _with_wave(whole, fitted, unknowns, wave, sampling, assumed)


def _with_camera(assumed: MicroscopeDraw, fitted: Floats, sampling: float) -> MicroscopeDraw:
    """Return the microscope with a camera whose response differs by what was fitted."""
    share = np.linspace(0, math.sqrt(2), _CURVE_POINTS)
    frequency = share / (2 * sampling)
    change = np.exp(fitted @ camera_shapes(np.minimum(frequency, FINE.highest)))
    response = camera_response(assumed, frequency, sampling) * change
    curve = zip(share, np.clip(response, 0, None), strict=True)
    return replace(assumed, mtf_curve=tuple((float(at), float(value)) for at, value in curve))


def _best_start(coarse: Marginal, beliefs: Beliefs) -> Floats:
    """Follow starts until one explains the images, or the most that are tried were."""
    found: list[Fitted] = []
    for start in itertools.islice(coarse.starts(beliefs), _MOST_STARTS):
        found.append(coarse.fit(start, _START_STEPS, _START_ENOUGH))
        best = min(found, key=lambda each: each.objective)
        spread = math.sqrt(2 / coarse.model.degrees)
        if len(found) >= _STARTS and best.misfit < 1 + _EXPLAINED * spread:
            break
    return coarse.fit(best.vector, _MOST_START_STEPS, _START_ENOUGH).vector


def _with_wave(
    model: Model,
    fitted: Fitted,
    unknowns: Unknowns,
    wave: NDArray[np.complexfloating],
    sampling: float,
    assumed: MicroscopeDraw,
) -> Refinement:
    vector = fitted.vector.copy()
    middle = unknowns.images // 2
    place = [float(vector[part][middle]) for part in (unknowns.shift_x, unknowns.shift_y)]
    # The network's wave lies elsewhere than the image, and is moved; the image is where it is.
    vector[unknowns.shift_x] -= place[0]
    vector[unknowns.shift_y] -= place[1]
    model.move_wave(*place)
    scale = math.exp(vector[unknowns.scale])
    model.scale_error(scale)
    found = fit_wave(model, vector)
    if fitted.misfit > _UNEXPLAINED:
        # A wave that bends to images which it cannot explain would be worse than the network's.
        found = FittedWave(np.zeros_like(found.white), found.misfit, at_rest=False)
    computed = model.computed(found.white, vector)
    change = model.field(model.error(found.white))
    moved = _moved(wave, place, sampling)
    refined = moved + _fine(change, (wave.shape[0], wave.shape[1]))
    return Refinement(
        wave=np.asarray(refined, dtype=np.complex64),
        microscope=unknowns.microscope(vector, assumed),
        errors=_errors(fitted.covariance, unknowns),
        scale=scale,
        misfit=fitted.misfit,
        misfit_deviation=math.sqrt(2 / model.degrees),
        at_rest=fitted.at_rest and found.at_rest,
        measured=np.moveaxis(model.measured, 0, -1),
        computed=np.moveaxis(computed, 0, -1),
        pixel=model.pixel,
    )


def _errors(covariance: Floats, unknowns: Unknowns) -> dict[str, float]:
    deviation = np.sqrt(np.diag(covariance))
    common = dict(zip(COMMON, deviation[unknowns.common], strict=True))
    return {
        "defocus": float(np.mean(deviation[unknowns.defocus])),
        "spherical_aberration": float(common["cs"]),
        "astigmatism": float(np.hypot(common["c12_a"], common["c12_b"]) / math.sqrt(2)),
        "coma": float(np.hypot(common["c21_a"], common["c21_b"]) / math.sqrt(2)),
        "trefoil": float(np.hypot(common["c23_a"], common["c23_b"]) / math.sqrt(2)),
        "shift": float(np.mean(deviation[unknowns.shift_x])),
        "intensity": float(np.mean(deviation[unknowns.intensity])),
    }


def _fine(change: NDArray[np.complexfloating], size: tuple[int, int]) -> Complexes:
    """Bring a field from the pixels of the fit onto those of the images."""
    found = np.empty(size, dtype=np.complex64)
    found.real = resample_to(np.ascontiguousarray(change.real), size)
    found.imag = resample_to(np.ascontiguousarray(change.imag), size)
    return found


def _moved(wave: NDArray[np.complexfloating], by: list[float], sampling: float) -> Complexes:
    """Move a wave by (x, y) [Å]; what comes in from outside is its mirror image."""
    back = (-by[1] / sampling, -by[0] / sampling)
    found = np.empty(wave.shape, dtype=np.complex64)
    found.real, found.imag = shifted(wave.real, back), shifted(wave.imag, back)
    return found
