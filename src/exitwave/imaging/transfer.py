"""What the lenses do to the wave: phases of the aberrations, envelopes, displacement of fringes.

Signs and angles are abTEM's: the wave's Fourier components are multiplied with exp(-i chi), and
C10 = -defocus. Frequencies are in 1/Å, kx along a row and ky down a column, and angles run from x
towards y.

>>> k = np.fft.fftfreq(384, 0.1)
>>> transfer = transfer_function(draw, draw.defocus[0], k[np.newaxis, :], k[:, np.newaxis])
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from exitwave.imaging.microscope import MicroscopeDraw
from exitwave.multislice.electrons import electron_wavelength

Floats = NDArray[np.float64]


def aberration_phase(draw: MicroscopeDraw, defocus: float, kx: Floats, ky: Floats) -> Floats:
    """Return the phase chi of the aberrations [rad]; the wave is multiplied with exp(-i chi).

    With α = λ k and its azimuth φ,

        chi = 2π/λ (α²/2 (C10 + C12 cos 2(φ - phi12))
                    + α³/3 (C21 cos(φ - phi21) + C23 cos 3(φ - phi23)) + α⁴/4 C30),

    as `abtem.transfer.Aberrations` (Kirkland, Eq. (2.22); Uhlemann and Haider, Ultramicroscopy 72
    (1998) 109), here with the cosines written out in αx = α cos φ and αy = α sin φ.

    Parameters
    ----------
    draw : MicroscopeDraw
        Aberrations.
    defocus : float
        [Å]
    kx, ky : arrays that broadcast
        Spatial frequencies [1/Å].
    """
    wavelength = electron_wavelength(draw.energy_kev)
    ax, ay = wavelength * kx, wavelength * ky
    square = ax**2 + ay**2
    coma = draw.coma * (ax * math.cos(draw.coma_angle) + ay * math.sin(draw.coma_angle))
    twice = 2 * draw.astigmatism_angle
    path = square * (-defocus / 2 + coma / 3 + draw.spherical_aberration / 4 * square)
    if draw.astigmatism:
        path += (draw.astigmatism / 2) * (
            (ax**2 - ay**2) * math.cos(twice) + ax * ay * (2 * math.sin(twice))
        )
    if draw.trefoil:
        thrice = 3 * draw.trefoil_angle
        path += (draw.trefoil / 3) * (
            ax * (ax**2 - 3 * ay**2) * math.cos(thrice)
            + ay * (3 * ax**2 - ay**2) * math.sin(thrice)
        )
    path *= 2 * np.pi / wavelength
    return path


def defocus_phase(draw: MicroscopeDraw, defocus: float, k: Floats) -> NDArray[np.complex64]:
    """Return the factor that a defocus [Å] gives the wave along one axis.

    exp(-i chi) of C10 alone is exp(iπ λ defocus (kx² + ky²)), the product of this along x and y.
    """
    wavelength = electron_wavelength(draw.energy_kev)
    return np.asarray(np.exp(1j * np.pi * wavelength * defocus * k**2), dtype=np.complex64)


def shift_phase(shift: float, k: Floats) -> NDArray[np.complex128]:
    """Return the factor of the wave's components along one axis that moves it by a shift [Å]."""
    return np.asarray(np.exp(-2j * np.pi * shift * k))


def temporal_envelope(draw: MicroscopeDraw, square: Floats) -> Floats:
    """Return the quasi-coherent envelope of the focal spread at squared frequencies [1/Å²].

    exp(-(π λ Δ k² / 2)²) with Δ the 1/e width of the distribution of foci: `abtem.transfer.
    TemporalEnvelope`; Kirkland, Eq. (3.31) to first order. It is the mean of exp(iπ λ f k²) over
    foci f distributed as exp(-(f / Δ)²). The image of a truly incoherent average, which
    `exitwave.imaging.focal_spread` makes, differs by a few per cent of its contrast, since the
    terms that are quadratic in the scattered wave lose less.
    """
    factor = math.pi / 2 * electron_wavelength(draw.energy_kev) * draw.focal_spread
    return np.exp(-((factor * square) ** 2))


def blur_envelope(draw: MicroscopeDraw, square: Floats) -> Floats:
    """Return exp(-B² k² / 2) at squared frequencies [1/Å²]: abTEM's ``gaussian_spread`` of 2021."""
    return np.exp(square * (-(draw.blur**2) / 2))


def transfer_function(
    draw: MicroscopeDraw, defocus: float, kx: Floats, ky: Floats
) -> NDArray[np.complex64]:
    """Return the factor by which the lenses multiply the Fourier components of the wave.

    Parameters
    ----------
    draw : MicroscopeDraw
        Aberrations, focal spread and blur.
    defocus : float
        [Å]
    kx, ky : arrays that broadcast
        Spatial frequencies [1/Å].
    """
    square = kx**2 + ky**2
    envelope = (temporal_envelope(draw, square) * blur_envelope(draw, square)).astype(np.float32)
    chi = aberration_phase(draw, defocus, kx, ky)
    # Whole turns are taken off in double precision; what is left suits single precision, in which
    # sine and cosine are several times faster.
    chi -= 2 * np.pi * np.rint(chi / (2 * np.pi))
    angle = chi.astype(np.float32)
    transfer = np.empty(angle.shape, dtype=np.complex64)
    np.multiply(envelope, np.cos(angle), out=transfer.real)
    np.multiply(envelope, -np.sin(angle), out=transfer.imag)
    return transfer


def displacement(
    draw: MicroscopeDraw, defocus: float, kx: Floats, ky: Floats
) -> tuple[Floats, Floats]:
    """Return how far the aberrations carry the fringes of each frequency along x and y [Å].

    A wave packet of frequency k is moved by grad chi / (2π), the delocalisation of Coene and
    Jansen, Scanning Microscopy Supplement 6 (1992) 379.
    """
    wavelength = electron_wavelength(draw.energy_kev)
    ax, ay = wavelength * kx, wavelength * ky
    square = ax**2 + ay**2
    cos12 = draw.astigmatism * math.cos(2 * draw.astigmatism_angle)
    sin12 = draw.astigmatism * math.sin(2 * draw.astigmatism_angle)
    cos21 = draw.coma / 3 * math.cos(draw.coma_angle)
    sin21 = draw.coma / 3 * math.sin(draw.coma_angle)
    radial = -defocus + draw.spherical_aberration * square + 2 * (cos21 * ax + sin21 * ay)
    along_x = radial * ax + cos12 * ax + sin12 * ay + cos21 * square
    along_y = radial * ay + sin12 * ax - cos12 * ay + sin21 * square
    if draw.trefoil:
        cos23 = draw.trefoil * math.cos(3 * draw.trefoil_angle)
        sin23 = draw.trefoil * math.sin(3 * draw.trefoil_angle)
        difference, product = ax**2 - ay**2, 2 * ax * ay
        along_x = along_x + cos23 * difference + sin23 * product
        along_y = along_y - cos23 * product + sin23 * difference
    return along_x, along_y


def box_frequencies(points: int, box: float) -> Floats:
    """Return the frequencies along one axis of a periodic box [1/Å], in the order of the FFT."""
    frequencies: Floats = np.fft.fftfreq(points, box / points).astype(np.float64, copy=False)
    return frequencies
