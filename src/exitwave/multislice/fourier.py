"""Our own multislice: potentials straight in Fourier space, two FFTs of the wave per plane.

The phase shift of a plane is the inverse transform of

    Φ(k) = λ γ Σ f(q) exp(-2π² σ² q² + 2π² s² κ²) Σ w exp(-2πi k·r),   q² = k² + κ²,   κ = λ k² / 2,

over the elements and over the atoms with a share w in the plane
(`exitwave.multislice.atom_planes`). f is the scattering factor at rest [Å], and κ the frequency
along the beam that the Ewald sphere requires for single scattering; s² is the mean variance of
the shares, whose damping is undone. The sum over atoms is a product of two thin matrices, exp(-2πi
ky y) w and exp(-2πi kx x), so positions are exact, and there is neither a cut-off radius nor a
table.

Only frequencies of the wave up to two thirds of Nyquist's along each axis are kept: what its
product with the transmission folds back lies beyond them, but for the little that the highest
frequencies of the potential do. They form a square block, with which propagation is computed;
transforms skip what lies outside. The block is stored from its lowest frequency on. The wave in
real space is thereby modulated, which the transmission does not notice.

`exitwave.multislice.batches` does the same for many specimens at once on a GPU.

>>> wave = fourier_wave(specimen, passage)     # complex64, indexed [y, x]
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from exitwave.multislice.atom_planes import Plane, mean_variance, shared_among_planes
from exitwave.multislice.atomic_scattering import scattering_factor
from exitwave.multislice.electrons import electron_wavelength, phase_per_scattering_factor
from exitwave.multislice.row_blocks import active_rows, blocks
from exitwave.specimens.build import Specimen

Complex = NDArray[np.complex64]
# NumPy's or CuPy's.
Array = Any

# Mean distance along the beam of two points of an atom at rest [Å]. Found by comparing waves
# with the tests' reference; with half or twice as much the error is up to four times as large.
_CORE_DISTANCE = 0.055
# Frequencies of the potential which vibration damps to less than this are left out beyond the
# wave's band, in which they act only together with others.
_DAMPED = 0.1
# The damping by the shares' variance is undone up to this exponent: what it damps more is weak.
_MOST_UNDONE = 0.5
# Rows in which no atom shifts the phase by more than this share of its peak are passed unaltered.
_NEGLIGIBLE_SHIFT = 3e-4
# Rows whose transforms along x stay in the processor's cache.
_ROWS_AT_ONCE = 32


@dataclass(frozen=True)
class Passage:
    """How the wave passes a specimen."""

    energy_kev: float
    points: int
    """Points along a side of the box, even."""
    stored_points: int
    """Points along a side of the wave that is returned, even, at most `points`."""
    plane_distance: float
    """Distance of the planes in which atoms act [Å]."""
    exit_distance: float
    """From the lowest atom to the exit plane [Å]."""
    smearing_width: float
    """Standard deviation of the atoms' vibration along each axis [Å]."""
    parametrization: str
    """Of the scattering factors."""


def fourier_wave(specimen: Specimen, passage: Passage) -> Complex:
    """Return the wave at the exit plane, relative to the incident plane wave.

    Parameters
    ----------
    specimen : Specimen
        Atoms in their box, with z along the beam from 0 at the highest.
    passage : Passage
        Energy, grid, planes, potentials.

    Returns
    -------
    (stored_points, stored_points) array of complex64
        Indexed [y, x].
    """
    band = Band(passage, specimen.box)
    depths = specimen.positions[:, 2]
    width = mean_distance(passage)
    planes = shared_among_planes(depths.max() - depths, plane_distance(passage), width)
    factors = {
        int(number): phase_factor(int(number), specimen.box, passage, band.rows, band.half)
        for number in np.unique(specimen.numbers)
    }
    rows, turned = _fewest_rows(specimen, planes, factors, passage)
    places = specimen.positions[:, [1, 0] if turned else [0, 1]]
    potential = _Potential(specimen.numbers, places, factors, band)
    optics = _Optics(passage, band)
    spectrum = None
    ends = [*(plane.height for plane in planes[1:]), -passage.exit_distance]
    for plane, end, active in zip(planes, ends, rows, strict=True):
        spectrum = optics.transmitted(spectrum, potential.spectrum(plane), active)
        spectrum = optics.propagated(spectrum, plane.height - end)
    wave: Complex = stored_waves(spectrum, passage, band, np, fft)
    return np.ascontiguousarray(wave.T) if turned else wave


def mean_distance(passage: Passage) -> float:
    """Return the mean distance along the beam of two points of a vibrating atom [Å]."""
    # Two points of a Gaussian are 2 σ / sqrt(π) apart.
    return _CORE_DISTANCE + 2 / math.sqrt(math.pi) * passage.smearing_width


