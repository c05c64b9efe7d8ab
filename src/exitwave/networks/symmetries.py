"""The eight symmetries of a square, for training samples that are turned and flipped.

Both channels of a wave are scalars, so they are moved, not rotated into each other.

>>> model.compile(...)
>>> turn_in_step(model)            # fit now takes batches of (images, targets, symmetries)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import keras

SYMMETRIES = 8
"""Number of flips and quarter turns of a square."""


def transform(array: NDArray[Any], symmetry: int) -> NDArray[Any]:
    """Apply one of the eight symmetries to an array ``(y, x, ...)``: turn it, then flip it."""
    turned = np.rot90(array, symmetry % 4)
    return turned[:, ::-1] if symmetry >= 4 else turned


def turn_in_step(model: keras.Model) -> None:
    """Let the training step of a compiled network turn its batches, on the device.

    A batch is then ``(images, targets, symmetries)``; the last has the shape (sample, 1, 1) of
    weights, for which Keras takes a third array before the first step. How the network is saved
    does not change.
    """
    step = model.train_step

    # JAX gives its state first.
    def turning_step(*arguments: Any) -> Any:
        *state, (images, targets, symmetries) = arguments
        return step(*state, (_turned(images, symmetries), _turned(targets, symmetries)))

    model.train_step = turning_step


def _turned(batch: Any, symmetries: Any) -> Any:
    """Apply to each array of a batch ``(sample, y, x, channel)``, y and x alike, its symmetry."""
    from keras import ops

    size, channels = batch.shape[1], batch.shape[-1]
    # Which pixel comes to which place, under each symmetry.
    pixels = np.arange(size**2, dtype=np.int32).reshape(size, size)
    origins = np.stack([transform(pixels, symmetry).ravel() for symmetry in range(SYMMETRIES)])
    # Gathered from one long list of pixels, which every backend does fast.
    samples = ops.shape(batch)[0]
    first = ops.arange(samples, dtype="int32")[:, None] * size**2
    places = ops.take(ops.convert_to_tensor(origins), symmetries[:, 0, 0], axis=0) + first
    listed = ops.reshape(batch, (-1, channels))
    moved = ops.take(listed, ops.reshape(places, (-1,)), axis=0)
    return ops.reshape(moved, (-1, size, size, channels))
