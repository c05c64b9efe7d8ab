"""A focal series of any length whose wave is unknown altogether: the model of the classical way.

It is `exitwave.reconstruction.refinement.model.Model` with vacuum in the place of a network's wave,
and with all that scatters unknown. How strong that is at each frequency is measured on the images
themselves: what their power spectra have above the noise, over what the lenses let pass. So
frequencies that the images show are taken as they show them, and noise is not amplified elsewhere.

Beside the envelope of the focal spread there is that of the source, which differs from image to
image, and an average of intensities over foci may take the place of the former. One image after
the other is computed, so a series of 50 images needs little more memory than one of 3.

>>> model = SeriesModel(images, 0.3, microscope, Coherence(0.05), grid, margin=60.0)
>>> model.assume_power(vector)
>>> wave = model.fine_wave(fit_wave(model, vector).white, images.shape[:2])
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from exitwave.imaging.microscope import MicroscopeDraw
from exitwave.imaging.transfer import aberration_phase, displacement
from exitwave.multislice.electrons import electron_wavelength
from exitwave.networks.error_power import ErrorPower, smoothed
from exitwave.reconstruction.preparation import resample_to
from exitwave.reconstruction.refinement.model import Complexes, Floats, Grid, Model, Singles
from exitwave.reconstruction.refinement.optics import EVEN, Unknowns, dampings

# Power of what scatters: least, as a share of the noise in one image, and the least square of the
# envelope by which it is divided.
_LEAST_POWER, _LEAST_ENVELOPE = 0.01, 0.05**2
# Frequencies that are too low for the lenses to show are taken to hold as much as the lowest that
# they show, by such a mean of 2 sin² chi; rings are so wide [1/Å].
_SHOWN, _RING = 0.5, 0.02
# Phases of a defocus, of a shift along x and one along y among those of `optics.phases`.
_TURNS = (0, -2, -1)


@dataclass(frozen=True)
class Coherence:
    """How the incoherence of the illumination is computed.

    Attributes
    ----------
    convergence : float
        Semi-angle at which the source's current per solid angle is down to 1/e [mrad].
    foci : int
        Intensities are averaged over so many foci of the focal spread, by Gauss and Hermite's
        rule; 1 for the quasi-coherent envelope.
    """

    convergence: float = 0.0
    foci: int = 1


def source_envelope(
    microscope: MicroscopeDraw, defocus: float, kx: Floats, ky: Floats, convergence: float
) -> Floats:
    """Return the quasi-coherent envelope of a source.

    exp(-(π θ d / λ)²), with d how far the aberrations carry the fringes of a frequency and θ the
    1/e semi-angle: Frank, Optik 38 (1973) 519; abTEM's ``angular_spread``.

    Parameters
    ----------
    microscope : MicroscopeDraw
        Energy and aberrations.
    defocus : float
        [Å]
    kx, ky : arrays that broadcast
        Frequencies [1/Å].
    convergence : float
        θ [mrad].
    """
    along_x, along_y = displacement(microscope, defocus, kx, ky)
    factor = math.pi * 1e-3 * convergence / electron_wavelength(microscope.energy_kev)
    return np.exp(-(factor**2) * (along_x**2 + along_y**2))


class SeriesModel(Model):
    """A series and the wave that explains it, of which only the power spectrum is known.

    Attributes
    ----------
    gain : float
        From the transform of the wave on the box to an image's components.
    coherence : Coherence
        Of the illumination.
    certainty : (image,) array of float32
        Noise of the mean image over that of each: brighter ones have more of it, in their unit.
    """

    def __init__(
        self,
        images: NDArray[np.floating],
        sampling: float,
        microscope: MicroscopeDraw,
        coherence: Coherence,
        grid: Grid,
        margin: float,
        place: tuple[slice, slice] = (slice(None), slice(None)),
    ) -> None:
        """Prepare a series; for the parameters see `Model`."""
        vacuum = np.ones(images.shape[:2], dtype=np.complex64)
        super().__init__(
            images,
            vacuum,
            sampling,
            microscope,
            ErrorPower.uniform(1.0),
            0.0,
            grid,
            place,
            margin,
        )
        self.coherence = coherence
        self.certainty = (1 / np.sqrt(self.measured.mean(axis=(1, 2)))).astype(np.float32)
        self.gain = float(self.kept_real[0])
        # Frequencies of `kept`, by the phases of shifts.
        self.kept_x, self.kept_y = (
            np.asarray(self.kept_phases[turn] / (-2 * np.pi), dtype=np.float64) for turn in (-2, -1)
        )
        self._focal_factors = self._factors_of_foci(microscope.focal_spread)

    def _set_error_power(self, spectrum: Complexes, error_power: ErrorPower, field: int) -> None:
        """Take a power of 1; that of the images is measured later."""
        del spectrum, error_power
        self._deviations = np.ones(self.box), np.ones(self.box)
        self.real = self.imag = np.ones(len(self.disc), dtype=np.float32)
        self._field = field

    def _factors_of_foci(self, spread: float) -> tuple[Singles, Complexes | None]:
        """Return weights (focus), and factors (focus, frequency) beyond those of the envelope."""
        if self.coherence.foci == 1 or spread == 0:
            return np.ones(1, dtype=np.float32), None
        places, weights = np.polynomial.hermite.hermgauss(self.coherence.foci)
        turns = (spread * places)[:, np.newaxis] * self.phases[0]
        factors = np.exp(1j * turns - spread**2 * self.dampings[0])
        return (weights / weights.sum()).astype(np.float32), factors.astype(np.complex64)

    def only(self, images: Sequence[int]) -> SeriesModel:
        """Return the model of some of the images."""
        part = copy.copy(self)
        part.measured = self.measured[list(images)]
        part.certainty = self.certainty[list(images)]
        part.unknowns = Unknowns(len(images))
        part.degrees = self.degrees * len(images) / len(self.measured)
        return part

    def vector_of(self, vector: Floats, images: Sequence[int]) -> Floats:
        """Return the parameters of some of the images."""
        whole, part = self.unknowns, Unknowns(len(images))
        found = np.zeros(part.size)
        for name in ("defocus", "shift_x", "shift_y", "intensity"):
            found[getattr(part, name)] = vector[getattr(whole, name)][list(images)]
        for name in ("common", "envelope", "camera"):
            found[getattr(part, name)] = vector[getattr(whole, name)]
        found[part.scale] = vector[whole.scale]
        return found

    def _source(self, vector: Floats, kx: Floats, ky: Floats) -> Singles:
        """Return (image, frequency): the envelope of the source."""
        draw = self.unknowns.microscope(vector, self.microscope)
        found = np.empty((len(draw.defocus), len(kx)), dtype=np.float32)
        for image, defocus in enumerate(draw.defocus):
            found[image] = source_envelope(draw, defocus, kx, ky, self.coherence.convergence)
        return found

    def transfer(self, vector: Floats) -> Complexes:
        """Return (image, frequency): by what the lenses multiply the wave, the mean over foci."""
        found = super().transfer(vector)
        if self.coherence.convergence > 0:
            found *= self._source(vector, self.kx, self.ky)
        return found

    def image_components(self, images: NDArray[np.floating], image: int) -> Complexes:
        """Return components (..., ky, kx) of one or more (..., y, x) that are in an image's place.

        As `components`, by the noise of that image.
        """
        return np.asarray(self.components(images) * self.certainty[image])

    def _planes(self, passed: Complexes) -> Complexes:
        """Return the waves (focus, y, x) of an image on its field."""
        factors = self._focal_factors[1]
        found = self.field(passed[np.newaxis] if factors is None else passed * factors)
        found += 1
        return found

    def _mean(self, intensities: NDArray[np.floating]) -> Singles:
        return np.asarray(np.tensordot(self._focal_factors[0], intensities, axes=1))

    def image(self, scattered: Complexes, transfer: Complexes) -> Singles:
        """Return the image (y, x) of a scattered wave on the disc, in vacuum 1."""
        waves = self._planes(scattered * transfer)
        return self._mean(waves.real**2 + waves.imag**2)

    def computed(self, white: Complexes, vector: Floats) -> Singles:
        """Return the images (image, y, x) that parameters and a wave give, without the camera."""
        scattered = self.error(white)
        return self.intensities(vector) * np.stack(
            [self.image(scattered, each) for each in self.transfer(vector)]
        )

    def misfit(
        self, white: Complexes, vector: Floats, transfer: Complexes
    ) -> tuple[float, Complexes]:
        """Return chi-square of images and half its derivative by the white part."""
        scattered = self.error(white)
        weights, nodes = self._focal_factors
        height, width = self.measured.shape[1:]
        total = np.zeros(len(self.disc), dtype=np.complex64)
        chi_square = 0.0
        spread = np.zeros((len(weights), *self.box), dtype=np.complex64)
        for image, factor in enumerate(vector[self.unknowns.intensity].astype(np.float32)):
            waves = self._planes(scattered * transfer[image])
            bare = self._mean(waves.real**2 + waves.imag**2)
            found = self.image_components(factor * bare - self.measured[image], image)
            chi_square += float(
                np.sum(self.twice * (found.real**2 + found.imag**2), dtype=np.float64)
            )
            # The derivative of the sum of squares over whole planes is the inverse transform.
            back = scipy.fft.irfft2(found * self.told, s=(height, width)) * (
                self.weight * (2 * factor * self.certainty[image] * height * width)
            )
            spread[:, self.window[0], self.window[1]] = (
                weights[:, np.newaxis, np.newaxis] * back * waves
            )
            spectra = scipy.fft.fft2(spread).reshape(len(weights), -1)[:, self.disc]
            once = spectra[0] if nodes is None else np.sum(np.conj(nodes) * spectra, axis=0)
            total += np.conj(transfer[image]) * once
        total /= np.float32(self.box[0] * self.box[1])
        opposite = np.conj(total[::-1])
        return chi_square, np.asarray(
            ((self.real + self.imag) * total + (self.real - self.imag) * opposite) / 2
        )

    def assume_power(self, vector: Floats) -> None:
        """Measure on the images how strong the wave scatters at each frequency, and assume that.

        Of a wave of random phases the power S comes into an image as 2 S E², with E the envelope.
        What the spectra have above the noise is divided by that, as a mean over all images and over
        a neighbourhood of each frequency.
        """
        height, width = self.measured.shape[1:]
        ky, kx = scipy.fft.fftfreq(height, self.pixel), scipy.fft.fftfreq(width, self.pixel)
        frequency = np.hypot(ky[:, np.newaxis], kx[np.newaxis, :])
        power = np.zeros((height, width))
        for image, certainty in zip(self.measured, self.certainty, strict=True):
            contrast = (image - image.mean()) * (self.weight * certainty)
            power += np.abs(scipy.fft.fft2(contrast)).astype(np.float64) ** 2
        power = power / (len(self.measured) * height * width * self.counted) - 1
        told = np.zeros((height, width))
        told[:, : self.told.shape[1]] = self.told > 0
        back = -np.arange(height)
        for column in range(self.told.shape[1], width):
            told[:, column] = told[back, width - column]
        steps = (1 / (height * self.pixel), 1 / (width * self.pixel))
        share = np.maximum(smoothed(told, steps), 1e-3)
        excess = np.maximum(smoothed(power * told, steps) / share, _LEAST_POWER)
        rings = np.arange(0.0, self.highest + _RING, _RING)
        envelope, shown = self._radial(vector, rings)
        excess /= np.interp(frequency, rings, np.maximum(envelope, _LEAST_ENVELOPE))
        lowest = rings[np.argmax(shown > _SHOWN)]
        around = (frequency >= lowest) & (frequency <= lowest + 2 * _RING)
        if around.any():
            low = frequency < lowest
            excess[low] = np.maximum(excess[low], excess[around].mean())
        # A white part of which either part has the variance 1 has the power 2.
        deviation = np.sqrt(excess / (4 * self.gain**2))
        rows, columns = (
            np.rint(each * side * self.pixel).astype(np.intp) % side
            for each, side in ((self.ky, height), (self.kx, width))
        )
        found = deviation[rows, columns]
        # The same at opposite frequencies, which rounding may take apart.
        found = (found + found[::-1]) / 2
        self.real = self.imag = found.astype(np.float32)
        self.kept_real = self.kept_imag = (
            self.gain
            * deviation[
                np.rint(self.kept_y * height * self.pixel).astype(np.intp) % height,
                np.rint(self.kept_x * width * self.pixel).astype(np.intp) % width,
            ]
        ).astype(np.float32)

    def _radial(self, vector: Floats, rings: Floats) -> tuple[Floats, Floats]:
        """Return means over the images of E² and of 2 sin² chi, by frequency along x."""
        draw = self.unknowns.microscope(vector, self.microscope)
        none = np.zeros_like(rings)
        damped = np.exp(vector[self.unknowns.envelope] @ dampings(rings**2, draw.energy_kev))
        envelope, shown = np.zeros_like(rings), np.zeros_like(rings)
        for defocus in draw.defocus:
            source = source_envelope(draw, defocus, rings, none, self.coherence.convergence)
            envelope += (damped * source) ** 2 / len(draw.defocus)
            chi = aberration_phase(draw, defocus, rings, none)
            shown += 2 * np.sin(chi) ** 2 / len(draw.defocus)
        return envelope, shown

    def linear(self, vector: Floats) -> tuple[Complexes, Complexes]:
        """Return (image, kept frequency): how the white part's two halves come into the images.

        As far as imaging is linear.
        """
        coefficients = self.unknowns.coefficients(vector).astype(np.float32)
        turn = coefficients @ self.kept_phases
        opposite = (coefficients * EVEN.astype(np.float32)) @ self.kept_phases
        damped = vector[self.unknowns.envelope].astype(np.float32) @ self.kept_dampings
        gain = self.kept_real * np.exp(damped)
        if self.coherence.convergence > 0:
            gain = gain * self._source(vector, self.kept_x, self.kept_y)
        bright = vector[self.unknowns.intensity].astype(np.float32) * self.certainty
        gain = gain * bright[:, np.newaxis]
        here, there = gain * np.exp(1j * turn), gain * np.exp(-1j * opposite)
        return here + there, 1j * (here - there)

    def changes(
        self, scattered: Complexes, transfer: Complexes, factor: float
    ) -> tuple[Singles, Singles]:
        """Return an image (y, x), and by what it changes (4, y, x).

        That is by 1 Å of its defocus and of its shift along x and y, and by its intensity.
        """
        passed = scattered * transfer
        waves = self._planes(passed)
        bare = self._mean(waves.real**2 + waves.imag**2)
        found = [
            (2 * factor) * self._mean((np.conj(waves) * (self._planes(part) - 1)).real)
            for part in (1j * self.phases[place] * passed for place in _TURNS)
        ]
        return np.float32(factor) * bare, np.stack([*found, bare])

    def fine_wave(self, white: Complexes, size: tuple[int, int]) -> Complexes:
        """Return the wave (y, x) on the pixels of the images, relative to the incident wave."""
        scattered = self.field(self.error(white))
        found = np.empty(size, dtype=np.complex64)
        found.real = resample_to(np.ascontiguousarray(scattered.real), size)
        found.imag = resample_to(np.ascontiguousarray(scattered.imag), size)
        return found + np.complex64(1)
