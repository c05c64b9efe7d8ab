"""How far a reconstructed exit wave is from the true one, and from what a null guess reaches.

>>> truth = np.ones((64, 64), dtype=np.complex64)
>>> truth[32, 32] += 0.1j
>>> wave_error(vacuum(truth), truth).relative_error
1.0
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

Wave = NDArray[np.complexfloating]


@dataclass(frozen=True)
class WaveError:
    """Distance of a wave from the true one; all values are relative to the incident wave.

    Attributes
    ----------
    rmse_real, rmse_imag : float
        Root mean square difference of the real and of the imaginary part.
    rmse : float
        Root mean square modulus of the complex difference.
    relative_error : float
        Eq. (A.1) of the paper.
    """

    rmse_real: float
    rmse_imag: float
    rmse: float
    relative_error: float


def wave_error(wave: Wave, truth: Wave) -> WaveError:
    r"""Compare a wave with the true one.

    Eq. (A.1) of the paper, with the wave as :math:`\Psi_d` and the truth as :math:`\Psi_0`:

    .. math:: \Delta = \frac{\int |\Psi_d - \Psi_0|^2 dr}{\int |\Psi_0 - 1|^2 dr}

    Parameters
    ----------
    wave, truth : (y, x) array of complex
        Waves relative to the incident wave.
    """
    difference = np.asarray(wave, dtype=np.complex128) - truth
    real = float(np.mean(difference.real**2))
    imag = float(np.mean(difference.imag**2))
    signal = np.asarray(truth, dtype=np.complex128) - 1
    power = float(np.mean(signal.real**2 + signal.imag**2))
    return WaveError(
        rmse_real=math.sqrt(real),
        rmse_imag=math.sqrt(imag),
        rmse=math.sqrt(real + imag),
        relative_error=_ratio(real + imag, power),
    )


def _ratio(error: float, signal: float) -> float:
    # A truth of nothing but vacuum has no signal to be relative to.
    if signal == 0:
        return 0.0 if error == 0 else math.inf
    return error / signal


def vacuum(truth: Wave) -> Wave:
    """Return the wave of an empty microscope, the guess of a network that sees nothing."""
    return np.ones_like(truth)


def blurred(truth: Wave, width: float, sampling: float) -> Wave:
    """Fold a true wave with a Gaussian: what a network reaches that misses the fine detail.

    Only the deviation from vacuum is folded, and there is vacuum beyond the border, so nothing
    comes back in at the opposite side.

    Parameters
    ----------
    truth : (y, x) array of complex
        True wave.
    width : float
        Standard deviation of the Gaussian [Å].
    sampling : float
        Side of a pixel [Å].
    """
    signal = gaussian_filter(truth - 1, width / sampling, mode="constant", cval=0.0)
    return np.asarray(signal + 1, dtype=truth.dtype)


def exchange_targets(
    materials: Sequence[str], specimens: Sequence[str], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Give each sample another sample's truth: the paper's null baseline ("Y-scramble").

    No sample gets a truth of its own specimen or, beyond what cannot be helped, of its own
    material, since two specimens of one material are more alike than any two.

    Parameters
    ----------
    materials, specimens : sequence of n str
        Material and specimen of each sample. A specimen that was imaged in several epochs
        stands there several times.
    rng : numpy.random.Generator
        Source of the draw.

    Returns
    -------
    (n,) array of int
        A permutation without fixed point: the index of the sample whose truth is taken. Empty
        where there are fewer than two samples, so none to exchange with.
    """
    count = len(materials)
    if count < 2:
        return np.empty(0, dtype=np.int64)
    material = np.unique(np.asarray(materials), return_inverse=True)[1]
    specimen = np.unique(np.asarray(specimens), return_inverse=True)[1]
    # A random order in which materials, and in them specimens, stay together. Turning it by the
    # size of the largest group takes every member out of its group, if that is possible at all.
    order = np.lexsort(
        (
            rng.permutation(count),
            rng.permutation(specimen.max() + 1)[specimen],
            rng.permutation(material.max() + 1)[material],
        )
    )
    best = min(
        (_largest_group(material) % count, _largest_group(specimen) % count, 1),
        key=lambda turn: _clashes(order, turn, specimen, material),
    )
    targets = np.empty(count, dtype=np.int64)
    targets[order] = np.roll(order, -best)
    return targets


def _largest_group(labels: NDArray[np.intp]) -> int:
    return int(np.bincount(labels).max())


def _clashes(
    order: NDArray[np.intp], turn: int, specimen: NDArray[np.intp], material: NDArray[np.intp]
) -> tuple[int, int, int]:
    """Samples that would get themselves, their own specimen's, their own material's truth."""
    target = np.roll(order, -turn)
    return (
        int(np.sum(order == target)),
        int(np.sum(specimen[order] == specimen[target])),
        int(np.sum(material[order] == material[target])),
    )
