"""The built-in table: its geometry against bond lengths known from the literature."""

import numpy as np
import pytest
from ase.data import covalent_radii
from ase.neighborlist import neighbor_list

from exitwave.materials.material import read_materials
from exitwave.materials.monolayers import Monolayer, monolayers

TABLE = {entry.name: entry for entry in monolayers()}
EVERY = pytest.mark.parametrize("entry", monolayers(), ids=lambda entry: entry.name)


def shortest_bond(entry: Monolayer, first: str, second: str) -> float:
    atoms = entry.atoms()
    i, j, distances = neighbor_list("ijd", atoms, 5.0)
    symbols = np.array(atoms.get_chemical_symbols())
    return float(distances[(symbols[i] == first) & (symbols[j] == second)].min())


@pytest.mark.parametrize(
    ("name", "first", "second", "length"),
    [
        ("graphene", "C", "C", 1.42),
        ("h-BN", "B", "N", 1.446),
        ("silicene", "Si", "Si", 2.25),
        ("graphane", "C", "C", 1.536),
        ("graphane", "C", "H", 1.104),
        ("fluorographene", "C", "F", 1.371),
        ("antimonene", "Sb", "Sb", 2.908),
        ("black-P", "P", "P", 2.224),
        ("2H-MoS2", "Mo", "S", 2.417),
        ("2H-WSe2", "W", "Se", 2.526),
        ("1T-TiS2", "Ti", "S", 2.43),
        ("1T-PtSe2", "Pt", "Se", 2.51),
        ("1Tprime-WTe2", "W", "W", 2.849),
        ("1Tprime-WTe2", "W", "Te", 2.70),
        ("PdSe2", "Pd", "Se", 2.44),
        ("PdSe2", "Se", "Se", 2.36),
        ("GaS", "Ga", "Ga", 2.448),
        ("InSe", "In", "Se", 2.634),
        ("GeS", "Ge", "S", 2.438),
        ("SnS", "Sn", "S", 2.627),
        ("FeSe", "Fe", "Se", 2.395),
        ("Bi2Te3", "Bi", "Te", 3.07),
        ("Sb2Te3", "Sb", "Te", 2.98),
        ("Ti3C2", "Ti", "C", 2.08),
        ("CdI2", "Cd", "I", 2.99),
        ("CrI3", "Cr", "I", 2.727),
        ("MoO3", "Mo", "O", 1.67),
        ("SnO", "Sn", "O", 2.224),
        ("Mg(OH)2", "Mg", "O", 2.10),
        ("BiOCl", "Bi", "O", 2.316),
        ("BiOCl", "Bi", "Cl", 3.059),
        ("FeOCl", "Fe", "O", 1.961),
    ],
)
def test_bond_lengths_are_those_of_the_literature(name, first, second, length):
    assert shortest_bond(TABLE[name], first, second) == pytest.approx(length, abs=0.01)


@pytest.mark.parametrize(
    ("name", "centre", "corner", "cutoff", "neighbours"),
    [
        ("2H-MoS2", "Mo", "S", 2.6, 6),
        ("1T-TiS2", "Ti", "S", 2.6, 6),
        ("CrI3", "Cr", "I", 3.0, 6),
        ("Ti3C2", "C", "Ti", 2.4, 6),
        ("Ti2CO2", "C", "Ti", 2.4, 6),
        ("MoO3", "Mo", "O", 2.5, 6),
        ("1Tprime-WTe2", "W", "Te", 2.95, 6),
        ("PdSe2", "Pd", "Se", 2.6, 4),
        ("GaS", "Ga", "S", 2.6, 3),
        ("black-P", "P", "P", 2.4, 3),
        ("FeSe", "Fe", "Se", 2.6, 4),
        ("BiOCl", "Bi", "O", 2.6, 4),
        ("BiOCl", "Bi", "Cl", 3.3, 4),
        ("FeOCl", "Fe", "O", 2.3, 4),
        ("FeOCl", "Fe", "Cl", 2.6, 2),
    ],
)
def test_coordination_is_that_of_the_structure_type(name, centre, corner, cutoff, neighbours):
    atoms = TABLE[name].atoms()
    symbols = np.array(atoms.get_chemical_symbols())
    i, j = neighbor_list("ij", atoms, cutoff)
    counts = np.bincount(i[symbols[j] == corner], minlength=len(atoms))
    assert set(counts[symbols == centre]) == {neighbours}


@EVERY
def test_nearest_neighbours_lie_at_plausible_distances(entry):
    atoms = entry.atoms()
    i, j, distances = neighbor_list("ijd", atoms, 5.0)
    radii = covalent_radii[atoms.numbers]
    ratios = distances / (radii[i] + radii[j])
    nearest = [ratios[i == index].min() for index in range(len(atoms))]
    assert min(nearest) > 0.75
    assert max(nearest) < 1.25


@EVERY
def test_entry_is_a_small_centred_layer_with_a_source(entry):
    atoms = entry.atoms()
    heights = atoms.positions[:, 2]
    assert 1 <= len(atoms) <= 8
    assert atoms.pbc.tolist() == [True, True, False]
    assert heights.min() + heights.max() == pytest.approx(atoms.cell[2, 2])
    assert heights.min() > 5.0
    assert set(atoms.get_chemical_symbols()) == set(entry.species)
    assert entry.source.endswith(")")


def test_every_entry_passes_the_reader():
    materials, rejected, counts = read_materials("monolayers", "", max_atoms=8)
    assert rejected == []
    assert [material.label for material in materials] == [entry.name for entry in monolayers()]
    assert counts.rows == counts.matched == len(monolayers())


def test_the_table_is_diverse():
    assert len(monolayers()) >= 45
    assert len(TABLE) == len(monolayers())
    assert len({frozenset(entry.species) for entry in monolayers()}) >= 35
    assert any(len(entry.lattice) == 2 for entry in monolayers())


def test_table_can_be_selected_from():
    by_name, _, _ = read_materials("monolayers", "name=2H-MoS2")
    by_prototype, _, counts = read_materials("monolayers", "prototype=2H,natoms=3")
    by_element, _, _ = read_materials("monolayers", "Mo,S")
    assert [material.formula for material in by_name] == ["MoS2"]
    assert {material.formula for material in by_prototype} >= {"MoS2", "WSe2", "NbSe2"}
    assert counts.matched == len(by_prototype) < counts.rows
    assert by_element == by_name
