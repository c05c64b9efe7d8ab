"""Thermal motion: smeared potentials as in the paper, or frozen phonons.

Frozen phonons are an Einstein model: in each configuration every atom is displaced by itself, by a
Gaussian along each axis, and the electron, which passes in less than 1e-16 s, meets atoms at rest
(R. F. Loane, P. Xu and J. Silcox, Acta Cryst. A 47 (1991) 267). The wave that is kept is the
*coherent mean* over the configurations, the elastic wave; smeared potentials approximate the same
(D. Van Dyck, Ultramicroscopy 109 (2009) 677). A real image is the mean of the *intensities*, so an
image formed from the mean wave lacks the thermal diffuse background.

>>> wave = thermal_exit_wave(specimen, settings, lambda number: generator(seed, "phonons", number))
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import numpy as np
from ase.data import atomic_masses, chemical_symbols
from numpy.typing import NDArray

from exitwave.config import Multislice
from exitwave.errors import SpecimenError
from exitwave.multislice.exit_wave import exit_wave, exit_waves, mean_square_displacement
from exitwave.specimens.build import Specimen

Draws = Callable[[int], np.random.Generator]

# So many waves are in memory.
_CONFIGURATIONS_AT_ONCE = {"cpu": 1, "gpu": 64}


def displacement_widths(numbers: NDArray[np.integer], settings: Multislice) -> NDArray[np.float64]:
    """Return the standard deviation of each atom's displacement along each axis [Å].

    The root of Eq. (1) of the paper with the mass of the atom's own element, and its own Debye
    temperature where ``debye_temperatures_kelvin`` names one.

    Parameters
    ----------
    numbers : (n,) array
        Atomic numbers.
    settings : Multislice
        Temperatures.
    """
    elements, places = np.unique(numbers, return_inverse=True)
    own = settings.debye_temperatures_kelvin
    squares = [
        mean_square_displacement(
            float(atomic_masses[number]),
            own.get(chemical_symbols[number], settings.debye_temperature_kelvin),
            settings.temperature_kelvin,
        )
        for number in elements
    ]
    return np.asarray(np.sqrt(squares)[places])


def displaced(
    specimen: Specimen, settings: Multislice, rng: np.random.Generator
) -> tuple[Specimen, Multislice]:
    """Return one configuration, and the settings with which its wave ends at the common plane.

    The exit plane stays where it is below the lowest atom at rest.

    Raises
    ------
    SpecimenError
        Where an atom comes through the exit plane.
    """
    widths = displacement_widths(specimen.numbers, settings)
    positions = specimen.positions + widths[:, None] * rng.normal(size=specimen.positions.shape)
    fallen = float(positions[:, 2].max() - specimen.positions[:, 2].max())
    distance = settings.exit_distance_angstrom - fallen
    if distance <= 0:
        raise SpecimenError(
            f"an atom vibrates through the exit plane, {settings.exit_distance_angstrom:g} Å below "
            "the lowest one at rest; raise exit_distance_angstrom or lower temperature_kelvin"
        )
    positions[:, 2] -= positions[:, 2].min()
    return (
        specimen.at(positions),
        settings.model_copy(update={"exit_distance_angstrom": distance}),
    )


def frozen_phonon_waves(
    specimen: Specimen,
    settings: Multislice,
    draws: Draws,
    device: Literal["cpu", "gpu"] = "cpu",
) -> Iterator[NDArray[np.complex64]]:
    """Yield the wave of each configuration; see `exitwave.multislice.exit_wave.exit_wave`.

    Parameters
    ----------
    specimen : Specimen
        Atoms at rest.
    settings : Multislice
        With ``thermal`` set to ``frozen_phonons``.
    draws : callable
        Gives the random generator of a configuration by its number.
    device : {'cpu', 'gpu'}
        Where the waves are computed, on a GPU many at a time.
    """
    count, step = settings.frozen_phonon_configurations, _CONFIGURATIONS_AT_ONCE[device]
    for first in range(0, count, step):
        numbers = range(first, min(first + step, count))
        cases = [displaced(specimen, settings, draws(number)) for number in numbers]
        waves = exit_waves([case[0] for case in cases], [case[1] for case in cases], device)
        for wave in waves:
            if isinstance(wave, Exception):
                raise wave
            yield wave


def thermal_exit_wave(
    specimen: Specimen,
    settings: Multislice,
    draws: Draws,
    device: Literal["cpu", "gpu"] = "cpu",
) -> NDArray[np.complex64]:
    """Return the exit wave that is stored: of smeared potentials, or the configurations' mean.

    The parameters are those of `frozen_phonon_waves`.

    Returns
    -------
    (n, n) array of complex64
        Indexed [y, x].
    """
    if settings.thermal == "smeared":
        return exit_wave(specimen, settings, device)
    waves = frozen_phonon_waves(specimen, settings, draws, device)
    total = next(waves).astype(np.complex128)
    for wave in waves:
        total += wave
    return np.asarray(total / settings.frozen_phonon_configurations, dtype=np.complex64)


def thermal_exit_waves(
    specimens: Sequence[Specimen],
    settings: Sequence[Multislice],
    draws: Sequence[Draws],
    device: Literal["cpu", "gpu"] = "gpu",
) -> list[NDArray[np.complex64] | Exception]:
    """Return of each specimen what `thermal_exit_wave` returns or raises.

    A GPU computes many specimens together, or of frozen phonons many configurations of one. The
    parameters are sequences of those of `thermal_exit_wave`.
    """
    if all(each.thermal == "smeared" for each in settings):
        return exit_waves(specimens, settings, device)
    waves: list[NDArray[np.complex64] | Exception] = []
    for case in zip(specimens, settings, draws, strict=True):
        try:
            waves.append(thermal_exit_wave(*case, device))
        except Exception as error:
            waves.append(error)
    return waves
