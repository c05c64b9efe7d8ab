"""``exit_waves/{shard}.json``: what became of the samples of a shard.

>>> read_document(Path("results/mos2/exit_waves/000.json"), ShardSummary).computed
60
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from exitwave.files.documents import parsed


@dataclass(frozen=True)
class FailedSpecimen:
    """A sample that could not be made, and why."""

    material: str
    formula: str
    sample_index: int
    reason: str


@dataclass(frozen=True)
class ShardSummary:
    """What became of the samples of a shard.

    Attributes
    ----------
    samples : int
        Samples in the store, which were computed or copied.
    computed, copied : int
        Those that were, in the last run.
    failed : tuple of FailedSpecimen
        Those that are not in the store.
    seconds_per_wave : float or None
        Median time of those that were computed [s].
    made_from : str or None
        Hash of spec and manifest, see `exitwave.files.shard_files.made_from`.
    """

    samples: int
    computed: int
    copied: int
    failed: tuple[FailedSpecimen, ...] = ()
    seconds_per_wave: float | None = None
    made_from: str | None = None


def failed_text(failed: Sequence[FailedSpecimen]) -> str:
    """Return the attribute ``failed`` of a store of exit waves."""
    return json.dumps([asdict(specimen) for specimen in failed])


def failed_specimens(attributes: Mapping[str, str]) -> tuple[FailedSpecimen, ...]:
    """Return the specimens that failed, by the attributes of a store of exit waves."""
    return parsed(attributes["failed"], tuple[FailedSpecimen, ...])
