"""The fast electron: its wavelength, and the phase it gains from a scattering factor."""

from __future__ import annotations

import math

from scipy import constants


def electron_wavelength(energy_kev: float) -> float:
    """Return the relativistic de Broglie wavelength [Å] of electrons of an energy [keV].

    λ = h c / sqrt(E (2 m c² + E)); Kirkland, Advanced Computing in Electron Microscopy, Eq. (2.5).
    """
    energy = 1e3 * energy_kev * constants.e
    rest = constants.m_e * constants.c**2
    return float(1e10 * constants.h * constants.c / math.sqrt(energy * (2 * rest + energy)))


def phase_per_scattering_factor(energy_kev: float) -> float:
    """Return what turns a scattering factor [Å] into the transform of a phase [rad Å²], in Å.

    Wavelength times Lorentz factor: the interaction constant 2π m e λ / h² times h² / (2π m₀ e),
    the volts that belong to a scattering factor (Kirkland, chapter 5).
    """
    lorentz = 1 + 1e3 * energy_kev * constants.e / (constants.m_e * constants.c**2)
    return float(electron_wavelength(energy_kev) * lorentz)
