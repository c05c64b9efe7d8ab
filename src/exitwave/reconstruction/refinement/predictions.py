"""How well a wave predicts frames that were held out of its fit, beside the frames around them.

Of a frame held out its shift and its intensity are fitted, nothing else: its defocus follows from
the nominal one and the trend of the others' errors. What the wave predicts is compared with what
the mean of the two nearest frames of the fit does, moved onto it. That mean has noise of its own,
half the variance of a frame's, which is taken off where shares are known.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from exitwave.reconstruction.refinement.joint import Joint, looked
from exitwave.reconstruction.refinement.model import Complexes, Floats, Singles
from exitwave.reconstruction.refinement.series import SeriesModel
from exitwave.reconstruction.registration import shifted

# Gauss and Newton's steps for shift and intensity.
_STEPS = 5


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """How well an image is predicted.

    Attributes
    ----------
    correlation : float
        With the measured image, noise and all.
    misfit : float
        Chi-square per degree of freedom; 1 is expected of a perfect prediction.
    unexplained : float
        Share of the power of the image's contrast that is missed, noise taken off.
    """

    correlation: float
    misfit: float
    unexplained: float


@dataclass(frozen=True, kw_only=True)
class Held:
    """A frame that was held out.

    Attributes
    ----------
    frame : int
        Its number, the first being 0.
    defocus : float
        [Å]
    shift : (float, float)
        Along x and y, relative to the middle frame of the fit [Å].
    intensity : float
        Relative to the mean of the series.
    wave, neighbours : Prediction
        By the wave, and by the mean of the frames around.
    measured, computed, mean : (y, x) array of float32
        The frame without the camera's response, and the two predictions, on the pixels of the fit.
    """

    frame: int
    defocus: float
    shift: tuple[float, float]
    intensity: float
    wave: Prediction
    neighbours: Prediction
    measured: Singles
    computed: Singles
    mean: Singles


def judged(
    model: SeriesModel, joint: Joint, apart: SeriesModel, fitted: Sequence[int], held: Sequence[int]
) -> tuple[Held, ...]:
    """Compare predictions with the frames held out.

    Parameters
    ----------
    model, joint
        The fit.
    apart : SeriesModel
        Of the frames held out, on the same field; its microscope has the nominal defoci.
    fitted, held : sequence of int
        Numbers of the frames of both.
    """
    unknowns = model.unknowns
    apart.real, apart.imag = model.real, model.imag
    nominal = np.asarray(model.microscope.defocus)
    errors = joint.vector[unknowns.defocus] - nominal
    trend = np.polyfit(fitted, errors, 1) if len(fitted) > 2 else np.array([0.0, errors.mean()])
    vector = apart.unknowns.vector(apart.microscope)
    vector[apart.unknowns.common] = joint.vector[unknowns.common]
    vector[apart.unknowns.envelope] = joint.vector[unknowns.envelope]
    vector[apart.unknowns.defocus] += np.polyval(trend, held)
    places = np.stack([joint.vector[unknowns.shift_x], joint.vector[unknowns.shift_y]])
    found = []
    for number, frame in enumerate(held):
        one = apart.only([number])
        own = apart.vector_of(vector, [number])
        own[one.unknowns.intensity] = float(one.measured.mean() / model.measured.mean())
        near = np.array([np.interp(frame, fitted, line) for line in places])
        own[one.unknowns.shift_x], own[one.unknowns.shift_y] = looked(
            apart, number, near, vector, joint.wave.white
        )
        own, computed = _placed(one, joint.wave.white, own)
        shift = (float(own[one.unknowns.shift_x][0]), float(own[one.unknowns.shift_y][0]))
        before = max(place for place, other in enumerate(fitted) if other < frame)
        mean = np.zeros_like(computed)
        for place in (before, before + 1):
            by = (places[:, place] - shift)[::-1] / model.pixel
            factor = np.float32(2 * joint.vector[unknowns.intensity][place])
            mean += shifted(model.measured[place], (float(by[0]), float(by[1]))) / factor
        mean *= np.float32(_factor(one, mean))
        found.append(
            Held(
                frame=frame,
                defocus=float(own[one.unknowns.defocus][0]),
                shift=shift,
                intensity=float(own[one.unknowns.intensity][0]),
                wave=_prediction(one, computed, 0.0),
                neighbours=_prediction(one, mean, 0.5),
                measured=one.measured[0],
                computed=computed,
                mean=mean,
            )
        )
    return tuple(found)


def _placed(one: SeriesModel, white: Complexes, vector: Floats) -> tuple[Floats, Singles]:
    """Return the parameters with shift and intensity that fit a wave, and the image."""
    scattered = one.error(white)
    parts = [one.unknowns.shift_x.start, one.unknowns.shift_y.start, one.unknowns.intensity.start]
    for _ in range(_STEPS):
        transfer = one.transfer(vector)[0]
        computed, changes = one.changes(scattered, transfer, float(vector[parts[2]]))
        root = np.sqrt(one.twice)
        columns = (one.image_components(changes[1:], 0) * root).reshape(3, -1)
        residual = (one.image_components(computed - one.measured[0], 0) * root).ravel()
        bent = (np.conj(columns) @ columns.T).real
        vector[parts] -= np.linalg.solve(bent, (np.conj(columns) @ residual).real)
    factor = np.float32(vector[parts[2]])
    return vector, factor * one.image(scattered, one.transfer(vector)[0])


def _factor(one: SeriesModel, image: Singles) -> float:
    """Return by what to multiply an image for it to fit the measured one."""
    mine, other = (one.image_components(each, 0) for each in (image, one.measured[0]))
    return float(
        np.sum(one.twice * (np.conj(mine) * other).real) / np.sum(one.twice * np.abs(mine) ** 2)
    )


def _prediction(one: SeriesModel, image: Singles, own_noise: float) -> Prediction:
    """Compare an image with the measured one; its noise is relative to that one's variance."""
    mine, other = (one.image_components(each - each.mean(), 0) for each in (image, one.measured[0]))

    def power(part: Complexes) -> float:
        return float(np.sum(one.twice * (part.real**2 + part.imag**2), dtype=np.float64))

    product = float(np.sum(one.twice * (np.conj(mine) * other).real, dtype=np.float64))
    misfit = power(one.image_components(image - one.measured[0], 0)) / one.degrees
    contrast = power(other) / one.degrees - 1
    return Prediction(
        correlation=product / max(math.sqrt(power(mine) * power(other)), 1e-12),
        misfit=misfit,
        unexplained=(misfit - 1 - own_noise) / max(contrast, 1e-6),
    )
