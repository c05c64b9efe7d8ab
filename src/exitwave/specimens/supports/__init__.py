"""What lies below a flake and on top of it: graphene, graphite, amorphous carbon, hydrocarbons.

>>> height = support_height(structure, draws)
>>> support = build_support(structure, height, rotation, room, draws)
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from ase import Atoms

from exitwave.config import Structure
from exitwave.errors import SpecimenError
from exitwave.materials.monolayers import monolayers
from exitwave.specimens.disordered import carbon_count, carbon_network, hydrocarbon
from exitwave.specimens.flakes import (
    Outline,
    Piece,
    cut_flake,
    disordered_piece,
    draw_outline,
    number_columns,
    random_shift,
    remove_defects,
    stack_layers,
)

Generators = Callable[[str], np.random.Generator]

# Half the c axis of graphite: P. Trucano and R. Chen, Nature 258 (1975) 136.
GRAPHITE_DISTANCE = 3.35  # [Å]
_NEW_SHARE = 0.1  # of the trials for amorphous carbon that start anew, see `carbon_network`


def crystal_piece(
    atoms: Atoms,
    structure: Structure,
    radius: tuple[float, float],
    rotation: float,
    room: float,
    draws: Generators,
    name: str,
) -> Piece:
    """Cut a flake, put it at a random place about the origin and give it its defects.

    Parameters
    ----------
    atoms : ase.Atoms
        Unit cell of the layer or the stack of layers.
    structure : Structure
        Edges and shares of the defects.
    radius : (float, float)
        Limits of the edges' distances from the centre [Å].
    rotation : float
        Angle by which the lattice is turned [rad].
    room : float
        Half the side of the square in which the flake may lie [Å].
    draws : callable
        Gives the random generator of an aspect.
    name : str
        Of the piece, in the aspects and in messages.

    Raises
    ------
    SpecimenError
        Where no atom is left.
    """
    rng = draws(f"{name} shape")
    outline = draw_outline(radius, structure.flake_edges, room, rng)
    numbers, positions = cut_flake(atoms, outline, rotation, rng)
    shift = random_shift(positions[:, :2], room, draws(f"{name} place"))
    positions[:, :2] += shift
    keep = remove_defects(
        positions,
        structure.vacancy_share,
        structure.hole_share,
        structure.column_radius_angstrom,
        draws(f"{name} defects"),
    )
    if not keep.any():
        raise SpecimenError(
            f"no atom of the {name} is left after the defects; raise flake_radius_angstrom or "
            "lower vacancy_share and hole_share"
        )
    columns = number_columns(positions[:, :2], structure.column_radius_angstrom)
    return Piece(numbers, positions, outline.moved(shift), keep, columns)


def draw_count(limits: tuple[int, int], rng: np.random.Generator) -> int:
    """Draw a number of layers between two limits, both possible."""
    return int(rng.integers(limits[0], limits[1] + 1))


def support_height(structure: Structure, draws: Generators) -> float:
    """Return the height of a specimen's support [Å], before the tilt."""
    if structure.support == "graphite":
        return GRAPHITE_DISTANCE * (_graphite_layers(structure, draws) - 1)
    if structure.support == "amorphous_carbon":
        return float(draws("support thickness").uniform(*structure.support_thickness_angstrom))
    return 0.0


def _graphite_layers(structure: Structure, draws: Generators) -> int:
    return draw_count(structure.support_layers, draws("support layers"))


def build_support(
    structure: Structure, height: float, flake_rotation: float, room: float, draws: Generators
) -> Piece:
    """Build a support about the origin.

    Parameters
    ----------
    structure : Structure
        Which support, and its keys.
    height : float
        From `support_height` [Å].
    flake_rotation : float
        Angle of the flake's lattice [rad], against which a crystal is turned.
    room : float
        Half the side of the square in which the support may lie [Å].
    draws : callable
        Gives the random generator of an aspect.
    """
    if structure.support == "amorphous_carbon":
        return _amorphous_carbon(structure, height, room, draws)
    layers = _graphite_layers(structure, draws) if structure.support == "graphite" else 1
    rng = draws("support rotation")
    choice = structure.support_rotations_degrees[
        rng.integers(len(structure.support_rotations_degrees))
    ]
    angle = rng.uniform(0.0, 2 * np.pi) if choice == "random" else np.deg2rad(choice)
    return crystal_piece(
        graphite(layers),
        structure,
        structure.support_radius_angstrom,
        flake_rotation + angle,
        room,
        draws,
        "support",
    )


def graphite(layers: int) -> Atoms:
    """Return the unit cell of a number of AB-stacked graphene layers; one is graphene."""
    sheet = next(entry for entry in monolayers() if entry.name == "graphene").atoms()
    bond = sheet.positions[1, :2] - sheet.positions[0, :2]
    return stack_layers(sheet, [number % 2 * bond for number in range(layers)], GRAPHITE_DISTANCE)


def _amorphous_carbon(
    structure: Structure, thickness: float, room: float, draws: Generators
) -> Piece:
    outline = draw_outline(
        structure.support_radius_angstrom, structure.flake_edges, room, draws("support shape")
    )
    count = carbon_count(structure.support_density_gram_per_cm3, outline.area() * thickness)
    positions = carbon_network(outline, thickness, count, _NEW_SHARE, draws("support atoms"))
    shift = random_shift(positions[:, :2], room, draws("support place"))
    positions[:, :2] += shift
    return disordered_piece(np.full(count, 6, dtype=np.int64), positions, outline.moved(shift))


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
