"""Every random draw of the project starts here.

A draw belongs to a key, such as (data set, material, sample, stage, epoch), never to a
position in a loop. So the content of a sample does not depend on the order of work, the
number of shards or workers, the other materials, or on how often a run was killed.

>>> generator(1, "mos2", "MoS2-0123456789ab", 0, "specimen").random() == generator(
...     1, "mos2", "MoS2-0123456789ab", 0, "specimen"
... ).random()
True
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable

import numpy as np

Generators = Callable[[str], np.random.Generator]
"""Gives the generator of an aspect of a sample, such as its shape: always the same numbers."""


def _digest(keys: tuple[str | int, ...]) -> bytes:
    # JSON keeps 1 and "1" apart, and ("a", "b") from ("ab",).
    text = json.dumps(keys)
    return hashlib.blake2b(text.encode(), digest_size=32).digest()


def seed_sequence(root_seed: int, *keys: str | int) -> np.random.SeedSequence:
    """Return the seed sequence of a key.

    Parameters
    ----------
    root_seed : int
        The configuration's ``seed``.
    *keys : str or int
        What the draw belongs to, from the general to the particular.
    """
    words = np.frombuffer(_digest(keys), dtype="<u4")
    return np.random.SeedSequence([root_seed, *(int(word) for word in words)])


def generator(root_seed: int, *keys: str | int) -> np.random.Generator:
    """Return the random generator (PCG64) of a key; see `seed_sequence`."""
    return np.random.Generator(np.random.PCG64(seed_sequence(root_seed, *keys)))


def uniform_hash(root_seed: int, *keys: str | int) -> float:
    """Return a fixed number in [0, 1) for a key, uniform over keys."""
    return float(generator(root_seed, *keys).random())
