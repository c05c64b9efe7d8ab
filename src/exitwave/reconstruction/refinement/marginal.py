"""Fit the parameters of a focal series to it, whatever its wave is within the network's error.

As far as imaging is linear, the error of the network's wave adds noise to the images that is
alike at a frequency and its opposite and comes through the lenses: its covariance between the
images at one frequency is G Gᴴ, with G from the transfer functions and the error power, beside
that of the counted electrons, 1. So the likelihood of the parameters, the wave left out of it
(marginal likelihood), is known without any wave being fitted, and so is how certain they are. Its
maximum is found by Gauss and Newton's way.

The error power is scaled with the rest: a network that is off by more than its training says
shows in that, see `exitwave.reconstruction.refinement.verdict`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy.linalg

from exitwave.reconstruction.refinement.model import Complexes, Floats, Model, Singles
from exitwave.reconstruction.refinement.optics import EVEN, Beliefs, camera_shapes

# Levenberg's and Marquardt's damping of a step: the first, and what it changes by.
_DAMPING, _LESS, _MORE, _MOST = 1e-3, 0.2, 8.0, 1e6
# Least and greatest ln of the scale that is tried; with more the numbers overflow.
_SCALES = (-3.0, 4.0)
# Starts of the fit: so far apart in Cs [Å] and in defocus [Å], as far as beliefs reach.
_CS_STEP, _DEFOCUS_STEP, _REACH = 3e4, 25.0, 1.8


@dataclass(frozen=True)
class Fitted:
    """Parameters that fit a series.

    Attributes
    ----------
    vector : array
        See `exitwave.reconstruction.refinement.optics.Unknowns`.
    covariance : array
        Of the vector; 0 for what is fixed.
    objective : float
        -2 ln of the likelihood and of the beliefs, but for a constant.
    misfit : float
        Weighted sum of squares per degree of freedom; 1 is expected.
    at_rest : bool
        Whether the last step changed next to nothing.
    """

    vector: Floats
    covariance: Floats
    objective: float
    misfit: float
    at_rest: bool


@dataclass(frozen=True)
class _Weights:
    """The inverse of the covariance of the images at each frequency.

    Attributes
    ----------
    inverse : (image, image, frequency) array
    log_determinant, trace, trace_square : (frequency,) array
        Of the covariance; of its inverse and of the square of that.
    """

    inverse: Complexes
    log_determinant: Floats
    trace: Floats
    trace_square: Floats


class _Differences(NamedTuple):
    """Computed less measured images, and what they were computed from.

    ``components`` (image, frequency), ``transfer`` functions, ``waves`` in the planes of the
    images, ``bare`` intensities without a factor, and by what the camera multiplies components.
    """

    components: Complexes
    transfer: Complexes
    waves: Complexes
    bare: Singles
    seen: Singles | np.float32


class Marginal:
    """The likelihood of a model's parameters, and what is believed of them."""

    def __init__(self, model: Model, beliefs: Beliefs, assumed: Floats) -> None:
        self.model = model
        self.assumed = assumed
        covariance = beliefs.covariance(model.unknowns)
        self.free = beliefs.free(model.unknowns)
        self.precision = np.zeros_like(covariance)
        block = np.ix_(self.free, self.free)
        self.precision[block] = np.linalg.inv(covariance[block])
        unknowns = model.unknowns
        shared = range(unknowns.envelope.start, unknowns.envelope.stop)
        # What acts on the covariance: ln of the gain grows by so much with each.
        self.gains = np.array([*shared, unknowns.scale])
        self.shapes = camera_shapes(model.kept_frequency).astype(np.float32)
        self.data = self._kept(model.data)
        self.growth = np.concatenate(
            [model.kept_dampings, np.ones((1, len(model.kept)), dtype=np.float32)]
        )

    def _belief(self, vector: Floats) -> tuple[float, Floats]:
        slope = self.precision @ (vector - self.assumed)
        return float((vector - self.assumed) @ slope), slope

    def _weights(self, vector: Floats) -> _Weights:
        model, unknowns = self.model, self.model.unknowns
        coefficients = unknowns.coefficients(vector).astype(np.float32)
        turn = coefficients @ model.kept_phases
        opposite = (coefficients * EVEN.astype(np.float32)) @ model.kept_phases
        gain = np.exp(
            vector[unknowns.envelope].astype(np.float32) @ model.kept_dampings
            + np.float32(vector[unknowns.scale])
        )
        here, there = np.exp(1j * turn), np.exp(-1j * opposite)
        columns = (
            model.kept_real * gain * (here + there),
            1j * model.kept_imag * gain * (here - there),
        )
        first, second = columns
        one = 1 + np.sum(first.real**2 + first.imag**2, axis=0)
        two = 1 + np.sum(second.real**2 + second.imag**2, axis=0)
        mixed = np.sum(np.conj(first) * second, axis=0)
        determinant = one * two - (mixed.real**2 + mixed.imag**2)
        # Woodbury's identity, with the inverse of a matrix of 2 x 2.
        left = (two * first - np.conj(mixed) * second) / determinant
        right = (one * second - mixed * first) / determinant
        inverse = -(
            left[:, np.newaxis] * np.conj(first)[np.newaxis]
            + right[:, np.newaxis] * np.conj(second)[np.newaxis]
        )
        inverse[np.arange(len(inverse)), np.arange(len(inverse))] += 1
        trace = np.einsum("iik->k", inverse).real
        square = np.sum(inverse.real**2 + inverse.imag**2, axis=(0, 1))
        return _Weights(
            inverse.astype(np.complex64), np.log(determinant).astype(np.float64), trace, square
        )

    def _differences(self, vector: Floats) -> _Differences:
        model = self.model
        transfer = model.transfer(vector)
        waves = model.waves(model.wave * model.sharpen, transfer)
        bare = waves.real**2 + waves.imag**2
        camera = vector[model.unknowns.camera].astype(np.float32)
        seen = np.exp(camera @ self.shapes) if np.any(camera) else np.float32(1)
        computed = self._kept(model.components(model.intensities(vector) * bare)) * seen
        return _Differences(computed - self.data, transfer, waves, bare, seen)

    def _kept(self, components: Complexes) -> Complexes:
        return components.reshape(*components.shape[:-2], -1)[..., self.model.kept]

    def objective(self, vector: Floats) -> float:
        """Return -2 ln of the likelihood and of the beliefs, but for a constant."""
        difference = self._differences(vector).components
        weights = self._weights(vector)
        weighted = np.einsum("abk,bk->ak", weights.inverse, difference)
        squares = np.sum((np.conj(difference) * weighted).real, axis=0)
        counts = self.model.counts
        return float(
            counts @ squares
            + self.model.counted * (counts @ weights.log_determinant)
            + self._belief(vector)[0]
        )

    def expand(self, vector: Floats) -> tuple[float, float, Floats, Floats]:
        """Return the objective, the sum of squares, and half of the slope and of the curvature."""
        model, unknowns = self.model, self.model.unknowns
        found = self._differences(vector)
        difference, transfer, waves = found.components, found.transfer, found.waves
        factors = vector[unknowns.intensity]
        columns = np.zeros((unknowns.size, *difference.shape), dtype=np.complex64)
        scattered = model.wave * model.sharpen
        for image in range(unknowns.images):
            passed = scattered * transfer[image]
            turned = zip(unknowns.places(image), 1j * model.phases, strict=True)
            envelope = range(unknowns.envelope.start, unknowns.envelope.stop)
            damped = zip(envelope, model.dampings, strict=True)
            for place, factor in itertools.chain(turned, damped):
                if self.free[place]:
                    moved = model.field(passed * factor)
                    change = (2 * factors[image]) * (
                        waves[image].real * moved.real + waves[image].imag * moved.imag
                    )
                    columns[place, image] = self._kept(model.components(change)) * found.seen
            seen = self._kept(model.components(found.bare[image])) * found.seen
            columns[unknowns.intensity.start + image, image] = seen
            if self.free[unknowns.camera.start]:
                columns[unknowns.camera, image] = self.shapes * (factors[image] * seen)
        weights = self._weights(vector)
        counts = model.counts
        weighted = np.einsum("abk,bk->ak", weights.inverse, difference)
        squares = np.sum((np.conj(difference) * weighted).real, axis=0)
        again = np.sum(weighted.real**2 + weighted.imag**2, axis=0)
        root = np.sqrt(counts).astype(np.float32)
        flat = (columns * root).reshape(unknowns.size, -1)
        bent = np.einsum("abk,pbk->pak", weights.inverse, columns * root, optimize=True)
        curvature = (np.conj(flat) @ bent.reshape(unknowns.size, -1).T).real.astype(np.float64)
        slope = (np.conj(flat) @ (weighted * root).ravel()).real.astype(np.float64)
        belief, belief_slope = self._belief(vector)
        # Of the covariance's own dependence on what damps and scales it.
        images = unknowns.images
        pull = model.counted * (images - weights.trace) - (squares - again)
        slope[self.gains] += self.growth @ (counts * pull)
        known = counts * model.counted * (images - 2 * weights.trace + weights.trace_square)
        curvature[np.ix_(self.gains, self.gains)] += 2 * (self.growth * known) @ self.growth.T
        total = float(counts @ squares)
        objective = total + model.counted * float(counts @ weights.log_determinant) + belief
        return objective, total, slope + belief_slope, curvature + self.precision

    def fit(self, start: Floats, steps: int, enough: float) -> Fitted:
        """Go down from a start.

        Parameters
        ----------
        start : array
            Parameters.
        steps : int
            At most so many.
        enough : float
            A step that lowers the objective by less is the last one.
        """
        model = self.model
        vector = np.where(self.free, start, self.assumed)
        objective, total, slope, curvature = self.expand(vector)
        damping, at_rest = _DAMPING, False
        block = np.ix_(self.free, self.free)
        for _ in range(steps):
            found = None
            while found is None and damping < _MOST:
                bent = curvature[block] + damping * np.diag(np.diag(curvature)[self.free])
                step = np.zeros_like(vector)
                # Without their units, which are as different as Cs is from an intensity.
                root = np.sqrt(np.diag(bent))
                found_step = scipy.linalg.solve(
                    bent / np.outer(root, root), slope[self.free] / root, assume_a="pos"
                )
                step[self.free] = -found_step / root
                new = self._limited(vector + step)
                reached = self.objective(new)
                if reached < objective:
                    found = new, objective - reached
                else:
                    damping = max(damping, _DAMPING) * _MORE
            if found is None:
                at_rest = True
                break
            vector, gained = found
            damping *= _LESS
            objective, total, slope, curvature = self.expand(vector)
            if gained < enough:
                at_rest = True
                break
        covariance = np.zeros_like(curvature)
        covariance[block] = np.linalg.inv(curvature[block])
        return Fitted(vector, covariance, objective, total / model.degrees, at_rest)

    def _limited(self, vector: Floats) -> Floats:
        kept = self.model.unknowns.limited(vector)
        kept[self.model.unknowns.scale] = np.clip(kept[self.model.unknowns.scale], *_SCALES)
        return kept

    def starts(self, beliefs: Beliefs) -> Iterator[Floats]:
        """Yield starts of a fit over defocus and Cs, as far as beliefs reach, from the best on.

        None is a neighbour of one before, from which a fit would come to the same end.
        """
        unknowns = self.model.unknowns
        cs = unknowns.common.start + 2
        offsets = _spread(beliefs.defocus, _DEFOCUS_STEP)
        aberrations = _spread(beliefs.spherical_aberration, _CS_STEP)
        tried: dict[tuple[int, int], tuple[float, Floats]] = {}
        for place in itertools.product(range(len(offsets)), range(len(aberrations))):
            vector = self.assumed.copy()
            vector[unknowns.defocus] += offsets[place[0]]
            vector[cs] += aberrations[place[1]]
            tried[place] = self.objective(vector), vector
        taken: list[tuple[int, int]] = []
        for place in sorted(tried, key=lambda each: tried[each][0]):
            if all(max(abs(place[0] - row), abs(place[1] - column)) > 1 for row, column in taken):
                taken.append(place)
                yield tried[place][1]


def _spread(deviation: float, step: float) -> list[float]:
    count = round(_REACH * deviation / step)
    return [place * step for place in range(-count, count + 1)]
