"""What the configuration demands since it is computed so, known here to both.

The configuration knows none of the rooms that compute, so they ask here.
"""

from __future__ import annotations

from collections.abc import Sequence

BUILT_IN = "monolayers"
"""The source that stands for the built-in table of materials."""


def size_factor(channels: Sequence[int]) -> int:
    """Return the number [pixel] of which the sides of a network's images must be a multiple.

    ``channels`` are those of its levels; each has half the pixels per side of the one above.
    """
    return int(2 ** (len(channels) - 1))


def evenly_spaced(images: int, taken: int) -> tuple[int, ...]:
    """Return which images of a series are taken: at even distances, first and last among them.

    Raises
    ------
    ValueError
        Where there is no such choice, with a sentence.
    """
    if not 2 <= taken <= images or (images - 1) % (taken - 1):
        raise ValueError(
            f"of a series of {images} images {taken} cannot be taken at even distances; give "
            f"series of a multiple of {max(taken - 1, 1)} and one more, and a network of two or "
            "more images"
        )
    return tuple(range(0, images, (images - 1) // (taken - 1)))
