"""The catalog: a stable split and stable shards, whole manifests, clear errors."""

import csv
import itertools
import json
import logging
import os
import shutil
from dataclasses import asdict
from pathlib import Path

import ase.db
import pytest
from ase import Atoms
from ase.data import chemical_symbols
from catalogs import spec

from exitwave.errors import ExitwaveError
from exitwave.materials import selection
from exitwave.materials.manifest import Manifest, ManifestSample, read_manifest
from exitwave.materials.material import read_materials
from exitwave.provenance.attributes import attributes
from exitwave.stages.catalog import build_catalog

CHECKOUT = Path(__file__).parents[2]
C2DB = Path(os.environ.get("EXITWAVE_C2DB", CHECKOUT.parent / "shared" / "c2db"))

ELEMENTS = chemical_symbols[5:10] + chemical_symbols[13:18] + chemical_symbols[21:36]
PAIRS = list(itertools.combinations(ELEMENTS, 2))


def honeycomb(first: str, second: str, a: float = 4.0) -> Atoms:
    return Atoms(
        [first, second],
        scaled_positions=[[0, 0, 0.5], [1 / 3, 2 / 3, 0.5]],
        cell=[[a, 0, 0], [-a / 2, a * 3**0.5 / 2, 0], [0, 0, 15]],
        pbc=(True, True, False),
    )


def database(path: Path, structures, **keys) -> str:
    with ase.db.connect(path, use_lock_file=False) as connection:
        for index, structure in enumerate(structures):
            connection.write(structure, uid=f"row-{index}", **keys)
    return str(path)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory) -> str:
    """300 materials, each of another pair of elements."""
    path = tmp_path_factory.mktemp("pairs") / "pairs.db"
    return database(path, [honeycomb(*pair) for pair in PAIRS])


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def manifests(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / "shards").iterdir())}


def test_files_of_a_catalog_agree(tmp_path):
    summary = build_catalog(spec(shards=4), tmp_path / "catalog")
    folder = tmp_path / "catalog"
    materials, samples = table(folder / "materials.csv"), table(folder / "samples.csv")
    written = json.loads((folder / "summary.json").read_text())
    assert list(written) == [*asdict(summary), *attributes("{}")]
    assert asdict(summary).items() <= written.items()
    assert summary.taken == summary.accepted == len(materials) >= 45
    assert len(samples) == 2 * len(materials)
    listed = {(s["material"], int(s["sample_index"]), s["split"], s["shard"]) for s in samples}
    found = set()
    for path in sorted((folder / "shards").iterdir()):
        manifest = read_manifest(path)
        assert path.name == f"{manifest.shard:03d}.json"
        assert manifest.dataset == "demo"
        assert set(manifest.materials) == {sample.material for sample in manifest.samples}
        found |= {
            (sample.material, sample.sample_index, sample.split, path.stem)
            for sample in manifest.samples
        }
    assert found == listed
    for side in ("training", "validation"):
        assert summary.samples[side] == sum(entry[2] == side for entry in listed)
    assert table(folder / "rejected.csv") == []
    assert (folder / "rejected.csv").read_text() == "row,label,formula,reason,detail\n"
    assert not [path for path in folder.rglob("*") if path.name.endswith(".tmp")]


def test_manifest_holds_the_materials_as_they_were_read(tmp_path):
    build_catalog(
        spec(
            materials={"selection": "name=2H-MoS2"}, split={"by": "elements", "training_share": 1}
        ),
        tmp_path,
    )
    (path,) = (tmp_path / "shards").iterdir()
    manifest = read_manifest(path)
    (material,), _, _ = read_materials("monolayers", "name=2H-MoS2")
    assert isinstance(manifest, Manifest)
    assert manifest.materials == {material.identifier: material}
    assert manifest.samples == (
        ManifestSample(material.identifier, 0, "training"),
        ManifestSample(material.identifier, 1, "training"),
    )
    (row,) = table(tmp_path / "materials.csv")
    assert row["label"] == "2H-MoS2"
    assert row["elements"] == "Mo-S"
    assert float(row["a_angstrom"]) == pytest.approx(3.16)
    assert float(row["gamma_degrees"]) == pytest.approx(120, abs=0.01)
    assert float(row["thickness_angstrom"]) == pytest.approx(3.172)


