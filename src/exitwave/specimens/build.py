"""Specimens: convex nanoflakes of any layer material, with defects, tilt, support, contamination.

The specimen's frame is that of the simulation: x and y in the plane from the corner of a square
box, z along the electron beam. z = 0 is the atom that the beam meets first, the *highest* atom;
the support and the exit plane lie at larger z, *below* the flake, and contamination lies above it.

>>> specimen = build_specimen(material, Structure(), 1, "mos2", sample_index=0)
>>> specimen.positions.shape
(213, 3)
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import ase
import numpy as np

from exitwave.config import Structure
from exitwave.errors import SpecimenError
from exitwave.materials.material import Material
from exitwave.samples.parts import Atoms
from exitwave.seeds import Generators, generator
from exitwave.specimens.contamination import build_contamination, contamination_height
from exitwave.specimens.crystals import crystal_piece, draw_count
from exitwave.specimens.flakes import Floats, Integers, Piece, stack_layers
from exitwave.specimens.supports import SUPPORTS

# What `Atoms.components` says of an atom; files call it ``atom_layer``.
FLAKE, SUPPORT, CONTAMINATION = 0, 1, 2


@dataclass(frozen=True)
class Specimen:
    """Atoms in a box, ready for the multislice calculation.

    Attributes
    ----------
    atoms : Atoms
        x and y from the corner of the box, z along the beam from the highest atom [Å]. Columns are
        numbered before the tilt and by the whole crystal, so that those of missing atoms count.
    box : float
        Side of the square box [Å].
    tilt : float
        Angle of the tilt [degree].
    tilt_axis : float
        Direction of the tilt's axis, from x towards y [degree].
    vacancies : Atoms
        Atoms that were taken out of the crystals, singly or with their whole column: where they
        would be, without position noise.
    """

    atoms: Atoms
    box: float
    tilt: float = 0.0
    tilt_axis: float = 0.0
    vacancies: Atoms = field(default_factory=Atoms)

    def at(self, positions: Floats) -> Specimen:
        """Return the specimen with its atoms at other positions (n, 3) [Å]."""
        return replace(self, atoms=replace(self.atoms, positions=positions))

    @property
    def numbers(self) -> Integers:
        """Atomic numbers (n,)."""
        return self.atoms.numbers

    @property
    def positions(self) -> Floats:
        """Positions (n, 3) [Å]."""
        return self.atoms.positions

    @property
    def thickness(self) -> float:
        """Distance along the beam from the highest to the lowest atom [Å]."""
        return float(np.ptp(self.positions[:, 2]))


def build_specimen(
    material: Material, structure: Structure, seed: int, dataset: str, sample_index: int
) -> Specimen:
    """Build one specimen of a material.

    Every aspect (shape, vacancies, noise, ...) has its own random draw, so that changing one key
    of the structure leaves the others' draws as they were.

    Raises
    ------
    SpecimenError
        Where no valid specimen can be made of the material.
    """

    def draws(aspect: str) -> np.random.Generator:
        return generator(seed, dataset, material.identifier, sample_index, "specimen", aspect)

    tilt = draws("tilt").uniform(*structure.tilt_degrees)
    tilt_axis = draws("tilt axis").uniform(0.0, 360.0)
    pieces = _pieces(material, structure, draws)
    numbers = np.concatenate([piece.numbers for piece in pieces.values()])
    positions = np.concatenate([piece.positions for piece in pieces.values()])
    components = np.repeat(list(pieces), [len(piece.numbers) for piece in pieces.values()])
    columns = _joined_columns(list(pieces.values()))
    present = np.concatenate([piece.present for piece in pieces.values()])
    noise = draws("position noise").normal(size=(int(present.sum()), 3))
    positions[present] += structure.position_noise_angstrom * noise
    middle = (positions[present, 2].min() + positions[present, 2].max()) / 2
    positions = _tilted(positions, float(middle), tilt, tilt_axis)
    positions[:, :2] += structure.box_angstrom / 2
    positions[:, 2] -= positions[present, 2].min()
    _require_inside(positions[present], structure, material)
    everything = Atoms(numbers, components, columns, positions)
    return Specimen(
        everything.chosen(present),
        structure.box_angstrom,
        tilt,
        tilt_axis,
        everything.chosen(~present),
    )


def _joined_columns(pieces: list[Piece]) -> Integers:
    """Number the columns of all pieces through."""
    joined, first = [], 0
    for piece in pieces:
        inside = piece.columns >= 0
        joined.append(np.where(inside, piece.columns + first, -1))
        first += int(piece.columns.max(initial=-1)) + 1
    return np.concatenate(joined)


def _pieces(material: Material, structure: Structure, draws: Generators) -> dict[int, Piece]:
    """The parts of a specimen about the origin, before noise and tilt, by `Atoms.components`."""
    crystal = _stack(material, structure, draws)
    flake_height = float(np.ptp(crystal.positions[:, 2]))
    support = SUPPORTS[structure.support] if structure.support != "none" else None
    height = support.height(structure, draws) if support else 0.0
    rotation = draws("rotation").uniform(0.0, 2 * np.pi)
    flake = crystal_piece(
        crystal,
        structure,
        structure.flake_radius_angstrom,
        rotation,
        _room(structure, flake_height, height),
        draws,
        "flake",
    )
    pieces = {FLAKE: flake}
    if support:
        room = _room(structure, height, flake_height)
        below = support.build(structure, height, rotation, room, draws)
        gap = draws("support gap").uniform(*structure.support_gap_angstrom)
        pieces[SUPPORT] = below.raised(flake.span()[1] + gap - below.span()[0])
    contamination = build_contamination(structure, flake.outline, draws)
    if contamination is not None:
        gap = structure.contamination_gap_angstrom
        pieces[CONTAMINATION] = contamination.raised(flake.span()[0] - gap)
    return pieces


def _stack(material: Material, structure: Structure, draws: Generators) -> ase.Atoms:
    """The unit cell of the drawn number of layers of a material."""
    layer = material.atoms()
    count = draw_count(structure.layers, draws("layers"))
    # The first layer stays where it is.
    shares = draws("layer registry").random((count, 2))
    shares[0] = 0.0
    if structure.layer_registry == "aa":
        shares[:] = 0.0
    shifts = shares @ np.asarray(layer.cell)[:2, :2]
    return stack_layers(layer, list(shifts), structure.layer_gap_angstrom)


def _room(structure: Structure, height: float, other_height: float) -> float:
    """Half the side of the square in which an untilted piece may lie [Å].

    The tilt moves atoms sideways by up to half the specimen's height times its sine.

    Parameters
    ----------
    structure : Structure
        Box, margin, tilt, gaps.
    height, other_height : float
        Of the piece itself, and of the support or the flake on the other side of the gap [Å].
    """
    height += contamination_height(structure)
    if structure.support != "none":
        height += structure.support_gap_angstrom[1] + max(other_height, 4.0)
    sideways = 0.5 * height * math.sin(math.radians(structure.tilt_degrees[1]))
    noise = 5 * structure.position_noise_angstrom
    room = structure.box_angstrom / 2 - structure.margin_angstrom - sideways - noise
    if room <= 0:
        raise SpecimenError(
            f"a specimen of {height:.1f} Å height finds no room in the box once it is tilted; "
            "enlarge box_angstrom or lower tilt_degrees"
        )
    return room


def _tilted(positions: Floats, height: float, angle: float, axis: float) -> Floats:
    """Turn points about an axis in the plane at a height [Å]."""
    radians = np.deg2rad(angle)
    direction = np.array([np.cos(np.deg2rad(axis)), np.sin(np.deg2rad(axis)), 0.0])
    middle = np.array([0.0, 0.0, height])
    points = positions - middle
    # Rodrigues' rotation formula
    along = np.outer(points @ direction, direction) * (1 - np.cos(radians))
    across = np.cross(direction, points) * np.sin(radians)
    return np.asarray(points * np.cos(radians) + across + along + middle)


def _require_inside(positions: Floats, structure: Structure, material: Material) -> None:
    gap = min(float(positions[:, :2].min()), float(structure.box_angstrom - positions[:, :2].max()))
    if gap < min(structure.margin_angstrom, 0.5) - 1e-9:
        raise SpecimenError(
            f"the flake of {material.identifier} comes within {gap:.2f} Å of the border of the "
            "box; raise box_angstrom or lower flake_radius_angstrom"
        )
