"""Stacks, supports and contamination: their order along the beam, density, distances, registry."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from exitwave.config import Structure
from exitwave.errors import SpecimenError
from exitwave.materials.material import read_materials
from exitwave.seeds import generator
from exitwave.specimens.build import CONTAMINATION, FLAKE, SUPPORT, build_specimen
from exitwave.specimens.disordered import CLOSEST, carbon_count, carbon_network, hydrocarbon
from exitwave.specimens.flakes import draw_outline
from exitwave.specimens.supports import graphite

STILL = {
    "vacancy_share": 0,
    "hole_share": 0,
    "position_noise_angstrom": 0,
    "tilt_degrees": (0, 0),
}
MOS2_HEIGHT = 3.13


@pytest.fixture(scope="module")
def mos2():
    return read_materials("monolayers", "name=2H-MoS2", 8)[0][0]


def build(material, index=0, **values):
    return build_specimen(material, Structure(**{**STILL, **values}), 1, "test", index)


def part(specimen, component):
    return specimen.positions[specimen.atoms.components == component]


def heights(positions):
    return np.unique(np.round(positions[:, 2], 3))


def outline(seed=0):
    return draw_outline((9.0, 14.0), (4, 8), 17.0, generator(seed, "outline"))


@pytest.fixture(scope="module")
def network():
    region = outline()
    count = carbon_count(2.0, region.area() * 20.0)
    return region, carbon_network(region, 20.0, count, 0.1, generator(1, "carbon"))


def pair_distances(positions, limit):
    pairs = cKDTree(positions).query_pairs(limit, output_type="ndarray")
    return np.linalg.norm(positions[pairs[:, 0]] - positions[pairs[:, 1]], axis=1)


def test_layers_are_stacked_at_their_gap_in_one_outline(mos2):
    single = build(mos2)
    stack = build(mos2, layers=(3, 3), layer_gap_angstrom=2.9)
    assert set(stack.atoms.components) == {FLAKE}
    pitch = single.thickness + 2.9
    assert heights(stack.positions) == pytest.approx(
        np.concatenate([heights(single.positions) + n * pitch for n in range(3)]), abs=2e-3
    )
    first = stack.positions[stack.positions[:, 2] < 4]
    np.testing.assert_allclose(np.ptp(first, axis=0), np.ptp(single.positions, axis=0), atol=1e-6)
    for n in range(3):
        layer = stack.positions[np.abs(stack.positions[:, 2] - n * pitch - 1.56) < 2]
        assert len(layer) == pytest.approx(len(single.positions), rel=0.15)
        assert np.abs(layer.mean(axis=0) - first.mean(axis=0))[:2].max() < 1.0


@pytest.mark.parametrize("support", ["none", "graphite", "amorphous_carbon"])
def test_a_full_specimen_leaves_no_vacuum_within_its_margin(mos2, support):
    tilted = {**STILL, "tilt_degrees": (10, 10)}
    values = {**tilted, "support": support, "box_angstrom": 30.0, "full_share": 1.0}
    specimen = build_specimen(mos2, Structure(**values), 1, "test", 0)
    for component in np.unique(specimen.atoms.components):
        plane = part(specimen, component)[:, :2]
        inner = np.stack(np.meshgrid(*[np.arange(5.0, 25.1, 0.5)] * 2), axis=-1).reshape(-1, 2)
        # The tilt moves what is thick, and far from the middle of the specimen, sideways.
        assert cKDTree(plane).query(inner)[0].max() < (4 if support == "amorphous_carbon" else 2.6)
        assert plane.min() > 1.5
        assert plane.max() < 28.5


def test_about_their_share_of_the_specimens_is_full_and_the_others_are_as_before(mos2):
    for index in range(12):
        plain, mixed = (build(mos2, index, full_share=share) for share in (0.0, 0.5))
        if len(mixed.positions) == len(plain.positions):
            np.testing.assert_array_equal(mixed.positions, plain.positions)
    counts = [len(build(mos2, index, full_share=0.5).positions) for index in range(40)]
    whole = len(build(mos2, 0, full_share=1.0).positions)
    assert 8 < sum(count > 0.9 * whole for count in counts) < 32


def test_the_registry_is_random_or_atom_upon_atom(mos2):
    def offset(registry, index):
        specimen = build(mos2, index, layers=(2, 2), layer_registry=registry)
        metal = specimen.positions[specimen.numbers == 42]
        top = metal[:, 2] < 4
        return cKDTree(metal[top, :2]).query(metal[~top, :2])[0].min()

    assert max(offset("aa", index) for index in range(4)) < 1e-6
    offsets = [offset("random", index) for index in range(12)]
    assert np.ptp(offsets) > 0.5
    # No place of a hexagonal lattice lies farther from a point than this.
    assert max(offsets) < 3.16 / np.sqrt(3)


def test_the_number_of_layers_is_drawn_between_its_limits(mos2):
    numbers = [
        len(heights(build(mos2, index, layers=(1, 3)).positions)) // 3 for index in range(60)
    ]
    assert set(numbers) == {1, 2, 3}


def test_more_layers_leave_the_first_as_it_was(mos2):
    single, stack = build(mos2), build(mos2, layers=(2, 2), layer_registry="aa")
    assert single.tilt_axis == stack.tilt_axis
    np.testing.assert_allclose(
        np.sort(stack.positions[stack.positions[:, 2] < 4], axis=0),
        np.sort(single.positions, axis=0),
        atol=1e-9,
    )


def test_graphite_is_ab_stacked():
    atoms = graphite.unit_cell(3)
    bond = 1.42
    wide = atoms.repeat((8, 8, 1)).positions
    wide[:, 2] -= wide[:, 2].min()
    assert heights(wide) == pytest.approx([0, 3.35, 6.7])
    middle = wide[:, :2].mean(axis=0)
    one, two, three = (wide[np.abs(wide[:, 2] - z) < 0.1, :2] for z in (0.0, 3.35, 6.7))
    inner = two[np.hypot(*(two - middle).T) < 6]
    distances = cKDTree(one).query(inner)[0]
    # Half the atoms lie upon atoms, the others upon the middle of hexagons.
    assert np.mean(distances < 0.01) == pytest.approx(0.5, abs=0.1)
    assert distances[distances > 0.01] == pytest.approx(bond, abs=0.02)
    assert cKDTree(one).query(three)[0].max() < 1e-6


def test_graphite_lies_below_the_flake_at_the_gap(mos2):
    layers = []
    for index in range(40):
        specimen = build(mos2, index, support="graphite", support_layers=(2, 4))
        support = part(specimen, SUPPORT)
        levels = heights(support)
        layers.append(len(levels))
        assert np.diff(levels) == pytest.approx(3.35, abs=2e-3)
        gap = support[:, 2].min() - part(specimen, FLAKE)[:, 2].max()
        assert 3.3 <= gap <= 7.0
        bonds = cKDTree(support).query(support, k=2)[0][:, 1]
        assert np.median(bonds) == pytest.approx(1.42, abs=0.01)
    assert set(layers) == {2, 3, 4}


def test_amorphous_carbon_has_its_density(network):
    region, positions = network
    assert np.all(region.contains(positions))
    volume = region.area() * 20.0
    assert len(positions) * 12.011 * 1.66054 / volume == pytest.approx(2.0, rel=2e-3)
    # The density is the same everywhere: in halves of the height, and inside and outside.
    assert np.mean(positions[:, 2] < 10) == pytest.approx(0.5, abs=0.06)
    inner = np.abs(positions[:, :2] - region.centre).max(axis=1) < 5
    assert inner.sum() == pytest.approx(2.0 / (12.011 * 1.66054) * 10 * 10 * 20, rel=0.12)


def test_the_pairs_of_amorphous_carbon_are_those_of_a_covalent_solid(network):
    _, positions = network
    distances = pair_distances(positions, 4.0)
    assert distances.min() >= CLOSEST
    bonds = distances[distances < 1.6]
    assert bonds.mean() == pytest.approx(1.48, abs=0.03)
    assert not np.any((distances > 1.6) & (distances < 2.1))
    neighbours = cKDTree(positions).query_ball_point(positions, 1.6, return_length=True) - 1
    assert neighbours.max() == 4
    assert 2.0 < neighbours.mean() < 2.6
    assert np.mean(neighbours == 0) < 0.05


def test_amorphous_carbon_has_no_direction(network):
    _, positions = network
    pairs = cKDTree(positions).query_pairs(1.6, output_type="ndarray")
    steps = positions[pairs[:, 0]] - positions[pairs[:, 1]]
    steps /= np.linalg.norm(steps, axis=1, keepdims=True)
    assert (steps**2).mean(axis=0) == pytest.approx([1 / 3] * 3, abs=0.03)


def test_an_amorphous_support_lies_below_and_differs_between_samples(mos2):
    values = {"support": "amorphous_carbon", "support_thickness_angstrom": (8.0, 12.0)}
    one, same, other = (build(mos2, index, **values) for index in (0, 0, 1))
    np.testing.assert_array_equal(one.positions, same.positions)
    assert one.positions.shape != other.positions.shape
    for specimen in (one, other):
        support = part(specimen, SUPPORT)
        gap = support[:, 2].min() - part(specimen, FLAKE)[:, 2].max()
        assert 3.3 <= gap <= 7.0 + 1e-9
        assert 7.0 < np.ptp(support[:, 2]) <= 12.0
        assert set(specimen.numbers[specimen.atoms.components == SUPPORT]) == {6}
    # The flake itself is what it is without a support, but for the room that the tilt needs.
    assert np.sum(one.atoms.components == FLAKE) == len(build(mos2).numbers)


def test_too_dense_carbon_is_refused():
    with pytest.raises(SpecimenError, match=r"of \d+ carbon atoms find a place.*lower"):
        carbon_network(outline(), 3.0, 900, 0.1, generator(1, "dense"))


def test_hydrocarbons_are_molecules():
    region = outline()
    numbers, positions = hydrocarbon(region, 5.0, 0.15, 1.5, generator(1, "dirt"))
    carbon, hydrogen = positions[numbers == 6], positions[numbers == 1]
    assert len(carbon) == round(0.15 * region.area())
    assert len(hydrogen) == pytest.approx(1.5 * len(carbon), rel=0.05)
    assert np.all(region.contains(positions))
    assert positions[:, 2].min() >= 0
    assert positions[:, 2].max() <= 5.0
    bound = cKDTree(carbon).query(hydrogen, k=2)[0]
    assert bound[:, 0] == pytest.approx(1.09)
    assert bound[:, 1].min() >= 1.55
    assert pair_distances(hydrogen, 3.0).min() >= 1.55
    valence = cKDTree(positions).query_ball_point(carbon, 1.6, return_length=True) - 1
    assert valence.max() <= 4


def test_contamination_covers_the_flake_from_above(mos2):
    values = {"contamination_per_square_angstrom": (0.05, 0.2), "support": "graphene"}
    shares = []
    for index in range(20):
        specimen = build(mos2, index, **values)
        flake, dirt = part(specimen, FLAKE), part(specimen, CONTAMINATION)
        assert set(specimen.atoms.components) == {FLAKE, SUPPORT, CONTAMINATION}
        assert flake[:, 2].min() - dirt[:, 2].max() == pytest.approx(3.0)
        assert np.ptp(dirt[:, 2]) <= 5.0
        assert cKDTree(flake[:, :2]).query(dirt[:, :2])[0].max() < 3.2
        carbon = np.sum(specimen.numbers[specimen.atoms.components == CONTAMINATION] == 6)
        # One molybdenum atom for each cell of 8.65 Å².
        shares.append(carbon / (8.65 * np.sum(specimen.numbers == 42)))
    assert min(shares) > 0.04
    assert max(shares) < 0.23
    assert np.ptp(shares) > 0.08


def test_no_contamination_is_the_default(mos2):
    assert set(build(mos2, support="graphene").atoms.components) == {FLAKE, SUPPORT}


def test_a_specimen_too_high_for_its_box_is_refused(mos2):
    with pytest.raises(SpecimenError, match=r"height finds no room .* enlarge box_angstrom"):
        build(mos2, layers=(60, 60), tilt_degrees=(10, 10), flake_radius_angstrom=(3, 4))