def plane_distance(passage: Passage) -> float:
    """Return the distance of the planes [Å]: four of them must be able to hold an atom."""
    return max(passage.plane_distance, 2 * mean_distance(passage))


class Band:
    """The square block of the wave's frequencies that is kept, and that of the potential."""

    def __init__(self, passage: Passage, box: float) -> None:
        self.points = passage.points
        self.highest = (passage.points - 1) // 3
        self.size = 2 * self.highest + 1
        self.frequencies = np.arange(-self.highest, self.highest + 1) / box
        """Of the wave, ascending [1/Å]."""
        self.potential_highest = max(self.highest, _undamped(passage, box))
        self.half = np.arange(self.potential_highest + 1) / box
        """Of the potential, not negative [1/Å]."""
        # Rows of a real array's transform: from zero up, then the negative ones.
        self.rows = np.concatenate([self.half, -self.half[:0:-1]])


def _undamped(passage: Passage, box: float) -> int:
    """Return the highest order of the potential that the grid holds and vibration leaves."""
    nyquist = passage.points // 2 - 1
    if passage.smearing_width == 0:
        return nyquist
    damped = math.sqrt(-math.log(_DAMPED) / 2) / (math.pi * passage.smearing_width)
    return min(nyquist, math.ceil(damped * box))


class _Potential:
    """Transforms of the phase shifts in the planes."""

    def __init__(
        self,
        numbers: NDArray[np.integer],
        places: NDArray[np.float64],
        factors: dict[int, NDArray[np.float32]],
        band: Band,
    ) -> None:
        self.numbers = numbers
        self.along_y = _waves(band.rows, places[:, 1])
        self.along_x = _waves(band.half, places[:, 0])
        # Complex, for a product of complex with real numbers would convert these each time.
        self.factors = {number: factor.astype(np.complex64) for number, factor in factors.items()}
        # On the rows of the full grid; those beyond the band stay zero.
        self.highest = band.potential_highest
        self.full = np.zeros((band.points, self.highest + 1), dtype=np.complex64)

    def spectrum(self, plane: Plane) -> Complex:
        """Return the half transform, indexed [ky, kx], valid until the next call."""
        total: Any = 0
        for number, factor in self.factors.items():
            own = self.numbers[plane.atoms] == number
            if not own.any():
                continue
            atoms = plane.atoms[own]
            weights = plane.weights[own].astype(np.float32)
            part = (self.along_y[atoms] * weights[:, None]).T @ self.along_x[atoms]
            part *= factor
            total = part + total
        self.full[: self.highest + 1] = total[: self.highest + 1]
        self.full[-self.highest :] = total[self.highest + 1 :]
        return self.full


def _waves(frequencies: NDArray[np.float64], places: NDArray[np.float64]) -> Complex:
    """Return exp(-2πi k x), indexed [atom, frequency]."""
    waves = np.exp(-2j * np.pi * places[:, None] * frequencies)
    return np.asarray(waves, dtype=np.complex64)


def phase_factor(number: int, box: float, passage: Passage, rows: Array, half: Array) -> Array:
    """Return an element's phase shift as a transform on the grid.

    Parameters
    ----------
    number : int
        Atomic number.
    box : float
        Side of the box [Å].
    passage : Passage
        Energy, grid, planes, potentials.
    rows, half : (2 n - 1,) and (n,) arrays
        `Band.rows` and `Band.half` [1/Å], of NumPy or CuPy.

    Returns
    -------
    (2 n - 1, n) array of float32
        Of the same module, indexed [ky, kx].

    Raises
    ------
    SpecimenError
        Where the parametrisation has no values for the element.
    """
    k_squared = rows[:, None] ** 2 + half**2
    along_beam = (0.5 * electron_wavelength(passage.energy_kev) * k_squared) ** 2
    q_squared = k_squared + along_beam
    spread = mean_variance(plane_distance(passage), mean_distance(passage))
    damping = np.minimum(2 * np.pi**2 * spread * along_beam, _MOST_UNDONE)
    damping -= 2 * np.pi**2 * passage.smearing_width**2 * q_squared
    scale = phase_per_scattering_factor(passage.energy_kev) * (passage.points / box) ** 2
    factor = scale * np.exp(damping)
    factor *= scattering_factor(number, passage.parametrization, q_squared)
    return factor.astype(np.float32)


