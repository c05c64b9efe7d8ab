"""What the camera does to the intensity: Poisson noise, then its modulation transfer function.

The camera's window is wider than the image by a guard band, which is cut off afterwards, so that
the image does not feel that the Fourier transform joins opposite borders.

>>> window = detector_window(352)
>>> window.size, window.margin
(384, 16)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import ArrayLike, NDArray

from exitwave.config.mtf_curve import MtfCurve
from exitwave.imaging.microscope import FrequencyUnit, MicroscopeDraw

GUARD_PX = 16


@dataclass(frozen=True)
class DetectorWindow:
    """The pixels on which noise and modulation transfer act, and the image among them.

    Attributes
    ----------
    size : int
        Side of the window [pixel].
    margin : int
        Pixels before the first one of the image.
    image : int
        Side of the image [pixel].
    """

    size: int
    margin: int
    image: int


def detector_window(image_size_px: int) -> DetectorWindow:
    """Return the smallest window that is fast to transform and has the guard band on each side."""
    size = int(scipy.fft.next_fast_len(image_size_px + 2 * GUARD_PX, real=True))
    return DetectorWindow(size, (size - image_size_px) // 2, image_size_px)


def mtf(
    frequency: ArrayLike, sampling: float, c1: float, c2: float, c3: float, unit: FrequencyUnit
) -> NDArray[np.float64]:
    """Return the modulation transfer function of the camera.

    MTF(k) = (1 - c1) / (1 + (k / (2 c2))^abs(c3)) + c1, as in PyQSTEM and abTEM of 2021, with the
    parameters of Table 1 of the paper. With k in units of the Nyquist frequency the formula fits
    measured cameras; it is negative at high frequencies for many draws of Table 1, where no
    camera's is, and so is set to 0 there. In the other units it is left as it is.

    Parameters
    ----------
    frequency : array_like
        Spatial frequency [1/Å].
    sampling : float
        Side of a pixel [Å].
    c1, c2, c3 : float
        Parameters.
    unit : {'nyquist', 'per_angstrom', 'cycles_per_pixel'}
        Unit of k in the formula.
    """
    scale = {"nyquist": 2 * sampling, "per_angstrom": 1.0, "cycles_per_pixel": sampling}[unit]
    k = scale * np.abs(np.asarray(frequency, dtype=np.float64))
    values = np.asarray((1 - c1) / (1 + (k / (2 * c2)) ** abs(c3)) + c1)
    return np.maximum(values, 0.0) if unit == "nyquist" else values


def measured_mtf(frequency: ArrayLike, sampling: float, curve: MtfCurve) -> NDArray[np.float64]:
    """Return a measured modulation transfer function, the same in all directions.

    It is interpolated linearly. Beyond the last frequency of the curve the last value holds: the
    corners of an image's spectrum lie at 1.41 times the Nyquist frequency.

    Parameters
    ----------
    frequency : array_like
        Spatial frequency [1/Å].
    sampling : float
        Side of a pixel [Å].
    curve : tuple of (float, float)
        Frequency in units of the Nyquist frequency, and value, of each point.
    """
    points, values = np.array(curve).T
    k = 2 * sampling * np.abs(np.asarray(frequency, dtype=np.float64))
    return np.asarray(np.interp(k, points, values))


def window_mtf(draw: MicroscopeDraw, size: int, sampling: float) -> NDArray[np.float32]:
    """Return the modulation transfer function on the frequencies of a window's real FFT.

    Parameters
    ----------
    draw : MicroscopeDraw
        Parameters of the function, or its measured curve.
    size : int
        Side of the window [pixel].
    sampling : float
        Side of a pixel [Å].

    Returns
    -------
    (size, size // 2 + 1) array of float32
    """
    ky = np.fft.fftfreq(size, sampling)[:, np.newaxis]
    kx = np.fft.rfftfreq(size, sampling)[np.newaxis, :]
    return camera_response(draw, np.hypot(kx, ky), sampling)


def camera_response(
    draw: MicroscopeDraw, frequency: NDArray[np.float64], sampling: float
) -> NDArray[np.float32]:
    """Return a microscope's modulation transfer function at frequencies [1/Å].

    Parameters
    ----------
    draw : MicroscopeDraw
        Parameters of the function, or its measured curve.
    frequency : array
        [1/Å]
    sampling : float
        Side of a pixel [Å].
    """
    if draw.mtf_curve is not None:
        values = measured_mtf(frequency, sampling, draw.mtf_curve)
    else:
        parameters = (draw.mtf_c1, draw.mtf_c2, draw.mtf_c3)
        values = mtf(frequency, sampling, *parameters, draw.mtf_frequency_unit)
    return values.astype(np.float32)


def detect(
    intensity: NDArray[np.float32],
    electrons: float,
    transfer: NDArray[np.float32],
    window: DetectorWindow,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Record an intensity: count electrons, then fold the counts with the camera's response.

    So the modulation transfer function correlates the noise.

    Parameters
    ----------
    intensity : (size, size) array
        Relative to vacuum, on the whole window.
    electrons : float
        Expected number of electrons in a pixel of vacuum.
    transfer : (size, size // 2 + 1) array
        See `window_mtf`.
    window : DetectorWindow
        Where the image lies.
    rng : numpy.random.Generator
        Source of the noise.

    Returns
    -------
    (image, image) array of float32
        Counts divided by those expected in vacuum.
    """
    # A band-limited intensity may be below 0 by a rounding error.
    counts = rng.poisson(electrons * np.maximum(intensity, 0.0).astype(np.float64))
    spectrum = scipy.fft.rfft2((counts / electrons).astype(np.float32), workers=1)
    spectrum *= transfer
    recorded = scipy.fft.irfft2(spectrum, s=intensity.shape, workers=1)
    inside = slice(window.margin, window.margin + window.image)
    return np.ascontiguousarray(recorded[inside, inside])
