"""The key of a sample: whoever has computed the same sample before has it under the same key.

>>> sample_key(spec, material, 0)
'3b5d9c1f0a7e42688d10c5b6e2f9a374'
"""

from __future__ import annotations

import hashlib
import json

from exitwave.files.canonical import canonical_json
from exitwave.materials.material import Material


def sample_key(spec: str, material: Material, sample_index: int) -> str:
    """Return the hash of all that determines a sample: spec, structure, sample identity."""
    geometry = {key: value for key, value in material.as_dict().items() if key != "label"}
    text = canonical_json([json.loads(spec), geometry, sample_index])
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
