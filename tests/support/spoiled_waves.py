"""A focal series of MoS2 with its true wave, and waves that are wrong by a known power."""

import functools

import numpy as np
from numpy.typing import NDArray

from exitwave.config import Microscope, Multislice, Structure
from exitwave.imaging.focal_series import RenderedSeries, render_series
from exitwave.imaging.microscope import MicroscopeDraw, draw_microscope
from exitwave.materials.material import read_materials
from exitwave.multislice.exit_wave import exit_wave
from exitwave.networks.error_power import smoothed
from exitwave.specimens.build import build_specimen

PIXEL, SMEAR, ENERGY, SIZE_PX = 0.2, 0.2, 80.0, 100
STRUCTURE = Structure(box_angstrom=25.6, flake_radius_angstrom=(6.0, 6.5))
LIMITS = Microscope(
    sampling_angstrom=PIXEL,
    dose_log10_per_square_angstrom=4.3,
    defocus_angstrom=(-100.0, 100.0),
    spherical_aberration_micrometre=(-6.0, 6.0),
    # Of the paper's cameras some hide nearly all of such coarse pixels.
    mtf_c1=(0.0, 0.2),
)


@functools.cache
def series(
    seed: int = 3, limits: Microscope = LIMITS, size_px: int = SIZE_PX
) -> tuple[RenderedSeries, MicroscopeDraw]:
    """Return a series of three images, and the microscope that made it."""
    (material,), _, _ = read_materials("monolayers", "name=2H-MoS2")
    specimen = build_specimen(material, STRUCTURE, 1, "refinement", 0)
    wave = exit_wave(specimen, Multislice(energy_kev=ENERGY, sampling_angstrom=0.08))
    rng = np.random.default_rng(seed)
    draw = draw_microscope(limits, ENERGY, 3, rng)
    rendered = render_series(wave, specimen.box / len(wave), draw, size_px, SMEAR, 1e-3, rng)
    return rendered, draw


def spoiled(
    wave: NDArray[np.complexfloating], share: float, seed: int, sampling: float = PIXEL
) -> NDArray[np.complex64]:
    """Return a wave with an error in either part that has a share of its power at each frequency.

    Towards the borders, where there is vacuum, the error fades away.
    """
    rng = np.random.default_rng(seed)
    height, width = wave.shape
    steps = (1 / (height * sampling), 1 / (width * sampling))
    power = smoothed(np.abs(np.fft.fft2(wave - 1)) ** 2, steps)
    found = np.array(wave, dtype=np.complex128)
    ramps = [np.clip(1.5 * np.hanning(side), 0, 1) for side in wave.shape]
    for unit in (1, 1j):
        white = np.fft.fft2(rng.normal(size=wave.shape)) / np.sqrt(wave.size)
        found += unit * np.fft.ifft2(white * np.sqrt(share * power)).real * np.outer(*ramps)
    return found.astype(np.complex64)
