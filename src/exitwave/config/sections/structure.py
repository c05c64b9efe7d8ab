"""The section ``structure`` of the configuration: what the specimens are.

>>> Structure(support="graphite", support_layers=(2, 4)).support_layers
(2, 4)
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from exitwave.config.fields import (
    Counts,
    NonNegative,
    NonNegativeLimits,
    OneOf,
    Positive,
    PositiveLimits,
    Section,
    Share,
    added_later,
    explained,
)

SUPPORTS = {
    "none": "nothing",
    "graphene": "a nanoflake of it (paper's second set)",
    "graphite": "AB-stacked (ours)",
    "amorphous_carbon": "a slab of random bonds (ours)",
}
"""What may lie below a flake; each but "none" is a module of `exitwave.specimens.supports`."""


class Structure(Section):
    """The specimen: flake, defects, tilt and support."""

    box_angstrom: Positive = 38.4
    """Side of the square simulation box; 768 points at 0.05 Å (ours)."""
    margin_angstrom: NonNegative = 2.0
    """Least distance of any atom to the border of the box (ours)."""
    flake_radius_angstrom: PositiveLimits = (7.0, 15.0)
    """Distance of each edge of the convex flake from its centre, drawn for each edge
    (ours; the paper gives no size)."""
    full_share: Share = added_later(0.0)
    """Share of the specimens that fill the box up to its margin, flake and support alike, in place
    of an outline that is drawn: images smaller than the box then show no vacuum (paper: none)."""
    flake_edges: tuple[int, int] = (4, 8)
    """Number of straight edges of a flake, drawn between these two (ours)."""
    layers: Counts = (1, 1)
    """Number of layers of the material, stacked in one outline, drawn between these two
    (paper: one)."""
    layer_gap_angstrom: Positive = 3.0
    """Distance between the facing atoms of two layers: 2.9 to 3.4 across most van der Waals
    gaps (ours)."""
    layer_registry: Literal["random", "aa"] = "random"
    """Each further layer is shifted at random in the plane, or lies atom on atom (ours; the
    databases know single layers only)."""
    vacancy_share: Share = 0.05
    """Share of the atoms that are removed one by one (paper)."""
    hole_share: Share = 0.05
    """Share of the atoms left whose whole column is then removed (paper)."""
    column_radius_angstrom: Positive = 0.5
    """Atoms closer than this in the plane, before the tilt, form one column, through all layers
    (ours)."""
    position_noise_angstrom: NonNegative = 0.01
    """Standard deviation of the Gaussian noise on every coordinate (paper)."""
    tilt_degrees: NonNegativeLimits = (0.0, 10.0)
    """Tilt about a random axis in the plane (paper: up to 10)."""
    support: Annotated[
        str,
        OneOf(SUPPORTS),
        Field(description=f"What lies below the flake: {explained(SUPPORTS)}"),
    ] = "none"
    support_radius_angstrom: PositiveLimits = (9.0, 16.0)
    """As `flake_radius_angstrom`, for the support (ours)."""
    support_gap_angstrom: PositiveLimits = (3.3, 7.0)
    """Distance between the support and the lowest atom of the flake (paper)."""
    support_rotations_degrees: tuple[float | Literal["random"], ...] = (0.0, 15.0, 30.0, "random")
    """Rotation of the support's lattice relative to the flake's, drawn from this list with
    equal chances (paper)."""
    support_layers: Counts = (2, 4)
    """Number of layers of graphite, drawn between these two (ours)."""
    support_thickness_angstrom: PositiveLimits = (10.0, 20.0)
    """Thickness of amorphous carbon (ours; real films have 20 and more)."""
    support_density_gram_per_cm3: Annotated[float, Field(gt=0, le=2.5)] = 2.0
    """Density of amorphous carbon (ours; evaporated films have 1.8 to 2.1)."""
    contamination_per_square_angstrom: NonNegativeLimits = (0.0, 0.0)
    """Carbon atoms of the hydrocarbons on top for each Å² of the flake's outline, drawn between
    these two (paper: none; a layer of graphene has 0.38)."""
    contamination_thickness_angstrom: Positive = 5.0
    """Thickness of the hydrocarbons (ours)."""
    contamination_gap_angstrom: Positive = 3.0
    """Distance between the hydrocarbons and the highest atom of the flake (ours)."""
    contamination_hydrogen_ratio: Annotated[float, Field(ge=0, le=3)] = 1.5
    """Hydrogen atoms for each carbon atom, as far as they find room (ours)."""

    @model_validator(mode="after")
    def _flake_fits(self) -> Structure:
        if self.flake_edges[0] < 3 or self.flake_edges[0] > self.flake_edges[1]:
            raise ValueError(
                f"flake_edges is {list(self.flake_edges)}; give two numbers, the lower first, "
                "of 3 or more"
            )
        room = self.box_angstrom / 2 - self.margin_angstrom
        supported = ("support_radius_angstrom",) if self.support != "none" else ()
        for key in ("flake_radius_angstrom", *supported):
            if getattr(self, key)[0] > room:
                raise ValueError(
                    f"{key} starts at {getattr(self, key)[0]:g} Å, but the box of "
                    f"{self.box_angstrom:g} Å leaves {room:g} Å inside its margin; enlarge "
                    "box_angstrom or lower the radius"
                )
        return self
