"""A focal series of atoms at random places, seen by a microscope that drifts."""

import functools
from dataclasses import dataclass, replace

import numpy as np

from exitwave.imaging.microscope import MicroscopeDraw
from exitwave.imaging.transfer import transfer_function

FRAMES, PIXEL, SIZE_PX, MARGIN_PX = 12, 0.4, 96, 80
NOMINAL = MicroscopeDraw(
    energy_kev=300.0,
    defocus=tuple(np.linspace(1800.0, 150.0, FRAMES).tolist()),
    spherical_aberration=1e7,
    astigmatism=0.0,
    astigmatism_angle=0.0,
    coma=0.0,
    coma_angle=0.0,
    focal_spread=30.0,
    blur=0.0,
    dose=40.0 / PIXEL**2,
    mtf_c1=1.0,
    mtf_c2=1.0,
    mtf_c3=1.0,
    sampling=PIXEL,
    mtf_frequency_unit="nyquist",
)


@dataclass(frozen=True)
class Series:
    """Counts (y, x, frame), the true wave, and the microscope."""

    counts: np.ndarray
    wave: np.ndarray
    microscope: MicroscopeDraw


@functools.cache
def series(electrons: float = 40.0) -> Series:
    """Atoms as phases, at random places in vacuum, seen by a microscope that drifts."""
    rng = np.random.default_rng(5)
    drift = np.cumsum(rng.normal(0.4, 0.4, (2, FRAMES)), axis=1) * PIXEL
    drift -= drift[:, [FRAMES // 2]]
    errors = rng.normal(0, 30.0, FRAMES)
    true = replace(
        NOMINAL,
        dose=electrons / PIXEL**2,
        defocus=tuple((NOMINAL.defocus + errors - errors.mean()).tolist()),
        shift_x=tuple(drift[0].tolist()),
        shift_y=tuple(drift[1].tolist()),
        intensity=tuple((1 + 0.1 * rng.uniform(-1, 1, FRAMES)).tolist()),
    )
    size = SIZE_PX + 2 * MARGIN_PX
    y, x = np.mgrid[:size, :size] * PIXEL
    phase = np.zeros((size, size))
    for row, column in rng.uniform(MARGIN_PX + 12, MARGIN_PX + SIZE_PX - 12, (60, 2)) * PIXEL:
        phase += 0.7 * np.exp(-((y - row) ** 2 + (x - column) ** 2) / (2 * 0.5**2))
    wave = np.exp(1j * phase)
    spectrum = np.fft.fft2(wave)
    k = np.fft.fftfreq(size, PIXEL)
    kx, ky = k[np.newaxis, :], k[:, np.newaxis]
    inner = slice(MARGIN_PX, MARGIN_PX + SIZE_PX)
    counts = np.empty((SIZE_PX, SIZE_PX, FRAMES))
    for frame in range(FRAMES):
        turn = kx * true.shift_x[frame] + ky * true.shift_y[frame]
        lens = transfer_function(true, true.defocus[frame], kx, ky) * np.exp(-2j * np.pi * turn)
        image = np.abs(np.fft.ifft2(spectrum * lens)[inner, inner]) ** 2
        counts[..., frame] = rng.poisson(electrons * true.intensity[frame] * image)
    return Series(counts, wave[inner, inner], true)
