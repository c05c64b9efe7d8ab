"""Reading materials: the normalised frame, the identifiers, every rejection."""

import json
import pickle
import sqlite3
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, graphene
from ase.neighborlist import neighbor_list
from database_files import AT_CENTRE, C2DB, database, layer, molybdenite, needs_c2db
from scipy.spatial.transform import Rotation

from exitwave.errors import ExitwaveError
from exitwave.materials.material import Counts, Material, Rejected, read_materials


def read_one(folder: Path, atoms: Atoms) -> Material:
    path = folder / "one.db"
    path.unlink(missing_ok=True)
    (material,), rejected, _ = read_materials(database(path, atoms))
    assert rejected == []
    return material


def chiral_layer(seed: int = 0) -> Atoms:
    """A layer without any symmetry: four elements at random places in an oblique cell."""
    rng = np.random.default_rng(seed)
    cell = np.array([[5.1, 0, 0], [1.3, 5.9, 0], [0, 0, 20.0]])
    while True:
        scaled = rng.random((4, 3)) * [1, 1, 0.2] + [0, 0, 0.4]
        atoms = Atoms("CNOF", scaled_positions=scaled, cell=cell, pbc=(True, True, False))
        if neighbor_list("d", atoms, 1.2).size == 0:
            return atoms


def distances(atoms: Atoms) -> np.ndarray:
    """All interatomic distances up to 7 Å with the pair's elements, sorted."""
    i, j, lengths = neighbor_list("ijd", atoms, 7.0)
    pairs = np.sort(atoms.numbers[np.stack([i, j])], axis=0)
    order = np.lexsort((lengths, pairs[1], pairs[0]))
    return np.column_stack([pairs.T[order], lengths[order]])


def handedness(atoms: Atoms) -> float:
    """Volume spanned by the vectors from C to the nearest N, O and F: its sign is the chirality."""
    i, j, lengths, vectors = neighbor_list("ijdD", atoms, 9.0)
    nearest = []
    for number in (7, 8, 9):
        chosen = (atoms.numbers[i] == 6) & (atoms.numbers[j] == number)
        nearest.append(vectors[chosen][np.argmin(lengths[chosen])])
    return float(np.linalg.det(nearest))


def same_distances(first: Atoms, second: Atoms) -> bool:
    one, other = distances(first), distances(second)
    # A pair at the limit of the search may be seen in one list only.
    one, other = (table[table[:, 2] < 6.9] for table in (one, other))
    return one.shape == other.shape and np.allclose(one, other, atol=1e-3)


def exchanged(atoms: Atoms) -> Atoms:
    """The same crystal, told with a left-handed cell."""
    atoms = atoms.copy()
    atoms.cell = atoms.cell[[1, 0, 2]]
    return atoms


def inverted_normal(atoms: Atoms) -> Atoms:
    """The same crystal, told with a left-handed cell whose third vector points down."""
    atoms = atoms.copy()
    atoms.cell = atoms.cell[:] * [[1], [1], [-1]]
    return atoms


def cut(atoms: Atoms) -> Atoms:
    """The layer cut by the border of the cell."""
    atoms = atoms.copy()
    atoms.positions[:, 2] -= atoms.positions[:, 2].mean()
    atoms.pbc = True
    atoms.wrap()
    atoms.pbc = (True, True, False)
    return atoms


def cut_with_tilted_vector(atoms: Atoms) -> Atoms:
    atoms = atoms.copy()
    atoms.cell[2] += 0.4 * atoms.cell[0] - 0.7 * atoms.cell[1]
    return cut(atoms)


def turned(atoms: Atoms) -> Atoms:
    rotation = Rotation.from_euler("xyz", [40, -70, 130], degrees=True).as_matrix()
    atoms = atoms.copy()
    atoms.positions = atoms.positions @ rotation.T
    atoms.cell = atoms.cell[:] @ rotation.T
    return atoms


def vacuum_along_first(atoms: Atoms) -> Atoms:
    atoms = atoms.copy()
    atoms.cell = atoms.cell[[2, 0, 1]]
    atoms.pbc = (False, True, True)
    return atoms


def vacuum_along_second(atoms: Atoms) -> Atoms:
    atoms = atoms.copy()
    atoms.cell = atoms.cell[[0, 2, 1]]
    atoms.pbc = (True, False, True)
    return atoms


