"""The focal spread as what it is: an average of intensities over foci.

A focus f turns the component of frequency k by exp(iπ λ f k²). Over foci that are distributed as
exp(-(f / Δ)²), the interference of two components k and k' is therefore weakened to

    T(k², k'²) = exp(-(π λ Δ (k² - k'²) / 2)²)

(the transmission cross coefficient where only the focus fluctuates; Kirkland, Advanced Computing in
Electron Microscopy, Sec. 3.3). With the direct beam, k' = 0, that is the quasi-coherent envelope of
`exitwave.imaging.transfer`; between two scattered components it is not the product of their
envelopes.

The average of |1 + s|², with s the scattered wave, is 1 + 2 Re<s> + <|s|²>. The second term is the
envelope's, exactly. For the third, T is split into coherent modes, T ≈ Σ m(k²) m(k'²), by its
eigenvectors under the wave's own power: no other sum of as many intensities is as close.

>>> modes = choose_modes(draw, power, 38.4, 2.5, 1e-3)
>>> len(modes.tables)
6
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from exitwave.imaging.microscope import MicroscopeDraw
from exitwave.imaging.transfer import blur_envelope, box_frequencies, temporal_envelope
from exitwave.multislice.electrons import electron_wavelength

Floats = NDArray[np.float64]

# Steps of the phase π λ Δ k² [rad] in which T, which falls to 1/e over 2 rad, is tabulated: for its
# eigenvectors, where sums over a smooth kernel converge fast, and for reading off the next entry.
_BIN = 0.5
_ENTRY = 0.01


@dataclass(frozen=True)
class Modes:
    """The coherent modes of the focal spread.

    Attributes
    ----------
    tables : (mode, entry) array of float32
        Factor of the wave's components, by their squared frequency.
    step : float
        Distance of the entries [1/Å²].
    """

    tables: NDArray[np.float32]
    step: float

    def factors(self, square: Floats) -> Iterator[NDArray[np.float32]]:
        """Yield each mode's factor at squared frequencies [1/Å²]."""
        last = self.tables.shape[1] - 1
        entries = np.minimum(np.rint(square / self.step), last).astype(np.int32)
        for table in self.tables:
            yield table[entries]


def representative_foci(draw: MicroscopeDraw) -> tuple[Floats, Floats]:
    """Return foci about the nominal one [Å] and the share of each, to tell how far fringes reach.

    The three nodes of Gauss and Hermite, which have the moments of exp(-(f / Δ)²) up to the fifth;
    the nominal focus alone where the model of the focal spread is quasi-coherent.
    """
    nodes, weights = np.polynomial.hermite.hermgauss(3 if _incoherent(draw) else 1)
    return draw.focal_spread * nodes, weights / weights.sum()


def transferred_power(draw: MicroscopeDraw, power: Floats, box: float) -> Floats:
    """Return the power with which each Fourier component of the scattered wave shows in an image.

    With the quasi-coherent envelope that is its power behind the envelopes. Else it is the power of
    its interference with the direct beam and with all of the scattered wave, phases at random.

    Parameters
    ----------
    draw : MicroscopeDraw
        Focal spread and blur.
    power : (n, n) array
        Squared modulus of the Fourier transform of the exit wave - 1, in the order of the FFT.
    box : float
        Side of the exit wave's box [Å].
    """
    square = _squares(box_frequencies(len(power), box))
    if not _incoherent(draw):
        return power * (temporal_envelope(draw, square) * blur_envelope(draw, square)) ** 2
    blurred = blurred_power(draw, power, box)
    place, squares, shares = _by_square(draw, blurred / len(power) ** 4, square)
    with_scattered = _coherence(draw, squares, squares) ** 2 @ shares
    return blurred * (temporal_envelope(draw, square) ** 2 + with_scattered[place])


def blurred_power(draw: MicroscopeDraw, power: Floats, box: float) -> Floats:
    """Return the power of each Fourier component behind the blur alone; see `transferred_power`."""
    square = _squares(box_frequencies(len(power), box))
    return power * blur_envelope(draw, square) ** 2


def choose_modes(
    draw: MicroscopeDraw, power: Floats, box: float, limit: float, tolerance: float
) -> Modes | None:
    """Choose the coherent modes so that what is left out is far below the tolerance.

    The mean square of the image of what n modes leave out of T is, phases at random, the sum of the
    squares of the other eigenvalues of p(k²)^½ T(k², k'²) p(k'²)^½, with p the scattered power.

    Parameters
    ----------
    draw : MicroscopeDraw
        Focal spread and blur.
    power : (n, n) array
        Squared modulus of the Fourier transform of the exit wave - 1, in the order of the FFT.
    box : float
        Side of the exit wave's box [Å].
    limit : float
        Highest frequency that is transformed, along each axis [1/Å].
    tolerance : float
        Of the rms contrast.

    Returns
    -------
    Modes or None
        None where the model of the focal spread is quasi-coherent.
    """
    if not _incoherent(draw):
        return None
    k = box_frequencies(len(power), box)
    kept = np.abs(k) <= limit
    square = _squares(k[kept])
    blurred = blurred_power(draw, power, box)[np.ix_(kept, kept)] / len(power) ** 4
    _, squares, shares = _by_square(draw, blurred, square)
    # The mean square of twice the real part of the scattered wave.
    contrast = 2 * float(np.sum(shares * temporal_envelope(draw, squares) ** 2))
    root = np.sqrt(shares)
    values, vectors = scipy.linalg.eigh(
        root[:, np.newaxis] * _coherence(draw, squares, squares) * root
    )
    left_out = np.concatenate([np.cumsum(values**2)[::-1], [0.0]])
    count = int(np.argmax(left_out <= (1e-1 * tolerance) ** 2 * contrast))
    step = _ENTRY / _turn(draw)
    entries = step * np.arange(math.ceil(2 * limit**2 / step) + 1.0)
    # Between and beyond the bins the eigenvectors go on as T does (Nyström).
    tables = _coherence(draw, entries, squares) * root @ vectors[:, ::-1][:, :count]
    tables /= np.sqrt(values[::-1][:count])
    return Modes(np.ascontiguousarray(tables.T, dtype=np.float32), step)


def _squares(k: Floats) -> Floats:
    """Squared frequencies of the plane [1/Å²], from those along either axis [1/Å]."""
    return k[np.newaxis, :] ** 2 + k[:, np.newaxis] ** 2


def _incoherent(draw: MicroscopeDraw) -> bool:
    return draw.focal_spread_model == "incoherent"


def _turn(draw: MicroscopeDraw) -> float:
    """π λ Δ [Å²], kept off 0 for a microscope without focal spread."""
    return max(math.pi * electron_wavelength(draw.energy_kev) * draw.focal_spread, 1e-3)


def _coherence(draw: MicroscopeDraw, squares: Floats, others: Floats) -> Floats:
    """T between squared frequencies [1/Å²]."""
    return temporal_envelope(draw, squares[:, np.newaxis] - others[np.newaxis, :])


def _by_square(
    draw: MicroscopeDraw, power: Floats, square: Floats
) -> tuple[NDArray[np.int64], Floats, Floats]:
    """Sum up power over bins of the squared frequency.

    Returns
    -------
    place : (n, n) array
        Bin of each component.
    squares, shares : (bin,) array
        Centre of each bin [1/Å²] and power in it.
    """
    step = _BIN / _turn(draw)
    place = np.rint(square / step).astype(np.int64)
    shares = np.bincount(place.ravel(), weights=power.ravel()).astype(np.float64, copy=False)
    return place, step * np.arange(float(len(shares))), shares
