"""The manifest of a shard: the samples that its job has to simulate, and their materials.

>>> read_manifest(Path("results/mos2/catalog/shards/000.json")).samples[0]
ManifestSample(material='MoS2-0123456789ab', sample_index=0, split='training')
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from exitwave.errors import ExitwaveError
from exitwave.files.atomic import write_text
from exitwave.files.canonical import canonical_json
from exitwave.materials.material import Material
from exitwave.workflow.layout import SPLITS


@dataclass(frozen=True, order=True)
class ManifestSample:
    """One sample to be simulated.

    Attributes
    ----------
    material : str
        Identifier of its material.
    sample_index : int
        Number of the specimen among those of its material.
    split : str
        ``training`` or ``validation``.
    """

    material: str
    sample_index: int
    split: str


class SampleDict(TypedDict):
    """A `ManifestSample` as it stands in JSON."""

    material: str
    sample_index: int
    split: str


@dataclass(frozen=True)
class Manifest:
    """The samples of one shard and the materials they are made of."""

    shard: int
    dataset: str
    materials: dict[str, Material]
    samples: tuple[ManifestSample, ...]


def manifest_texts(
    dataset: str, shards: Mapping[int, Sequence[ManifestSample]], taken: Iterable[Material]
) -> dict[str, str]:
    """Return what the manifests of all shards hold, by the names of the shards."""
    materials = {material.identifier: material for material in taken}
    texts = {}
    for shard, samples in shards.items():
        content = {
            "shard": shard,
            "dataset": dataset,
            "materials": {
                name: materials[name].as_dict() for name in {sample.material for sample in samples}
            },
            "samples": [
                {
                    "material": sample.material,
                    "sample_index": sample.sample_index,
                    "split": sample.split,
                }
                for sample in sorted(samples)
            ],
        }
        texts[f"{shard:03d}"] = canonical_json(content) + "\n"
    return texts


def write_manifests(folder: Path, texts: Mapping[str, str]) -> None:
    """Write the manifests of all shards, and remove those of an earlier catalog."""
    for name, text in texts.items():
        write_text(folder / f"{name}.json", text)
    # Manifests of an earlier catalog would be simulated, too.
    for path in folder.glob("*.json"):
        if path.stem not in texts:
            path.unlink()


def read_manifest(path: Path) -> Manifest:
    """Read the manifest of one shard.

    Raises
    ------
    ExitwaveError
        Where the file is absent or is no whole manifest.
    """
    return parsed_manifest(read_content(path), path)


def read_content(path: Path) -> bytes:
    """Read a manifest without looking at what it says.

    Raises
    ------
    ExitwaveError
        Where the file is absent or cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise ExitwaveError(
            f"The shard manifest {path} cannot be read ({error.strerror}); build the catalog first."
        ) from error


def parsed_manifest(text: bytes, path: Path) -> Manifest:
    """Return the manifest that a file holds, or would hold.

    Raises
    ------
    ExitwaveError
        Where it is no whole manifest.
    """
    try:
        content = json.loads(text)
        materials = {
            str(name): Material.from_dict(values) for name, values in content["materials"].items()
        }
        samples = tuple(_manifest_sample(values, materials) for values in content["samples"])
        return Manifest(int(content["shard"]), str(content["dataset"]), materials, samples)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        why = " ".join(f"{type(error).__name__}: {error}".split())
        raise ExitwaveError(
            f"{path} is not a whole shard manifest ({why}); delete the catalog's folder and build "
            "it again."
        ) from error


def _manifest_sample(values: SampleDict, materials: dict[str, Material]) -> ManifestSample:
    sample = ManifestSample(str(values["material"]), int(values["sample_index"]), values["split"])
    if sample.material not in materials:
        raise ValueError(f"material {sample.material} of a sample is not described")
    if sample.split not in SPLITS:
        raise ValueError(f"split is {sample.split!r}, not training or validation")
    return sample
