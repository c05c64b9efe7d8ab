"""The section ``multislice``: the electron wave through the specimen."""

from __future__ import annotations

from typing import Annotated, Literal

from ase.data import chemical_symbols
from pydantic import Field, field_validator, model_validator

from exitwave.config.fields import EnergyOrLimits, NonNegative, Positive, Section


class Multislice(Section):
    """The electron wave through the specimen."""

    energy_kev: EnergyOrLimits = 50.0
    """Kinetic energy of the electrons (paper, Table 1), or two numbers between which it is
    drawn for each specimen (ours)."""
    method: Literal["fourier", "abtem"] = "fourier"
    """Multislice in Fourier space, 15 to 30 times faster than a plain abTEM script and closer to
    a converged wave (ours; `docs/physics.md`), or abTEM's (paper)."""
    sampling_angstrom: Annotated[float, Field(gt=0, le=0.5)] = 0.05
    """Distance of the points of the wave (paper)."""
    slice_thickness_angstrom: Annotated[float, Field(gt=0, le=5)] = 0.2
    """Thickness of abTEM's slices (paper), with `fourier` the distance of the planes; there 0.4
    is fine enough as well (0.2 with frozen phonons)."""
    projection: Literal["finite", "infinite"] = "finite"
    """abTEM's projection of the atomic potentials onto the slices; `fourier` has none."""
    parametrization: Literal["lobato", "kirkland", "peng"] = "lobato"
    """Atomic potentials, by abTEM's name."""
    thermal: Literal["smeared", "frozen_phonons"] = "smeared"
    """Vibration: potentials smeared alike for all atoms (paper), or the coherent mean of waves
    through displaced atoms, each element with its own mass (ours)."""
    frozen_phonon_configurations: Annotated[int, Field(ge=1, le=10_000)] = 20
    """Configurations of displaced atoms; each takes as long as one smeared wave (ours)."""
    temperature_kelvin: NonNegative = 300.0
    """Temperature in Eq. (1) of the paper."""
    debye_temperature_kelvin: Positive = 580.0
    """Debye temperature in Eq. (1) (paper: bulk MoS2)."""
    debye_temperatures_kelvin: dict[str, Positive] = Field(default={})
    """Debye temperatures of single elements by symbol, such as `{Mo: 450}`; for frozen phonons
    only (ours)."""
    debye_mass_dalton: Positive = 32.06
    """Atomic mass in Eq. (1), used for all atoms if potentials are smeared (paper:
    sulphur)."""
    exit_distance_angstrom: Positive = 3.0
    """Distance of the exit plane below the lowest atom (ours; paper: a few Å)."""
    max_frequency_per_angstrom: Positive = 5.0
    """Spatial frequency up to which the stored wave is kept (ours; an image of 0.10 Å a
    pixel holds no more)."""
    fft: Literal["numpy", "fftw"] = "numpy"
    """FFT library that abTEM uses (ours); both give bit-identical reruns (FFTW then plans by
    estimate). `fourier` always takes SciPy's, on a GPU CuPy's."""

    @field_validator("debye_temperatures_kelvin")
    @classmethod
    def _elements_exist(cls, temperatures: dict[str, float]) -> dict[str, float]:
        if unknown := [symbol for symbol in temperatures if symbol not in chemical_symbols[1:]]:
            raise ValueError(f"'{unknown[0]}' is no chemical symbol; write it as in Mo or S")
        return temperatures

    @model_validator(mode="after")
    def _temperatures_count(self) -> Multislice:
        if self.debye_temperatures_kelvin and self.thermal == "smeared":
            raise ValueError(
                "debye_temperatures_kelvin is given, but smeared potentials take one Debye "
                "temperature for all atoms; set thermal to frozen_phonons or remove it"
            )
        return self
