"""What a study of convergence compares: settings, and the wave that counts as correct for each.

Three variations are made. ``slice_thickness`` and ``sampling`` vary one setting and leave the
other as in the configuration's ``multislice``, in the reference as well, so each shows one
approximation alone. ``total`` compares all these waves with one that is fine in both.

>>> for comparison, settings, reference in variations(read_study(spec)):
...     print(comparison, settings.slice_thickness, reference.slice_thickness)
"""

from __future__ import annotations

from dataclasses import dataclass

from exitwave.config import ConvergenceSettings, Multislice, Structure
from exitwave.errors import ExitwaveError
from exitwave.summaries.convergence import Settings
from exitwave.workflow.specs import ConvergenceSpec, read_spec


@dataclass(frozen=True)
class Study:
    """The values of a spec; see `exitwave.workflow.specs.convergence_spec`."""

    seed: int
    section: ConvergenceSettings
    structure: Structure
    multislice: Multislice
    smear: float

    @property
    def own(self) -> Settings:
        """The configuration's own settings, which the study is to justify."""
        return Settings(
            self.multislice.projection,
            self.multislice.slice_thickness_angstrom,
            self.multislice.sampling_angstrom,
        )

    @property
    def reference(self) -> Settings:
        """The settings of the wave that counts as correct."""
        return Settings(
            "finite",
            self.section.reference_slice_thickness_angstrom,
            self.section.reference_sampling_angstrom,
        )

    def full(self, settings: Settings) -> Multislice:
        """Return all settings of a wave."""
        values = self.multislice.model_dump() | {
            "projection": settings.projection,
            "slice_thickness_angstrom": settings.slice_thickness,
            "sampling_angstrom": settings.sampling,
        }
        return Multislice.model_validate(values)


def read_study(spec: str) -> Study:
    """Return the study that a spec describes.

    Raises
    ------
    ExitwaveError
        Where the small boxes do not hold the specimens, or the configuration's own settings are
        finer than the reference.
    """
    values = read_spec(spec, ConvergenceSpec)
    study = Study(
        seed=values.seed,
        section=values.convergence,
        structure=values.structure,
        multislice=_settled(values.multislice),
        smear=values.target_smear_angstrom,
    )
    for key, own, finest in (
        ("slice_thickness", study.own.slice_thickness, study.reference.slice_thickness),
        ("sampling", study.own.sampling, study.reference.sampling),
    ):
        if own < finest:
            raise ExitwaveError(
                f"multislice.{key}_angstrom is {own:g}, finer than the wave that is to count as "
                f"correct; lower convergence.reference_{key}_angstrom ({finest:g})."
            )
    return study


def _settled(multislice: Multislice) -> Multislice:
    """Leave nothing to be drawn: the study is of the discretisation alone.

    Of a range of energies the lowest is taken, at which slices matter most, potentials are smeared
    where they would be displaced at random, and abTEM computes: projections are its alone.
    """
    energy = multislice.energy_kev
    return multislice.model_copy(
        update={
            "energy_kev": energy if isinstance(energy, float) else energy[0],
            "method": "abtem",
            "thermal": "smeared",
            "debye_temperatures_kelvin": {},
        }
    )


def variations(study: Study) -> list[tuple[str, Settings, Settings]]:
    """Return name, settings and reference of every comparison that is made of a specimen."""
    own, finest, section = study.own, study.reference, study.section
    projections = dict.fromkeys((own.projection, *section.projections))
    slices = sorted({own.slice_thickness, *section.slice_thicknesses_angstrom})
    samplings = sorted({own.sampling, *section.samplings_angstrom})
    made = []
    for projection in projections:
        reference = Settings("finite", finest.slice_thickness, own.sampling)
        for slice_thickness in slices:
            settings = Settings(projection, slice_thickness, own.sampling)
            made.append(("slice_thickness", settings, reference))
        reference = Settings(projection, own.slice_thickness, finest.sampling)
        for sampling in samplings:
            settings = Settings(projection, own.slice_thickness, sampling)
            made.append(("sampling", settings, reference))
    every = dict.fromkeys(settings for _, settings, _ in made)
    return made + [("total", settings, finest) for settings in every]
