"""The multislice of `exitwave.multislice.fourier` for many specimens at once, on a GPU.

The specimens of a batch pass their planes in step. What is known of the atoms is copied to the
GPU once per batch, the waves come back once per batch, and nothing is copied in between. Planes
are counted from the highest atom of each specimen; one with fewer planes than others goes on
through empty ones without a distance between them, which alter its wave by rounding alone.

The formulas, the band and the weights are those of one wave on a processor. What differs is what a
GPU is good at: whole two-dimensional transforms, since rows without atoms cost it less than to find
them, and exp(-2πi k·r) computed again in each plane, so that memory does not grow with the number
of atoms.

>>> waves = fourier_waves(specimens, passages)     # complex64 arrays, indexed [y, x]
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from exitwave.multislice.atom_planes import shared_among_planes
from exitwave.multislice.electrons import electron_wavelength
from exitwave.multislice.fourier import (
    Array,
    Band,
    Complex,
    Passage,
    mean_distance,
    phase_factor,
    phasors,
    plane_distance,
    stored_waves,
)
from exitwave.specimens.build import Specimen

# Some 40 waves of 768 x 768 points: more would not make a GPU faster.
_BATCH_BYTES = 2 * 2**30
# What is in memory at once: wave, transmission, phase shift, copies and work areas of transforms,
# in units of the wave; exponentials in complex64 and before in float64, in units of the former.
_WAVES, _EXPONENTIALS = 10, 6


def fourier_waves(
    specimens: Sequence[Specimen],
    passages: Sequence[Passage],
    device: Literal["cpu", "gpu"] = "gpu",
) -> list[Complex]:
    """Return the waves at the exit plane, relative to the incident plane wave.

    A wave depends on the others of its batch by rounding alone, and differs as little from that of
    `exitwave.multislice.fourier.fourier_wave`: by less than 1e-6 in Eq. (A.1) of the paper.

    Parameters
    ----------
    specimens : sequence of Specimen
        Atoms in their boxes, with z along the beam from 0 at the highest.
    passages : sequence of Passage
        Energy, grid, planes, potentials of each. Those that differ in no more than the energy and
        the exit distance, in boxes of the same size, share a batch.
    device : {'cpu', 'gpu'}
        NumPy with SciPy's FFT, or CuPy.

    Returns
    -------
    list of (stored_points, stored_points) arrays of complex64
        In the order of the specimens, indexed [y, x].

    Raises
    ------
    SpecimenError
        Where the scattering factors lack an element of any specimen.
    """
    arrays, fft = array_modules(device)
    crossings = [
        _Crossing.of(specimen, passage)
        for specimen, passage in zip(specimens, passages, strict=True)
    ]
    waves: dict[int, Complex] = {}
    for places in _batches(crossings):
        batch = _Batch([crossings[place] for place in places], arrays, fft)
        waves.update(zip(places, batch.waves(), strict=True))
        del batch
        _give_back(arrays)
    return [waves[place] for place in range(len(crossings))]


def array_modules(device: Literal["cpu", "gpu"]) -> tuple[Any, Any]:
    """Return the modules of arrays and of their FFTs, which have the same functions."""
    if device == "gpu":
        import cupy
        import cupyx.scipy.fft

        return cupy, cupyx.scipy.fft
    import scipy.fft

    return np, scipy.fft


def _give_back(arrays: Any) -> None:
    """Return the memory that CuPy keeps, where batches of several shapes have left much of it."""
    if arrays is not np:
        pool = arrays.get_default_memory_pool()
        if pool.total_bytes() > 2 * _BATCH_BYTES:
            # Prepared transforms have work areas of the size of a batch.
            arrays.fft.config.get_plan_cache().clear()
            pool.free_all_blocks()


@dataclass(frozen=True)
class _Crossing:
    """One specimen's way through its planes: an entry for each atom in each plane that it acts in.

    Entries are ordered by the plane and then by the element, together their *cell*.
    """

    passage: Passage
    box: float
    band: Band
    elements: NDArray[np.integer]
    """Atomic numbers, ascending."""
    distances: NDArray[np.float64]
    """From each plane, the highest first, to the next, and from the last to the exit plane [Å]."""
    cells: NDArray[np.int64]
    """(entries,): plane times the number of elements plus place among the elements."""
    entries: NDArray[np.float64]
    """(3, entries): x and y over the box's side, and the share."""

    @classmethod
    def of(cls, specimen: Specimen, passage: Passage) -> _Crossing:
        depths = specimen.positions[:, 2]
        planes = shared_among_planes(
            depths.max() - depths, plane_distance(passage), mean_distance(passage)
        )
        elements, kinds = np.unique(specimen.numbers, return_inverse=True)
        atoms = np.concatenate([plane.atoms for plane in planes])
        shares = np.concatenate([plane.weights for plane in planes])
        numbers = np.repeat(np.arange(len(planes)), [len(plane.atoms) for plane in planes])
        cells = numbers * len(elements) + kinds[atoms]
        order = np.argsort(cells, kind="stable")
        turns = specimen.positions[atoms, :2].T / specimen.box
        return cls(
            passage=passage,
            box=specimen.box,
            band=Band(passage, specimen.box),
            elements=elements,
            distances=-np.diff([*(plane.height for plane in planes), -passage.exit_distance]),
            cells=cells[order],
            entries=np.vstack([turns, shares])[:, order],
        )

    @property
    def planes(self) -> int:
        return len(self.distances)

    @property
    def counts(self) -> NDArray[np.int64]:
        """(planes, elements): entries of each cell."""
        shape = (self.planes, len(self.elements))
        return np.bincount(self.cells, minlength=shape[0] * shape[1]).reshape(shape)

    @property
    def bytes(self) -> int:
        """What it takes of the GPU's memory, about."""
        rows, half = len(self.band.rows), len(self.band.half)
        exponentials = _EXPONENTIALS * int(self.counts.max()) * (rows + half)
        factors = (len(self.elements) + 4) * rows * half
        return 8 * (_WAVES * self.passage.points**2 + exponentials + factors)

    @property
    def company(self) -> tuple[Passage, float]:
        """What those that share a batch have in common."""
        return replace(self.passage, energy_kev=0.0, exit_distance=0.0), self.box