def periodic_in_space(atoms: Atoms) -> Atoms:
    atoms = atoms.copy()
    atoms.pbc = True
    return atoms


def periodic_in_space_along_first(atoms: Atoms) -> Atoms:
    return periodic_in_space(vacuum_along_first(atoms))


def without_third_vector(atoms: Atoms) -> Atoms:
    atoms = atoms.copy()
    atoms.cell[2] = 0.0
    return atoms


def with_dummy_third_vector(atoms: Atoms) -> Atoms:
    atoms = atoms.copy()
    atoms.cell[2] = [0.0, 0.0, 1.0]
    return atoms


def scattered_over_cells(atoms: Atoms) -> Atoms:
    atoms = atoms.copy()
    steps = np.array([[3, -2, 0], [0, 5, 0], [-1, -1, 0], [7, 0, 0]])
    atoms.positions += steps @ atoms.cell[:]
    return atoms


TELLINGS = [
    exchanged,
    inverted_normal,
    cut,
    cut_with_tilted_vector,
    turned,
    vacuum_along_first,
    vacuum_along_second,
    periodic_in_space,
    periodic_in_space_along_first,
    without_third_vector,
    with_dummy_third_vector,
    scattered_over_cells,
]


@pytest.mark.parametrize("telling", TELLINGS, ids=lambda telling: telling.__name__)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_crystal_stays_the_same_however_it_is_told(tmp_path, telling, seed):
    atoms = chiral_layer(seed)
    normalised = read_one(tmp_path, telling(atoms)).atoms()
    assert same_distances(normalised, atoms)
    assert handedness(normalised) == pytest.approx(handedness(atoms), abs=0.05)
    assert abs(handedness(atoms)) > 0.2


def test_mirror_image_is_another_material(tmp_path):
    atoms = chiral_layer()
    mirrored = atoms.copy()
    mirrored.cell = atoms.cell[:] * [1, -1, 1]
    mirrored.positions = atoms.positions * [1, -1, 1]
    assert same_distances(atoms, mirrored)
    normalised = read_one(tmp_path, mirrored)
    assert handedness(normalised.atoms()) == pytest.approx(-handedness(atoms), abs=0.05)
    assert normalised.identifier != read_one(tmp_path, atoms).identifier


@pytest.mark.parametrize("telling", TELLINGS, ids=lambda telling: telling.__name__)
def test_frame(tmp_path, telling):
    material = read_one(tmp_path, telling(chiral_layer()))
    a, b, c = np.array(material.cell)
    assert a[0] > 0
    assert b[1] > 0
    assert a[1] == a[2] == b[2] == c[0] == c[1] == 0
    heights = np.array(material.positions)[:, 2]
    assert heights.min() + heights.max() == pytest.approx(c[2], abs=1e-6)
    assert np.ptp(heights) == pytest.approx(material.thickness, abs=1e-6)
    scaled = np.array(material.positions) @ np.linalg.inv(material.cell)
    assert scaled.min() > -1e-3
    assert scaled.max() < 1
    assert material.atoms().pbc.tolist() == [True, True, False]


@pytest.mark.parametrize(
    "telling",
    [
        cut,
        turned,
        vacuum_along_first,
        periodic_in_space,
        without_third_vector,
        scattered_over_cells,
    ],
    ids=lambda telling: telling.__name__,
)
def test_identifier_names_the_structure(tmp_path, telling):
    assert read_one(tmp_path, telling(chiral_layer())) == read_one(tmp_path, chiral_layer())


def test_identifier_depends_on_nothing_else(tmp_path):
    atoms = molybdenite()
    other = graphene(a=2.46, vacuum=8.0)
    other.pbc = (True, True, False)
    alone = read_one(tmp_path, atoms)
    reordered, moved = atoms[[2, 0, 1]], atoms.copy()
    moved.positions += [0, 0, 3.3]
    moved.cell[2, 2] += 11.0
    noisy = atoms.copy()
    noisy.positions += 1e-7
    for told in (reordered, moved, noisy):
        path = tmp_path / "many.db"
        path.unlink(missing_ok=True)
        database(path, other, told, keys=[{}, {"name": "changed", "gap": 1.5}])
        materials, _, _ = read_materials(path)
        assert materials[1].identifier == alone.identifier
        assert materials[1] == alone
        assert (materials[1].row, materials[1].label) == (2, "changed")
    assert alone.identifier.startswith("MoS2-")
    assert len(alone.identifier) == len("MoS2-") + 12