def test_catalog_is_deterministic(tmp_path, pairs):
    text = spec(materials={"source": pairs})
    build_catalog(text, tmp_path / "a")
    build_catalog(text, tmp_path / "b")
    for name in ("materials.csv", "samples.csv", "rejected.csv"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    summaries = [json.loads((tmp_path / name / "summary.json").read_text()) for name in "ab"]
    for summary in summaries:
        del summary["created"]
    assert summaries[0] == summaries[1]
    assert manifests(tmp_path / "a") == manifests(tmp_path / "b")


def test_order_labels_and_name_of_the_database_leave_the_manifests_as_they_are(tmp_path):
    structures = [honeycomb(*pair) for pair in PAIRS[:60]]
    first = database(tmp_path / "first.db", structures)
    second = database(tmp_path / "other.json", structures[::-1], gap=1.0)
    build_catalog(spec(materials={"source": first}), tmp_path / "a")
    build_catalog(spec(materials={"source": second}), tmp_path / "b")
    assert manifests(tmp_path / "a") == manifests(tmp_path / "b")
    rows = [[row["row"] for row in table(tmp_path / name / "materials.csv")] for name in "ab"]
    assert rows[0] != rows[1]


@pytest.mark.parametrize("split", [{"by": "elements"}, {"by": "samples", "training_samples": 3}])
def test_added_material_changes_only_its_own_shards(tmp_path, split):
    if split["by"] == "samples":
        split = {**split, "validation_samples": 2}
    structures = [honeycomb(*pair) for pair in PAIRS[:60]]
    added = honeycomb("W", "H")
    first = database(tmp_path / "first.db", structures)
    second = database(tmp_path / "second.db", [*structures[:20], added, *structures[20:]])
    for source, name in ((first, "a"), (second, "b")):
        build_catalog(spec(materials={"source": source}, split=split, shards=30), tmp_path / name)
    before, after = manifests(tmp_path / "a"), manifests(tmp_path / "b")
    changed = {name for name in after if before.get(name) != after[name]}
    own = {
        f"{row['shard']}.json"
        for row in table(tmp_path / "b" / "samples.csv")
        if row["material"].startswith("HW") or row["material"].startswith("WH")
    }
    assert changed == own != set()
    for name in changed & set(before):
        old, new = (read_manifest(tmp_path / folder / "shards" / name) for folder in "ab")
        assert set(old.samples) < set(new.samples)


def test_no_element_set_is_on_both_sides_and_they_are_two_to_one(tmp_path, pairs):
    path = database(
        tmp_path / "strained.db",
        [honeycomb(*pair, a) for pair in PAIRS[:100] for a in (4.0, 4.2)],
    )
    for source, sets in ((pairs, len(PAIRS)), (path, 100)):
        summary = build_catalog(spec(materials={"source": source}), tmp_path / "catalog")
        sides = {"training": set(), "validation": set()}
        for row in table(tmp_path / "catalog" / "materials.csv"):
            sides[row["split"]].add(row["elements"])
        assert sides["training"].isdisjoint(sides["validation"])
        assert {side: len(names) for side, names in sides.items()} == summary.element_sets
        assert sum(summary.element_sets.values()) == sets
        share = summary.element_sets["training"] / sets
        # Three standard deviations of a binomial distribution.
        assert share == pytest.approx(2 / 3, abs=3 * (2 / 9 / sets) ** 0.5)


def test_split_depends_on_seed_and_share_alone(tmp_path, pairs):
    def training(seed: int, share: float, **entry) -> set[str]:
        split = {"by": "elements", "training_share": share}
        text = spec(seed=seed, materials={"source": pairs}, split=split, **entry)
        build_catalog(text, tmp_path)
        rows = table(tmp_path / "materials.csv")
        return {row["elements"] for row in rows if row["split"] == "training"}

    assert training(1, 0.5) < training(1, 0.7)
    assert training(1, 0.5) != training(2, 0.5)
    assert training(1, 0.5, shards=3) == training(1, 0.5, shards=50)


def test_limit_takes_the_same_materials_whatever_is_added(tmp_path, pairs):
    def taken(**materials) -> set[str]:
        build_catalog(spec(materials={"source": pairs, **materials}), tmp_path)
        return {row["material"] for row in table(tmp_path / "materials.csv")}

    assert taken(limit=20) < taken(limit=60) < taken()
    assert len(taken(limit=20)) == 20
    assert len(taken(limit=1000)) == len(PAIRS)
    assert json.loads((tmp_path / "summary.json").read_text())["accepted"] == len(PAIRS)
    assert taken(limit=3, selection="Fe") < taken(limit=60)


def test_split_by_samples(tmp_path):
    def samples(training: int, validation: int) -> set[tuple[str, ...]]:
        split = {"by": "samples", "training_samples": training, "validation_samples": validation}
        text = spec(materials={"selection": "name=2H-MoS2"}, split=split, shards=4)
        summary = build_catalog(text, tmp_path)
        assert summary.samples == {"training": training, "validation": validation}
        assert summary.materials == {"training": 1, "validation": 1}
        return {tuple(row.values()) for row in table(tmp_path / "samples.csv")}

    few, many = samples(50, 30), samples(90, 30)
    assert few < many
    assert len({row[1] for row in many}) == 120
    assert {row[3] for row in few} == {"000", "001", "002", "003"}
    assert table(tmp_path / "materials.csv")[0]["split"] == "training+validation"


def test_shards_of_an_earlier_catalog_are_removed(tmp_path, pairs):
    build_catalog(spec(materials={"source": pairs}, shards=20), tmp_path)
    assert len(manifests(tmp_path)) == 20
    build_catalog(spec(materials={"source": pairs}, shards=5), tmp_path)
    assert list(manifests(tmp_path)) == ["000.json", "001.json", "002.json", "003.json", "004.json"]


def test_shards_without_samples_have_no_manifest(tmp_path):
    summary = build_catalog(spec(materials={"limit": 10}, shards=500), tmp_path)
    assert summary.shards == len(manifests(tmp_path)) <= 10


def test_manifests_stay_below_the_size_that_snakemake_compares_by_content(tmp_path):
    split = {"by": "samples"}
    build_catalog(spec(materials={"selection": "name=2H-MoS2"}, split=split), tmp_path)
    assert max(map(len, manifests(tmp_path).values())) < 100_000


def test_rejected_rows_have_one_reason_each(tmp_path):
    lone = Atoms("C", positions=[[0, 0, 5]], cell=(4, 4, 15), pbc=False)
    big = honeycomb("Mo", "S", 6.0).repeat((3, 3, 1))
    rows = [honeycomb("B", "N"), lone, big, honeycomb("B", "N"), honeycomb("Mo", "Si")]
    source = database(tmp_path / "a.db", rows)
    text = spec(
        materials={"source": source}, split={"by": "samples", "training_samples": 1}, shards=1
    )
    summary = build_catalog(text, tmp_path / "catalog")
    rejected = table(tmp_path / "catalog" / "rejected.csv")
    assert [(row["row"], row["label"], row["reason"]) for row in rejected] == [
        ("2", "row-1", "not periodic in a plane"),
        ("3", "row-2", "more than 8 atoms"),
        ("4", "row-3", "same structure as an earlier row"),
    ]
    assert summary.rejected == {row["reason"]: 1 for row in rejected}
    assert summary.accepted == 2


def test_elements_without_a_potential_depend_on_the_parametrization(tmp_path):
    source = database(tmp_path / "a.db", [honeycomb("Fm", "N"), honeycomb("B", "N")])
    for parametrization, formulas in (("lobato", {"FmN", "BN"}), ("peng", {"BN"})):
        text = spec(
            materials={"source": source},
            split={"by": "samples", "training_samples": 1, "validation_samples": 1},
            multislice={"parametrization": parametrization},
        )
        build_catalog(text, tmp_path / "catalog")
        rows = table(tmp_path / "catalog" / "materials.csv")
        assert {row["formula"] for row in rows} == formulas


def test_rows_that_lack_a_compared_key_are_counted_and_reported(tmp_path, caplog):
    path = tmp_path / "a.db"
    database(path, [honeycomb(*pair) for pair in PAIRS[:8]], gap=1.0)
    database(path, [honeycomb(*pair) for pair in PAIRS[8:11]])
    text = spec(materials={"source": str(path), "selection": "gap>0.5"})
    with caplog.at_level(logging.INFO, "exitwave"):
        summary = build_catalog(text, tmp_path / "catalog")
    assert (summary.rows, summary.matched) == (11, 8)
    assert summary.lacking_keys == {"gap": 3}
    assert "3 of 11 rows lack the key 'gap'" in caplog.text


def test_a_database_that_is_replaced_while_it_is_read_is_told(tmp_path, pairs, monkeypatch):
    source = tmp_path / "rows.db"
    shutil.copy(pairs, source)

    def replaced(*arguments):
        found = read_materials(*arguments)
        source.unlink()
        database(source, [honeycomb("B", "N")])
        return found

    monkeypatch.setattr(selection, "read_materials", replaced)
    with pytest.raises(ExitwaveError, match="was changed while it was read"):
        build_catalog(spec(materials={"source": str(source)}), tmp_path / "catalog")
    assert not (tmp_path / "catalog").exists()


def test_another_source_can_take_the_place_of_the_spec(tmp_path, pairs):
    summary = build_catalog(spec(), tmp_path, source=pairs)
    assert summary.rows == len(PAIRS)


@pytest.mark.parametrize(("share", "side"), [(0.999, "validation"), (0.001, "training")])
def test_empty_side_of_the_split_is_an_error(tmp_path, share, side):
    split = {"by": "elements", "training_share": share}
    with pytest.raises(ExitwaveError, match=f"The {side} side of data set 'demo' is empty"):
        build_catalog(spec(materials={"limit": 5}, split=split), tmp_path)


@pytest.mark.parametrize("share", [0, 1])
def test_one_side_may_be_empty_where_that_was_asked_for(tmp_path, share):
    split = {"by": "elements", "training_share": share}
    summary = build_catalog(spec(materials={"limit": 5}, split=split), tmp_path)
    assert summary.materials == {"training": 5 * share, "validation": 5 * (1 - share)}


def test_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "catalog").write_text("in the way")
    with pytest.raises(ExitwaveError, match="Could not write"):
        build_catalog(spec(), tmp_path / "catalog")


