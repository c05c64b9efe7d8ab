"""Register the images of a focal series by the physics: under one wave, each has one place.

Contrast turns over from defocus to defocus and a lattice repeats itself, so plain correlation puts
images onto each other wrongly. Here the images are computed from a wave that a network made of
them as they were, and shifts and aberrations are fitted until computed and measured images agree;
then the network is applied to the registered images, and so on until nothing moves, or computed and
measured images agree less than before: a network's waves are not perfect, and beyond the best place
the images may go on drifting with them.

>>> found = register(images, predict, 0.105, 80.0, defocus=(-50.0, 0.0, 50.0), smear=0.15)
>>> found.optics.shifts                                 # (frame, 2): y and x [Å]
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.optimize import least_squares

from exitwave.imaging.microscope import ANGSTROM_PER_MICROMETRE, MicroscopeDraw
from exitwave.imaging.transfer import transfer_function
from exitwave.reconstruction.preparation import resample

Floats = NDArray[np.float64]

# The fit uses frequencies up to the Nyquist frequency of such pixels: beyond it images at the
# doses of microscopes hold noise [Å].
_PIXEL = 0.28
# Vacuum around the images, into which the lenses spread their fringes [Å].
_MARGIN = 12.0
# Pixels at the borders, to which fringes come from outside of the images [Å].
_BORDER = 1.5

# Starts of the fit [µm]: with one alone a quarter of the fits stays at a Cs of the wrong sign.
_STARTS = (-12.0, -4.0, 4.0, 12.0)
# Steps of the fit, and those from each start, after which the best one is known.
_STEPS, _FIRST_STEPS = 25, 12
# Of larger images a part is enough, and a smaller one to find the best start [Å]; a part elsewhere
# is taken in place of the middle if it holds so many times as much.
_FIELD, _START_FIELD, _MORE = 60.0, 36.0, 1.25
# Registration ends when no image moves farther than this [pixel], when so many turns of network and
# fit have agreed less than the best one, and at the latest after so many turns.
_AT_REST, _WORSE, _TURNS = 0.05, 2, 12

_STEP = 0.02
# Each parameter in units in which steps of 1 are alike.
_DEFOCUS, _CS, _C12, _C21 = 10.0, 3e4, 5.0, 100.0


@dataclass(frozen=True)
class Optics:
    """What a fit found.

    Attributes
    ----------
    shifts : (frame, 2) array
        How far the content of each image lies from that of the middle one, along y and x [Å].
    microscope : MicroscopeDraw
        Aberrations; its blur stands for all that damps the wave.
    misfit : float
        Mean square of the difference of computed and measured images, relative to that of their
        contrast: noise, and what is wrong.
    values : array
        The parameters, from which another fit may start.
    """

    shifts: Floats
    microscope: MicroscopeDraw
    misfit: float
    values: Floats


@dataclass(frozen=True)
class Registered:
    """Images that lie on each other.

    Attributes
    ----------
    images : (y, x, frame) array of float32
        Moved back by their shifts.
    optics : Optics
        Of the turn in which computed and measured images agreed best.
    at_rest : bool
        Whether the last turn moved nothing any more, or later ones agreed less than the best one.
    """

    images: NDArray[np.float32]
    optics: Optics
    at_rest: bool


class _Model:
    """Images from a wave, on coarse pixels, as a function of the parameters."""

    def __init__(
        self,
        wave: NDArray[np.complexfloating],
        images: NDArray[np.floating],
        sampling: float,
        energy_kev: float,
        defocus: Sequence[float],
        smear: float,
    ) -> None:
        pixel = max(sampling, _PIXEL)
        parts = [resample(part, sampling, pixel) for part in (wave.real - 1, wave.imag)]
        scattered = parts[0] + 1j * parts[1]
        self.images = np.stack(
            [resample(images[..., frame], sampling, pixel) for frame in range(images.shape[2])]
        )
        self.images /= self.images.mean(axis=(1, 2), keepdims=True)
        # What one pixel is after resampling a whole number of them.
        pixel = sampling * wave.shape[0] / scattered.shape[0]
        height, width = scattered.shape
        margin = round(_MARGIN / pixel)
        size = scipy.fft.next_fast_len(max(height, width) + 2 * margin)
        self.window = (slice(margin, margin + height), slice(margin, margin + width))
        border = round(_BORDER / pixel)
        self.inner = (slice(None), slice(border, height - border), slice(border, width - border))
        field = np.zeros((size, size), dtype=np.complex64)
        field[self.window] = scattered
        k = np.fft.fftfreq(size, pixel)
        self.kx, self.ky = k[np.newaxis, :], k[:, np.newaxis]
        square = self.kx**2 + self.ky**2
        # The network's target is smeared; the beam meets the wave as it is.
        self.spectrum = scipy.fft.fft2(field) * np.exp(2 * np.pi**2 * smear**2 * square)
        self.spectrum[square > (0.5 / pixel) ** 2] = 0
        self.energy, self.defocus = energy_kev, np.asarray(defocus, dtype=np.float64)
        half = np.fft.rfftfreq(size, pixel)
        self.frequency = np.sqrt(half[np.newaxis, :] ** 2 + k[:, np.newaxis] ** 2)
        self.size, self.frames = size, len(self.images)

    def microscope(self, values: Floats) -> MicroscopeDraw:
        astigmatism = values[2:4] * _C12
        coma = values[4:6] * _C21
        return MicroscopeDraw(
            energy_kev=self.energy,
            defocus=tuple(float(each) for each in self.defocus + _DEFOCUS * values[0]),
            spherical_aberration=float(_CS * values[1]),
            astigmatism=float(np.hypot(*astigmatism)),
            astigmatism_angle=float(np.arctan2(astigmatism[1], astigmatism[0]) / 2),
            coma=float(np.hypot(*coma)),
            coma_angle=float(np.arctan2(coma[1], coma[0])),
            focal_spread=12.0,
            blur=float(values[6]),
            dose=np.nan,
            mtf_c1=np.nan,
            mtf_c2=np.nan,
            mtf_c3=np.nan,
            sampling=np.nan,
            mtf_frequency_unit="nyquist",
        )

    def start(self, cs: float) -> Floats:
        """Return the parameters from which a fit starts, with a Cs [µm]."""
        values = np.zeros(8 + 2 * self.frames)
        values[1], values[6], values[7] = cs * ANGSTROM_PER_MICROMETRE / _CS, 1.0, 0.3
        return values

    def shifts(self, values: Floats) -> Floats:
        """Return how far all images lie from the wave [Å].

        That of the middle one is free, too: a network puts the wave of images that do not lie on
        each other somewhere between them.
        """
        return values[8 : 8 + 2 * self.frames].reshape(-1, 2)

    def computed(self, values: Floats) -> NDArray[np.float32]:
        draw = self.microscope(values)
        # Of the camera and of what else takes contrast the more, the finer it is.
        camera = 1 / (1 + self.frequency * abs(values[7]))
        images = []
        for defocus, (dy, dx) in zip(draw.defocus, self.shifts(values), strict=True):
            transfer = transfer_function(draw, defocus, self.kx, self.ky)
            turn = np.exp(-2j * np.pi * (self.kx * dx + self.ky * dy))
            wave = 1 + scipy.fft.ifft2(self.spectrum * transfer * turn)
            intensity = wave.real**2 + wave.imag**2
            seen = scipy.fft.irfft2(scipy.fft.rfft2(intensity) * camera, s=intensity.shape)
            images.append(seen[self.window])
        found = np.array(images)
        return np.asarray(found / found.mean(axis=(1, 2), keepdims=True), dtype=np.float32)

    def residual(self, values: Floats) -> Floats:
        difference = (self.computed(values) - self.images)[self.inner]
        return np.asarray(difference, dtype=np.float64).ravel()

    def jacobian(self, values: Floats) -> Floats:
        """Return the derivatives of `residual` by differences, in steps that suit float32."""
        here = self.residual(values)
        columns = []
        for place in range(len(values)):
            step = np.zeros_like(values)
            step[place] = _STEP
            columns.append((self.residual(values + step) - here) / _STEP)
        return np.stack(columns, axis=1)

    def misfit(self, values: Floats) -> float:
        contrast = self.images[self.inner] - 1
        return float(np.mean(self.residual(values) ** 2) / np.mean(contrast**2))


def register(
    images: NDArray[np.floating],
    predict: Callable[[NDArray[np.float32]], NDArray[np.complex64]],
    sampling_angstrom: float,
    energy_kev: float,
    defocus: Sequence[float],
    smear: float,
) -> Registered:
    """Register images by a network and a fit in turn.

    Parameters
    ----------
    images : (y, x, frame) array
        In any unit.
    predict : callable
        The network: wave (y, x) of images (y, x, frame).
    sampling_angstrom, energy_kev, defocus, smear
        See `fit_optics`.
    """
    contrast = images / np.mean(images, axis=(0, 1)) - 1
    place = place_with_most(
        np.sum(contrast**2, axis=2, dtype=np.float64), round(_FIELD / sampling_angstrom)
    )
    part = np.asarray(images[place], dtype=np.float32)
    found: list[Optics] = []
    moved = part
    at_rest = False
    while not at_rest and len(found) < _TURNS:
        before = found[-1].shifts if found else np.zeros((part.shape[2], 2))
        optics = fit_optics(
            predict(moved),
            part,
            sampling_angstrom,
            energy_kev,
            defocus,
            smear,
            found[-1] if found else None,
        )
        found.append(optics)
        misfits = [turn.misfit for turn in found]
        moves = float(np.max(np.abs(optics.shifts - before)))
        worse = len(found) - 1 - int(np.argmin(misfits))
        at_rest = moves < _AT_REST * sampling_angstrom or worse >= _WORSE
        moved = _all_shifted(part, optics.shifts / sampling_angstrom)
    best = min(found, key=lambda turn: turn.misfit)
    whole = _all_shifted(images, best.shifts / sampling_angstrom)
    return Registered(whole, best, at_rest)


def _all_shifted(images: NDArray[np.floating], by_px: Floats) -> NDArray[np.float32]:
    return np.stack(
        [shifted(images[..., frame], shift) for frame, shift in enumerate(by_px)], axis=-1
    )


def fit_optics(
    wave: NDArray[np.complexfloating],
    images: NDArray[np.floating],
    sampling_angstrom: float,
    energy_kev: float,
    defocus: Sequence[float],
    smear: float,
    start: Optics | None = None,
) -> Optics:
    """Fit shifts and aberrations so that the images computed from a wave are those measured.

    Unknown are the shifts of all images, a defocus common to all, Cs, two-fold astigmatism, coma,
    and what damps wave and images.

    Parameters
    ----------
    wave : (y, x) array of complex
        A network's wave, relative to the incident one.
    images : (y, x, frame) array
        Measured images in any unit, on the wave's pixels.
    sampling_angstrom : float
        Side of a pixel [Å].
    energy_kev : float
        Energy of the electrons [keV].
    defocus : sequence of float
        Nominal defocus of each image [Å]; their steps are taken as they are.
    smear : float
        Standard deviation of the Gaussian that the network's waves are folded with [Å].
    start : Optics, optional
        Where to start from; without it the fit starts from several Cs.
    """
    if start is None:
        power = np.abs(wave - 1).astype(np.float64) ** 2
        place = place_with_most(power, round(_START_FIELD / sampling_angstrom))
        small = _Model(wave[place], images[place], sampling_angstrom, energy_kev, defocus, smear)
        tried = (_fit(small, small.start(cs), _FIRST_STEPS) for cs in _STARTS)
        first = min(tried, key=small.misfit)
    else:
        first = start.values
    model = _Model(wave, images, sampling_angstrom, energy_kev, defocus, smear)
    best = _fit(model, first, _STEPS)
    shifts = model.shifts(best)
    shifts = shifts - shifts[len(shifts) // 2]
    return Optics(shifts, model.microscope(best), model.misfit(best), best)


def _fit(model: _Model, start: Floats, steps: int) -> Floats:
    found = least_squares(model.residual, start, jac=model.jacobian, method="trf", max_nfev=steps)
    return np.asarray(found.x)


def place_with_most(power: Floats, side: int) -> tuple[slice, slice]:
    """Return the part of an image (y, x) that has most to see.

    It has a side [pixel], or is all that there is, and lies in the middle, unless a part elsewhere
    has a quarter more.
    """
    summed = np.pad(np.cumsum(np.cumsum(power, axis=0), axis=1), ((1, 0), (1, 0)))
    height, width = (min(side, length) for length in power.shape)
    spare = [length - part for length, part in zip(power.shape, (height, width), strict=True)]
    middle = (spare[0] // 2, spare[1] // 2)
    rows, columns = (sorted({*range(0, most + 1, max(1, side // 8)), most}) for most in spare)

    def held(place: tuple[int, int]) -> float:
        top, left = place
        ends = summed[top + height, left + width] - summed[top, left + width]
        return float(ends - summed[top + height, left] + summed[top, left])

    best = max(((row, column) for row in rows for column in columns), key=held)
    top, left = best if held(best) > _MORE * held(middle) else middle
    return slice(top, top + height), slice(left, left + width)


def shifted(image: NDArray[np.floating], by_px: Sequence[float]) -> NDArray[np.float32]:
    """Move the content of an image back by a shift along y and x [pixel].

    What comes in from outside of the image is its mirror image.
    """
    height, width = image.shape
    pad = int(np.ceil(np.max(np.abs(by_px)))) + 8
    padded = np.pad(np.asarray(image, dtype=np.float32), pad, mode="symmetric")
    ky, kx = np.fft.fftfreq(padded.shape[0]), np.fft.rfftfreq(padded.shape[1])
    turn = np.exp(2j * np.pi * (ky[:, np.newaxis] * by_px[0] + kx[np.newaxis, :] * by_px[1]))
    moved = scipy.fft.irfft2(scipy.fft.rfft2(padded) * turn, s=padded.shape)
    return np.asarray(moved[pad : pad + height, pad : pad + width], dtype=np.float32)
