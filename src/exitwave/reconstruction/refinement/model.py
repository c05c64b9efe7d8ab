"""The images of a wave, how far they are from those measured, and in which direction that falls.

The unknown wave is the network's, and a part that was white noise before it was coloured by the
network's error power. Images are formed from it on coarse pixels, since beyond what the lenses
let pass there is nothing but noise; of the measured images the camera's response is undone, which
makes their noise white. So the misfit is a chi-square of known expectation.

Frequencies are those of a disc, in an order whose reverse are the opposite frequencies.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from exitwave.imaging.detector import GUARD_PX, camera_response
from exitwave.imaging.microscope import MicroscopeDraw
from exitwave.networks.error_power import ErrorPower, smoothed
from exitwave.reconstruction.preparation import resample
from exitwave.reconstruction.refinement.optics import Unknowns, dampings, phases

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Complexes = NDArray[np.complex64]

# The camera's response is undone where it is above this; beyond, an image tells nothing.
_LEAST_MTF = 0.1
# Where it is below this, it is undone to this, and the rest once the borders do not count any more:
# what begins at a border would else ring through the whole image.
_WEAK_MTF = 0.3
# Highest frequency as a share of Nyquist's.
_HIGHEST = 0.95
# Vacuum around the images, unless another width is asked for [Å].
_MARGIN = 13.0
# Errors follow the power of the wave as a mean over so much (standard deviation) [Å], and to this
# share they are anywhere.
_NEAR, _ANYWHERE = 1.5, 0.1
# Beyond the images' borders the wave fades into that within so much [Å].
_FADE = 2.0
# At their borders images count less: what lies outside sends fringes in [Å]; more so where the
# specimen goes on there, which it does where the border holds this share of the contrast.
_BORDER, _FILLED_BORDER, _FILLED = 1.6, 6.0, 0.3


@dataclass(frozen=True)
class Grid:
    """How coarse a model is.

    Attributes
    ----------
    pixel : float
        Side of its pixels [Å], about.
    highest : float
        Highest frequency of the wave and of images [1/Å].
    """

    pixel: float
    highest: float


FINE = Grid(0.17, 2.6)
COARSE = Grid(0.28, 1.5)


class Model:
    """A focal series and what explains it.

    Attributes
    ----------
    pixel : float
        Side of its pixels [Å].
    wave : (frequency,) array of complex64
        Transform of the network's scattered wave on the padded box.
    real, imag : (frequency,) array of float32
        Standard deviation of either part of its error.
    measured : (image, y, x) array of float32
        Images with the camera's response undone, relative to vacuum.
    envelope : (y, x) array of float32 or None
        Of the errors, on the padded box; its square has the mean 1 on the images. None where they
        may be anywhere.
    data : (image, ky, kx) array of complex64
        Their components, see `components`.
    degrees : float
        Degrees of freedom: as many numbers as the images tell.
    """

    envelope: Singles | None

    def __init__(
        self,
        images: NDArray[np.floating],
        wave: NDArray[np.complexfloating],
        sampling: float,
        microscope: MicroscopeDraw,
        error_power: ErrorPower,
        smear: float,
        grid: Grid = FINE,
        place: tuple[slice, slice] = (slice(None), slice(None)),
        margin: float = _MARGIN,
    ) -> None:
        """Prepare a series.

        Parameters
        ----------
        images : (y, x, image) array
            Relative to vacuum.
        wave : (y, x) array of complex
            The network's.
        sampling : float
            Side of a pixel [Å].
        microscope : MicroscopeDraw
            Of which energy, dose and camera are taken.
        error_power : ErrorPower
            Of the network.
        smear : float
            Standard deviation of the Gaussian that the network's waves are folded with [Å].
        grid : Grid
            How coarse to be.
        place : (slice, slice)
            Part of the images, along y and x, that is taken.
        margin : float
            Vacuum around the images, into which the lenses spread their fringes [Å].
        """
        self.unknowns = Unknowns(images.shape[2])
        self.microscope = microscope
        energy = microscope.energy_kev
        # Never coarser than asked for: the square of the wave has twice its frequencies.
        wanted = grid.pixel

        def without_camera(least: float, weakest: float) -> Singles:
            parts = (
                _without_camera(images[..., each], sampling, microscope, least, weakest)[place]
                for each in range(images.shape[2])
            )
            return np.stack([resample(part, sampling, wanted) for part in parts])

        self.measured = without_camera(_LEAST_MTF, _LEAST_MTF)
        given = wave[place]
        scattered = np.empty(self.measured.shape[1:], dtype=np.complex64)
        scattered.real = resample(np.asarray(given.real, np.float32) - 1, sampling, wanted)
        scattered.imag = resample(np.asarray(given.imag, np.float32), sampling, wanted)
        # What one pixel is after resampling a whole number of them.
        self.pixel = sampling * math.sqrt(given.size / scattered.size)
        height, width = self.measured.shape[1:]
        around = round(margin / self.pixel)
        self.box = (
            int(scipy.fft.next_fast_len(height + 2 * around)),
            int(scipy.fft.next_fast_len(width + 2 * around)),
        )
        first = [(whole - side) // 2 for whole, side in zip(self.box, (height, width), strict=True)]
        self.window = (slice(first[0], first[0] + height), slice(first[1], first[1] + width))
        self.highest = min(grid.highest, _HIGHEST / 2 / self.pixel)
        border = _border(scattered, self.pixel)
        self._set_frequencies(energy, smear)
        field = self._with_vacuum(scattered)
        spectrum = scipy.fft.fft2(field)
        self._set_envelope(field)
        self.wave = spectrum.ravel()[self.disc]
        self._set_error_power(spectrum, error_power, scattered.size)
        self._set_statistics(border, sampling)
        self._set_data(without_camera(_WEAK_MTF, 0.0), sampling)

    def _with_vacuum(self, scattered: Complexes) -> Complexes:
        """Put a wave less vacuum into the padded box; beyond its border it fades away.

        A jump there would be sharpened with the rest.
        """
        fade = round(_FADE / self.pixel)
        ramps = [_ramp(side + 2 * fade, fade) for side in scattered.shape]
        field = np.zeros(self.box, dtype=np.complex64)
        place = tuple(slice(part.start - fade, part.stop + fade) for part in self.window)
        field[place] = np.pad(scattered, fade, mode="reflect") * np.outer(*ramps)
        return field

    def _set_frequencies(self, energy: float, smear: float) -> None:
        ky, kx = (scipy.fft.fftfreq(side, self.pixel) for side in self.box)
        rows, columns = (_symmetric(side) for side in self.box)
        inside = np.hypot(ky[rows][:, np.newaxis], kx[columns][np.newaxis, :]) <= self.highest
        across, along = np.nonzero(inside)
        self.disc = rows[across] * self.box[1] + columns[along]
        self.kx, self.ky = kx[columns[along]], ky[rows[across]]
        square = self.kx**2 + self.ky**2
        self.phases = phases(self.kx, self.ky, energy).astype(np.float32)
        self.dampings = dampings(square, energy).astype(np.float32)
        # The network's wave is smeared; the beam meets it as it is.
        self.sharpen = np.exp(2 * np.pi**2 * smear**2 * square).astype(np.float32)

    def _set_envelope(self, field: Complexes) -> None:
        """Let errors lie where the specimen is: in vacuum a network knows that there is none."""
        power = gaussian_filter(np.abs(field) ** 2, _NEAR / self.pixel, mode="wrap")
        inside = float(power[self.window].mean())
        self.envelope = None
        if inside > 0:
            share = (1 - _ANYWHERE) * power / inside + _ANYWHERE
            self.envelope = np.sqrt(share).astype(np.float32)

    def _set_error_power(self, spectrum: Complexes, error_power: ErrorPower, field: int) -> None:
        steps = [1 / (side * self.pixel) for side in self.box]
        power = smoothed(np.abs(spectrum).astype(np.float64) ** 2, (steps[0], steps[1]))
        ky, kx = (scipy.fft.fftfreq(side, self.pixel) for side in self.box)
        dose = self.microscope.dose
        shares = error_power.shares(np.hypot(ky[:, np.newaxis], kx[np.newaxis, :]), dose)
        real, imag = (np.sqrt(share * power) for share in shares)
        self.real, self.imag = (each.ravel()[self.disc].astype(np.float32) for each in (real, imag))
        self._deviations = real, imag
        self._field = field

    def _set_statistics(self, border: float, sampling: float) -> None:
        height, width = self.measured.shape[1:]
        taper = _ramp(height, border / self.pixel)[:, np.newaxis] * _ramp(
            width, border / self.pixel
        )
        kx = scipy.fft.rfftfreq(width, self.pixel)[np.newaxis, :]
        ky = scipy.fft.fftfreq(height, self.pixel)[:, np.newaxis]
        frequency = np.hypot(kx, ky)
        response = camera_response(self.microscope, frequency, sampling)
        highest = min(self.highest, _HIGHEST / 2 / sampling)
        told = (response > _LEAST_MTF) & (frequency <= highest)
        # A frequency of a real image stands for its opposite, too, but for those on the borders.
        twice = np.full(told.shape, 2.0)
        twice[:, 0] = 1.0
        if width % 2 == 0:
            twice[:, -1] = 1.0
        # With it the noise of each component has the variance 1.
        noise = math.sqrt(self.microscope.dose * self.pixel**2)
        self.weight = (taper * noise).astype(np.float32)
        self.told = (told / math.sqrt(height * width)).astype(np.float32)
        self.twice = twice.astype(np.float32)
        self.kept = np.nonzero(told.ravel())[0]
        self.counts = twice.ravel()[self.kept]
        self.counted = float(np.mean(taper**2))
        self.degrees = float(len(self.measured) * np.sum(self.counts) * self.counted)
        # The same frequencies as far as linear imaging goes, for `marginal`.
        kept_x = (kx + 0 * ky).ravel()[self.kept]
        kept_y = (ky + 0 * kx).ravel()[self.kept]
        self.kept_phases = phases(kept_x, kept_y, self.microscope.energy_kev).astype(np.float32)
        square = kept_x**2 + kept_y**2
        self.kept_frequency = np.sqrt(square)
        self.kept_dampings = dampings(square, self.microscope.energy_kev).astype(np.float32)
        place = [
            np.rint(each * side * self.pixel).astype(np.intp) % side
            for each, side in zip((kept_y, kept_x), self.box, strict=True)
        ]
        # From the transform of the box to an image's components.
        gain = noise / math.sqrt(self._field)
        sharpen = np.interp(
            self.kept_frequency, *_by_frequency(np.hypot(self.kx, self.ky), self.sharpen)
        )
        self.kept_real, self.kept_imag = (
            (each[place[0], place[1]] * gain * sharpen).astype(np.float32)
            for each in self._deviations
        )

    def _set_data(self, images: Singles, sampling: float) -> None:
        """Undo the rest of the camera's response where the borders do not count any more."""
        height, width = images.shape[1:]
        kx = scipy.fft.rfftfreq(width, self.pixel)[np.newaxis, :]
        ky = scipy.fft.fftfreq(height, self.pixel)[:, np.newaxis]
        response = camera_response(self.microscope, np.hypot(kx, ky), sampling)
        rest = np.clip(response / _WEAK_MTF, _LEAST_MTF / _WEAK_MTF, 1)
        # Vacuum is the same everywhere, and is not to be sharpened at the borders.
        flat = np.ones_like(images[:1])
        self.data = self.components(images - flat) / rest + self.components(flat)

    def error(self, white: Complexes) -> Complexes:
        """Return the transform of what white noise adds to the network's wave."""
        opposite = np.conj(white[::-1])
        return self._enveloped(
            ((self.real + self.imag) * white + (self.real - self.imag) * opposite) / 2
        )

    def _enveloped(self, values: Complexes) -> Complexes:
        """Return the transform of what values transform to, within the envelope."""
        if self.envelope is None:
            return np.asarray(values)
        field = scipy.fft.ifft2(self.on_box(values), overwrite_x=True)
        field *= self.envelope
        return np.asarray(scipy.fft.fft2(field, overwrite_x=True).ravel()[self.disc])

    def on_box(self, values: Complexes) -> Complexes:
        """Put components of the disc among all of the padded box."""
        found = np.zeros((*values.shape[:-1], self.box[0] * self.box[1]), dtype=np.complex64)
        found[..., self.disc] = values
        return found.reshape(*values.shape[:-1], *self.box)

    def field(self, values: Complexes) -> Complexes:
        """Return components of the disc as values on the images' field."""
        whole = scipy.fft.ifft2(self.on_box(values), overwrite_x=True)
        return np.ascontiguousarray(whole[..., self.window[0], self.window[1]])

    def transfer(self, vector: Floats) -> Complexes:
        """Return (image, frequency): by what the lenses multiply the wave."""
        turn = self.unknowns.coefficients(vector).astype(np.float32) @ self.phases
        damped = np.exp(vector[self.unknowns.envelope].astype(np.float32) @ self.dampings)
        found = np.empty(turn.shape, dtype=np.complex64)
        np.multiply(np.cos(turn), damped, out=found.real)
        np.multiply(np.sin(turn), damped, out=found.imag)
        return found

    def waves(self, scattered: Complexes, transfer: Complexes) -> Complexes:
        """Return the waves in the planes of the images, on their field."""
        found = self.field(scattered * transfer)
        found += 1
        return found

    def components(self, images: NDArray[np.floating]) -> Complexes:
        """Return all components of images that are known, with noise of the variance 1."""
        return np.asarray(scipy.fft.rfft2(images * self.weight) * self.told, dtype=np.complex64)

    def intensities(self, vector: Floats) -> Singles:
        """Return the factor of each image, as a column."""
        factors = vector[self.unknowns.intensity].astype(np.float32)
        return factors[:, np.newaxis, np.newaxis]

    def computed(self, white: Complexes, vector: Floats) -> Singles:
        """Return the images (image, y, x) that parameters and a wave give, without the camera."""
        scattered = (self.wave + self.error(white)) * self.sharpen
        waves = self.waves(scattered, self.transfer(vector))
        return np.asarray(self.intensities(vector) * (waves.real**2 + waves.imag**2))

    def misfit(
        self, white: Complexes, vector: Floats, transfer: Complexes
    ) -> tuple[float, Complexes]:
        """Return chi-square of images and half its derivative by the white part."""
        scattered = (self.wave + self.error(white)) * self.sharpen
        waves = self.waves(scattered, transfer)
        factors = self.intensities(vector)
        found = self.components(factors * (waves.real**2 + waves.imag**2)) - self.data
        chi_square = float(np.sum(self.twice * (found.real**2 + found.imag**2), dtype=np.float64))
        # The derivative of the sum of squares over whole planes is the inverse transform.
        height, width = self.measured.shape[1:]
        back = scipy.fft.irfft2(found * self.told, s=(height, width)) * (
            self.weight * (height * width)
        )
        gradient = np.zeros((len(waves), *self.box), dtype=np.complex64)
        gradient[:, self.window[0], self.window[1]] = 2 * factors * back * waves
        spectra = scipy.fft.fft2(gradient, overwrite_x=True).reshape(len(waves), -1)[:, self.disc]
        total = np.einsum("ik,ik->k", np.conj(transfer), spectra)
        total *= self.sharpen / np.float32(self.box[0] * self.box[1])
        total = self._enveloped(total)
        opposite = np.conj(total[::-1])
        return chi_square, np.asarray(
            ((self.real + self.imag) * total + (self.real - self.imag) * opposite) / 2
        )

    def move_wave(self, along_x: float, along_y: float) -> None:
        """Move the network's wave [Å]."""
        turn = np.exp(-2j * np.pi * (self.kx * along_x + self.ky * along_y))
        self.wave = (self.wave * turn).astype(np.complex64)

    def scale_error(self, factor: float) -> None:
        """Let the network's wave be off by so much more."""
        self.real, self.imag = self.real * np.float32(factor), self.imag * np.float32(factor)


