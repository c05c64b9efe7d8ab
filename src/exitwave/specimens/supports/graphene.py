"""Graphene: one layer of graphite."""

from __future__ import annotations

from exitwave.config import Structure
from exitwave.seeds import Generators
from exitwave.specimens.crystals import crystal_support
from exitwave.specimens.flakes import Piece
from exitwave.specimens.supports.graphite import unit_cell


def height(structure: Structure, draws: Generators) -> float:
    """Return the height [Å]: the layer is flat."""
    return 0.0


def build(
    structure: Structure,
    height: float,
    flake_rotation: float,
    room: float,
    draws: Generators,
) -> Piece:
    """Build the support about the origin."""
    return crystal_support(unit_cell(layers=1), structure, flake_rotation, room, draws)
