"""A slow multislice in float64 that shares no code with the one under test.

Only the parameters of the scattering factors are abTEM's copy of published numbers: Lobato and Van
Dyck, Acta Cryst. A 70, 636 (2014). All else is written anew, and in another way:

* The potential is that of the whole box in three-dimensional Fourier space, with the exact
  positions of the atoms, integrated exactly through every slice, also the tails above an atom.
* A slice acts at its centre: half a propagation, the slice, half a propagation.
* The wave starts 6 Å above the highest atom and ends exactly at the exit plane. What lies below
  the exit plane does not act.
* Nothing is cut off, in real space or by an aperture. That the grid holds all that counts is shown
  by refining it.

Volts are not needed. A plane wave's phase shift is a scattering factor times wavelength and Lorentz
factor, for the interaction constant 2 pi m e lambda / h² multiplies a potential whose transform is
h² f / (2 pi m0 e) (Kirkland, Advanced Computing in Electron Microscopy, chapter 5).

>>> wave = exit_wave([42, 16], positions, box=12.0, points=240, step=0.05, width=0.0548)
"""

import json
from collections.abc import Iterator
from pathlib import Path

import abtem.parametrizations
import numpy as np
import scipy.fft
from ase.data import chemical_symbols
from scipy import constants

EXIT_DISTANCE = 3.0
# Vacuum above the highest atom, and more to the next period along the beam [Å]. An atom's potential
# falls over 6 Å to 3e-6 (Mo), 5e-5 (Cs) or less of its value at 0.5 Å.
ABOVE = 6.0
PERIOD_GAP = 4.0
PARAMETERS = json.loads(
    (Path(abtem.parametrizations.__file__).parent / "data" / "lobato.json").read_text()
)


def rest_energies(energy_kev):
    """Kinetic energy in units of the electron's rest energy."""
    return energy_kev * 1e3 * constants.e / (constants.m_e * constants.c**2)


def wavelength(energy_kev):
    """Relativistic de Broglie wavelength [Å]."""
    ratio = rest_energies(energy_kev)
    momentum = constants.m_e * constants.c * np.sqrt(ratio * (ratio + 2))
    return 1e10 * constants.h / momentum


def phase_per_scattering_factor(energy_kev):
    """Wavelength times Lorentz factor [Å]: turns f(k) [Å] into the transform of a phase [Å²]."""
    return wavelength(energy_kev) * (1 + rest_energies(energy_kev))


def scattering_factor(number, q_squared):
    """Electron scattering factor [Å] at q² [1/Å²], q the inverse of a lattice spacing."""
    total = np.zeros_like(q_squared)
    for a, b in zip(*PARAMETERS[chemical_symbols[number]], strict=True):
        fall = 1 / (1 + b * q_squared)
        total += a * fall * (1 + fall)
    return total


def debye_waller(q_squared, width):
    """Transform of a Gaussian of standard deviation `width` [Å] along each axis."""
    return np.exp(-2 * np.pi**2 * width**2 * q_squared)


def frequencies(points, sampling):
    """Squared spatial frequency at the points of a square transform [1/Å²]."""
    k = np.fft.fftfreq(points, sampling)
    return k[:, None] ** 2 + k[None, :] ** 2


def propagated(wave, sampling, distance, energy_kev=50.0):
    """The wave after a distance [Å] of free space, in the Fresnel approximation."""
    phase = -np.pi * wavelength(energy_kev) * distance * frequencies(len(wave), sampling)
    return scipy.fft.ifft2(scipy.fft.fft2(wave) * np.exp(1j * phase))


def relative_error(wave, truth):
    """Eq. (A.1) of the paper."""
    return np.sum(np.abs(wave - truth) ** 2) / np.sum(np.abs(truth - 1) ** 2)


def resampled(wave, size):
    """The wave on an even number of points a side, without the frequencies at the new border."""
    points, half = len(wave), size // 2
    kept = np.arange(-half + 1, half)
    spectrum = np.zeros((size, size), dtype=complex)
    spectrum[np.ix_(kept % size, kept % size)] = scipy.fft.fft2(wave)[
        np.ix_(kept % points, kept % points)
    ]
    return scipy.fft.ifft2(spectrum) * (size / points) ** 2


def slice_positions(height, step):
    """Number of slices, their thickness [Å] and their number in a period along the beam.

    The slices fill the way from the entrance to the exit plane exactly, and are as thick as `step`
    or a little thinner.
    """
    way = ABOVE + height + EXIT_DISTANCE
    count = int(np.ceil(way / step - 1e-9))
    thickness = way / count
    return count, thickness, count + int(np.ceil(PERIOD_GAP / thickness))


