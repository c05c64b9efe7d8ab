"""Specimens: the shares of defects, the columns, noise, tilt, support and the border of the box."""

import numpy as np
import pytest
from ase.build import graphene, mx2

from exitwave.config import Structure
from exitwave.errors import SpecimenError
from exitwave.materials.material import read_materials
from exitwave.seeds import generator
from exitwave.specimens.build import build_specimen
from exitwave.specimens.flakes import cut_flake, draw_outline, remove_defects

PERFECT = Structure(vacancy_share=0, hole_share=0, position_noise_angstrom=0, tilt_degrees=(0, 0))


@pytest.fixture(scope="module")
def mos2():
    materials, _, _ = read_materials("monolayers", "name=2H-MoS2", 8)
    return materials[0]


@pytest.fixture(scope="module")
def every_monolayer():
    return read_materials("monolayers", "", 8)[0]


def build(material, structure=Structure(), index=0, dataset="test"):  # noqa: B008
    return build_specimen(material, structure, 1, dataset, index)


def neighbour_distances(positions):
    return np.sort(np.linalg.norm(positions[:, None] - positions[None], axis=-1), axis=1)[:, 1:]


def test_a_perfect_flake_is_a_piece_of_the_crystal(mos2):
    specimen = build(mos2, PERFECT)
    metal = specimen.positions[specimen.numbers == 42]
    sulphur = specimen.positions[specimen.numbers == 16]
    bonds = np.linalg.norm(metal[:, None] - sulphur[None], axis=-1)
    assert bonds.min() == pytest.approx(2.41, abs=0.02)
    assert neighbour_distances(metal).min() == pytest.approx(3.16, abs=0.02)
    assert specimen.thickness == pytest.approx(3.13, abs=0.06)
    assert specimen.positions[:, 2].min() == 0
    # Both sulphur atoms of each column are there.
    assert np.sum(specimen.positions[:, 2] < 0.1) == np.sum(specimen.positions[:, 2] > 3.0)


def test_a_flake_is_convex_and_as_large_as_asked():
    rng = np.random.default_rng(1)

    def flake(seed, radius, room, rotation):
        draws = generator(seed, "flake")
        outline = draw_outline((radius, 1.5 * radius), (4, 8), room, draws)
        return outline, cut_flake(graphene(), outline, rotation, draws)[1]

    for seed in range(20):
        outline, positions = flake(seed, 6.0, 15.0, rng.uniform(0, 6))
        plane = positions[:, :2]
        from scipy.spatial import ConvexHull, Delaunay

        hull = Delaunay(plane[ConvexHull(plane).vertices])
        _, larger = flake(seed, 20.0, 40.0, 0.0)
        # The area of the hull is that of its atoms: no bay and no hole.
        assert hull.npoints >= 4
        area = ConvexHull(plane).volume
        density = 2 / (2.46**2 * np.sqrt(3) / 2)
        assert len(plane) == pytest.approx(area * density, rel=0.25)
        assert len(plane) == pytest.approx(outline.area() * density, rel=0.1)
        assert np.hypot(*plane.T).max() <= 15.0
        assert len(larger) > len(plane)


def test_the_share_of_vacancies_and_holes():
    atoms = mx2(size=(40, 40, 1))
    total = len(atoms)
    kept = remove_defects(atoms.positions, 0.05, 0.0, 0.5, generator(1, "vacancies"))
    assert total - kept.sum() in (int(0.05 * total), int(0.05 * total) + 1)
    # Of 4800 atoms a third are Mo. A hole at Mo takes one atom, one at S two: on average 5/3.
    shares = [
        1 - remove_defects(atoms.positions, 0.0, 0.05, 0.5, generator(seed, "holes")).mean()
        for seed in range(20)
    ]
    assert np.mean(shares) == pytest.approx(0.05 * 5 / 3, rel=0.05)


def test_small_flakes_have_the_same_mean_share():
    positions = np.random.default_rng(0).random((7, 3)) * 50
    lost = [
        7 - remove_defects(positions, 0.05, 0.0, 0.5, generator(seed, "few")).sum()
        for seed in range(3000)
    ]
    assert np.mean(lost) == pytest.approx(0.35, abs=0.04)


def test_a_hole_takes_the_whole_column_and_only_it():
    atoms = mx2(size=(12, 12, 1))
    columns = {}
    for place, position in enumerate(np.round(atoms.positions[:, :2], 3)):
        columns.setdefault(tuple(position), []).append(place)
    kept = remove_defects(atoms.positions, 0.0, 0.1, 0.5, generator(2, "holes"))
    assert 0 < (~kept).sum() < len(kept)
    for places in columns.values():
        assert kept[places].all() or not kept[places].any()
    sulphur_lost = np.sum(~kept & (atoms.numbers == 16))
    assert sulphur_lost % 2 == 0


