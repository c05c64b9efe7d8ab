"""Specs of catalogs, with any of their values replaced."""

from exitwave.config import Config
from exitwave.workflow import specs


def spec(dataset="demo", seed=1, **entry) -> str:
    config = Config.model_validate({"seed": seed, "datasets": {dataset: entry}})
    return specs.catalog_spec(config, dataset)
