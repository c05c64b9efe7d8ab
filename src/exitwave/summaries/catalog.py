"""``catalog/summary.json``: how many rows became materials and samples.

>>> read_document(Path("results/mos2/catalog/summary.json"), CatalogSummary).taken
1
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class CatalogSummary:
    """What a catalog holds, in the order of its file; provenance stands behind it there.

    Attributes
    ----------
    rows, matched : int
        Rows of the source, and those that the selection matched.
    lacking_keys : mapping of str to int
        Keys that the selection compares, with the number of rows that lack each.
    accepted, taken : int
        Rows that became materials, and those of them that are simulated.
    rejected : mapping of str to int
        Reasons, with the number of rows that were rejected for each.
    materials, samples, element_sets : mapping of str to int
        Their numbers by side of the split.
    shards : int
        Shards that have samples.
    """

    rows: int
    matched: int
    lacking_keys: Mapping[str, int] = field(default_factory=dict)
    accepted: int
    rejected: Mapping[str, int]
    taken: int
    materials: Mapping[str, int]
    samples: Mapping[str, int]
    element_sets: Mapping[str, int]
    shards: int
