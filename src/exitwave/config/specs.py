"""The spec of each job: one canonical JSON string of exactly what determines its result.

A spec is the only science parameter of a Snakemake job, so a job reruns where, and only where,
its spec or its input changed. It never holds a path, a label or a resource. ``version`` is the
algorithm version of the stage: raise it when the stage's code gives another result.
"""

from __future__ import annotations

import json
from typing import Any

from exitwave.config.models import Config

ALGORITHM_VERSIONS = {
    "catalog": 1,
    "simulate": 1,
    "render": 1,
    "train": 1,
    "evaluate": 1,
    "plot": 1,
}


def canonical_json(value: Any) -> str:
    """Return JSON with sorted keys and no spaces: equal values give equal strings."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _spec(stage: str, **values: Any) -> str:
    return canonical_json({"stage": stage, "version": ALGORITHM_VERSIONS[stage], **values})


def catalog_spec(config: Config, dataset: str) -> str:
    """Return the spec of a data set's catalog."""
    entry = config.datasets[dataset]
    return _spec(
        "catalog",
        seed=config.seed,
        dataset=dataset,
        materials=entry.materials.model_dump(mode="json"),
        split=entry.split.model_dump(mode="json"),
        shards=entry.shards,
    )


def simulate_spec(config: Config, dataset: str) -> str:
    """Return the spec of a data set's exit waves; the same for all its shards."""
    entry = config.datasets[dataset]
    return _spec(
        "simulate",
        seed=config.seed,
        dataset=dataset,
        structure=entry.structure.model_dump(mode="json"),
        multislice=entry.multislice.model_dump(mode="json", exclude={"device"}),
    )


def render_spec(config: Config, dataset: str, images: int, split: str, epoch: int) -> str:
    """Return the spec of one epoch of focal series of so many images."""
    entry = config.datasets[dataset]
    source = config.datasets[entry.exit_waves_from or dataset]
    return _spec(
        "render",
        seed=config.seed,
        dataset=dataset,
        images=images,
        split=split,
        epoch=epoch,
        energy_kev=source.multislice.energy_kev,
        microscope=entry.microscope.model_dump(mode="json"),
        epochs=entry.epochs.model_dump(
            mode="json", include={"image_size_px", "target_smear_angstrom", "max_failed_share"}
        ),
    )


def train_spec(config: Config, network: str) -> str:
    """Return the spec of a network's training; its epochs are inputs of the job."""
    entry = config.networks[network]
    return _spec(
        "train",
        seed=config.seed,
        network=entry.model_dump(mode="json", exclude={"label", "dataset"}),
    )


def evaluate_spec(config: Config, evaluation: str) -> str:
    """Return the spec of an evaluation; network and epoch are inputs of the job."""
    entry = config.evaluations[evaluation]
    return _spec(
        "evaluate",
        seed=config.seed,
        evaluation=entry.model_dump(mode="json", exclude={"label", "dataset", "network"}),
        normalization=config.networks[entry.network].normalization,
    )
