"""Pieces of crystals: flakes of a material, and supports that are crystals.

>>> piece = crystal_piece(atoms, structure, (7.0, 15.0), rotation, room, draws, "flake")
"""

from __future__ import annotations

import numpy as np
from ase import Atoms

from exitwave.config import Structure
from exitwave.errors import SpecimenError
from exitwave.seeds import Generators
from exitwave.specimens.flakes import (
    Piece,
    cut_flake,
    number_columns,
    piece_outline,
    random_shift,
    remove_defects,
)


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
    outline = piece_outline(structure, radius, room, draws, rng)
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


def crystal_support(
    atoms: Atoms, structure: Structure, flake_rotation: float, room: float, draws: Generators
) -> Piece:
    """Cut a support out of a crystal, turned against the flake by an angle that is drawn.

    Parameters
    ----------
    atoms : ase.Atoms
        Unit cell of all layers.
    structure : Structure
        Radius and rotations of the support, edges and shares of the defects.
    flake_rotation : float
        Angle of the flake's lattice [rad].
    room : float
        Half the side of the square in which the support may lie [Å].
    draws : callable
        Gives the random generator of an aspect.
    """
    rng = draws("support rotation")
    choice = structure.support_rotations_degrees[
        rng.integers(len(structure.support_rotations_degrees))
    ]
    angle = rng.uniform(0.0, 2 * np.pi) if choice == "random" else np.deg2rad(choice)
    return crystal_piece(
        atoms,
        structure,
        structure.support_radius_angstrom,
        flake_rotation + angle,
        room,
        draws,
        "support",
    )


def draw_count(limits: tuple[int, int], rng: np.random.Generator) -> int:
    """Draw a number of layers between two limits, both possible."""
    return int(rng.integers(limits[0], limits[1] + 1))
