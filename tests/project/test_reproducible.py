"""The same content, bit for bit, however the work is shared out."""

import pytest
from small_dataset import configuration

from exitwave.files.checks import content_digest
from exitwave.files.reader import StoreReader
from exitwave.stages.catalog import build_catalog
from exitwave.stages.render import render_epoch
from exitwave.stages.simulate import simulate_exit_waves
from exitwave.workflow import specs


def made(folder, shards, workers, backwards=False):
    """Make a data set; return the digests of its samples and of its validation epoch."""
    config = configuration(shards=shards)
    build_catalog(specs.catalog_spec(config, "small"), folder / "catalog")
    manifests = sorted((folder / "catalog/shards").glob("*.json"), reverse=backwards)
    samples, stores = {}, []
    for manifest in manifests:
        store = folder / f"exit_waves/{manifest.stem}.nc"
        simulate_exit_waves(specs.simulate_spec(config, "small"), manifest, store, workers)
        with StoreReader(store) as reader:
            columns = (reader.column(name) for name in ("sample_key", "digest"))
            samples |= dict(zip(*columns, strict=True))
        stores.append(store)
    epoch = folder / "epoch.nc"
    render_epoch(specs.render_spec(config, "small", 3, "validation", 0), stores, epoch, workers)
    return len(manifests), samples, content_digest(epoch)


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    shards, samples, epoch = made(tmp_path_factory.mktemp("one"), shards=1, workers=1)
    assert (shards, len(samples)) == (1, 10)
    return samples, epoch


@pytest.mark.parametrize(
    ("shards", "workers", "backwards"),
    [(4, 1, False), (16, 1, True), (1, 2, False), (2, 4, True)],
)
def test_shards_workers_and_order_change_no_bit(reference, tmp_path, shards, workers, backwards):
    count, *content = made(tmp_path, shards, workers, backwards)
    # Of so few materials a shard may be left without any.
    assert 1 <= count <= shards
    assert tuple(content) == reference