def _reach(factor: NDArray[np.float32], points: int) -> int:
    """Return within how many rows an element's phase shift exceeds a share of its peak."""
    # Along the line through the atom: the integral over kx.
    line = factor[:, 0] + 2 * factor[:, 1:].sum(axis=1)
    highest = len(line) // 2
    full = np.zeros(points)
    full[: highest + 1], full[-highest:] = line[: highest + 1], line[highest + 1 :]
    shift = np.abs(np.fft.ifft(full)[: points // 2])
    return int(np.flatnonzero(shift > _NEGLIGIBLE_SHIFT * shift[0])[-1])


def _fewest_rows(
    specimen: Specimen,
    planes: list[Plane],
    factors: dict[int, NDArray[np.float32]],
    passage: Passage,
) -> tuple[list[NDArray[np.bool_]], bool]:
    """Return the rows on which each plane acts, and whether they are laid along y to be fewer."""
    points = passage.points
    sampling = specimen.box / points
    by_element = {number: sampling * _reach(factor, points) for number, factor in factors.items()}
    reaches = np.array([by_element[int(number)] for number in specimen.numbers])
    along_x, along_y = (
        [
            active_rows(
                specimen.positions[plane.atoms, axis], reaches[plane.atoms], sampling, points
            )
            for plane in planes
        ]
        for axis in (1, 0)
    )
    turned = bool(np.sum(along_y) < np.sum(along_x))
    return (along_y if turned else along_x), turned


class _Optics:
    """Transmission through planes and propagation between them, of the kept block."""

    def __init__(self, passage: Passage, band: Band) -> None:
        self.passage = passage
        self.band = band
        self.phase_per_angstrom = (
            -np.pi * electron_wavelength(passage.energy_kev) * band.frequencies**2
        )
        self.propagators: dict[float, Complex] = {}

    def transmitted(
        self, spectrum: Complex | None, potential: Complex, active: NDArray[np.bool_]
    ) -> Complex:
        """Return the block behind a plane; before the first one there is none yet.

        Parameters
        ----------
        spectrum : (size, size) array or None
            Block before the plane, None for the plane wave.
        potential : (points, potential_highest + 1) array
            Half transform of the phase shift.
        active : (points,) array of bool
            Rows in which the phase shift counts.
        """
        points, size = self.passage.points, self.band.size
        potential = fft.ifft(potential, axis=0)
        before = self._plane_wave() if spectrum is None else fft.ifft(spectrum, n=points, axis=0)
        # From here on `before` becomes the wave behind the plane, row by row.
        for rows, acts in blocks(active, _ROWS_AT_ONCE):
            if acts:
                wave = phasors(fft.irfft(potential[rows], n=points, axis=1))
                wave *= fft.ifft(before[rows], n=points, axis=1)
                before[rows] = fft.fft(wave, axis=1, overwrite_x=True)[:, :size]
        block: Complex = fft.fft(before, axis=0, overwrite_x=True)[:size]
        return block

    def _plane_wave(self) -> Complex:
        """Return the incident wave, transformed along x; zero is not the block's first order."""
        points, zero = self.passage.points, self.band.highest
        turns = np.arange(points) * zero % points / points
        wave = np.zeros((points, self.band.size), dtype=np.complex64)
        wave[:, zero] = points * np.exp(2j * np.pi * turns)
        return wave

    def propagated(self, spectrum: Complex, distance: float) -> Complex:
        """Return the block after a distance [Å], in the Fresnel approximation."""
        # Most planes are equally far apart; to the rounding nothing is sensitive.
        distance = round(distance, 6)
        if distance not in self.propagators:
            phases = np.exp(1j * distance * self.phase_per_angstrom)
            self.propagators[distance] = (phases[:, None] * phases).astype(np.complex64)
        spectrum *= self.propagators[distance]
        return spectrum


def phasors(phases: Array, arrays: Any = np) -> Array:
    """Return exp(iφ), in complex64, of phases [rad] in float32."""
    result = arrays.empty(phases.shape, dtype=np.complex64)
    # Several times faster than the exponential of a complex array.
    result.real = arrays.cos(phases)
    result.imag = arrays.sin(phases)
    return result


def stored_waves(
    spectra: Array, passage: Passage, band: Band, arrays: Any, transforms: Any
) -> Array:
    """Return waves on their stored points; frequencies at their border are dropped.

    Parameters
    ----------
    spectra : (..., size, size) array of complex64
        Blocks of one wave or more.
    passage : Passage
        Grid.
    band : Band
        The block.
    arrays, transforms : module
        NumPy and SciPy's FFT, or those of CuPy.

    Returns
    -------
    (..., stored_points, stored_points) array of complex64
        Indexed [..., y, x].
    """
    size, centre = passage.stored_points, band.highest
    most = min(size // 2 - 1, band.highest)
    ranges = (
        (slice(0, most + 1), slice(centre, centre + most + 1)),
        (slice(size - most, size), slice(centre - most, centre)),
    )
    kept = arrays.zeros((*spectra.shape[:-2], size, size), dtype=np.complex64)
    for (to_y, from_y), (to_x, from_x) in itertools.product(ranges, repeat=2):
        kept[..., to_y, to_x] = spectra[..., from_y, from_x]
    waves = transforms.ifft2(kept, overwrite_x=True)
    waves *= np.float32((size / passage.points) ** 2)
    return waves