def _without_camera(
    image: NDArray[np.floating],
    sampling: float,
    microscope: MicroscopeDraw,
    least: float,
    weakest: float,
) -> Singles:
    """Undo the camera's response as far as to `least`, and leave out what is below `weakest`."""
    height, width = image.shape
    padded = np.pad(np.asarray(image, dtype=np.float32), GUARD_PX, mode="reflect")
    ky = scipy.fft.fftfreq(padded.shape[0], sampling)
    kx = scipy.fft.rfftfreq(padded.shape[1], sampling)
    response = camera_response(microscope, np.hypot(ky[:, np.newaxis], kx[np.newaxis, :]), sampling)
    spectrum = scipy.fft.rfft2(padded)
    spectrum *= np.where(response >= weakest, 1 / np.maximum(response, least), 0)
    restored = scipy.fft.irfft2(spectrum, s=padded.shape)
    return np.asarray(
        restored[GUARD_PX : GUARD_PX + height, GUARD_PX : GUARD_PX + width], dtype=np.float32
    )


def _symmetric(side: int) -> NDArray[np.intp]:
    """Places of a transform's frequencies from the lowest on, but for one without an opposite."""
    order = np.fft.fftshift(np.arange(side))
    return np.asarray(order if side % 2 else order[1:])


def _by_frequency(frequency: Floats, values: NDArray[np.floating]) -> tuple[Floats, Floats]:
    order = np.argsort(frequency)
    return frequency[order], np.asarray(values[order], dtype=np.float64)


def _ramp(side: int, width: float) -> Singles:
    """Weights along one axis, that rise from the borders over so many pixels."""
    count = min(max(2, round(width)), side // 4)
    rise = np.sin(np.pi / 2 * (np.arange(count) + 0.5) / count) ** 2
    found = np.ones(side, dtype=np.float32)
    found[:count], found[side - count :] = rise, rise[::-1]
    return found


def _border(scattered: Complexes, pixel: float) -> float:
    """How far from the borders fringes from outside count [Å]."""
    power = np.abs(scattered) ** 2
    width = max(1, round(_BORDER / pixel))
    inner = power[width:-width, width:-width]
    around = (power.sum() - inner.sum()) / max(power.size - inner.size, 1)
    return _FILLED_BORDER if around > _FILLED**2 * inner.mean() else _BORDER
