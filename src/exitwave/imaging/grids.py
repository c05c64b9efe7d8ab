"""Box, points and band on which images are formed: wide, fine and high enough for their tolerance.

>>> size = padded_size(draw, power, 38.4, 352 * draw.sampling, 1e-3)
>>> grid = choose_grid(0.1, draw.sampling, size)
>>> band = choose_band(draw, power, 38.4, grid.sampling, 1e-3)
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from exitwave.imaging.focal_spread import blurred_power, representative_foci, transferred_power
from exitwave.imaging.microscope import MicroscopeDraw
from exitwave.imaging.transfer import box_frequencies, displacement

Floats = NDArray[np.float64]

SAMPLING_TOLERANCE = 2e-3


def padded_size(
    draw: MicroscopeDraw, power: Floats, box: float, window: float, tolerance: float
) -> float:
    """Return the least period of the vacuum-padded wave that keeps its images apart [Å].

    Fourier optics repeats the specimen with this period, and the aberrations carry fringes of
    each frequency out of one copy and into the window of the next. How much comes in is summed up
    over the transferred power: the box, moved by the `displacement` of a frequency, overlaps the
    other copies of the window by a share that is plain geometry. No period below
    (box + window) / 2 + displacement lets a fringe of that frequency in; where the wave has many
    weak fringes that reach very far, a shorter one is enough, since they spread over the whole
    period and only some of them fall into the window.

    Parameters
    ----------
    draw : MicroscopeDraw
        The worst of its defoci counts.
    power : (n, n) array
        Squared modulus of the Fourier transform of the exit wave - 1, in the order of the FFT.
    box, window : float
        Sides of the exit wave's box and of the image, which have the same centre [Å].
    tolerance : float
        Largest difference from the image of an isolated specimen, rms over the rms contrast.
    """
    least = max(box, (box + window) / 2)
    weight = transferred_power(draw, power, box).ravel()
    # Nine in ten components are far too weak to count, even all together.
    strong = np.flatnonzero(weight > 1e-2 * tolerance**2 * weight.mean())
    if not strong.size:
        return least
    k = box_frequencies(len(power), box)
    kx, ky = k[strong % len(k)], k[strong // len(k)]
    fringes = (_fringes(draw, defocus, kx, ky, weight[strong]) for defocus in draw.defocus)
    return max(_period(*moved, box, window, least, tolerance) for moved in fringes)


def _fringes(
    draw: MicroscopeDraw, defocus: float, kx: Floats, ky: Floats, weight: Floats
) -> tuple[Floats, Floats, Floats]:
    """Displacements along x and y [Å], and weights, of the fringes of an image at all its foci."""
    offsets, shares = representative_foci(draw)
    moved = [displacement(draw, defocus + offset, kx, ky) for offset in offsets]
    along_x, along_y = (np.concatenate(along) for along in zip(*moved, strict=True))
    return along_x, along_y, np.concatenate([share * weight for share in shares])


def _period(
    along_x: Floats,
    along_y: Floats,
    weight: Floats,
    box: float,
    window: float,
    least: float,
    tolerance: float,
) -> float:
    """Find by bisection, to 1 %, the period at which the fringes that come in are weak enough."""

    def overlap(shift: Floats) -> Floats:
        """Share of the moved box that lies in the window, along one axis."""
        share: Floats = np.clip((box + window) / 2 - np.abs(shift), 0.0, min(box, window)) / box
        return share

    def copies(shift: Floats, period: float) -> Floats:
        """The same, over all copies of the window."""
        nearest = shift - period * np.rint(shift / period)
        return overlap(nearest) + overlap(nearest - period) + overlap(nearest + period)

    own = overlap(along_x) * overlap(along_y)
    # The contrast is the real part of the scattered wave, which may be half of its modulus.
    limit = (tolerance / 2) ** 2 * float(np.sum(weight * own))

    def suffices(period: float) -> bool:
        shares = copies(along_x, period) * copies(along_y, period)
        return float(np.sum(weight * (shares - own))) <= limit

    if suffices(least):
        return least
    low, high = least, least + float(max(np.abs(along_x).max(), np.abs(along_y).max()))
    while high > 1.01 * low:
        middle = math.sqrt(low * high)
        if suffices(middle):
            high = middle
        else:
            low = middle
    return high


@dataclass(frozen=True)
class Grid:
    """The padded period, divided into the exit wave's points and into the images' pixels.

    Attributes
    ----------
    wave_points, image_points : int
        Points per side; sizes for which the FFT is fast.
    period : float
        Side of the padded box [Å].
    """

    wave_points: int
    image_points: int
    period: float

    @property
    def sampling(self) -> float:
        """Side of a pixel [Å]."""
        return self.period / self.image_points


def choose_grid(
    wave_sampling: float, sampling: float, least_period: float, least_points: int = 1
) -> Grid:
    """Return the smallest grid whose pixels have the wanted side within 0.2 %.

    Parameters
    ----------
    wave_sampling : float
        Distance of the exit wave's points [Å].
    sampling : float
        Wanted side of a pixel [Å].
    least_period : float
        The grid is at least as wide [Å].
    least_points : int
        The grid has at least so many pixels per side.
    """
    wave_points = math.ceil(least_period / wave_sampling - 1e-6)
    while True:
        wave_points = int(scipy.fft.next_fast_len(wave_points))
        period = wave_points * wave_sampling
        ideal = period / sampling
        low = max(least_points, math.ceil(ideal / (1 + SAMPLING_TOLERANCE)))
        near = range(low, math.floor(ideal / (1 - SAMPLING_TOLERANCE)) + 1)
        fast = [points for points in near if scipy.fft.next_fast_len(points) == points]
        if fast:
            return Grid(wave_points, min(fast, key=lambda points: abs(points - ideal)), period)
        wave_points += 1


@dataclass(frozen=True)
class Band:
    """What of the wave's spectrum is worth transforming.

    Attributes
    ----------
    limit : float
        Highest frequency along each axis [1/Å].
    oversampling : int
        The intensity is formed on pixels that are so many times finer: it has twice the wave's
        frequencies, and those beyond the images' Nyquist frequency must not fold back.
    """

    limit: float
    oversampling: int


def choose_band(
    draw: MicroscopeDraw, power: Floats, box: float, sampling: float, tolerance: float
) -> Band:
    """Choose the band so that what is cut, or folds back, is far below the tolerance.

    Parameters
    ----------
    draw : MicroscopeDraw
        Focal spread and blur.
    power : (n, n) array
        Squared modulus of the Fourier transform of the exit wave - 1, as `scipy.fft` gives it.
    box : float
        Side of the exit wave's box [Å].
    sampling : float
        Side of a pixel [Å].
    tolerance : float
        Of the rms contrast.
    """
    points = len(power)
    shares = _shares(transferred_power(draw, power, box))
    total = shares.sum()
    frequencies = np.fft.fftshift(box_frequencies(points, box))
    if not total:
        return Band(0.0, 1)

    def beyond(limit: float) -> float:
        return float(shares[np.abs(frequencies) > limit].sum() / total)

    limit = next(
        limit
        for limit in np.arange(points // 2 + 1) / box
        if beyond(limit) <= (1e-2 * tolerance) ** 2
    )
    # Linear in the scattered wave, the intensity has its spectrum; the square has, with phases
    # at random, the autocorrelation of its power.
    quasi_coherent = draw.focal_spread_model == "quasi_coherent"
    squared = shares if quasi_coherent else _shares(blurred_power(draw, power, box))
    square = np.correlate(squared, squared, mode="full")
    differences = np.arange(1 - points, points) / box
    nyquist = 1 / (2 * sampling)
    for oversampling in itertools.count(1):
        # Frequencies above `folding` fold back to below the images' Nyquist frequency.
        folding = (2 * oversampling - 1) * nyquist
        folded = beyond(folding) + square[np.abs(differences) > folding].sum() / total
        if folded <= (1e-1 * tolerance) ** 2:
            break
    return Band(float(limit), oversampling)


def _shares(power: Floats) -> Floats:
    """Mean square of the scattered wave in the box, by its frequencies along one axis."""
    along_axes = np.maximum(power.sum(axis=0), power.sum(axis=1))
    shares: Floats = np.fft.fftshift(along_axes) / len(power) ** 4
    return shares
