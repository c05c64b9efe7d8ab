"""The classical way from a focal series back to the exit wave, after Gerchberg and Saxton.

Iterative wave function reconstruction (Gerchberg and Saxton, Optik 35 (1972) 237; Allen et al.,
Ultramicroscopy 100 (2004) 91): carry one estimate of the exit wave to the plane of every image,
give it there the measured modulus and leave it its phase, carry it back, take the mean over the
images, and begin again. The paper's networks are compared with it (its Sec. 6). Arrays are
indexed [y, x]; signs are those of `exitwave.imaging.transfer`.

What it cannot do: an image at focus f shows a weak phase of frequency k by sin(π λ f k²) of it.
Wavelengths of more than some 5 Å hardly change over a range of 100 Å, and come back after hundreds
of iterations, if noise lets them come at all. `remove_low_frequencies` leaves them out of a
comparison, as the paper does. No image shows the phase of the whole wave: it is set to 0 at the
border of the field.

>>> known = known_microscope(draw, "paper")
>>> found = reconstruct_wave(images, 0.105, known, iterations=50)
>>> found.wave.shape
(352, 352)
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from exitwave.errors import ExitwaveError
from exitwave.imaging.detector import GUARD_PX, window_mtf
from exitwave.imaging.microscope import MicroscopeDraw
from exitwave.imaging.transfer import (
    box_frequencies,
    displacement,
    shift_phase,
    transfer_function,
)

Floats = NDArray[np.float64]
ComplexImage = NDArray[np.complex64]
Image = NDArray[np.float32]
Knowledge = Literal["paper", "all"]

# Power of the scattered wave per area of frequency space that is compared with the noise [Å²]: that
# between 0.3 and 2 1/Å of a MoS2 flake of 17 Å in a field of 25 Å. Half and twice of it give the
# same error of the wave within a tenth.
_SCATTERED_POWER = 3e-4
# Least noise that it is compared with: however high the dose, the images are not exact.
_LEAST_NOISE = 1e-3
# The camera's response is undone as far as it is above this; below, noise would be all there is.
_LEAST_MTF = 0.2
# Frequency whose fringes shall stay within the padding [1/Å], and the border that is to be vacuum.
_FRINGES = 1.0
_BORDER = 1.0


@dataclass(frozen=True)
class Reconstruction:
    """An exit wave found from a focal series.

    Attributes
    ----------
    wave : (y, x) array of complex64
        Exit wave on the images' pixels, relative to the incident wave.
    misfit : (iteration,) array
        Rms difference of the moduli of the measured and of the estimated image waves, before each
        iteration. It levels off at the noise. Aberrations that were not given and are the same in
        all images do not show in it: the wave that they have changed explains the images as well.
    """

    wave: ComplexImage
    misfit: Floats


def known_microscope(draw: MicroscopeDraw, knowledge: Knowledge) -> MicroscopeDraw:
    """Return the microscope as far as the reconstruction knows it.

    Parameters
    ----------
    draw : MicroscopeDraw
        The one that made the images.
    knowledge : {'paper', 'all'}
        'paper' leaves the true defocus of each image, the spherical aberration and the focal
        spread, and sets coma, astigmatism and blur to 0 and the camera to a perfect one (Sec. 6 of
        the paper, which is silent on the last two); it takes the images as registered and equally
        bright. 'all' is the true microscope.
    """
    if knowledge == "all":
        return draw
    return replace(
        draw,
        astigmatism=0.0,
        coma=0.0,
        trefoil=0.0,
        shift_x=(),
        shift_y=(),
        intensity=(),
        blur=0.0,
        mtf_c1=1.0,
        mtf_curve=None,
    )


def reconstruct_wave(
    images: Sequence[NDArray[np.floating]] | NDArray[np.floating],
    sampling: float,
    microscope: MicroscopeDraw,
    iterations: int,
    accelerated: bool = False,
) -> Reconstruction:
    """Reconstruct the exit wave of a focal series.

    Partial coherence is the quasi-coherent envelope E(k) of focal spread and blur, also where the
    images are an incoherent average over foci. The estimate 1 + s goes to an image plane by
    T_n = E exp(-i chi_n), and the change of its modulus there, r_n, comes back as

        s + (Σ conj(T_n) r_n - ε s) / (Σ |T_n|² + ε),

    the mean over the images with E divided out of it as far as the wave is above the noise (Wiener,
    or Tikhonov). ε is the power of the noise in one modulus, 1 / (4 dose), over that of the
    scattered wave; without it the noise at high frequencies grows with each iteration.

    Fringes run out of the field, and others into it. The field is padded as far as the aberrations
    carry fringes of 1 Å, by half its side at most, and the estimate goes on there as it is carried,
    unchanged, since nothing is measured. Vacuum or the images' mean would be a false measurement.

    Parameters
    ----------
    images : (n, size, size) array, or sequence of n images
        Two or more, in the order of the microscope's defoci, relative to vacuum.
    sampling : float
        Side of a pixel [Å].
    microscope : MicroscopeDraw
        What is known of it, see `known_microscope`; its sampling is not used.
    iterations : int
        From 1.
    accelerated : bool
        Nesterov's momentum: each iteration begins beyond the last one's result, by a share of its
        step that grows. The long wavelengths come back in a fraction of the iterations; not part of
        the classical method.

    Raises
    ------
    ExitwaveError
        Where there are too few images or iterations, or values that no image can have.
    """
    _require_series(images, sampling, microscope, iterations)
    size = len(images[0])
    margin = math.ceil(min(_reach(microscope) / sampling, size / 2))
    points = int(scipy.fft.next_fast_len(size + 2 * margin))
    field = (slice(margin, margin + size), slice(margin, margin + size))
    moduli = [
        np.sqrt(np.maximum(_without_camera(image / factor, sampling, microscope), 0))
        for image, factor in zip(images, microscope.intensity or itertools.repeat(1), strict=False)
    ]
    transfers = _transfers(microscope, points, sampling)
    noise = np.float32(max(1 / (4 * microscope.dose * _SCATTERED_POWER), _LEAST_NOISE))
    weight = noise + sum(transfer.real**2 + transfer.imag**2 for transfer in transfers)

    scattered = latest = np.zeros((points, points), dtype=np.complex64)
    misfit = np.zeros(iterations)
    for iteration in range(iterations):
        back = -noise * scattered
        for modulus, transfer in zip(moduli, transfers, strict=True):
            carried = 1 + scipy.fft.ifft2(transfer * scattered, workers=1)[field]
            length = np.abs(carried)
            change = np.zeros_like(scattered)
            change[field] = carried * (modulus / np.maximum(length, 1e-6) - 1)
            back += np.conj(transfer) * scipy.fft.fft2(change, workers=1, overwrite_x=True)
            misfit[iteration] += np.mean((modulus - length) ** 2) / len(images)
        before, latest = latest, scattered + back / weight
        momentum = np.float32(iteration / (iteration + 3) if accelerated else 0)
        scattered = latest + momentum * (latest - before)
    wave = 1 + scipy.fft.ifft2(latest, workers=1)[field]
    return Reconstruction(_with_vacuum_phase(wave, sampling), np.sqrt(misfit))


def remove_low_frequencies(wave: NDArray[np.complexfloating], sigma_px: float) -> ComplexImage:
    """Take the wave folded with a Gaussian off the wave; vacuum becomes 0.

    For the comparison of Fig. 10 of the paper, which does so with the true wave and 8 pixels.
    Beyond the border the wave goes on with its value there.

    Parameters
    ----------
    wave : (y, x) array of complex
        Relative to the incident wave.
    sigma_px : float
        Standard deviation of the Gaussian [pixel].
    """
    return np.asarray(wave - gaussian_filter(wave, sigma_px, mode="nearest"), dtype=np.complex64)


def _require_series(
    images: Sequence[NDArray[np.floating]] | NDArray[np.floating],
    sampling: float,
    microscope: MicroscopeDraw,
    iterations: int,
) -> None:
    count = len(images)
    if count < 2:
        raise ExitwaveError(
            f"A focal series of {count} image(s) does not determine the phase; give 2 or more."
        )
    if count != len(microscope.defocus):
        raise ExitwaveError(
            f"There are {count} images and {len(microscope.defocus)} defoci; give one defocus "
            "for each image, in the same order."
        )
    size = len(images[0])
    for number, image in enumerate(images, start=1):
        if image.shape != (size, size):
            raise ExitwaveError(
                f"Image {number} of the focal series has the shape {image.shape}, not "
                f"{(size, size)}; cut all images to one square."
            )
        if not np.isfinite(image).all():
            raise ExitwaveError(
                f"Image {number} of the focal series has pixels that are not finite; replace them "
                "or leave the image out."
            )
        if not 0.5 < image.mean() < 2:
            raise ExitwaveError(
                f"Image {number} of the focal series has the mean {image.mean():g}, and vacuum "
                "should be 1; divide it by its mean in vacuum."
            )
    if size <= 2 * GUARD_PX:
        raise ExitwaveError(
            f"Images of {size} pixels per side are too small; give more than {2 * GUARD_PX}."
        )
    if not sampling > 0:
        raise ExitwaveError(f"A pixel of {sampling:g} Å is none; give a side above 0.")
    if iterations < 1:
        raise ExitwaveError(f"{iterations} iterations were asked for; take 1 or more.")


def _reach(microscope: MicroscopeDraw) -> float:
    """How far the aberrations carry fringes of 1 Å [Å]."""
    azimuth = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    kx, ky = _FRINGES * np.cos(azimuth), _FRINGES * np.sin(azimuth)
    moved = [displacement(microscope, defocus, kx, ky) for defocus in microscope.defocus]
    return max(float(np.hypot(*along).max()) for along in moved)


def _transfers(microscope: MicroscopeDraw, points: int, sampling: float) -> list[ComplexImage]:
    """Transfer function of each image, in the order of the FFT."""
    k = box_frequencies(points, points * sampling)
    transfers = [
        transfer_function(microscope, defocus, k[np.newaxis, :], k[:, np.newaxis])
        for defocus in microscope.defocus
    ]
    shifts = zip(microscope.shift_x, microscope.shift_y, strict=True)
    for transfer, (along_x, along_y) in zip(transfers, shifts, strict=False):
        transfer *= shift_phase(along_x, k).astype(np.complex64)
        transfer *= shift_phase(along_y, k).astype(np.complex64)[:, np.newaxis]
    return transfers


def _without_camera(
    image: NDArray[np.floating], sampling: float, microscope: MicroscopeDraw
) -> Image:
    """Undo the camera's response; the image goes on beyond its border as its mirror image."""
    padded = np.pad(image, GUARD_PX, mode="reflect")
    response = window_mtf(microscope, len(padded), sampling)
    spectrum = scipy.fft.rfft2(padded.astype(np.float32), workers=1)
    spectrum /= np.maximum(response, _LEAST_MTF)
    restored: Image = scipy.fft.irfft2(spectrum, s=padded.shape, workers=1)
    return restored[GUARD_PX:-GUARD_PX, GUARD_PX:-GUARD_PX]


def _with_vacuum_phase(wave: ComplexImage, sampling: float) -> ComplexImage:
    """Turn the wave so that the mean of its border is real."""
    width = math.ceil(_BORDER / sampling)
    inside = np.zeros(wave.shape, dtype=bool)
    inside[width:-width, width:-width] = True
    border = wave[~inside].mean()
    return wave * np.complex64(np.conj(border) / abs(border))
