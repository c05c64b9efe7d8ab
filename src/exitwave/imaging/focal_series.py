"""From an exit wave to a focal series and the smeared wave that a network shall find in it.

Only the scattered part of the wave, psi - 1, is transformed: the specimen stands in exact vacuum
that is padded until no fringe of its periodic copies reaches the image. Arrays are indexed [y, x].

>>> series = render_series(exit_wave, 0.1, draw, 352, 0.15, 1e-3, np.random.default_rng(1))
>>> series.image.shape
(352, 352, 3)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from exitwave.errors import ExitwaveError
from exitwave.imaging.detector import detect, detector_window, window_mtf
from exitwave.imaging.focal_spread import Modes, choose_modes
from exitwave.imaging.grids import Band, Grid, choose_band, choose_grid, padded_size
from exitwave.imaging.microscope import MicroscopeDraw
from exitwave.imaging.transfer import (
    defocus_phase,
    shift_phase,
    temporal_envelope,
    transfer_function,
)

Floats = NDArray[np.float64]
ComplexImage = NDArray[np.complex64]
Image = NDArray[np.float32]

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
    """Values along the last axis on the first `window` of `points` pixels per period."""
    spread = _spread(spectrum, points)
    values: ComplexImage = scipy.fft.ifft(spread, workers=1, overwrite_x=True)[..., :window]
    return values


def _orders(order: int) -> Floats:
    """The whole numbers -order..order, in the order of the FFT."""
    return np.concatenate([np.arange(order + 1.0), np.arange(-order, 0.0)])


def _shifted(k: Floats, origin: float, scale: float) -> NDArray[np.complex128]:
    """Factor that makes `origin` [Å] the first point, and turns unnormalised sums to values."""
    return np.asarray(scale * np.exp(2j * np.pi * k * origin), dtype=np.complex128)


def _moved(factors: list[ComplexImage], shifts: Sequence[float], k: Floats) -> list[ComplexImage]:
    """Factors that also move each image by its shift along the axis [Å]."""
    if not shifts:
        return factors
    return [
        (factor * shift_phase(shift, k)).astype(np.complex64)
        for factor, shift in zip(factors, shifts, strict=True)
    ]


def form_intensities(
    scattered: ComplexImage,
    draw: MicroscopeDraw,
    grid: Grid,
    band: Band,
    origin: float,
    window: int,
    modes: Modes | None = None,
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
    modes : Modes, optional
        Coherent modes of the focal spread; without them it is the quasi-coherent envelope.
    """
    fine = band.oversampling * grid.image_points
    order = math.ceil(min(band.limit * grid.period, (grid.wave_points - 1) // 2, (fine - 1) // 2))
    k = _orders(order) / grid.period
    rows = _transform(scattered, grid.wave_points, order)
    spectrum = _transform(np.ascontiguousarray(rows.T), grid.wave_points, order)
    # Indexed [kx, ky] from here to the first of the two transforms back.
    kx, ky = k[:, np.newaxis], k[np.newaxis, :]
    lenses = draw if modes is None else replace(draw, focal_spread=0.0)
    spectrum *= transfer_function(lenses, 0.0, kx, ky)
    place = _shifted(k, origin, fine / grid.wave_points)
    factors = [
        (place * defocus_phase(draw, defocus, k)).astype(np.complex64) for defocus in draw.defocus
    ]
    along_x, along_y = (_moved(factors, shifts, k) for shifts in (draw.shift_x, draw.shift_y))
    placed = list(zip(along_x, along_y, strict=True))
    shown = fine if band.oversampling > 1 else window

    def transmitted(
        spectrum: ComplexImage, factor: tuple[ComplexImage, ComplexImage]
    ) -> ComplexImage:
        wave = spectrum * factor[0][:, np.newaxis]
        wave *= factor[1]
        columns = _evaluate(wave, fine, shown)
        return _evaluate(np.ascontiguousarray(columns.T), fine, shown)

    if modes is None:
        waves = (transmitted(spectrum, factor) for factor in placed)
        intensities = [(1 + wave.real) ** 2 + wave.imag**2 for wave in waves]
    else:
        square = kx**2 + ky**2
        enveloped = spectrum * temporal_envelope(draw, square).astype(np.float32)
        intensities = [1 + 2 * transmitted(enveloped, factor).real for factor in placed]
        for mode in modes.factors(square):
            waves = (transmitted(spectrum * mode, factor) for factor in placed)
            for intensity, wave in zip(intensities, waves, strict=True):
                intensity += wave.real**2 + wave.imag**2
    if band.oversampling > 1:
        return [_decimate_both(intensity, grid.image_points, window) for intensity in intensities]
    return intensities


def _decimate_both(intensity: Image, points: int, window: int) -> Image:
    """Low-pass and resample both axes, and keep the window."""
    for _ in range(2):
        intensity = np.ascontiguousarray(_decimate(intensity, points)[:, :window].T)
    return intensity


def _decimate(intensity: Image, points: int) -> Image:
    """Low-pass and resample the last axis to fewer points per period."""
    spectrum = scipy.fft.rfft(intensity, workers=1)
    # Of an even number of points, the frequency at the border and its negative are the same.
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
    # A shifted image sees what lies that much farther out.
    shift = max((abs(each) for each in (*draw.shift_x, *draw.shift_y)), default=0.0)
    field = image_size_px * draw.sampling + 2 * shift
    size = padded_size(draw, power, box, field, padding_tolerance)
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
    modes = choose_modes(draw, power, box, band.limit, padding_tolerance)
    intensities = form_intensities(scattered, draw, grid, band, camera_origin, window.size, modes)
    electrons = draw.dose * grid.sampling**2
    transfer = window_mtf(draw, window.size, grid.sampling)
    if draw.intensity:
        for image, factor in zip(intensities, draw.intensity, strict=True):
            image *= np.float32(factor)
    frames = [detect(image, electrons, transfer, window, rng) for image in intensities]
    return RenderedSeries(
        image=np.stack(frames, axis=-1),
        exit_wave=smear_wave(scattered, target_smear, grid, origin, image_size_px),
        sampling=grid.sampling,
        padded_size=grid.period,
        origin=origin,
    )
