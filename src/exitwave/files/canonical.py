"""JSON that is the same text wherever it is the same value, to be compared and hashed."""

from __future__ import annotations

import json


def canonical_json(value: object) -> str:
    """Return JSON with sorted keys and no spaces: equal values give equal strings."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