def test_a_vacancy_takes_one_sulphur_atom():
    atoms = mx2(size=(12, 12, 1))
    kept = remove_defects(atoms.positions, 0.1, 0.0, 0.5, generator(2, "vacancies"))
    lost = np.flatnonzero(~kept & (atoms.numbers == 16))
    partners = [
        np.sum(np.all(np.abs(atoms.positions[kept, :2] - atoms.positions[i, :2]) < 0.01, axis=1))
        for i in lost
    ]
    assert np.mean(partners) > 0.7


@pytest.mark.parametrize("support", ["none", "graphene"])
def test_the_vacancies_are_what_the_whole_crystal_lacks(mos2, support):
    """At the same draws, flake and vacancies together are the specimen without defects."""
    for index in range(5):
        still = {"position_noise_angstrom": 0.0, "support": support}
        whole = build(mos2, Structure(vacancy_share=0, hole_share=0, **still), index)
        specimen = build(mos2, Structure(vacancy_share=0.05, hole_share=0.05, **still), index)
        vacancies = specimen.vacancies
        numbers = np.concatenate([specimen.numbers, vacancies.numbers])
        components = np.concatenate([specimen.atoms.components, vacancies.components])
        positions = np.concatenate([specimen.positions, vacancies.positions])
        assert len(numbers) == len(whole.numbers)
        assert len(vacancies.numbers) > 0
        assert set(vacancies.components) == ({0, 1} if support == "graphene" else {0})
        for number in set(numbers):
            for part in (0, 1):
                ours = positions[(numbers == number) & (components == part)]
                theirs = whole.positions[
                    (whole.numbers == number) & (whole.atoms.components == part)
                ]
                # The height at which it is tilted, and which atom is the highest, may differ.
                if len(ours):
                    shift = ours.mean(axis=0) - theirs.mean(axis=0)
                    _same_points(ours - shift, theirs)


def _same_points(ours, theirs):
    distances = np.linalg.norm(ours[:, None] - theirs[None], axis=-1)
    assert distances.min(axis=1).max() < 1e-9
    assert len(set(distances.argmin(axis=1))) == len(theirs)


def test_columns_are_told_by_the_whole_crystal_before_the_tilt(mos2):
    specimen = build(mos2, Structure(tilt_degrees=(10.0, 10.0), support="graphene"))
    vacancies = specimen.vacancies
    columns = np.concatenate([specimen.atoms.columns, vacancies.columns])
    numbers = np.concatenate([specimen.numbers, vacancies.numbers])
    components = np.concatenate([specimen.atoms.components, vacancies.components])
    found = {
        (*sorted(numbers[columns == column]), int(components[columns == column][0]))
        for column in set(columns)
    }
    assert found <= {(42, 0), (16, 16, 0), (6, 1)}
    # Cut at the outline before the tilt, both sulphur atoms of a column are in or out.
    pairs = [np.sum(numbers[columns == c] == 16) for c in set(columns[numbers == 16])]
    assert set(pairs) == {2}
    assert len({int(components[columns == c].max()) for c in set(columns)}) == 2


def test_disordered_parts_have_no_columns(mos2):
    structure = Structure(support="amorphous_carbon", box_angstrom=50.0)
    specimen = build(mos2, structure)
    assert (specimen.atoms.columns[specimen.atoms.components == 1] == -1).all()
    assert (specimen.atoms.columns[specimen.atoms.components == 0] >= 0).all()


def test_the_noise_is_a_hundredth_of_an_angstrom(mos2):
    still = build(mos2, PERFECT)
    noisy = build(mos2, PERFECT.model_copy(update={"position_noise_angstrom": 0.01}))
    moved = noisy.positions - still.positions
    moved[:, 2] -= moved[:, 2].mean()
    assert moved.std(axis=0) == pytest.approx([0.01] * 3, rel=0.2)


def test_tilts_are_uniform_up_to_ten_degrees_about_any_axis(mos2):
    specimens = [build(mos2, index=index) for index in range(300)]
    tilts = np.array([specimen.tilt for specimen in specimens])
    axes = np.array([specimen.tilt_axis for specimen in specimens])
    assert 0 <= tilts.min() < 0.5
    assert 9.5 < tilts.max() <= 10
    assert tilts.mean() == pytest.approx(5, abs=0.6)
    assert np.abs(np.exp(1j * np.deg2rad(axes)).mean()) < 0.15


