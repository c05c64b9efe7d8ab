"""The exit wave of a specimen, by abTEM's multislice or by our own in Fourier space.

>>> wave = exit_wave(specimen, Multislice())     # complex64, indexed [y, x]
>>> waves = exit_waves(specimens, [Multislice()] * len(specimens), "gpu")
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import scipy.fft
from ase import Atoms
from ase.data import chemical_symbols
from numpy.typing import NDArray
from scipy import constants
from threadpoolctl import threadpool_limits

from exitwave.config import Multislice
from exitwave.errors import SpecimenError
from exitwave.multislice.atomic_scattering import parametrization_class
from exitwave.multislice.batches import fourier_waves
from exitwave.multislice.fourier import Passage, fourier_wave
from exitwave.specimens.build import Specimen

# Vacuum above the highest atom [Å]. With abTEM's finite projection the tail of an atom's potential
# there counts; with the infinite one every atom lies wholly in its slice.
_ENTRANCE = {"finite": 2.0, "infinite": 0.0}


def mean_square_displacement(mass: float, debye_temperature: float, temperature: float) -> float:
    """Return the mean square displacement of Eq. (1) of the paper [Å²].

    Parameters
    ----------
    mass : float
        Atomic mass [Da].
    debye_temperature, temperature : float
        [K]
    """
    kilogram = mass * constants.atomic_mass
    square_metre = (
        3
        * constants.hbar**2
        / (2 * kilogram * constants.k * debye_temperature)
        * (0.25 + temperature / debye_temperature)
    )
    return float(square_metre * 1e20)


def smearing_width(settings: Multislice) -> float:
    """Return the standard deviation along each axis by which potentials are smeared [Å].

    The root of Eq. (1), 0.0548 Å with the paper's values; none with frozen phonons, whose atoms
    are displaced instead (see `exitwave.multislice.thermal`).
    """
    if settings.thermal == "frozen_phonons":
        return 0.0
    return math.sqrt(
        mean_square_displacement(
            settings.debye_mass_dalton,
            settings.debye_temperature_kelvin,
            settings.temperature_kelvin,
        )
    )


def with_drawn_energy(settings: Multislice, rng: np.random.Generator) -> Multislice:
    """Return the settings of one specimen: a range of energies becomes one, drawn uniformly."""
    if isinstance(settings.energy_kev, float):
        return settings
    return settings.model_copy(update={"energy_kev": float(rng.uniform(*settings.energy_kev))})


def single_energy(settings: Multislice) -> float:
    """Return the energy [keV] of settings whose energy is settled.

    Raises
    ------
    ValueError
        Where they still hold a range; `with_drawn_energy` draws from it.
    """
    if not isinstance(settings.energy_kev, float):
        raise ValueError(f"one energy is needed, not the range {list(settings.energy_kev)} keV")
    return settings.energy_kev


def grid_points(settings: Multislice, box: float) -> int:
    """Return the points along a side of the box [Å]: the sampling asked for, or a little finer.

    The number is even and has no prime factor above 5, for which FFTs are several times faster.
    """
    wanted = math.ceil(box / settings.sampling_angstrom - 1e-6)
    return fast_even_size(wanted)


def fast_even_size(least: int) -> int:
    """Return the smallest even number of the form 2^a 3^b 5^c that is not below `least`."""
    return 2 * int(scipy.fft.next_fast_len(math.ceil(least / 2), real=True))


def stored_points(settings: Multislice, box: float) -> int:
    """Return the points along a side of the stored wave, which holds the wanted band."""
    full = grid_points(settings, box)
    return min(full, fast_even_size(math.ceil(2 * settings.max_frequency_per_angstrom * box)))


def slice_thicknesses(
    heights: NDArray[np.float64], settings: Multislice
) -> tuple[float, tuple[float, ...]]:
    """Return where the highest atom lies below the entrance [Å], and the slices' thicknesses [Å].

    abTEM lets a slice's potential act at the slice's upper border. The lowest atom is put in the
    middle of its slice, and the wave ends ``exit_distance_angstrom`` below that border: so it
    travels exactly as far from where it met the lowest atom, whatever the slicing, and the other
    atoms are off by half a slice at most to either side.

    With the infinite projection, slices without atoms only propagate and are joined.

    Parameters
    ----------
    heights : (n,) array
        z of the atoms, from 0 at the highest [Å].
    settings : Multislice
        Slice thickness, projection and exit distance.
    """
    step, distance = settings.slice_thickness_angstrom, settings.exit_distance_angstrom
    height = float(heights.max())
    above = math.ceil(max(0.0, height + _ENTRANCE[settings.projection] - step / 2) / step)
    top = (above + 0.5) * step - height
    lowest = min(step, distance)
    filled = np.zeros(above + 1, dtype=bool)
    for border in (-1e-6, 1e-6):  # an atom on a border may count to either side
        filled[np.floor((heights + top + border) / step).astype(int).clip(0, above)] = True
    if settings.projection == "finite":
        below = _split(distance - lowest, step)
        return top, (step,) * above + (lowest, *below)
    thicknesses: list[float] = []
    for index in range(above):
        if index and not filled[index] and not filled[index - 1]:
            thicknesses[-1] += step
        else:
            thicknesses.append(step)
    rest = (distance - lowest,) if distance > lowest else ()
    return top, (*thicknesses, lowest, *rest)


def _split(length: float, step: float) -> tuple[float, ...]:
    """Cut a length [Å] into steps and a shorter rest."""
    count = math.floor(length / step + 1e-9)
    rest = length - count * step
    return (step,) * count + ((rest,) if rest > 1e-9 else ())


def exit_wave(
    specimen: Specimen, settings: Multislice, device: Literal["cpu", "gpu"] = "cpu"
) -> NDArray[np.complex64]:
    """Return the wave at the exit plane, relative to the incident plane wave.

    Parameters
    ----------
    specimen : Specimen
        Atoms in their box.
    settings : Multislice
        Energy, sampling, slices, potentials.
    device : {'cpu', 'gpu'}
        Where the wave is computed; ``gpu`` needs CuPy.

    Returns
    -------
    (n, n) array of complex64
        Indexed [y, x]; the box's side is n times the sampling. Only spatial frequencies up to
        ``max_frequency_per_angstrom`` along each axis are kept.

    Raises
    ------
    SpecimenError
        Where the wave has values that are not finite.
    """
    wave = _fourier_wave if settings.method == "fourier" else _abtem_wave
    return _finite(wave(specimen, settings, device))


def exit_waves(
    specimens: Sequence[Specimen],
    settings: Sequence[Multislice],
    device: Literal["cpu", "gpu"] = "gpu",
) -> list[NDArray[np.complex64] | Exception]:
    """Return the exit waves of many specimens, which a GPU computes together.

    Parameters
    ----------
    specimens : sequence of Specimen
        Atoms in their boxes.
    settings : sequence of Multislice
        Energy, sampling, slices, potentials of each.
    device : {'cpu', 'gpu'}
        Where the waves are computed. On a GPU and in Fourier space they are batches, see
        `exitwave.multislice.batches.fourier_waves`; otherwise one follows the other.

    Returns
    -------
    list
        Of each specimen what `exit_wave` returns or raises. On a GPU the wave depends on the other
        specimens by rounding alone, less than 1e-6 in Eq. (A.1) of the paper.
    """
    pairs = list(zip(specimens, settings, strict=True))
    together = device == "gpu" and all(each.method == "fourier" for each in settings)
    if not together or len(pairs) <= 1:
        return [_attempt(exit_wave, *each, device) for each in pairs]
    passages = [passage_of(*each) for each in pairs]
    try:
        waves = fourier_waves(specimens, passages, device)
    except Exception:
        # One of them, or too much for the memory of the GPU. Alone each fails by itself.
        return [_attempt(exit_wave, *each, device) for each in pairs]
    return [_attempt(_finite, wave) for wave in waves]


def _attempt(
    function: Callable[..., NDArray[np.complex64]], *arguments: Any
) -> NDArray[np.complex64] | Exception:
    try:
        return function(*arguments)
    except Exception as error:
        return error


def _finite(wave: NDArray[np.complex64]) -> NDArray[np.complex64]:
    if not np.all(np.isfinite(wave)):
        raise SpecimenError("the multislice calculation gave values that are not finite")
    return wave


def _fourier_wave(specimen: Specimen, settings: Multislice, device: str) -> NDArray[np.complex64]:
    passage = passage_of(specimen, settings)
    if device == "gpu":
        return fourier_waves([specimen], [passage])[0]
    # Shared out over threads, a matrix product is rounded differently.
    with threadpool_limits(1, user_api="blas"):
        return fourier_wave(specimen, passage)


def passage_of(specimen: Specimen, settings: Multislice) -> Passage:
    """Return how the wave passes a specimen in our own multislice in Fourier space."""
    return Passage(
        energy_kev=single_energy(settings),
        points=grid_points(settings, specimen.box),
        stored_points=stored_points(settings, specimen.box),
        plane_distance=settings.slice_thickness_angstrom,
        exit_distance=settings.exit_distance_angstrom,
        smearing_width=smearing_width(settings),
        parametrization=settings.parametrization,
    )


def _abtem_wave(specimen: Specimen, settings: Multislice, device: str) -> NDArray[np.complex64]:
    import abtem

    top, thicknesses = slice_thicknesses(specimen.positions[:, 2], settings)
    atoms = Atoms(
        specimen.numbers,
        specimen.positions + np.array([0.0, 0.0, top]),
        cell=[specimen.box, specimen.box, sum(thicknesses)],
        pbc=True,
    )
    with abtem.config.set(_abtem_settings(settings, device)), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        potential = abtem.Potential(
            atoms,
            gpts=grid_points(settings, specimen.box),
            slice_thickness=thicknesses,
            projection=settings.projection,
            parametrization=_parametrization(settings),
        )
        energy = 1e3 * single_energy(settings)
        waves = abtem.PlaneWave(energy=energy).multislice(potential, lazy=False)
        array = waves.to_cpu().array
    # abTEM's first index is x.
    wave = np.ascontiguousarray(array.T)
    return crop_band(wave, stored_points(settings, specimen.box))


def _abtem_settings(settings: Multislice, device: str) -> dict[str, str | int | bool]:
    return {
        "device": device,
        "fft": settings.fft,
        # Planning by measurement picks other codelets from run to run, which differ by 1e-6.
        "fftw.planning_effort": "FFTW_ESTIMATE",
        "fftw.threads": 1,
        "diagnostics.progress_bar": False,
        "dask.lazy": False,
        "precision": "float32",
    }


def _parametrization(settings: Multislice) -> Any:
    width = smearing_width(settings)
    return parametrization_class(settings.parametrization)(
        sigmas=dict.fromkeys(chemical_symbols[1:], width)
    )


def crop_band(wave: NDArray[np.complex64], size: int) -> NDArray[np.complex64]:
    """Resample a periodic wave to `size` points per side by cutting its spectrum.

    Parameters
    ----------
    wave : (n, n) array
        n even.
    size : int
        Even, at most n. The frequencies at the new border are dropped, so that the spectrum stays
        as symmetric as it was.
    """
    points = wave.shape[0]
    if size == points:
        return wave
    spectrum = scipy.fft.fftshift(scipy.fft.fft2(wave))
    low = (points - size) // 2
    cut = spectrum[low : low + size, low : low + size].copy()
    cut[0, :] = 0
    cut[:, 0] = 0
    cropped = scipy.fft.ifft2(scipy.fft.ifftshift(cut)) * np.float32((size / points) ** 2)
    return np.asarray(cropped, dtype=np.complex64)
