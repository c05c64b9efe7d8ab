"""The exit wave of a focal series of any length, without a network, by maximum likelihood.

Intensities are fitted, not their roots: at a few electrons per pixel the root of a count is biased,
so what Gerchberg and Saxton's way (`exitwave.reconstruction.classical`) makes of them is, too. The
noise of the counts, the camera, the focal spread and the convergence of the illumination are in the
model of `exitwave.reconstruction.refinement.series`; shifts, intensities and errors of the defoci
are fitted with the wave, by `exitwave.reconstruction.refinement.joint`. Frames that were held out
say how good it is: what the wave predicts of them, beside the mean of the frames around them.

A defocus, Cs or astigmatism that all frames have in common is not found: with another wave it gives
the same images. What was given is taken as it is, and the wave lies in the plane that the given
defoci are measured from.

>>> found = fit_series(images, 0.3, microscope, Coherence(0.05), SeriesBeliefs(), held=(7, 15, 22))
>>> found.wave.shape, found.microscope.defocus[:2]
((480, 480), (2652.1, 2586.3))
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exitwave.errors import ExitwaveError
from exitwave.imaging.microscope import MicroscopeDraw
from exitwave.imaging.transfer import displacement
from exitwave.reconstruction.refinement.joint import (
    SeriesBeliefs,
    looked_again,
    predicted,
    refine_jointly,
)
from exitwave.reconstruction.refinement.model import Floats, Grid
from exitwave.reconstruction.refinement.optics import Unknowns, dampings
from exitwave.reconstruction.refinement.predictions import Held, judged
from exitwave.reconstruction.refinement.series import Coherence, SeriesModel, source_envelope
from exitwave.reconstruction.refinement.wave import fit_wave
from exitwave.reconstruction.registration import place_with_most

# Images are aligned on coarse pixels: below the spots of most crystals first, then with them.
_LOW, _COARSE = Grid(1.0, 0.3), Grid(0.6, 0.6)
# Of larger fields a part is enough for all parameters [Å].
_FIELD = 220.0
# The wave reaches as far as an envelope is above this. The terms that are of the second order in it
# reach twice as far, so the pixels are finer: Nyquist's frequency is so many times the highest.
_LEAST_ENVELOPE, _FINER = 0.05, 4 / 3
# Fringes whose envelope is above this stay within the margin; that is between such limits [Å], and
# at most so much of the field's side.
_FRINGES, _LEAST_MARGIN, _MOST_OF_FIELD = 0.2, 8.0, 0.5
# Turns of wave and parameters, on coarse pixels and on fine ones.
_COARSE_TURNS, _TURNS = 12, 8
_LEAST_PX, _LEAST_FRAMES = 32, 3


@dataclass(frozen=True, kw_only=True)
class FittedSeries:
    """What a series says of its wave and its microscope.

    Attributes
    ----------
    wave : (y, x) array of complex64
        Relative to the incident wave, on the pixels of the images; it lies as the middle one does.
    microscope : MicroscopeDraw
        Of the frames that were fitted, and of those held out between them; shifts are relative to
        the middle frame of the fit.
    fitted : tuple of int
        Numbers of the frames of the fit, the first being 0.
    deviations : dict of str to float
        Standard deviations by the curvature, the mean over frames: ``defocus`` [Å], ``shift`` [Å],
        ``intensity``; 0 for what was fixed.
    misfit : float
        Chi-square of the images and what the wave cost, per degree of freedom; 1 is expected.
    misfit_deviation : float
        By how much that is off 1 by chance alone.
    at_rest : bool
        Whether the fits came to their ends.
    held : tuple of Held
        Frames that were held out.
    highest : float
        Highest frequency of the wave [1/Å].
    margin : float
        Of the box around the images [Å].
    """

    wave: NDArray[np.complex64]
    microscope: MicroscopeDraw
    fitted: tuple[int, ...]
    deviations: dict[str, float]
    misfit: float
    misfit_deviation: float
    at_rest: bool
    held: tuple[Held, ...]
    highest: float
    margin: float


def held_out(frames: int, count: int) -> tuple[int, ...]:
    """Return which frames to hold out: evenly spread, neither the first nor the last.

    Raises
    ------
    ExitwaveError
        Where two of them would be neighbours, or too few frames would be left.
    """
    most = max(0, min((frames - 1) // 2, frames - _LEAST_FRAMES))
    if not 0 <= count <= most:
        raise ExitwaveError(
            f"{count} of {frames} frames cannot be held out; each needs frames of the fit on "
            f"both sides, so give 0 to {most} as --hold-out."
        )
    return tuple(round(place) for place in np.linspace(0, frames - 1, count + 2)[1:-1])


def fit_series(
    images: NDArray[np.floating],
    sampling: float,
    microscope: MicroscopeDraw,
    coherence: Coherence,
    beliefs: SeriesBeliefs,
    held: Sequence[int] = (),
    align: bool = True,
    progress: Callable[[str], None] = lambda _: None,
) -> FittedSeries:
    """Fit the wave of a series.

    Parameters
    ----------
    images : (y, x, frame) array
        As the camera recorded them, in any unit.
    sampling : float
        Side of a pixel [Å].
    microscope : MicroscopeDraw
        Energy, nominal defocus of each frame, aberrations, focal spread, blur, electrons per Å² of
        a frame, and camera, as far as they are known; shifts from which to start, or exact ones.
    coherence : Coherence
        Of the illumination.
    beliefs : SeriesBeliefs
        How far defoci, shifts and intensities may be off; 0 takes them as they are.
    held : sequence of int
        Frames that are held out, see `held_out`.
    align : bool
        Look for the frames by prediction; without it shifts are fitted from 0, if they are unknown.
    progress : callable
        Told what was done.

    Raises
    ------
    ExitwaveError
        Where the series cannot be fitted, as with too few frames.
    """
    _require_series(images, sampling, microscope, coherence)
    mean = images.mean(dtype=np.float64)
    images = np.asarray(images / mean, dtype=np.float32)
    fitted = tuple(frame for frame in range(images.shape[2]) if frame not in set(held))
    used = images[..., fitted]
    nominal = _only(microscope, fitted)
    unknowns = Unknowns(len(fitted))
    vector = unknowns.vector(nominal)
    if beliefs.intensity > 0:
        vector[unknowns.intensity] = used.mean(axis=(0, 1)) / used.mean()
    if beliefs.shift > 0 or beliefs.intensity > 0 or beliefs.defocus > 0:
        vector = _coarsely_fitted(
            used, sampling, nominal, coherence, beliefs, vector, align, progress
        )
    highest = _highest(nominal, coherence, sampling)
    grid = Grid(max(sampling, 1 / (2 * _FINER * highest)), highest)
    margin = _margin(nominal, coherence, highest, min(images.shape[:2]) * sampling)
    whole = (slice(None), slice(None))
    place = _part(used, sampling)
    is_part = used[place].shape != used.shape
    model = SeriesModel(used, sampling, nominal, coherence, grid, margin, place)
    model.assume_power(vector)
    joint = refine_jointly(
        model, vector, unknowns.vector(nominal), beliefs, _TURNS, progress, not is_part
    )
    if is_part:
        model = SeriesModel(used, sampling, nominal, coherence, grid, margin, whole)
        model.assume_power(joint.vector)
        joint = replace(joint, wave=fit_wave(model, joint.vector))
    judgements = (
        judged(
            model,
            joint,
            SeriesModel(
                images[..., list(held)], sampling, _only(microscope, held), coherence, grid, margin
            ),
            fitted,
            held,
        )
        if held
        else ()
    )
    return FittedSeries(
        wave=model.fine_wave(joint.wave.white, (images.shape[0], images.shape[1])),
        microscope=_whole(unknowns.microscope(joint.vector, nominal), fitted, judgements),
        fitted=fitted,
        deviations={
            "defocus": float(joint.deviations[0].mean()),
            "shift": float(joint.deviations[1:3].mean()),
            "intensity": float(joint.deviations[3].mean()),
        },
        misfit=joint.wave.misfit,
        misfit_deviation=math.sqrt(2 / model.degrees),
        at_rest=joint.at_rest and joint.wave.at_rest,
        held=judgements,
        highest=highest,
        margin=margin,
    )


def summary(found: FittedSeries) -> dict[str, Any]:
    """Return what was fitted, as numbers for JSON: lengths in Å."""
    microscope = found.microscope
    return {
        "defocus": microscope.defocus,
        "shift_x": microscope.shift_x,
        "shift_y": microscope.shift_y,
        "intensity": microscope.intensity,
        "deviations": found.deviations,
        "misfit": found.misfit,
        "misfit_deviation": found.misfit_deviation,
        "at_rest": found.at_rest,
        "highest_frequency": found.highest,
        "margin": found.margin,
        "held_out": [
            {
                "frame": held.frame,
                **{
                    name: vars(prediction)
                    for name, prediction in (("wave", held.wave), ("neighbours", held.neighbours))
                },
            }
            for held in found.held
        ],
    }


def _coarsely_fitted(
    images: NDArray[np.float32],
    sampling: float,
    microscope: MicroscopeDraw,
    coherence: Coherence,
    beliefs: SeriesBeliefs,
    start: Floats,
    align: bool,
    progress: Callable[[str], None],
) -> Floats:
    """Return the parameters that fit a part of the images on coarse pixels."""
    place = _part(images, sampling)
    # An average over foci is not worth its time here.
    coherence = Coherence(coherence.convergence)

    def model(grid: Grid) -> SeriesModel:
        side = sampling * min(images[place].shape[:2])
        highest = min(grid.highest, _highest(microscope, coherence, sampling))
        margin = _margin(microscope, coherence, highest, side)
        found = SeriesModel(images, sampling, microscope, coherence, grid, margin, place)
        found.assume_power(start)
        return found

    coarse = model(_COARSE)
    vector = start
    if align and beliefs.shift > 0:
        low = model(_LOW)
        starts = [start, looked_again(low, predicted(low, start))[1], predicted(coarse, start)]
        found = [looked_again(coarse, each) for each in starts]
        vector = min(found, key=lambda each: each[0])[1]
        progress(f"aligned; misfits {', '.join(f'{each[0]:.4f}' for each in found)}")
    nominal = Unknowns(images.shape[2]).vector(microscope)
    return refine_jointly(coarse, vector, nominal, beliefs, _COARSE_TURNS, progress, False).vector


def _part(images: NDArray[np.float32], sampling: float) -> tuple[slice, slice]:
    """Return the part of large images, or all of them, from which parameters are found."""
    contrast = images / images.mean(axis=(0, 1)) - 1
    power = np.asarray(np.sum(contrast**2, axis=2, dtype=np.float64))
    return place_with_most(power, round(_FIELD / sampling))


def _envelopes(
    microscope: MicroscopeDraw, coherence: Coherence, frequency: Floats
) -> tuple[Floats, Floats]:
    """Return (image, frequency): envelope, and how far fringes are carried [Å], along x and y."""
    square = frequency**2
    damped = np.array([microscope.focal_spread**2, microscope.blur**2]) @ dampings(
        square, microscope.energy_kev
    )
    none = np.zeros_like(frequency)
    envelopes, reaches = [], []
    for kx, ky in ((frequency, none), (none, frequency)):
        for defocus in microscope.defocus:
            source = source_envelope(microscope, defocus, kx, ky, coherence.convergence)
            envelopes.append(np.exp(damped) * source)
            reaches.append(np.hypot(*displacement(microscope, defocus, kx, ky)))
    return np.array(envelopes), np.array(reaches)


def _highest(microscope: MicroscopeDraw, coherence: Coherence, sampling: float) -> float:
    """Return up to which frequency an image shows the wave [1/Å]."""
    frequency = np.linspace(0.0, 0.95 / (2 * sampling), 400)
    envelope = _envelopes(microscope, coherence, frequency)[0].max(axis=0)
    return float(frequency[np.nonzero(envelope > _LEAST_ENVELOPE)[0][-1]])


def _margin(microscope: MicroscopeDraw, coherence: Coherence, highest: float, side: float) -> float:
    """Return how wide the box is around the images [Å]."""
    envelope, reach = _envelopes(microscope, coherence, np.linspace(0.0, highest, 200))
    farthest = float(np.max(np.where(envelope > _FRINGES, reach, 0.0)))
    return min(max(farthest, _LEAST_MARGIN), max(_MOST_OF_FIELD * side, _LEAST_MARGIN))


def _only(microscope: MicroscopeDraw, frames: Sequence[int]) -> MicroscopeDraw:
    """Return the microscope of some frames."""

    def chosen(values: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(values[frame] for frame in frames) if values else ()

    return replace(
        microscope,
        defocus=chosen(microscope.defocus),
        shift_x=chosen(microscope.shift_x),
        shift_y=chosen(microscope.shift_y),
        intensity=chosen(microscope.intensity),
    )


def _whole(fitted: MicroscopeDraw, frames: Sequence[int], held: Sequence[Held]) -> MicroscopeDraw:
    """Return the microscope of all frames, those held out in their places."""
    found = {
        frame: (
            fitted.defocus[place],
            fitted.shift_x[place],
            fitted.shift_y[place],
            fitted.intensity[place],
        )
        for place, frame in enumerate(frames)
    }
    found |= {each.frame: (each.defocus, *each.shift, each.intensity) for each in held}
    columns = list(zip(*(found[frame] for frame in sorted(found)), strict=True))
    return replace(
        fitted, defocus=columns[0], shift_x=columns[1], shift_y=columns[2], intensity=columns[3]
    )


def _require_series(
    images: NDArray[np.floating],
    sampling: float,
    microscope: MicroscopeDraw,
    coherence: Coherence,
) -> None:
    count = images.shape[2]
    if count < _LEAST_FRAMES:
        raise ExitwaveError(
            f"A series of {count} frame(s) does not determine the wave without a network; give "
            f"{_LEAST_FRAMES} or more, or a network."
        )
    if count != len(microscope.defocus):
        raise ExitwaveError(
            f"There are {count} frames and {len(microscope.defocus)} defoci; give one for each."
        )
    if not np.ptp(microscope.defocus) > 0:
        raise ExitwaveError(
            "All frames have one defocus, which does not determine the wave; give those of a "
            "focal series."
        )
    if min(images.shape[:2]) < _LEAST_PX:
        raise ExitwaveError(
            f"Images of {images.shape[0]} x {images.shape[1]} px are too small; give {_LEAST_PX} "
            "px or more each way."
        )
    if not np.isfinite(images).all() or not images.mean() > 0:
        raise ExitwaveError(
            "The images have values that are not finite, or a mean that is not above 0; take off "
            "no more than the dark level."
        )
    if not (sampling > 0 and microscope.dose > 0):
        raise ExitwaveError(
            f"A pixel of {sampling:g} Å and {microscope.dose:g} e/Å² are not possible; give both "
            "above 0."
        )
    if not 0 <= coherence.convergence <= 10:
        raise ExitwaveError(
            f"--convergence-mrad is {coherence.convergence:g}; give the 1/e semi-angle of the "
            "illumination, from 0 to 10 mrad."
        )
