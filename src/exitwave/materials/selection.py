"""Which materials a data set takes, on which side of the split their samples are, in which shard.

Every decision is a hash of the material itself, never of its place in the database, so a material
that is added, dropped or changed moves no other one.

>>> potentials = known_elements("lobato")
>>> selected = select_samples(
...     Materials(), SplitByElements(), 16, seed=1, dataset="mos2", potentials=potentials
... )
>>> selected.shards[3][0]
ManifestSample(material='MoS2-0123456789ab', sample_index=0, split='training')
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass

from exitwave.config import Materials, SplitByElements, SplitBySamples
from exitwave.errors import ExitwaveError
from exitwave.materials.elements import element_set
from exitwave.materials.manifest import ManifestSample
from exitwave.materials.material import Counts, Material, Rejected, read_materials
from exitwave.seeds import uniform_hash
from exitwave.workflow.layout import SPLITS

Split = SplitByElements | SplitBySamples
Shards = dict[int, list[ManifestSample]]


@dataclass(frozen=True)
class SelectedSamples:
    """The materials and samples of a data set, and what became of the rows of its source.

    Attributes
    ----------
    materials : list of Material
        Those that are taken, by identifier.
    shards : dict of int to list of ManifestSample
        The samples of each shard that has any.
    rejected : list of Rejected
        Rows of which no material was made.
    counts : Counts
        How many rows the source has and how many were matched.
    accepted : int
        How many materials there were to take from.
    """

    materials: list[Material]
    shards: Shards
    rejected: list[Rejected]
    counts: Counts
    accepted: int


def select_samples(
    materials: Materials,
    split: Split,
    shards: int,
    *,
    seed: int,
    dataset: str,
    potentials: Collection[int],
    source: str | None = None,
) -> SelectedSamples:
    """Choose the materials of a data set, split them and share their samples out over shards.

    Parameters
    ----------
    materials : Materials
        Where the materials come from, and which are taken.
    split : SplitByElements or SplitBySamples
        How samples are shared out between the sides.
    shards : int
        Number of shards.
    seed, dataset : int, str
        Root seed, and name of the data set.
    potentials : collection of int
        Atomic numbers of which potentials are known.
    source : str, optional
        Database to read in the place of that of ``materials``.

    Raises
    ------
    ExitwaveError
        See `exitwave.materials.material.read_materials`; also where one side of the split stays
        empty.
    """
    accepted, rejected, counts = read_materials(
        source or materials.source, materials.selection, materials.max_atoms, potentials
    )
    taken = take_limit(accepted, materials.limit, seed, dataset)
    samples = [sample for material in taken for sample in _samples(material, split, seed, dataset)]
    _require_both_sides(taken, samples, split, dataset)
    by_samples = isinstance(split, SplitBySamples)
    return SelectedSamples(
        taken, _shared_out(samples, shards, by_samples), rejected, counts, len(accepted)
    )


def take_limit(
    accepted: list[Material], limit: int | None, seed: int, dataset: str
) -> list[Material]:
    """Return the materials that are taken, by identifier, so that no row order shows."""

    def draw(material: Material) -> tuple[float, str]:
        return uniform_hash(seed, dataset, "limit", material.identifier), material.identifier

    chosen = sorted(accepted, key=draw)[:limit]
    return sorted(chosen, key=lambda material: material.identifier)


def _samples(material: Material, split: Split, seed: int, dataset: str) -> list[ManifestSample]:
    if isinstance(split, SplitBySamples):
        # Even and odd numbers, so that a larger set on one side leaves the other as it is.
        indices = {
            "training": range(0, 2 * split.training_samples, 2),
            "validation": range(1, 2 * split.validation_samples, 2),
        }
        return [
            ManifestSample(material.identifier, index, side)
            for side in SPLITS
            for index in indices[side]
        ]
    elements = element_set(material.formula)
    is_training = uniform_hash(seed, dataset, "split", elements) < split.training_share
    return [
        ManifestSample(material.identifier, index, "training" if is_training else "validation")
        for index in range(split.samples_per_material)
    ]


def _require_both_sides(
    taken: list[Material], samples: list[ManifestSample], split: Split, dataset: str
) -> None:
    if isinstance(split, SplitBySamples) or split.training_share in (0, 1):
        return
    for side in SPLITS:
        if not any(sample.split == side for sample in samples):
            sets = len({element_set(material.formula) for material in taken})
            raise ExitwaveError(
                f"The {side} side of data set '{dataset}' is empty: all {sets} sets of "
                f"elements fell to the other side with split.training_share "
                f"{split.training_share:g}; take more materials, another seed, or split by samples."
            )


def _shared_out(samples: list[ManifestSample], count: int, by_samples: bool) -> Shards:
    """Share samples out; only shards that get any are in the result."""
    shards: Shards = {}
    for sample in samples:
        # A material that is split by samples has far more of them than one job should get.
        key = f"{sample.material}/{sample.sample_index}" if by_samples else sample.material
        digest = hashlib.blake2b(key.encode(), digest_size=8).digest()
        shards.setdefault(int.from_bytes(digest) % count, []).append(sample)
    return dict(sorted(shards.items()))
