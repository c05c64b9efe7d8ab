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
    rows, columns = _origins(symmetries, size)
    # Gathered from one long list of pixels, which every backend does fast.
    samples = ops.shape(batch)[0]
    first = ops.reshape(ops.arange(samples, dtype="int32") * size**2, (-1, 1, 1))
    places = first + rows * size + columns
    listed = ops.reshape(batch, (-1, channels))
    moved = ops.take(listed, ops.reshape(places, (-1,)), axis=0)
    return ops.reshape(moved, (-1, size, size, channels))


def _origins(symmetries: Any, size: int) -> tuple[Any, Any]:
    """Return row and column of the pixel that comes to each place ``(sample, y, x)``.

    They are computed in the step: tables of all symmetries would make its program many times as
    large, and slow to compile.
    """
    from keras import ops

    last = size - 1
    y = ops.reshape(ops.arange(size, dtype="int32"), (1, size, 1))
    x = ops.reshape(ops.arange(size, dtype="int32"), (1, 1, size))
    x = ops.where(symmetries >= 4, last - x, x)
    turns = symmetries % 4
    odd, far = turns % 2 == 1, turns >= 2
    # By one quarter: in[x, last - y]; by two: in[last - y, last - x]; by three: in[last - x, y].
    rows = ops.where(odd, x, y)
    columns = ops.where(odd, last - y, x)
    return ops.where(far, last - rows, rows), ops.where(far, last - columns, columns)
