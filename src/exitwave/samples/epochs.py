"""One sample of an epoch: a focal series, the wave behind it, and the microscope between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from exitwave.files.schemas import Schema, Value, Values, Variable, announced, column
from exitwave.samples.exit_waves import as_complex
from exitwave.samples.microscope import MicroscopeParameters
from exitwave.samples.parts import IDENTITY, Atoms, Identity, atom_variables

EPOCH = announced(
    Schema(
        "epoch",
        (
            Variable(
                "image",
                ("sample", "y", "x", "frame"),
                "f4",
                "1",
                "detected intensity relative to the incident beam",
            ),
            Variable(
                "exit_wave",
                ("sample", "y", "x", "part"),
                "f4",
                "1",
                "smeared exit wave relative to the incident wave",
            ),
            *IDENTITY,
            column("sampling", "f8", "angstrom", "side of a pixel"),
            *MicroscopeParameters.variables(),
            column("padded_size", "f8", "angstrom", "side of the vacuum-padded box"),
            column("seed", "str", "1", "key of the random draws"),
            *atom_variables("the centre of the first pixel"),
        ),
    )
)


@dataclass(frozen=True)
class EpochSample:
    """One sample of an epoch.

    Attributes
    ----------
    image : (y, x, frame) array
        Detected intensity relative to the incident beam.
    exit_wave : (y, x, part) array
        Real and imaginary part of the smeared exit wave, relative to the incident wave.
    identity : Identity
        Which sample it is.
    sampling : float
        Side of a pixel [Å].
    microscope : MicroscopeParameters
        What was drawn for the series.
    padded_size : float
        Side of the vacuum-padded box [Å].
    seed : str
        Key of the random draws.
    atoms, vacancies : Atoms
        What the specimen has, and what was taken out of its crystals, from the centre of the first
        pixel.
    """

    image: NDArray[np.float32]
    exit_wave: NDArray[np.float32]
    identity: Identity
    sampling: float
    microscope: MicroscopeParameters
    padded_size: float
    seed: str
    atoms: Atoms
    vacancies: Atoms

    @property
    def wave(self) -> NDArray[np.complex64]:
        """The smeared exit wave (y, x) as complex numbers."""
        return as_complex(self.exit_wave)

    def values(self) -> dict[str, Value]:
        """Return the values of a store, by the names of `EPOCH`."""
        return {
            "image": self.image,
            "exit_wave": self.exit_wave,
            **self.identity.values(),
            "sampling": self.sampling,
            **self.microscope.values(),
            "padded_size": self.padded_size,
            "seed": self.seed,
            **self.atoms.values("atom"),
            **self.vacancies.values("vacancy"),
        }

    @classmethod
    def from_values(cls, values: Values) -> Self:
        """Take the values of a store."""
        return cls(
            image=np.asarray(values["image"]),
            exit_wave=np.asarray(values["exit_wave"]),
            identity=Identity.from_values(values),
            sampling=float(values["sampling"]),
            microscope=MicroscopeParameters.from_values(values),
            padded_size=float(values["padded_size"]),
            seed=str(values["seed"]),
            atoms=Atoms.from_values("atom", values),
            vacancies=Atoms.from_values("vacancy", values),
        )