def test_broken_spec_is_refused(tmp_path):
    values = json.loads(spec())
    with pytest.raises(ExitwaveError, match="--spec"):
        build_catalog("{", tmp_path)
    with pytest.raises(ExitwaveError, match="--spec lacks shards"):
        build_catalog(json.dumps({k: v for k, v in values.items() if k != "shards"}), tmp_path)
    with pytest.raises(ExitwaveError, match=r"unusable value at materials\.max_atoms"):
        values["materials"]["max_atoms"] = -1
        build_catalog(json.dumps(values), tmp_path)


@pytest.mark.skipif(
    not C2DB.is_dir(), reason="no C2DB rows: set EXITWAVE_C2DB to a folder that has them"
)
def test_catalog_of_c2db(tmp_path):
    source = str(C2DB / "c2db_sample_3000.db")
    summary = build_catalog(spec("c2db", materials={"source": source}), tmp_path)
    assert summary.accepted + sum(summary.rejected.values()) == summary.matched == 3000
    assert len(table(tmp_path / "rejected.csv")) == sum(summary.rejected.values())
    sides = summary.materials
    share = sides["training"] / sum(sides.values())
    print(f"{summary.accepted} materials accepted, {share:.3f} of them for training")
    assert share == pytest.approx(2 / 3, abs=0.05)
    assert max(map(len, manifests(tmp_path).values())) < 1_000_000