def slice_spectra(numbers, positions, box, points, step, width, rows=8):
    """Yield blocks of rows of the slices' projected scattering factors.

    Parameters
    ----------
    numbers, positions
        Atomic numbers, and positions [Å] with z from 0 at the highest atom along the beam.
    box, points
        Side of the periodic square [Å] and points along it.
    step : float
        Greatest thickness of a slice [Å].
    width : float
        Standard deviation of the atoms' vibration along each axis [Å].
    rows : int
        Rows in a block.

    Yields
    ------
    slice, (slices, rows, points / 2 + 1) array
        Where the rows (ky) lie in the half spectrum of a real array indexed [y, x], and the sum of
        f(q) exp(-2 pi² width² q²) exp(-2 pi i k r), integrated along z through each slice [Å].
    """
    numbers, positions = np.asarray(numbers), np.asarray(positions, dtype=float)
    count, thickness, in_period = slice_positions(np.ptp(positions[:, 2]), step)
    period = in_period * thickness
    # Beyond this frequency vibration damps everything to below 1e-6.
    limit = np.sqrt(np.log(1e6) / (2 * np.pi**2 * width**2))
    order = np.arange(-int(limit * period), int(limit * period) + 1)
    kz = order / period
    kx, ky = np.fft.rfftfreq(points, box / points), np.fft.fftfreq(points, box / points)
    # The integral over the first slice of a wave along z.
    through_slice = np.sinc(kz * thickness) * np.exp(2j * np.pi * kz * (0.5 * thickness - ABOVE))
    through_slice *= thickness / period
    for first in range(0, points, rows):
        block = slice(first, min(first + rows, points))
        lateral = ky[block, None] ** 2 + kx[None, :] ** 2
        q_squared = kz[:, None, None] ** 2 + lateral
        total = np.zeros(q_squared.shape, dtype=complex)
        for number in np.unique(numbers):
            x, y, z = positions[numbers == number].T
            wave_z = np.exp(-2j * np.pi * kz[:, None] * z)
            wave_y = np.exp(-2j * np.pi * ky[block, None] * y)
            wave_x = np.exp(-2j * np.pi * kx[None, :] * x[:, None])
            structure = (wave_z[:, None, :] * wave_y).reshape(-1, len(z)) @ wave_x
            total += structure.reshape(total.shape) * scattering_factor(number, q_squared)
        total *= debye_waller(q_squared, width) * through_slice[:, None, None]
        # Slices at equal distances see orders that differ by their number in a period as the same.
        folded = np.zeros((in_period, *lateral.shape), dtype=complex)
        np.add.at(folded, order % in_period, total)
        yield block, scipy.fft.ifft(folded, axis=0)[:count] * in_period


def slice_phases(
    numbers, positions, box, points, step, width, energy_kev=50.0
) -> Iterator[np.ndarray]:
    """Yield the phase shift of each slice [rad], indexed [y, x]."""
    count, _, _ = slice_positions(np.ptp(np.asarray(positions)[:, 2]), step)
    spectra = np.empty((count, points, points // 2 + 1), dtype=complex)
    for block, rows in slice_spectra(numbers, positions, box, points, step, width):
        spectra[:, block] = rows
    spectra *= phase_per_scattering_factor(energy_kev) * (points / box) ** 2
    for spectrum in spectra:
        yield scipy.fft.irfft2(spectrum, s=(points, points))


def exit_wave(numbers, positions, box, points, step, width, energy_kev=50.0):
    """The wave 3.0 Å below the lowest atom, relative to the incident wave, indexed [y, x]."""
    _, thickness, _ = slice_positions(np.ptp(np.asarray(positions)[:, 2]), step)
    phases = slice_phases(numbers, positions, box, points, step, width, energy_kev)
    return multislice(phases, thickness, box, energy_kev)


def multislice(phases, thickness, box, energy_kev=50.0):
    """The wave behind slices of equal thickness [Å], each of which acts at its centre."""
    spectrum, half_step = None, None
    for phase in phases:
        if spectrum is None:
            points = len(phase)
            k_squared = frequencies(points, box / points)
            half_step = np.exp(-0.5j * np.pi * wavelength(energy_kev) * thickness * k_squared)
            spectrum = np.zeros((points, points), dtype=complex)
            spectrum[0, 0] = points**2
        wave = scipy.fft.ifft2(spectrum * half_step, overwrite_x=True)
        wave *= np.exp(1j * phase)
        spectrum = scipy.fft.fft2(wave, overwrite_x=True) * half_step
    return scipy.fft.ifft2(spectrum)
