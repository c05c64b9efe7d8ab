"""Amorphous carbon: a slab of a drawn thickness without a lattice."""

from __future__ import annotations

import numpy as np

from exitwave.config import Structure
from exitwave.seeds import Generators
from exitwave.specimens.disordered import carbon_count, carbon_network
from exitwave.specimens.flakes import Piece, disordered_piece, piece_outline, random_shift

_NEW_SHARE = 0.1  # of the trials that start elsewhere, see `carbon_network`


def height(structure: Structure, draws: Generators) -> float:
    """Return the thickness of the slab [Å]."""
    return float(draws("support thickness").uniform(*structure.support_thickness_angstrom))


def build(
    structure: Structure,
    height: float,
    flake_rotation: float,
    room: float,
    draws: Generators,
) -> Piece:
    """Build the support about the origin."""
    outline = piece_outline(
        structure, structure.support_radius_angstrom, room, draws, draws("support shape")
    )
    count = carbon_count(structure.support_density_gram_per_cm3, outline.area() * height)
    positions = carbon_network(outline, height, count, _NEW_SHARE, draws("support atoms"))
    shift = random_shift(positions[:, :2], room, draws("support place"))
    positions[:, :2] += shift
    return disordered_piece(np.full(count, 6, dtype=np.int64), positions, outline.moved(shift))
