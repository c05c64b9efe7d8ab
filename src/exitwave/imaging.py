"""From an exit wave to a focal series and the smeared wave that a network shall find in it.

Only the scattered part of the wave, psi - 1, is transformed: the specimen stands in exact vacuum
that is padded until no fringe of its periodic copies reaches the image. Arrays are indexed [y, x].

>>> series = render_series(exit_wave, 0.1, draw, 352, 0.15, 1e-3, np.random.default_rng(1))
>>> series.image.shape
(352, 352, 3)
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from exitwave.detector import detect, detector_window, window_mtf
from exitwave.errors import ExitwaveError
from exitwave.microscope import MicroscopeDraw
from exitwave.transfer import (
    box_frequencies,
    defocus_phase,
    padded_size,
    transfer_function,
    transferred_power,
)

Floats = NDArray[np.float64]
ComplexImage = NDArray[np.complex64]
Image = NDArray[np.float32]

SAMPLING_TOLERANCE = 2e-3
# Beyond it a series takes gigabytes [Å]; draws between the paper's limits stay below 260 Å.
LARGEST_PERIOD = 600.0


@dataclass(frozen=True)
class RenderedSeries:
    """A focal series with its target.

    Attributes
    ----------
    image : (y, x, frame) array of float32
        Detected electrons over those expected in vacuum.
    exit_wave : (y, x) array of complex64
        Exit wave on the images' pixels, smeared, without aberrations.
    sampling : float
        Side of a pixel [Å].
    padded_size : float
        Side of the vacuum-padded box [Å].
    origin : float
        x, and y, of the centre of pixel (0, 0) in the exit wave's box [Å].
    """

    image: Image
    exit_wave: ComplexImage
    sampling: float
    padded_size: float
    origin: float


@dataclass(frozen=True)
class Grid:
    """The padded period, divided into the exit wave's points and into the images' pixels.

    Attributes
    ----------
    wave_points, image_points : int
        Points a side; sizes for which the FFT is fast.
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
        The grid has at least so many pixels a side.
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
    passed = transferred_power(draw, power, box)
    # Mean square of the scattered wave in the box, by its frequencies along one axis.
    shares = np.fft.fftshift(np.maximum(passed.sum(axis=0), passed.sum(axis=1))) / points**4
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
    square = np.correlate(shares, shares, mode="full")
    differences = np.arange(1 - points, points) / box
    nyquist = 1 / (2 * sampling)
    for oversampling in itertools.count(1):
        # Frequencies above `folding` fold back to below the images' Nyquist frequency.
        folding = (2 * oversampling - 1) * nyquist
        folded = beyond(folding) + square[np.abs(differences) > folding].sum() / total
        if folded <= (1e-1 * tolerance) ** 2:
            break
    return Band(float(limit), oversampling)


def _take(spectrum: ComplexImage, order: int) -> ComplexImage:
    """Keep the frequencies -order..order of the last axis, in the order of the FFT."""
    end = spectrum.shape[-1]
    return np.concatenate([spectrum[..., : order + 1], spectrum[..., end - order :]], axis=-1)


def _spread(spectrum: ComplexImage, points: int) -> ComplexImage:
    """Put frequencies -order..order of the last axis among those of a longer transform."""
    order = spectrum.shape[-1] // 2
    spread = np.zeros((*spectrum.shape[:-1], points), dtype=np.complex64)
    spread[..., : order + 1] = spectrum[..., : order + 1]
    spread[..., points - order :] = spectrum[..., order + 1 :]
    return spread


def _transform(values: ComplexImage, points: int, order: int) -> ComplexImage:
    """Spectrum along the last axis, zero-padded to `points`; only the wanted frequencies."""
    return _take(scipy.fft.fft(values, n=points, workers=1), order)


def _evaluate(spectrum: ComplexImage, points: int, window: int) -> ComplexImage:
    """Values along the last axis on the first `window` of `points` pixels a period."""
    spread = _spread(spectrum, points)
    values: ComplexImage = scipy.fft.ifft(spread, workers=1, overwrite_x=True)[..., :window]
    return values


def _orders(order: int) -> Floats:
    """The whole numbers -order..order, in the order of the FFT."""
    return np.concatenate([np.arange(order + 1.0), np.arange(-order, 0.0)])


def _shifted(k: Floats, origin: float, scale: float) -> NDArray[np.complex128]:
    """Factor that makes `origin` [Å] the first point, and turns unnormalised sums to values."""
    return np.asarray(scale * np.exp(2j * np.pi * k * origin), dtype=np.complex128)


