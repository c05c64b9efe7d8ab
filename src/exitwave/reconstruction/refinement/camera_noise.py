"""The camera's response, found from the noise of its images.

Beyond the frequencies that the lenses let pass, images hold nothing but noise, and between the
spots of a crystal not much else before. Electrons are counted with white noise, which the camera's
response colours: its power is the square of the modulation transfer function, over the electrons in
a pixel. The formula of the network's training is fitted to the median over rings of frequencies, to
which spots do not matter, and tells the response at lower frequencies, too.

>>> camera_of_noise(images, 0.105, limits, dose=8700.0).mtf_c2
0.15
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy import ndimage
from scipy.optimize import least_squares

from exitwave.config import Microscope
from exitwave.imaging.detector import mtf

# From here on there is little but noise [1/Å]; with a lower Nyquist frequency than this nothing is
# known. Rings of frequencies that are fitted to.
_NOISE_FROM, _LEAST_NYQUIST, _RINGS = 1.2, 1.6, 40
# The response that is still known from its square over the noise of few pixels.
_LEAST = 0.05


@dataclass(frozen=True)
class CameraNoise:
    """A camera's response.

    Attributes
    ----------
    mtf_c1, mtf_c2, mtf_c3 : float
        Parameters of `exitwave.imaging.detector.mtf`.
    excess : float
        Highest power of the noise, over that of the electrons with a perfect camera: above 1 the
        images have other noise, too, or fewer electrons.
    """

    mtf_c1: float
    mtf_c2: float
    mtf_c3: float
    excess: float


def camera_of_noise(
    images: NDArray[np.floating], sampling: float, limits: Microscope, dose: float
) -> CameraNoise | None:
    """Return what the noise of images says of the camera; None where it says nothing.

    Parameters
    ----------
    images : (y, x, image) array
        Relative to their means.
    sampling : float
        Side of a pixel [Å].
    limits : Microscope
        Between which the parameters lie.
    dose : float
        Electrons per Å² of each image.
    """
    nyquist = 0.5 / sampling
    if nyquist < _LEAST_NYQUIST:
        return None
    edges = np.linspace(_NOISE_FROM, nyquist, _RINGS + 1)
    power = _power(images) * (dose * sampling**2)
    ky, kx = (scipy.fft.fftfreq(side, sampling) for side in images.shape[:2])
    ring = np.digitize(np.hypot(ky[:, np.newaxis], kx[np.newaxis, :]), edges)
    rings = np.arange(1, _RINGS + 1)
    count = np.array([np.sum(ring == each) for each in rings])
    used = count > 0
    middle = ((edges[1:] + edges[:-1]) / 2)[used]
    # The power of noise is distributed exponentially.
    measured = ndimage.median(power, np.broadcast_to(ring, power.shape), rings[used]) / math.log(2)
    measured = np.maximum(measured, _LEAST**2 / 100)
    spans = np.array([limits.mtf_c1, limits.mtf_c2, limits.mtf_c3])
    lowest, widths = spans[:, 0], np.maximum(np.diff(spans)[:, 0], 1e-6)

    def residual(shares: NDArray[np.float64]) -> NDArray[np.float64]:
        c1, c2, c3 = (float(each) for each in lowest + shares * widths)
        response = mtf(middle, sampling, c1, c2, c3, limits.mtf_frequency_unit)
        expected = np.maximum(response, _LEAST) ** 2
        return np.asarray(np.sqrt(count[used]) * (np.log(measured) - np.log(expected)))

    tried = [least_squares(residual, [share] * 3, bounds=(0, 1)) for share in (0.25, 0.5, 0.75)]
    best = lowest + min(tried, key=lambda each: float(each.cost)).x * widths
    c1, c2, c3 = (float(each) for each in best)
    return CameraNoise(c1, c2, c3, float(measured.max()))


def _power(images: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the power of images (image, ky, kx), white noise of variance 1 being 1."""
    height, width, count = images.shape
    window = np.outer(np.hanning(height), np.hanning(width))
    window /= math.sqrt(np.mean(window**2) * height * width)
    spectra = [
        scipy.fft.fft2((images[..., place] - np.mean(images[..., place])) * window)
        for place in range(count)
    ]
    return np.asarray(np.abs(np.array(spectra)) ** 2)
