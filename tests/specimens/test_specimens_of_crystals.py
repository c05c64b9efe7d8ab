"""Specimens of real crystals: which atoms defects take, odd unit cells, rotations, exit plane."""

import ase.db
import numpy as np
import pytest
from ase import Atoms
from ase.build import mx2
from scipy import stats
from scipy.spatial import cKDTree

from exitwave.config import Multislice, Structure
from exitwave.materials.material import read_materials
from exitwave.multislice.exit_wave import slice_thicknesses
from exitwave.specimens.build import FLAKE, SUPPORT, build_specimen
from exitwave.specimens.supports import graphite

STILL = {
    "vacancy_share": 0,
    "hole_share": 0,
    "position_noise_angstrom": 0,
    "tilt_degrees": (0, 0),
}


@pytest.fixture(scope="module")
def mos2():
    return read_materials("monolayers", "name=2H-MoS2", 8)[0][0]


def build(material, index=0, **values):
    return build_specimen(material, Structure(**{**STILL, **values}), 1, "test", index)


def lost_columns(material, index, **shares):
    """What defects took: for each column of the perfect flake, (symbols there, atoms lost)."""
    perfect, damaged = build(material, index), build(material, index, **shares)
    lost = cKDTree(damaged.positions).query(perfect.positions)[0] > 0.1
    assert len(perfect.numbers) - len(damaged.numbers) == lost.sum()
    columns = {}
    for place in np.flatnonzero(lost):
        near = np.hypot(*(perfect.positions[:, :2] - perfect.positions[place, :2]).T) < 0.1
        column = tuple(np.flatnonzero(near))
        columns[column] = (set(perfect.numbers[near]), int(lost[near].sum()), int(near.sum()))
    return list(columns.values())


def test_a_vacancy_at_sulphur_takes_one_sulphur(mos2):
    columns = [
        column
        for index in range(15)
        # So few that no two of them are expected in one column.
        for column in lost_columns(mos2, index, vacancy_share=0.015)
    ]
    sulphur = [column for column in columns if column[0] == {16}]
    metal = [column for column in columns if column[0] == {42}]
    assert len(sulphur) > 20
    assert len(metal) > 5
    assert {count for _, _, count in sulphur} == {2}
    assert np.mean([lost == 1 for _, lost, _ in sulphur]) > 0.95
    assert {lost for _, lost, _ in metal} == {1}
    # Two of three atoms are sulphur.
    assert len(sulphur) / len(columns) == pytest.approx(2 / 3, abs=0.15)


def test_a_hole_at_sulphur_takes_both_sulphur_atoms(mos2):
    columns = [c for index in range(15) for c in lost_columns(mos2, index, hole_share=0.05)]
    sulphur = [lost for elements, lost, _ in columns if elements == {16}]
    metal = [lost for elements, lost, _ in columns if elements == {42}]
    assert len(sulphur) > 40
    assert set(sulphur) == {2}
    assert set(metal) == {1}


def test_a_hole_goes_through_all_layers_of_a_stack(mos2):
    perfect = build(mos2, layers=(2, 2), layer_registry="aa")
    damaged = build(mos2, layers=(2, 2), layer_registry="aa", hole_share=0.05)
    lost = perfect.positions[cKDTree(damaged.positions).query(perfect.positions)[0] > 0.1]
    assert len(lost) > 0
    for x, y in lost[:, :2]:
        column = np.hypot(damaged.positions[:, 0] - x, damaged.positions[:, 1] - y) < 0.1
        assert not column.any()


def lattice_direction(positions, distance, offset):
    """Direction of the neighbours at a distance [Å] in a hexagonal layer, modulo 60 degrees."""
    pairs = cKDTree(positions[:, :2]).query_pairs(distance + 0.1, output_type="ndarray")
    steps = positions[pairs[:, 1], :2] - positions[pairs[:, 0], :2]
    steps = steps[np.hypot(*steps.T) > distance - 0.1]
    angles = np.arctan2(steps[:, 1], steps[:, 0]) + offset
    return np.degrees(np.angle(np.exp(6j * angles).mean()) / 6)


@pytest.mark.parametrize("support", ["graphene", "graphite"])
def test_a_quarter_of_the_supports_has_each_rotation(mos2, support):
    count = 240
    # Small ones are quick, and their lattice is as sharp.
    small = {"flake_radius_angstrom": (7, 8), "support_radius_angstrom": (7, 8)}
    rotations = []
    for index in range(count):
        specimen = build(mos2, index, support=support, support_layers=(2, 2), **small)
        metal = specimen.positions[specimen.numbers == 42]
        carbon = specimen.positions[specimen.atoms.components == SUPPORT]
        sheet = carbon[carbon[:, 2] < carbon[:, 2].min() + 1]
        # The bonds of graphene stand at 30 degrees to its lattice vectors.
        turned = lattice_direction(sheet, 1.42, np.pi / 6) - lattice_direction(metal, 3.16, 0.0)
        rotations.append(turned % 60)
    rotations = np.array(rotations)
    exact = [np.abs((rotations - angle + 30) % 60 - 30) < 0.05 for angle in (0, 15, 30)]
    free = ~np.any(exact, axis=0)
    observed = [*(choice.sum() for choice in exact), free.sum()]
    assert sum(observed) == count
    assert stats.chisquare(observed).pvalue > 1e-3
    assert stats.kstest(rotations[free] / 60, "uniform").pvalue > 1e-3


