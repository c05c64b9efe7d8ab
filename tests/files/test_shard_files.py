"""Samples that move to another shard are copied, whatever the order, the kills and the disk."""

import json
import os

import pytest
from small_dataset import configuration

from exitwave.files.reader import StoreReader
from exitwave.files.shard_files import ShardFiles
from exitwave.stages.catalog import build_catalog
from exitwave.stages.simulate import simulate_exit_waves
from exitwave.workflow import specs

SAMPLES = 10


class Dataset:
    """The folder of a data set whose shards are simulated one by one."""

    def __init__(self, folder):
        self.folder = folder
        self.stores = folder / "exit_waves"
        self.kept = self.stores / ".kept"

    def rebuild(self, shards, **changes):
        """Build the catalog, and delete the outputs of the shards that are made again."""
        config = configuration(
            split={"by": "samples", "training_samples": 1, "validation_samples": 1},
            shards=shards,
            **changes,
        )
        self.spec = specs.simulate_spec(config, "small")
        build_catalog(specs.catalog_spec(config, "small"), self.folder / "catalog")
        return sorted(path.stem for path in (self.folder / "catalog/shards").glob("*.json"))

    def simulate(self, shard):
        """Run the job of a shard as Snakemake does: its outputs are deleted first."""
        store = self.stores / f"{shard}.nc"
        store.unlink(missing_ok=True)
        store.with_suffix(".json").unlink(missing_ok=True)
        return simulate_exit_waves(self.spec, self.manifest(shard), store)

    def manifest(self, shard):
        return self.folder / f"catalog/shards/{shard}.json"

    def all_shards(self, shards, **changes):
        """Return how many samples were computed for another number of shards."""
        return sum(self.simulate(name).computed for name in self.rebuild(shards, **changes))

    def content(self):
        found = {}
        for path in self.stores.glob("*.nc"):
            with StoreReader(path) as reader:
                columns = (reader.column(name) for name in ("sample_key", "digest"))
                found |= dict(zip(*columns, strict=True))
        return found

    def names(self, pattern):
        return sorted(path.name for path in self.stores.glob(pattern))


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    dataset = Dataset(tmp_path_factory.mktemp("reference"))
    assert dataset.all_shards(1) == SAMPLES
    return dataset.content()


@pytest.fixture
def dataset(tmp_path):
    return Dataset(tmp_path)


def test_another_number_of_shards_computes_nothing(dataset, reference):
    assert dataset.all_shards(3) == SAMPLES
    for shards in (5, 2, 3):
        assert dataset.all_shards(shards) == 0
        assert dataset.content() == reference
        present = dataset.rebuild(shards)
        # Neither the stores of shards that are no more nor second names of old stores stay.
        assert dataset.names("*.nc") == [f"{name}.nc" for name in present]
        assert dataset.names("*.json") == [f"{name}.json" for name in present]
        kept = list(dataset.kept.iterdir())
        assert len(kept) == len(present)
        assert all(path.stat().st_nlink == 2 for path in kept)


def test_a_change_of_shards_that_is_given_up_halfway_loses_nothing(dataset, reference):
    assert dataset.all_shards(3) == SAMPLES
    for name in dataset.rebuild(5)[:2]:
        dataset.simulate(name)
    assert dataset.all_shards(2) == 0
    assert dataset.content() == reference


def test_the_journal_of_a_killed_run_serves_the_shards_that_follow(dataset, reference):
    (name,) = dataset.rebuild(1)
    dataset.simulate(name)
    store = dataset.stores / f"{name}.nc"
    # What a kill after seven samples leaves behind.
    journal = ShardFiles(dataset.spec, dataset.manifest(name), store).journal
    with StoreReader(store) as reader:
        for place in range(7):
            journal.append(reader.read(place))
    for path in (store, *dataset.kept.glob("*.nc")):
        path.unlink()
    assert dataset.all_shards(3) == SAMPLES - 7
    assert dataset.content() == reference
    assert not list(dataset.kept.glob("*.journal"))


def test_stores_are_copied_from_where_there_are_no_hard_links(dataset, reference, monkeypatch):
    def link(*_):
        raise OSError("not supported")

    monkeypatch.setattr(os, "link", link)
    assert dataset.all_shards(3) == SAMPLES
    shards = dataset.rebuild(5)
    new = [name for name in shards if not (dataset.stores / f"{name}.nc").exists()]
    copied = {name: dataset.simulate(name).copied for name in new}
    assert copied
    for name in new:
        assert copied[name] == len(json.loads(dataset.manifest(name).read_text())["samples"])


def test_another_spec_leaves_the_shards_that_are_not_done_as_they_were(dataset, reference):
    assert dataset.all_shards(3) == SAMPLES
    larger = {"box_angstrom": 12.8, "flake_radius_angstrom": [3.0, 4.1]}
    first = dataset.rebuild(3, structure=larger)[0]
    size = dataset.simulate(first).computed
    # The key is set back: only what was made anew is lost.
    assert dataset.all_shards(3) == size
    assert dataset.content() == reference


def test_a_copied_folder_gets_its_second_names_back(dataset, reference):
    assert dataset.all_shards(3) == SAMPLES
    for path in dataset.kept.iterdir():
        content = path.read_bytes()
        path.unlink()
        path.write_bytes(content)
    assert dataset.all_shards(3) == 0
    assert all(path.stat().st_nlink == 2 for path in dataset.kept.iterdir())


def test_stores_that_lie_beside_by_chance_are_left_alone(tmp_path):
    dataset = Dataset(tmp_path)
    (name,) = dataset.rebuild(1)
    stranger = tmp_path / "elsewhere/007.nc"
    stranger.parent.mkdir()
    stranger.write_bytes(b"someone's")
    simulate_exit_waves(dataset.spec, dataset.manifest(name), stranger.with_name("000.nc"))
    assert stranger.read_bytes() == b"someone's"