def test_identifier_tells_close_structures_apart(tmp_path):
    strained = molybdenite()
    strained.set_cell(strained.cell[:] * [[1.001], [1.001], [1]], scale_atoms=True)
    first, second = read_one(tmp_path, molybdenite()), read_one(tmp_path, strained)
    assert first.formula == second.formula
    assert first.identifier != second.identifier


def test_lattice_constant_and_bond_survive_the_rounding(tmp_path):
    atoms = read_one(tmp_path, molybdenite()).atoms()
    assert atoms.cell.lengths()[0] == pytest.approx(3.16, abs=1e-4)
    assert atoms.get_distance(0, 2, mic=True) == pytest.approx(
        np.hypot(3.16 / np.sqrt(3), 3.17 / 2), abs=2e-4
    )


def test_dictionary_is_json_and_holds_no_row_or_label(tmp_path):
    path = database(tmp_path / "a.db", molybdenite(), keys=[{"uid": "MoS2-0"}])
    material = read_materials(path)[0][0]
    values = json.loads(json.dumps(material.as_dict()))
    assert set(values) == {"identifier", "formula", "numbers", "positions", "cell"}
    restored = Material.from_dict(values)
    assert restored == material
    assert (restored.label, restored.row) == ("", None)
    assert pickle.loads(pickle.dumps(material)) == material


@pytest.mark.parametrize(
    ("key", "value"), [("numbers", [42]), ("cell", [[1, 2, 3]]), ("positions", [[1, 2]])]
)
def test_dictionary_that_does_not_fit_together_is_refused(tmp_path, key, value):
    values = read_one(tmp_path, molybdenite()).as_dict()
    with pytest.raises(ValueError, match=r"fit together|unpack"):
        Material.from_dict({**values, key: value})


NAN = float("nan")


BAD_ROWS = {
    "no atoms": Atoms(cell=(4, 4, 20), pbc=(True, True, False)),
    "more than 3 atoms": layer("C4", [[0, 0, 10], [2, 0, 10], [0, 2, 10], [2, 2, 10]]),
    "element without a potential": layer("X", AT_CENTRE),
    "positions or cell not finite": layer("C", [[0, NAN, 10]]),
    "not periodic in a plane": layer("C", AT_CENTRE, pbc=False),
    "periodic in space, no vacuum of 5 Å": bulk("Cu"),
    "not a layer": layer("C", AT_CENTRE, cell=(12, 12, 20), pbc=True),
    "unusable cell": layer("C", AT_CENTRE, cell=[[4, 0, 0], [8, 0.01, 0], [0, 0, 20]]),
    "thicker than 30 Å": layer("C2", [[0, 0, 5], [0, 0, 40]], cell=(4, 4, 60), pbc=(1, 1, 0)),
    "atoms closer than 0.5 Å": layer("CO", [[0, 0, 10], [0.3, 0.3, 10]]),
}


MORE_BAD_ROWS = [
    ("element without a potential", layer("Rf", AT_CENTRE)),
    ("positions or cell not finite", layer("C", AT_CENTRE, cell=(float("inf"), 4, 20))),
    ("positions or cell beyond 10000 Å", layer("C", [[1e300, 0, 10]])),
    ("positions or cell beyond 10000 Å", layer("C", AT_CENTRE, cell=(4, 4, 1e300), pbc=True)),
    ("not periodic in a plane", layer("C", AT_CENTRE, pbc=(True, False, False))),
    ("unusable cell", layer("C", AT_CENTRE, cell=(0.9, 4, 20))),
    ("unusable cell", layer("C", AT_CENTRE, cell=(4, 61, 20))),
    ("unusable cell", layer("C", AT_CENTRE, cell=(0, 0, 0))),
    ("unusable cell", layer("C", AT_CENTRE, cell=(4, 0, 20), pbc=True)),
    ("periodic in space, no vacuum of 5 Å", layer("C", AT_CENTRE, cell=(2.46, 2.46, 3.35), pbc=1)),
    # Across the border of the cell, and between a lattice vector's own images.
    ("atoms closer than 0.5 Å", layer("CO", [[0.1, 0.1, 10], [3.9, 3.9, 10]])),
    (
        "atoms closer than 0.5 Å",
        layer("C", AT_CENTRE, cell=[[4, 0, 0], [4.1, 0.45, 0], [0, 0, 20]]),
    ),
]


