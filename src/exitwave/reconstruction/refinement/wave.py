"""Find the most probable wave of a focal series whose microscope is known.

The white part of the wave is fitted by L-BFGS. It is preconditioned by the curvature that linear
imaging has, which couples a frequency with its opposite only: in its units the curvature is near
1 everywhere, and tens of iterations do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from exitwave.reconstruction.refinement.model import Complexes, Floats, Model, Singles

_ITERATIONS, _MEMORY = 100, 8
# The fit ends when an iteration lowers the objective by less than this, relatively.
_ENOUGH = 1e-6


@dataclass(frozen=True)
class FittedWave:
    """The most probable wave.

    Attributes
    ----------
    white : (frequency,) array of complex64
        What it differs by from the network's, see `exitwave.reconstruction.refinement.model`.
    misfit : float
        Chi-square of the images and the square of the white part, per degree of freedom of the
        images; 1 is expected.
    at_rest : bool
        Whether the fit came to its end.
    """

    white: Complexes
    misfit: float
    at_rest: bool


def fit_wave(
    model: Model,
    vector: Floats,
    start: Complexes | None = None,
    iterations: int = _ITERATIONS,
    enough: float = _ENOUGH,
) -> FittedWave:
    """Fit the wave of a model at given parameters.

    Parameters
    ----------
    model : Model
        The series.
    vector : array
        Its parameters.
    start : (frequency,) array of complex64, optional
        White part from which to start; without it 0, the network's wave.
    iterations : int
        At most so many.
    enough : float
        The fit ends when an iteration lowers the objective by less than this, relatively.
    """
    transfer = model.transfer(vector)
    preconditioner = _Preconditioner(model, transfer)
    count = len(model.wave)

    def white(values: Floats) -> Complexes:
        found = np.empty(count, dtype=np.complex64)
        found.real, found.imag = values[:count], values[count:]
        part = preconditioner(found)
        return part if start is None else np.asarray(part + start)

    def objective(values: Floats) -> tuple[float, Floats]:
        part = white(values)
        chi_square, slope = model.misfit(part, vector, transfer)
        total = chi_square + float(np.sum(part.real**2 + part.imag**2, dtype=np.float64))
        bent = preconditioner(part + slope)
        return total / 2, np.concatenate([bent.real, bent.imag]).astype(np.float64)

    found = minimize(
        objective,
        np.zeros(2 * count),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": iterations, "maxcor": _MEMORY, "ftol": enough, "gtol": 0.0},
    )
    return FittedWave(white(found.x), 2 * float(found.fun) / model.degrees, found.status == 0)


class _Preconditioner:
    """The inverse root of the curvature; for the two parts of the wave a matrix per frequency."""

    def __init__(self, model: Model, transfer: Complexes) -> None:
        noise = float(model.weight.max())
        field = model.measured[0].size
        gain = model.sharpen * np.float32(noise * np.sqrt(field) / np.prod(model.box))
        opposite = np.conj(transfer[:, ::-1])
        first = model.real * gain * (transfer + opposite)
        second = 1j * model.imag * gain * (transfer - opposite)
        one = 1 + np.sum(first.real**2 + first.imag**2, axis=0)
        two = 1 + np.sum(second.real**2 + second.imag**2, axis=0)
        mixed = np.sum(np.conj(first) * second, axis=0)
        # The root of a Hermitian matrix of 2 x 2, and its inverse.
        root = np.sqrt(one * two - (mixed.real**2 + mixed.imag**2))
        size = np.sqrt(one + two + 2 * root)
        one, two, mixed = (one + root) / size, (two + root) / size, mixed / size
        determinant = one * two - (mixed.real**2 + mixed.imag**2)
        self._one: Singles = (two / determinant).astype(np.float32)
        self._two: Singles = (one / determinant).astype(np.float32)
        self._mixed: Complexes = (-mixed / determinant).astype(np.complex64)

    def __call__(self, values: Complexes) -> Complexes:
        opposite = np.conj(values[::-1])
        real, imag = (values + opposite) / 2, (values - opposite) / 2j
        return np.asarray(
            self._one * real
            + self._mixed * imag
            + 1j * (np.conj(self._mixed) * real + self._two * imag),
            dtype=np.complex64,
        )