def form_intensities(
    scattered: ComplexImage,
    draw: MicroscopeDraw,
    grid: Grid,
    band: Band,
    origin: float,
    window: int,
) -> list[Image]:
    """Return the noiseless images of a series, relative to vacuum.

    Each Fourier transform runs along one axis at a time and only over the rows that are not zero
    and the columns that are wanted, some tenth of the padded box.

    Parameters
    ----------
    scattered : (n, n) array of complex64
        Exit wave - 1.
    draw : MicroscopeDraw
        Aberrations and envelopes.
    grid : Grid
        Padded box.
    band : Band
        Frequencies to keep, and how fine the intensity is formed.
    origin : float
        Position of the first pixel's centre in the exit wave's box, along both axes [Å].
    window : int
        Side of the images [pixel].
    """
    fine = band.oversampling * grid.image_points
    order = math.ceil(min(band.limit * grid.period, (grid.wave_points - 1) // 2, (fine - 1) // 2))
    k = _orders(order) / grid.period
    rows = _transform(scattered, grid.wave_points, order)
    spectrum = _transform(np.ascontiguousarray(rows.T), grid.wave_points, order)
    # Indexed [kx, ky] from here to the first of the two transforms back.
    spectrum *= transfer_function(draw, 0.0, k[:, np.newaxis], k[np.newaxis, :])
    place = _shifted(k, origin, fine / grid.wave_points)
    images = []
    for defocus in draw.defocus:
        factor = (place * defocus_phase(draw, defocus, k)).astype(np.complex64)
        wave = spectrum * factor[:, np.newaxis]
        wave *= factor
        shown = fine if band.oversampling > 1 else window
        columns = _evaluate(wave, fine, shown)
        transmitted = _evaluate(np.ascontiguousarray(columns.T), fine, shown)
        intensity = (1 + transmitted.real) ** 2 + transmitted.imag**2
        for _ in range(2 if band.oversampling > 1 else 0):
            intensity = np.ascontiguousarray(_decimate(intensity, grid.image_points)[:, :window].T)
        images.append(intensity)
    return images


def _decimate(intensity: Image, points: int) -> Image:
    """Low-pass and resample the last axis to fewer points a period."""
    spectrum = scipy.fft.rfft(intensity, workers=1)
    # Of an even number of points, the frequency at the border cannot be told from its negative.
    kept = spectrum[..., : (points + 1) // 2]
    scale = np.float32(points / intensity.shape[-1])
    resampled: Image = scipy.fft.irfft(kept * scale, n=points, workers=1)
    return resampled


def smear_wave(
    scattered: ComplexImage, smear: float, grid: Grid, origin: float, window: int
) -> ComplexImage:
    """Return the target: the exit wave, folded with a Gaussian, on the images' pixels.

    Parameters
    ----------
    scattered : (n, n) array of complex64
        Exit wave - 1.
    smear : float
        Standard deviation of the Gaussian [Å].
    grid : Grid
        Padded box.
    origin : float
        Position of the first pixel's centre in the exit wave's box, along both axes [Å].
    window : int
        Side of the image [pixel].
    """
    order = (min(grid.wave_points, grid.image_points) - 1) // 2
    k = _orders(order) / grid.period
    scale = grid.image_points / grid.wave_points
    factor = _shifted(k, origin, scale) * np.exp(-2 * np.pi**2 * smear**2 * k**2)
    wave = scattered
    for _ in range(2):
        spectrum = _transform(wave, grid.wave_points, order) * factor.astype(np.complex64)
        wave = np.ascontiguousarray(_evaluate(spectrum, grid.image_points, window).T)
    return wave + np.complex64(1)


def render_series(
    exit_wave: ComplexImage,
    wave_sampling: float,
    draw: MicroscopeDraw,
    image_size_px: int,
    target_smear: float,
    padding_tolerance: float,
    rng: np.random.Generator,
) -> RenderedSeries:
    """Form the focal series of an exit wave: transfer, intensity, Poisson noise, camera.

    Parameters
    ----------
    exit_wave : (n, n) array of complex64
        Relative to the incident wave, indexed [y, x].
    wave_sampling : float
        Distance of its points [Å]; its box is n times as wide.
    draw : MicroscopeDraw
        The microscope.
    image_size_px : int
        Side of the images [pixel]; they have the same centre as the box.
    target_smear : float
        Standard deviation of the Gaussian folded with the target [Å].
    padding_tolerance : float
        What may come in from periodic copies of the specimen, rms over the rms contrast.
    rng : numpy.random.Generator
        Source of the noise.

    Raises
    ------
    ExitwaveError
        Where the aberrations carry fringes so far that the padded box would be too large.
    """
    scattered = exit_wave - np.complex64(1)
    box = len(scattered) * wave_sampling
    spectrum = scipy.fft.fft2(scattered, workers=1)
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float64)
    size = padded_size(draw, power, box, image_size_px * draw.sampling, padding_tolerance)
    if size > LARGEST_PERIOD:
        raise ExitwaveError(
            f"The aberrations carry fringes so far that the exit wave would have to be padded to "
            f"{size:.0f} Å, above the limit of {LARGEST_PERIOD:g} Å; narrow "
            "microscope.spherical_aberration_micrometre or defocus_angstrom, or raise "
            "focal_spread_angstrom, blur_angstrom or padding_tolerance."
        )
    window = detector_window(image_size_px)
    grid = choose_grid(wave_sampling, draw.sampling, size, window.size)
    band = choose_band(draw, power, box, grid.sampling, padding_tolerance)
    origin = (box - (image_size_px - 1) * grid.sampling) / 2
    camera_origin = origin - window.margin * grid.sampling
    intensities = form_intensities(scattered, draw, grid, band, camera_origin, window.size)
    electrons = draw.dose * grid.sampling**2
    transfer = window_mtf(draw, window.size, grid.sampling)
    frames = [detect(image, electrons, transfer, window, rng) for image in intensities]
    return RenderedSeries(
        image=np.stack(frames, axis=-1),
        exit_wave=smear_wave(scattered, target_smear, grid, origin, image_size_px),
        sampling=grid.sampling,
        padded_size=grid.period,
        origin=origin,
    )
