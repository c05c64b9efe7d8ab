"""Focal series of a model crystal, at the conditions that a network was trained for.

They compare two computations of one network: the atoms are Gaussians of phase on a honeycomb, the
lenses have a defocus only, the electrons are drawn. How good a network is they do not show.

>>> model_series(network, (128, 96), number=0).shape
(1, 128, 96, 3)
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from exitwave.multislice.electrons import electron_wavelength
from exitwave.networks.domain import TrainingDomain
from exitwave.networks.trained import Network
from exitwave.seeds import generator

# The lattice constant of 2H-MoS2, the phases of its two sites [rad], and their width [Å].
_LATTICE, _PHASES, _WIDTH = 3.16, (0.8, 0.5), 0.35
_DOSE_PER_SQUARE_ANGSTROM = 1e4


def model_sampling(domain: TrainingDomain | None) -> float:
    """Return a side of a pixel [Å] that a network was trained for."""
    limits = domain.sampling_angstrom if domain is not None else None
    return 0.1 if limits is None else (limits[0] + limits[1]) / 2


def model_series(network: Network, size: tuple[int, int], number: int) -> NDArray[np.float32]:
    """Return a series of a model crystal.

    Parameters
    ----------
    network : Network
        Its domain gives energy, pixel and steps of the defocus; where it records none, 80 keV,
        0.1 Å and 50 Å.
    size : tuple of (int, int)
        Of the images, (y, x) [pixel].
    number : int
        Gives another turn of the crystal and other noise.

    Returns
    -------
    array of shape (1, y, x, frame)
        Electrons per pixel.
    """
    domain, images = network.domain, network.settings.images
    pixel, energy, step = model_sampling(domain), 80.0, 50.0
    if domain is not None and domain.energy_kev is not None:
        energy = sum(domain.energy_kev) / 2
    if domain is not None and domain.defocus_step_angstrom is not None:
        step = sum(domain.defocus_step_angstrom) / 2
    draw = generator(1, "model_series", number)
    spectrum = np.fft.fft2(np.exp(1j * _phase(size, pixel, draw.uniform(0, np.pi / 3))))
    ky, kx = (np.fft.fftfreq(side, pixel) for side in size)
    square = ky[:, np.newaxis] ** 2 + kx**2
    # Positive defocus is underfocus, as in exitwave.imaging.transfer.
    turn = 1j * np.pi * electron_wavelength(energy) * square
    foci = step * (np.arange(images) - (images - 1) / 2)
    waves = [np.fft.ifft2(spectrum * np.exp(turn * defocus)) for defocus in foci]
    intensity = np.abs(np.stack(waves, axis=-1)) ** 2
    counts = draw.poisson(_DOSE_PER_SQUARE_ANGSTROM * pixel**2 * intensity)
    return counts.astype(np.float32)[np.newaxis]


def _phase(size: tuple[int, int], pixel: float, angle: float) -> NDArray[np.float64]:
    """Return the phase of a honeycomb of Gaussians [rad], summed up from its plane waves."""
    place = pixel * np.indices(size)
    x = np.cos(angle) * place[1] + np.sin(angle) * place[0]
    y = np.cos(angle) * place[0] - np.sin(angle) * place[1]
    area = np.sqrt(3) / 2 * _LATTICE**2
    phase = np.zeros(size)
    for h, k in np.ndindex(7, 7):
        kx = (h - 3) / _LATTICE
        ky = ((h - 3) + 2 * (k - 3)) / (np.sqrt(3) * _LATTICE)
        height = 2 * np.pi * _WIDTH**2 / area * np.exp(-2 * (np.pi * _WIDTH) ** 2 * (kx**2 + ky**2))
        for site, value in enumerate(_PHASES):
            down = y - site * _LATTICE / np.sqrt(3)
            phase += value * height * np.cos(2 * np.pi * (kx * x + ky * down))
    return phase
