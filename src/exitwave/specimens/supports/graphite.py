"""Graphite: AB-stacked layers, so many as are drawn."""

from __future__ import annotations

from ase import Atoms

from exitwave.config import Structure
from exitwave.materials.monolayers import monolayers
from exitwave.seeds import Generators
from exitwave.specimens.crystals import crystal_support, draw_count
from exitwave.specimens.flakes import Piece, stack_layers

# Half the c axis of graphite: P. Trucano and R. Chen, Nature 258 (1975) 136.
LAYER_DISTANCE = 3.35  # [Å]


def height(structure: Structure, draws: Generators) -> float:
    """Return the height of all layers [Å]."""
    return LAYER_DISTANCE * (_layers(structure, draws) - 1)


def build(
    structure: Structure,
    height: float,
    flake_rotation: float,
    room: float,
    draws: Generators,
) -> Piece:
    """Build the support about the origin."""
    # The same draw as of the height, since each aspect has a generator of its own.
    cell = unit_cell(_layers(structure, draws))
    return crystal_support(cell, structure, flake_rotation, room, draws)


def unit_cell(layers: int) -> Atoms:
    """Return the unit cell of a number of AB-stacked graphene layers; one is graphene."""
    sheet = next(entry for entry in monolayers() if entry.name == "graphene").atoms()
    bond = sheet.positions[1, :2] - sheet.positions[0, :2]
    return stack_layers(sheet, [number % 2 * bond for number in range(layers)], LAYER_DISTANCE)


def _layers(structure: Structure, draws: Generators) -> int:
    return draw_count(structure.support_layers, draws("support layers"))
