"""The section ``structure`` of the configuration: what the specimens are.

>>> Structure(support="graphite", support_layers=(2, 4)).support_layers
(2, 4)
"""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from exitwave.config.fields import (
    NonNegative,
    NonNegativeLimits,
    Positive,
    PositiveLimits,
    Section,
    Share,
)


class Structure(Section):
    """The specimen: flake, defects, tilt and support."""

    box_angstrom: Positive = 38.4
    """Side of the square simulation box; 768 points at 0.05 Å (ours)."""
    margin_angstrom: NonNegative = 2.0
    """Least distance of any atom to the border of the box (ours)."""
    flake_radius_angstrom: PositiveLimits = (7.0, 15.0)
    """Distance of each edge of the convex flake from its centre, drawn for each edge
    (ours; the paper gives no size)."""
    flake_edges: tuple[int, int] = (4, 8)
    """Number of straight edges of a flake, drawn between these two (ours)."""
    vacancy_share: Share = 0.05
    """Share of the atoms that are removed one by one (paper)."""
    hole_share: Share = 0.05
    """Share of the atoms left whose whole column is then removed (paper)."""
    column_radius_angstrom: Positive = 0.5
    """Atoms closer than this in the plane, before the tilt, form one column (ours)."""
    position_noise_angstrom: NonNegative = 0.01
    """Standard deviation of the Gaussian noise on every coordinate (paper)."""
    tilt_degrees: NonNegativeLimits = (0.0, 10.0)
    """Tilt about a random axis in the plane (paper: up to 10)."""
    support: Literal["none", "graphene"] = "none"
    """What lies below the flake: nothing, or a graphene nanoflake (paper's second set)."""
    support_radius_angstrom: PositiveLimits = (9.0, 16.0)
    """As `flake_radius_angstrom`, for the support (ours)."""
    support_gap_angstrom: PositiveLimits = (3.3, 7.0)
    """Distance between the support and the lowest atom of the flake (paper)."""
    support_rotations_degrees: tuple[float | Literal["random"], ...] = (0.0, 15.0, 30.0, "random")
    """Rotation of the support's lattice against the flake's, drawn from this list with
    equal chances (paper)."""

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
