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

# The turn by k quarters is a transposition, then a flip of the rows, then one of the columns.
_TRANSPOSED = np.array([0, 1, 0, 1] * 2, bool)
_ROWS_FLIPPED = np.array([0, 1, 1, 0] * 2, bool)
_COLUMNS_FLIPPED = np.array([0, 0, 1, 1, 1, 1, 0, 0], bool)


def transform(array: NDArray[np.float32], symmetry: int) -> NDArray[np.float32]:
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
    """Apply to each array of a batch ``(sample, y, x, channel)`` its symmetry."""
    from keras import ops

    def where(choice: NDArray[np.bool_], moved: Any, batch: Any) -> Any:
        chosen = ops.take(ops.convert_to_tensor(choice), symmetries)
        return ops.where(chosen[..., None], moved, batch)

    batch = where(_TRANSPOSED, ops.transpose(batch, (0, 2, 1, 3)), batch)
    batch = where(_ROWS_FLIPPED, ops.flip(batch, axis=1), batch)
    return where(_COLUMNS_FLIPPED, ops.flip(batch, axis=2), batch)
