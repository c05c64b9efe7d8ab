"""Small specimens that a slow computation can afford."""

import numpy as np

from exitwave.config import Multislice
from exitwave.materials.material import read_materials
from exitwave.multislice.exit_wave import smearing_width
from exitwave.samples.parts import Atoms
from exitwave.specimens.build import Specimen
from exitwave.specimens.flakes import cut_flake, draw_outline

BOX = 12.0
WIDTH = smearing_width(Multislice())


def specimen(numbers, positions, box=BOX) -> Specimen:
    positions = np.asarray(positions, dtype=float)
    return Specimen(Atoms.of(np.asarray(numbers), positions), box)


def mixed_cluster():
    """Numbers and positions [Å] of six atoms of five elements, off the grid's points."""
    rng = np.random.default_rng(5)
    plane = rng.uniform(3, 9, 6), rng.uniform(3, 9, 6)
    return np.array([42, 16, 16, 8, 74, 6]), np.column_stack(
        [*plane, [0.0, 0.4, 1.3, 2.2, 2.9, 3.1]]
    )


def molybdenite_flake():
    """Numbers and positions [Å] of a MoS2 flake of some 25 atoms, tilted by 8 degrees."""
    material = read_materials("monolayers", "name=2H-MoS2", 8)[0][0]
    rng = np.random.default_rng(2)
    outline = draw_outline((4.0, 4.5), (6, 6), 5.0, rng)
    numbers, positions = cut_flake(material.atoms(), outline, 0.3, rng)
    positions[:, :2] += 0.5 * BOX - 0.5 * (
        positions[:, :2].min(axis=0) + positions[:, :2].max(axis=0)
    )
    positions[:, 2] += np.tan(np.deg2rad(8.0)) * positions[:, 0]
    positions[:, 2] -= positions[:, 2].min()
    return numbers, positions
