"""Initial weights that are the same on all backends.

>>> layer = keras.layers.Conv2D(8, 3, name="first")
>>> tensor = layer(tensor)
>>> draw_kernel(layer, settings, seed)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from exitwave.config import NetworkSettings
from exitwave.seeds import generator

if TYPE_CHECKING:
    import keras


def draw_kernel(layer: keras.layers.Layer, settings: NetworkSettings, seed: int) -> None:
    """Draw the kernel of a layer that was applied once.

    The weights depend on the seed, on the replica and on the layer's name only.

    Parameters
    ----------
    layer : keras.layers.Layer
        A convolution or a dense layer; no other of the network has its name.
    settings : NetworkSettings
        Their replica gives other weights.
    seed : int
        Root seed.
    """
    # Drawn by NumPy, so that they are the same on all backends, and with He's width, since
    # a PReLU starts as a ReLU, which halves the variance.
    draw = generator(seed, "initial_weights", settings.replica, layer.name)
    shape = layer.kernel.shape
    width = np.sqrt(2 / np.prod(shape[:-1]))
    layer.kernel.assign(draw.normal(0, width, shape).astype(np.float32))
