"""A data set of a few small flakes, for tests that need real stores within seconds."""

from pathlib import Path

from tiny_settings import TINY_DATASET

from exitwave.config import parse_config
from exitwave.stages.catalog import build_catalog
from exitwave.stages.simulate import simulate_exit_waves
from exitwave.summaries.exit_waves import ShardSummary
from exitwave.workflow import specs

RAW = {
    "datasets": {
        "small": {
            "materials": {"selection": "natoms<=3", "limit": 5},
            "split": {"by": "elements", "samples_per_material": 2, "training_share": 0.5},
            "shards": 1,
            **TINY_DATASET,
            "epochs": {"image_size_px": 32},
        }
    }
}


def configuration(**dataset):
    raw = {"datasets": {"small": {**RAW["datasets"]["small"], **dataset}}}
    return parse_config(raw)


def make_catalog(folder: Path, config) -> Path:
    build_catalog(specs.catalog_spec(config, "small"), folder / "catalog")
    return folder / "catalog/shards/000.json"


def make_exit_waves(
    folder: Path, config, workers: int = 1, device: str = "cpu"
) -> tuple[Path, ShardSummary]:
    store = folder / "exit_waves/000.nc"
    manifest = make_catalog(folder, config)
    return store, simulate_exit_waves(
        specs.simulate_spec(config, "small"), manifest, store, workers, device
    )