@pytest.fixture
def read_cell(tmp_path):
    def read(atoms):
        path = tmp_path / "one.db"
        path.unlink(missing_ok=True)
        with ase.db.connect(path, use_lock_file=False) as connection:
            connection.write(atoms)
        materials, rejected, _ = read_materials(str(path), "", 8)
        assert not rejected
        return materials[0]

    return read


def test_a_cell_of_one_atom_makes_a_specimen(read_cell):
    gold = Atoms("Au", cell=[[2.76, 0, 0], [1.38, 2.39, 0], [0, 0, 15]], pbc=(True, True, False))
    specimen = build(read_cell(gold))
    assert set(specimen.numbers) == {79}
    assert specimen.thickness == pytest.approx(0, abs=1e-9)
    assert cKDTree(specimen.positions).query(specimen.positions, k=2)[0][:, 1].min() == (
        pytest.approx(2.76, abs=0.01)
    )
    assert len(specimen.numbers) > 20
    damaged = build(read_cell(gold), vacancy_share=0.05, hole_share=0.05)
    assert len(specimen.numbers) - len(damaged.numbers) >= 2
    stacked = build(read_cell(gold), layers=(3, 3))
    assert stacked.thickness == pytest.approx(6.0)


def molybdenite():
    atoms = mx2("MoS2", a=3.16, thickness=3.17, vacuum=7.5)
    atoms.pbc = (True, True, False)
    return atoms


def heights(specimen):
    return np.unique(np.round(specimen.positions[:, 2], 3))


def left_handed(atoms):
    cell = np.array(atoms.cell)
    return Atoms(atoms.numbers, atoms.positions, cell=cell[[1, 0, 2]], pbc=atoms.pbc)


def across_the_border(atoms):
    shifted = atoms.copy()
    shifted.pbc = True
    shifted.positions += [0.3, -0.4, -atoms.positions[:, 2].mean()]
    shifted.wrap()
    return shifted


@pytest.mark.parametrize("telling", [left_handed, across_the_border])
def test_specimens_of_odd_cells_are_the_crystal(read_cell, telling):
    specimen = build(read_cell(telling(molybdenite())))
    metal = specimen.positions[specimen.numbers == 42]
    sulphur = specimen.positions[specimen.numbers == 16]
    assert cKDTree(metal).query(sulphur)[0].min() == pytest.approx(2.41, abs=0.02)
    assert cKDTree(metal).query(metal, k=2)[0][:, 1].min() == pytest.approx(3.16, abs=0.01)
    assert heights(specimen) == pytest.approx([0, 1.585, 3.17], abs=0.01)
    assert len(sulphur) > len(metal)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"tilt_degrees": (10, 10)},
        {"tilt_degrees": (10, 10), "support": "graphene"},
        {"tilt_degrees": (10, 10), "support": "graphite"},
        {"tilt_degrees": (10, 10), "support": "amorphous_carbon"},
        {"contamination_per_square_angstrom": (0.1, 0.1), "layers": (2, 2)},
    ],
)
@pytest.mark.parametrize("projection", ["finite", "infinite"])
@pytest.mark.parametrize("step", [0.2, 1.0])
def test_the_exit_plane_lies_below_every_atom(mos2, values, projection, step):
    settings = Multislice(slice_thickness_angstrom=step, projection=projection)
    for index in range(2):
        heights = build(mos2, index, **values).positions[:, 2]
        top, thicknesses = slice_thicknesses(heights, settings)
        exit_plane = sum(thicknesses) - top
        # The wave meets an atom at the border of its slice, in the middle of which the lowest is.
        assert exit_plane - heights.max() == pytest.approx(3.0 - step / 2)
        assert np.all(exit_plane - heights >= 3.0 - step / 2 - 1e-9)


def test_the_flake_is_the_same_on_every_support(mos2):
    shapes = []
    for support in ("none", "graphene", "graphite", "amorphous_carbon"):
        specimen = build(mos2, support=support)
        flake = specimen.positions[specimen.atoms.components == FLAKE]
        shapes.append(flake - flake[0])
    for shape in shapes[1:]:
        np.testing.assert_allclose(shape, shapes[0], atol=1e-9)


def test_one_layer_of_graphite_is_graphene():
    sheet = next(m for m in read_materials("monolayers", "name=graphene", 8)[0])
    np.testing.assert_allclose(graphite.unit_cell(1).positions, sheet.atoms().positions, atol=1e-3)
