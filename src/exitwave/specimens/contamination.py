"""Hydrocarbons on top of a flake.

>>> dirt = build_contamination(structure, flake.outline, draws)
"""

from __future__ import annotations

from exitwave.config import Structure
from exitwave.seeds import Generators
from exitwave.specimens.disordered import hydrocarbon
from exitwave.specimens.flakes import Outline, Piece, disordered_piece


def contamination_height(structure: Structure) -> float:
    """Return the most that contamination can add to a specimen's height [Å]."""
    if structure.contamination_per_square_angstrom[1] == 0:
        return 0.0
    return structure.contamination_gap_angstrom + structure.contamination_thickness_angstrom


def build_contamination(structure: Structure, outline: Outline, draws: Generators) -> Piece | None:
    """Build the hydrocarbons over an outline, their lowest point at z = 0; None where none are."""
    coverage = draws("contamination coverage").uniform(*structure.contamination_per_square_angstrom)
    if round(coverage * outline.area()) == 0:
        return None
    numbers, positions = hydrocarbon(
        outline,
        structure.contamination_thickness_angstrom,
        coverage,
        structure.contamination_hydrogen_ratio,
        draws("contamination atoms"),
    )
    positions[:, 2] -= positions[:, 2].max()
    return disordered_piece(numbers, positions, outline)
