"""Find shifts, intensities and defoci of the images of a series, and the wave, all together.

A series is first aligned by prediction: from the images whose places are known, the middle one to
begin with, a wave is fitted, the next image is computed from it at its defocus, and its place is
where the measured one correlates best with it. Plain correlation of neighbours follows fringes
whose contrast turns over; a computed image turns over with the measured one.

Then all are refined. At the most probable wave the slope of the likelihood by a parameter is that
at a fixed wave, since any change of the wave counts only in the second order; the curvature is that
of the likelihood with the wave left free, as far as imaging is linear (as in
`exitwave.reconstruction.refinement.marginal`). So each of Gauss and Newton's steps lets the wave
follow, and a few are enough.

What all images have in common, a defocus, Cs, astigmatism, coma, a shift, is not found: with
another wave it gives the same images. The mean of the defoci stays, and the middle image's place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.fft
import scipy.linalg
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from exitwave.reconstruction.refinement.model import Complexes, Floats
from exitwave.reconstruction.refinement.series import SeriesModel
from exitwave.reconstruction.refinement.wave import FittedWave, fit_wave

# Alignment by prediction: from so many of the nearest images, by so many iterations of the wave;
# how far an image may lie from the one before (standard deviation) [Å].
_NEAR, _FIRST_ITERATIONS, _JUMP = 6, 6, 2.0
# Then all are looked for again, near the median of so many, until none moves by more than this [Å].
_LOOKS, _BESIDE, _ALIGNED = 5, 5, 0.2
# Iterations of the wave in each turn, which starts from the last one's; turns until nothing moves
# by more than such shifts [Å] and defoci [Å].
_ITERATIONS, _ENOUGH = 12, 1e-6
_SHIFT_AT_REST, _DEFOCUS_AT_REST = 0.01, 1.0
# Longest step of a turn, defocus, shift [Å], intensity, and what shortens it.
_LONGEST, _SHORTER = np.array([60.0, 1.0, 1.0, 0.3]), 0.6

PARTS = ("defocus", "shift_x", "shift_y", "intensity")


@dataclass(frozen=True, kw_only=True)
class SeriesBeliefs:
    """How far what is nominal may be off: standard deviations for one image; 0 fixes it.

    Attributes
    ----------
    defocus : float
        Of an image against the mean of all [Å].
    shift : float
        Along x and y [Å].
    intensity : float
        Relative.
    """

    defocus: float = 20.0
    shift: float = 30.0
    intensity: float = 0.3

    @property
    def deviations(self) -> Floats:
        """In the order of `PARTS`."""
        return np.array([self.defocus, self.shift, self.shift, self.intensity])


@dataclass(frozen=True)
class Joint:
    """Parameters and wave that fit a series.

    Attributes
    ----------
    vector : array
        See `exitwave.reconstruction.refinement.optics.Unknowns`.
    deviations : (4, image) array
        Standard deviations of `PARTS` by the curvature; 0 for what is fixed.
    wave : FittedWave
        At these parameters.
    at_rest : bool
        Whether the last turn moved nothing any more.
    """

    vector: Floats
    deviations: Floats
    wave: FittedWave
    at_rest: bool


def predicted(model: SeriesModel, vector: Floats) -> Floats:
    """Return the parameters with the shifts that prediction finds, from one image outwards.

    That is the one in the middle half of the series with the strongest contrast.
    """
    unknowns = model.unknowns
    images = unknowns.images
    contrast = np.std(model.measured, axis=(1, 2)) / np.mean(model.measured, axis=(1, 2))
    quarter = images // 4
    first = quarter + int(np.argmax(contrast[quarter : images - quarter]))
    found = vector.copy()
    places = _places(model, vector)
    known = [first]
    white: Complexes | None = None
    for image in sorted(range(images), key=lambda each: (abs(each - first), each))[1:]:
        near = sorted(known, key=lambda each: abs(each - image))[:_NEAR]
        _set_places(model, found, places)
        some = model.only(near)
        white = fit_wave(some, model.vector_of(found, near), white, _FIRST_ITERATIONS).white
        places[:, image] = looked(model, image, places[:, near[0]], found, white)
        known.append(image)
    _set_places(model, found, places - places[:, [images // 2]])
    return found


def looked_again(model: SeriesModel, vector: Floats) -> tuple[float, Floats]:
    """Look for each image in what the wave of all predicts, near those beside it, and again.

    A crystal lets an image fall a lattice vector away while few others are known.

    Returns
    -------
    float
        Misfit of the wave of all.
    array
        Parameters.
    """
    images = model.unknowns.images
    found = vector.copy()
    places = _places(model, vector)
    wave = fit_wave(model, found, None, _FIRST_ITERATIONS)
    for _ in range(_LOOKS):
        expected = median_filter(places, (1, _BESIDE), mode="nearest")
        new = np.stack(
            [
                looked(model, image, expected[:, image], found, wave.white)
                for image in range(images)
            ],
            axis=1,
        )
        new -= new[:, [images // 2]]
        moves = float(np.abs(new - places).max())
        places = new
        _set_places(model, found, places)
        wave = fit_wave(model, found, wave.white, _FIRST_ITERATIONS)
        if moves < _ALIGNED:
            break
    return wave.misfit, found


def _places(model: SeriesModel, vector: Floats) -> Floats:
    return np.stack([vector[model.unknowns.shift_x], vector[model.unknowns.shift_y]])


def _set_places(model: SeriesModel, vector: Floats, places: Floats) -> None:
    vector[model.unknowns.shift_x], vector[model.unknowns.shift_y] = places


def looked(
    model: SeriesModel, image: int, near: Floats, vector: Floats, white: Complexes
) -> Floats:
    """Return the place (x, y) of an image, looked for near a place, in what a wave predicts."""
    one = model.only([image])
    own = model.vector_of(vector, [image])
    own[one.unknowns.shift_x], own[one.unknowns.shift_y] = near
    return np.asarray(near + _offset(one, white, own))


def _offset(one: SeriesModel, white: Complexes, vector: Floats) -> Floats:
    """Return how far a measured image lies from the computed one along x and y [Å]."""
    vector[one.unknowns.intensity] = 1.0
    computed = one.image_components(one.computed(white, vector)[0] - 1, 0)
    measured = one.image_components(one.measured[0] / one.measured[0].mean() - 1, 0)
    height, width = one.measured.shape[1:]
    correlation = scipy.fft.irfft2(measured * np.conj(computed), s=(height, width)) * (
        height * width
    )
    y = scipy.fft.fftfreq(height, 1 / (height * one.pixel))[:, np.newaxis]
    x = scipy.fft.fftfreq(width, 1 / (width * one.pixel))[np.newaxis, :]
    likely = correlation - (x**2 + y**2) / (2 * _JUMP**2)
    row, column = np.unravel_index(np.argmax(likely), likely.shape)
    found = np.array([x[0, column], y[row, 0]])
    for axis, line, place in ((0, likely[row], column), (1, likely[:, column], row)):
        below, here, above = (line[(place + step) % len(line)] for step in (-1, 0, 1))
        bend = below - 2 * here + above
        if bend < 0:
            found[axis] += one.pixel * (below - above) / (2 * bend)
    return found


def refine_jointly(
    model: SeriesModel,
    start: Floats,
    nominal: Floats,
    beliefs: SeriesBeliefs,
    turns: int,
    progress: Callable[[str], None],
    to_the_end: bool = True,
) -> Joint:
    """Refine parameters and wave in turn.

    Parameters
    ----------
    model : SeriesModel
        The series.
    start, nominal : array
        Parameters, and those that the beliefs are about.
    beliefs : SeriesBeliefs
        How far they may be off; with all 0 the wave alone is fitted.
    turns : int
        At most so many.
    progress : callable
        Told of each turn.
    to_the_end : bool
        Fit the wave to its end afterwards.
    """
    unknowns = model.unknowns
    vector = start.copy()
    deviations = np.zeros((len(PARTS), unknowns.images))
    longest = np.repeat(_LONGEST[:, np.newaxis], unknowns.images, axis=1)
    before = np.zeros_like(longest)
    at_rest = not beliefs.deviations.any()
    wave: FittedWave | None = None
    for turn in range(0 if at_rest else turns):
        white = None if wave is None else wave.white
        wave = fit_wave(model, vector, white, _ITERATIONS, _ENOUGH)
        step, deviations = _step(model, wave.white, vector, nominal, beliefs)
        # Where a step takes back the one before, both were too long.
        longest[step * before < 0] *= _SHORTER
        step = np.clip(step, -longest, longest)
        # With another wave, the same defocus in all images gives the same images.
        step[0] -= step[0].mean()
        before = step
        for values, name in zip(step, PARTS, strict=True):
            vector[getattr(unknowns, name)] += values
        if beliefs.intensity > 0:
            vector[unknowns.intensity] /= vector[unknowns.intensity].mean()
        moves = np.abs(step).max(axis=1)
        progress(
            f"turn {turn + 1}: misfit {wave.misfit:.4f}, steps up to {moves[1:3].max():.3f} Å of "
            f"the shifts and {moves[0]:.1f} Å of the defoci"
        )
        at_rest = bool(moves[0] < _DEFOCUS_AT_REST and moves[1:3].max() < _SHIFT_AT_REST)
        if at_rest:
            break
    if to_the_end or wave is None:
        wave = fit_wave(model, vector, None if wave is None else wave.white)
    return Joint(vector, deviations, wave, at_rest)


def _step(
    model: SeriesModel, white: Complexes, vector: Floats, nominal: Floats, beliefs: SeriesBeliefs
) -> tuple[Floats, Floats]:
    """Return a step of `PARTS` (4, image), and the standard deviations."""
    unknowns = model.unknowns
    images = unknowns.images
    scattered, transfer = model.error(white), model.transfer(vector)
    first, second = model.linear(vector)
    root = np.sqrt(model.counts).astype(np.float32)
    curvature = np.zeros((images, 4, images, 4))
    slope = np.zeros((images, 4))
    # What each change has in common with the two halves of the wave.
    shared = np.empty((2, images * 4, len(model.kept)), dtype=np.complex64)
    for image in range(images):
        factor = float(vector[unknowns.intensity][image])
        computed, changes = model.changes(scattered, transfer[image], factor)
        columns = _kept(model, model.image_components(changes, image)) * root
        residual = (
            _kept(model, model.image_components(computed - model.measured[image], image)) * root
        )
        curvature[image, :, image] = (np.conj(columns) @ columns.T).real
        slope[image] = (np.conj(columns) @ residual).real
        for place, half in enumerate((first, second)):
            shared[place, 4 * image : 4 * image + 4] = np.conj(half[image]) * columns
    one = 1 + np.sum(first.real**2 + first.imag**2, axis=0)
    two = 1 + np.sum(second.real**2 + second.imag**2, axis=0)
    mixed = np.sum(np.conj(first) * second, axis=0)
    determinant = one * two - (mixed.real**2 + mixed.imag**2)
    solved = (
        (two * shared[0] - mixed * shared[1]) / determinant,
        (one * shared[1] - np.conj(mixed) * shared[0]) / determinant,
    )
    explained = sum(
        (np.conj(half) @ part.T).real for half, part in zip(shared, solved, strict=True)
    )
    bent = curvature.reshape(4 * images, -1) - explained
    free = np.tile(beliefs.deviations > 0, (images, 1))
    free[images // 2, 1:3] = False
    precision = np.where(free, 1 / np.maximum(beliefs.deviations, 1e-9) ** 2, 0.0)
    off = np.stack(
        [vector[getattr(unknowns, name)] - nominal[getattr(unknowns, name)] for name in PARTS],
        axis=1,
    )
    slope += precision * off
    bent += np.diag(precision.ravel())
    chosen = np.nonzero(free.ravel())[0]
    block = np.ix_(chosen, chosen)
    step = np.zeros(4 * images)
    step[chosen] = -scipy.linalg.solve(bent[block], slope.ravel()[chosen], assume_a="pos")
    deviations = np.zeros(4 * images)
    deviations[chosen] = np.sqrt(np.diag(scipy.linalg.inv(bent[block])))
    found = step.reshape(images, 4)
    return found.T, deviations.reshape(images, 4).T


def _kept(model: SeriesModel, components: NDArray[np.complexfloating]) -> Complexes:
    flat = components.reshape(*components.shape[:-2], -1)
    return np.asarray(flat[..., model.kept], dtype=np.complex64)