def test_the_tilt_turns_the_layer_by_its_angle_about_its_axis(mos2):
    structure = PERFECT.model_copy(update={"tilt_degrees": (7.0, 7.0)})
    specimen = build(mos2, structure)
    metal = specimen.positions[specimen.numbers == 42]
    normal = np.linalg.svd(metal - metal.mean(axis=0))[2][2]
    assert np.degrees(np.arccos(abs(normal[2]))) == pytest.approx(7.0, abs=1e-6)
    axis = np.deg2rad(specimen.tilt_axis)
    assert normal @ [np.cos(axis), np.sin(axis), 0.0] == pytest.approx(0, abs=1e-9)
    np.testing.assert_allclose(
        neighbour_distances(specimen.positions),
        neighbour_distances(build(mos2, PERFECT).positions),
        atol=1e-9,
    )


def test_the_support_lies_below_at_the_drawn_gap_and_rotation(mos2):
    structure = PERFECT.model_copy(update={"support": "graphene"})
    gaps, rotations = [], []
    for index in range(200):
        specimen = build(mos2, structure, index)
        flake = specimen.positions[specimen.atoms.components == 0]
        support = specimen.positions[specimen.atoms.components == 1]
        assert set(specimen.numbers[specimen.atoms.components == 1]) == {6}
        assert np.ptp(support[:, 2]) < 1e-9
        gaps.append(support[0, 2] - flake[:, 2].max())
        metal = flake[specimen.numbers[specimen.atoms.components == 0] == 42]
        difference = lattice_angle(support, 1.42, 3) - lattice_angle(metal, 3.16, 6)
        rotations.append(np.degrees(difference) % 60)
    assert min(gaps) >= 3.3
    assert max(gaps) <= 7.0
    assert np.ptp(gaps) > 3.3
    rotations = np.array(rotations)
    for angle in (0, 15, 30):
        near = np.abs((rotations - angle + 30) % 60 - 30) < 0.5
        assert near.mean() == pytest.approx(0.25, abs=0.1)


def lattice_angle(positions, bond, symmetry):
    """Direction of the rows of a hexagonal lattice, modulo 60 degrees [rad]."""
    steps = (positions[:, None, :2] - positions[None, :, :2]).reshape(-1, 2)
    length = np.hypot(*steps.T)
    near = np.abs(length - bond) < 0.1
    angles = np.arctan2(steps[near, 1], steps[near, 0])
    # Bonds of the honeycomb stand at 30 degrees to its lattice vectors.
    offset = np.pi / 6 if symmetry == 3 else 0.0
    return np.angle(np.exp(6j * (angles - offset)).mean()) / 6


@pytest.mark.parametrize(
    ("values", "every"),
    [
        ({}, 1),
        ({"support": "graphene"}, 1),
        ({"support": "graphite"}, 3),
        ({"support": "amorphous_carbon"}, 20),
        ({"support": "graphene", "layers": (1, 4)}, 3),
        ({"contamination_per_square_angstrom": (0.0, 0.2)}, 10),
        (
            {
                "support": "amorphous_carbon",
                "layers": (3, 3),
                "contamination_per_square_angstrom": (0.1, 0.1),
                "tilt_degrees": (10, 10),
            },
            40,
        ),
    ],
)
def test_no_specimen_touches_the_border(every_monolayer, values, every):
    structure = Structure(**values)
    for material in every_monolayer[::every]:
        for index in range(3):
            specimen = build(material, structure, index)
            plane = specimen.positions[:, :2]
            assert plane.min() >= structure.margin_angstrom - 0.1
            assert plane.max() <= structure.box_angstrom - structure.margin_angstrom + 0.1
            assert specimen.positions[:, 2].min() == 0
            assert neighbour_distances(specimen.positions)[:, 0].min() > 0.7


def test_flakes_lie_anywhere_in_the_box(mos2):
    centres = np.array([build(mos2, PERFECT, i).positions[:, :2].mean(axis=0) for i in range(60)])
    assert np.ptp(centres, axis=0).min() > 5


def test_draws_of_one_aspect_do_not_depend_on_the_others(mos2):
    still = build(mos2, PERFECT)
    tilted = build(mos2, PERFECT.model_copy(update={"tilt_degrees": (0.0, 10.0)}))
    np.testing.assert_array_equal(still.numbers, tilted.numbers)
    supported = build(mos2, PERFECT.model_copy(update={"support": "graphene"}))
    flake = supported.atoms.components == 0
    assert np.ptp(supported.positions[flake, 0]) == pytest.approx(
        np.ptp(still.positions[:, 0]), abs=8
    )


def test_the_same_key_gives_the_same_specimen_and_another_another(mos2):
    np.testing.assert_array_equal(build(mos2).positions, build(mos2).positions)
    assert (
        build(mos2).positions.shape != build(mos2, dataset="other").positions.shape
        or (build(mos2).positions != build(mos2, dataset="other").positions).any()
    )


def test_a_flake_smaller_than_its_cell_is_refused(mos2):
    tiny = Structure(flake_radius_angstrom=(0.05, 0.05))
    with pytest.raises(SpecimenError, match="raise flake_radius_angstrom"):
        for index in range(20):
            build(mos2, tiny, index)
