"""The section ``datasets``: materials, split and shards, and overrides of what is common."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from exitwave.config.constraints import BUILT_IN
from exitwave.config.fields import Name, Section, Share
from exitwave.config.sections.epochs import Epochs
from exitwave.config.sections.microscope import Microscope
from exitwave.config.sections.multislice import Multislice
from exitwave.config.sections.structure import Structure


class Materials(Section):
    """Where the materials of a data set come from, and which are taken."""

    source: str = BUILT_IN
    """`monolayers` (the built-in table), the path of an ASE database (SQLite or JSON) such as
    C2DB's, or that of a .cif, .xyz or POSCAR file with the unit cell of a layer."""
    selection: str = ""
    """ASE selection string, such as `natoms<=8,gap>0`. Rows that lack a compared key do not
    match; the catalog counts them."""
    max_atoms: Annotated[int, Field(ge=1)] | None = 8
    """Most atoms in the unit cell (paper: 8); null for no limit."""
    limit: Annotated[int, Field(ge=1)] | None = None
    """Take only so many of the accepted materials, drawn by a fixed hash; null for all."""


class SplitByElements(Section):
    """Random split in which materials with the same set of elements stay together."""

    by: Literal["elements"] = "elements"
    """This kind of split."""
    training_share: Share = 2 / 3
    """Share of the element sets that go to training (paper: 2 : 1)."""
    samples_per_material: Annotated[int, Field(ge=1)] = 2
    """Specimens drawn of each material (paper: 2)."""


class SplitBySamples(Section):
    """Fixed numbers of samples of each material on either side."""

    by: Literal["samples"]
    """This kind of split."""
    training_samples: Annotated[int, Field(ge=1)] = 1000
    """Training specimens of each material (paper: 1000)."""
    validation_samples: Annotated[int, Field(ge=1)] = 1000
    """Validation specimens of each material (paper: 1000)."""


class Dataset(Section):
    """One data set; its own values for the four sections go before the common ones."""

    label: str = ""
    """Name in figures and reports; the key itself if empty."""
    materials: Materials = Materials()
    """Where the materials come from, and which are taken."""
    split: Annotated[SplitByElements | SplitBySamples, Field(discriminator="by")] = (
        SplitByElements()
    )
    """How samples are shared out between training and validation."""
    shards: Annotated[int, Field(ge=1, le=500)] = 16
    """Files, and jobs, over which the exit waves are spread."""
    structure: Structure = Structure()
    """Overrides of the common `structure`."""
    multislice: Multislice = Multislice()
    """Overrides of the common `multislice`."""
    microscope: Microscope = Microscope()
    """Overrides of the common `microscope`."""
    epochs: Epochs = Epochs()
    """Overrides of the common `epochs`."""
    exit_waves_from: Name | None = None
    """Another data set whose exit waves this one images again (other microscope, other
    epochs); it then has no materials, structure or multislice of its own."""
    paper_simulation_core_hours: float | None = None
    """The paper's time for the exit waves (Table A.2 times 24 cores), to stand beside ours."""
    paper_rendering_core_hours: float | None = None
    """The paper's time for the images (Table A.2 times 40 cores), to stand beside ours."""
    paper_training_gpu_hours: float | None = None
    """The paper's time for the training (Table A.2), to stand beside ours."""