def _batches(crossings: Sequence[_Crossing]) -> Iterator[list[int]]:
    """Yield the places of those that pass together: few planes with few, as memory allows."""
    groups = defaultdict(list)
    for place, crossing in enumerate(crossings):
        groups[crossing.company].append(place)
    for group in groups.values():
        group.sort(key=lambda place: crossings[place].planes)
        most = max(crossings[place].bytes for place in group)
        parts = min(-(-most * len(group) // _BATCH_BYTES), len(group))
        for part in np.array_split(group, parts):
            yield part.tolist()


class _Batch:
    """Specimens that pass their planes together."""

    def __init__(self, crossings: list[_Crossing], arrays: Any, fft: Any) -> None:
        self.arrays, self.fft = arrays, fft
        self.passage, self.band = crossings[0].passage, crossings[0].band
        self.size = len(crossings)
        self._copy_atoms(crossings)
        self._copy_optics(crossings)
        points = self.passage.points
        # On the rows of the full grid; those beyond the band stay zero.
        shape = (self.size, points, self.band.potential_highest + 1)
        self.potential = arrays.zeros(shape, dtype=np.complex64)
        # Orders of the frequencies, which times the places over the box's side are turns.
        self.half = arrays.asarray(np.arange(self.band.potential_highest + 1.0))
        self.rows = arrays.asarray(self.band.rows * crossings[0].box)

    def _copy_atoms(self, crossings: list[_Crossing]) -> None:
        """Copy places and shares, in a block for each plane and element of [specimen, atom].

        A block is as wide as the specimen with most atoms in it needs; the others fill theirs up
        with atoms that have no share.
        """
        planes = max(crossing.planes for crossing in crossings)
        slots = max(len(crossing.elements) for crossing in crossings)
        counts = np.zeros((planes, slots, self.size), dtype=np.int64)
        for place, crossing in enumerate(crossings):
            counts[: crossing.planes, : len(crossing.elements), place] = crossing.counts
        self.widths = counts.max(axis=2)
        """(planes, slots); an element's slot is its place among those of its specimen."""
        ends = self.size * np.cumsum(self.widths).reshape(planes, slots)
        self.firsts = ends - self.size * self.widths
        entries = np.zeros((3, ends[-1, -1]))
        for place, crossing in enumerate(crossings):
            plane, slot = np.divmod(crossing.cells, len(crossing.elements))
            within = np.arange(len(plane)) - np.searchsorted(crossing.cells, crossing.cells)
            first = self.firsts[plane, slot] + place * self.widths[plane, slot]
            entries[:, first + within] = crossing.entries
        self.entries = self.arrays.asarray(entries)

    def _copy_optics(self, crossings: list[_Crossing]) -> None:
        """Copy distances and frequencies, and compute each element's factor at each energy."""
        planes, slots = self.widths.shape
        distances = np.zeros((planes, self.size, 1))
        species: dict[tuple[int, float], int] = {}
        kinds = np.zeros((slots, self.size), dtype=np.int64)
        for place, crossing in enumerate(crossings):
            distances[: crossing.planes, place, 0] = crossing.distances
            for slot, number in enumerate(crossing.elements):
                key = int(number), crossing.passage.energy_kev
                kinds[slot, place] = species.setdefault(key, len(species))
        # Turns of the phase per ångström, indexed [specimen, frequency].
        wavelengths = [electron_wavelength(each.passage.energy_kev) for each in crossings]
        turns = 0.5 * np.array(wavelengths)[:, None] * self.band.frequencies**2
        self.distances = self.arrays.asarray(distances)
        self.turns = self.arrays.asarray(turns)
        self.kinds = self.arrays.asarray(kinds)
        """(slots, specimens): which of the factors."""
        rows, half = self.arrays.asarray(self.band.rows), self.arrays.asarray(self.band.half)
        shape = (len(species), len(self.band.rows), len(self.band.half))
        self.factors = self.arrays.empty(shape, dtype=np.float32)
        for (number, energy), kind in species.items():
            passage = replace(self.passage, energy_kev=energy)
            self.factors[kind] = phase_factor(number, crossings[0].box, passage, rows, half)

    def waves(self) -> Complex:
        """Return the waves, indexed [specimen, y, x]."""
        points, size, zero = self.passage.points, self.band.size, self.band.highest
        spectra = self.arrays.zeros((self.size, size, size), dtype=np.complex64)
        spectra[:, zero, zero] = points**2
        for plane in range(len(self.widths)):
            # Zeros are filled in behind the highest frequencies of the block.
            waves = self.fft.ifft2(spectra, s=(points, points), axes=(1, 2))
            waves *= self._transmissions(plane)
            spectra = self.fft.fft2(waves, axes=(1, 2), overwrite_x=True)[:, :size, :size]
            along = self._exponentials(self.turns * self.distances[plane])
            spectra = spectra * along[:, :, None]
            spectra *= along[:, None, :]
        waves = stored_waves(spectra, self.passage, self.band, self.arrays, self.fft)
        return np.asarray(waves if self.arrays is np else self.arrays.asnumpy(waves))

    def _transmissions(self, plane: int) -> Array:
        points, highest = self.passage.points, self.band.potential_highest
        total = self._spectra(plane)
        self.potential[:, : highest + 1] = total[:, : highest + 1]
        self.potential[:, -highest:] = total[:, highest + 1 :]
        phases = self.fft.irfft2(self.potential, s=(points, points), axes=(1, 2))
        return phasors(phases, self.arrays)

    def _spectra(self, plane: int) -> Array:
        """Return the half transforms of the phase shifts, indexed [specimen, ky, kx]."""
        total: Array = None
        for slot, kinds in enumerate(self.kinds):
            first, width = int(self.firsts[plane, slot]), int(self.widths[plane, slot])
            if not width:
                continue
            block = slice(first, first + self.size * width)
            x, y, shares = (self.entries[i, block].reshape(self.size, width) for i in range(3))
            along_y = self._exponentials(self.rows[:, None] * y[:, None, :])
            along_y *= shares.astype(np.float32)[:, None, :]
            part = along_y @ self._exponentials(x[:, :, None] * self.half)
            part *= self.factors[kinds]
            total = part if total is None else total + part
        return total

    def _exponentials(self, turns: Array) -> Array:
        """Return exp(-2πi t), in complex64, of turns in float64."""
        # Whole turns are taken off before float32 would round their many digits.
        turns = turns - self.arrays.rint(turns)
        return phasors((-2 * np.pi * turns).astype(np.float32), self.arrays)