@pytest.mark.parametrize(
    ("reason", "atoms"),
    [*BAD_ROWS.items(), *MORE_BAD_ROWS],
    ids=[*BAD_ROWS, *(f"{reason} {index}" for index, (reason, _) in enumerate(MORE_BAD_ROWS))],
)
def test_bad_row_is_rejected_with_one_reason_and_costs_only_itself(tmp_path, reason, atoms):
    path = database(tmp_path / "a.db", atoms, molybdenite(), keys=[{"uid": "bad"}])
    materials, rejected, counts = read_materials(path, "", max_atoms=3)
    assert [material.row for material in materials] == [2]
    assert [(entry.row, entry.label, entry.reason) for entry in rejected] == [(1, "bad", reason)]
    assert rejected[0].detail
    assert "\n" not in rejected[0].detail
    assert counts == Counts(rows=2, matched=2, lacking={})


def test_duplicate_is_rejected_and_names_the_earlier_row(tmp_path):
    path = database(tmp_path / "a.db", molybdenite(), turned(molybdenite()))
    materials, rejected, _ = read_materials(path)
    assert [material.row for material in materials] == [1]
    assert rejected == [Rejected(2, "", "MoS2", "same structure as an earlier row", "row 1")]


def test_allowed_elements_can_be_narrowed(tmp_path):
    path = database(tmp_path / "a.db", molybdenite(), layer("C", AT_CENTRE))
    materials, rejected, _ = read_materials(path, allowed_numbers={6})
    assert [material.formula for material in materials] == ["C"]
    assert rejected[0].detail == "atomic number 16"


def test_every_row_is_accepted_or_rejected(tmp_path):
    rows = [*BAD_ROWS.values(), molybdenite()]
    path = database(tmp_path / "a.db", *rows)
    materials, rejected, counts = read_materials(path, max_atoms=3)
    seen = sorted([m.row for m in materials] + [r.row for r in rejected])
    assert seen == list(range(1, len(rows) + 1))
    assert counts.matched == len(rows)


def test_everything_rejected_names_the_commonest_reason(tmp_path):
    path = database(tmp_path / "a.db", bulk("Cu"), bulk("Ag"), layer("X", AT_CENTRE))
    with pytest.raises(ExitwaveError, match="None of the 3 rows") as caught:
        read_materials(path)
    assert "2 of them were rejected for 'periodic in space" in str(caught.value)


@needs_c2db
@pytest.mark.parametrize(
    "name",
    [
        "c2db_sample_3000.db",
        "c2db_fixture_66.db",
        "genuine_asr_c2db_MoS2.db",
        "genuine_asr_c2db_BN.db",
        "genuine_c2db_july20_281_nokvp.db",
    ],
)
def test_every_row_of_c2db_is_accepted_or_rejected_with_a_reason(name):
    materials, rejected, counts = read_materials(C2DB / name, "", max_atoms=8)
    rows = [material.row for material in materials] + [entry.row for entry in rejected]
    assert len(rows) == len(set(rows)) == counts.rows == counts.matched
    assert all(entry.reason for entry in rejected)
    reasons = Counter(entry.reason for entry in rejected)
    print(f"{name}: {len(materials)} of {counts.rows} rows accepted, {dict(reasons)}")
    small = counts.rows - reasons["more than 8 atoms"]
    assert len(materials) >= 0.95 * small


@needs_c2db
def test_left_handed_rows_of_c2db_keep_their_distances():
    path = C2DB / "c2db_sample_3000.db"
    materials = {material.row: material for material in read_materials(path, "", 20)[0]}
    connection = sqlite3.connect(f"{path.as_uri()}?immutable=1", uri=True)
    compared = 0
    for row, numbers, positions, cell in connection.execute(
        "SELECT id, numbers, positions, cell FROM systems"
    ):
        vectors = np.frombuffer(cell).reshape(3, 3)
        if row not in materials or np.linalg.det(vectors) > 0:
            continue
        atoms = Atoms(
            np.frombuffer(numbers, np.int32),
            positions=np.frombuffer(positions).reshape(-1, 3),
            cell=vectors,
            pbc=(True, True, False),
        )
        assert same_distances(materials[row].atoms(), atoms)
        compared += 1
    connection.close()
    assert compared > 10
