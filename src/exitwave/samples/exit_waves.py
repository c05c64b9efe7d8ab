"""One sample of a store of exit waves: a specimen and the wave behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from exitwave.files.schemas import Schema, Value, Values, Variable, announced, column
from exitwave.samples.parts import ENERGY, IDENTITY, Atoms, Identity, atom_variables

_COLUMNS = (
    column("sampling", "f8", "angstrom", "distance of the wave's points"),
    ENERGY,
    column("tilt", "f8", "degree", "angle by which the specimen is tilted"),
    column("tilt_axis", "f8", "degree", "direction of the tilt axis from x towards y"),
    column("exit_distance", "f8", "angstrom", "exit plane below the lowest atom"),
    column("thickness", "f8", "angstrom", "from the highest to the lowest atom"),
)

EXIT_WAVES = announced(
    Schema(
        "exit_waves",
        (
            Variable(
                "exit_wave",
                ("sample", "y", "x", "part"),
                "f4",
                "1",
                "exit wave relative to the incident wave",
            ),
            *IDENTITY,
            *_COLUMNS,
            *atom_variables("the first point"),
        ),
    )
)


@dataclass(frozen=True)
class ExitWaveSample:
    """One sample of a store of exit waves.

    Attributes
    ----------
    exit_wave : (y, x, part) array
        Real and imaginary part, relative to the incident wave.
    identity : Identity
        Which sample it is.
    sampling : float
        Distance of the wave's points [Å].
    energy : float
        Kinetic energy of the electrons [keV].
    tilt, tilt_axis : float
        Angle of the specimen's tilt, and direction of its axis from x towards y [degree].
    exit_distance : float
        Exit plane below the lowest atom [Å].
    thickness : float
        From the highest to the lowest atom [Å].
    atoms, vacancies : Atoms
        What the specimen has, and what was taken out of its crystals, from the first point.
    """

    exit_wave: NDArray[np.float32]
    identity: Identity
    sampling: float
    energy: float
    tilt: float
    tilt_axis: float
    exit_distance: float
    thickness: float
    atoms: Atoms
    vacancies: Atoms

    @property
    def wave(self) -> NDArray[np.complex64]:
        """The exit wave (y, x) as complex numbers."""
        return as_complex(self.exit_wave)

    def values(self) -> dict[str, Value]:
        """Return the values of a store, by the names of `EXIT_WAVES`."""
        return {
            "exit_wave": self.exit_wave,
            **self.identity.values(),
            **{variable.name: getattr(self, variable.name) for variable in _COLUMNS},
            **self.atoms.values("atom"),
            **self.vacancies.values("vacancy"),
        }

    @classmethod
    def from_values(cls, values: Values) -> Self:
        """Take the values of a store."""
        return cls(
            exit_wave=np.asarray(values["exit_wave"]),
            identity=Identity.from_values(values),
            **{variable.name: float(values[variable.name]) for variable in _COLUMNS},
            atoms=Atoms.from_values("atom", values),
            vacancies=Atoms.from_values("vacancy", values),
        )


def as_complex(parts: NDArray[np.floating]) -> NDArray[np.complex64]:
    """Return (..., part) as complex numbers (...)."""
    return np.asarray(parts[..., 0] + 1j * parts[..., 1], dtype=np.complex64)
