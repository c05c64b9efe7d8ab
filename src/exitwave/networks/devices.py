"""The devices that train a network: one, or several GPUs that share each batch.

Each of several holds the whole network, computes its share of a batch, and receives the gradient
of all. The batch is as large as on one device, so the network is the same but for rounding. What
cannot be shared equally, such as a short last batch, JAX computes on each device in full; for
TensorFlow it is repeated until it can be shared.

>>> devices = choose_devices(gpus=2, batch_size=8)
>>> with devices.scope():
...     model = build_network(settings, images=3)
>>> model.fit(devices.feed(SeriesBatches(files, order, settings, place=devices.place)))
"""

from __future__ import annotations

import contextlib
import math
import platform
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from exitwave.errors import ExitwaveError
from exitwave.networks import backend

if TYPE_CHECKING:
    from exitwave.networks.training.loader import Batch, SeriesBatches

# Batches that lie on a GPU before the step asks for them.
_AHEAD = 2


class Devices:
    """One device: the backend's own choice."""

    count = 1

    @property
    def name(self) -> str:
        """What the devices are, for people."""
        name = backend.device_name()
        return name if self.count == 1 else f"{self.count} × {name}"

    def scope(self) -> Any:
        """Return the context in which a network and its optimizer are made or loaded."""
        return contextlib.nullcontext()

    def place(self, batch: Batch) -> Batch:
        """Return a batch of arrays as the training step takes it; threads may call this."""
        return batch

    def feed(self, batches: SeriesBatches) -> Any:
        """Return what ``fit`` takes, so that the next batch is on the device in time.

        With JAX, Keras sends each batch off one step ahead.
        """
        if backend.backend_name() == "tensorflow":
            return sent_ahead(batches, "/GPU:0" if backend.gpus() else None)
        return batches


def sent_ahead(batches: SeriesBatches, device: str | None) -> Any:
    """Return a TensorFlow data set whose next batch is there before the step asks for it.

    The one that Keras would make of the batches copies each of them and takes twice as long.

    Parameters
    ----------
    batches : SeriesBatches
        What it iterates over, again in each epoch.
    device : str, optional
        Where the batches shall lie by then, in TensorFlow's words, such as ``/GPU:0``.
    """
    import tensorflow as tf

    signature = [tf.TensorSpec((None, *shape), dtype) for shape, dtype in batches.sample_signature]

    def load(index: Any) -> Any:
        arrays = tf.numpy_function(
            lambda number: batches[int(number)], [index], [spec.dtype for spec in signature]
        )
        return tuple(
            tf.ensure_shape(array, spec.shape)
            for array, spec in zip(arrays, signature, strict=True)
        )

    dataset = tf.data.Dataset.range(len(batches)).map(load)
    if device is None:
        return dataset.prefetch(1)
    return dataset.apply(tf.data.experimental.prefetch_to_device(device, _AHEAD))


class _SharedByJax(Devices):
    def __init__(self, names: Sequence[str]) -> None:
        import keras

        self.count = len(names)
        self._layout = keras.distribution.TensorLayout
        # For the variables alone. In `fit` Keras would lay out the batches as well, only then and
        # not ahead, and cannot share a batch unequally.
        self._distribution = keras.distribution.DataParallel(
            devices=list(names), auto_shard_dataset=False
        )

    def scope(self) -> Any:
        return self._distribution.scope()

    def place(self, batch: Batch) -> Batch:
        import jax

        first = self._distribution.batch_dim_name if len(batch[0]) % self.count == 0 else None
        mesh = self._distribution.device_mesh
        return tuple(
            jax.device_put(
                array, self._layout((first, *[None] * (array.ndim - 1)), mesh).backend_layout
            )
            for array in batch
        )


class _SharedByTensorFlow(Devices):
    def __init__(self, names: Sequence[str]) -> None:
        import tensorflow as tf

        self.count = len(names)
        self._strategy = tf.distribute.MirroredStrategy(list(names))

    def scope(self) -> Any:
        return self._strategy.scope()

    def place(self, batch: Batch) -> Batch:
        # The mean over a repeated batch is the same. But in the losses of an epoch, which are means
        # over its series, those of such a batch count so many times.
        times = self.count // math.gcd(len(batch[0]), self.count)
        return tuple(np.concatenate([array] * times) for array in batch) if times > 1 else batch

    def feed(self, batches: SeriesBatches) -> Any:
        # Keras makes a data set of it, which the strategy sends to its devices ahead.
        return batches


_SHARED = {"jax": _SharedByJax, "tensorflow": _SharedByTensorFlow}


def choose_devices(gpus: int, batch_size: int, kind: str = "gpu") -> Devices:
    """Return the devices for a training.

    Parameters
    ----------
    gpus : int
        How many must be there; with 0 the backend takes what it finds.
    batch_size : int
        Series that they have to share.
    kind : {'gpu', 'cpu'}
        ``cpu`` shares among the virtual devices into which a processor was divided.

    Raises
    ------
    ExitwaveError
        Where there are fewer, or the batch cannot be shared equally.
    """
    if gpus == 0:
        return Devices()
    names = backend.device_names(kind)
    if not names and kind == "gpu":
        backend.require_gpu()
    if len(names) < gpus:
        raise ExitwaveError(
            f"{gpus} devices ({kind}) are asked for, but {backend.backend_name()} sees "
            f"{len(names)} on {platform.node()}; run where there are more, or ask for fewer "
            "(gpu of train_network in the profile)."
        )
    if batch_size % gpus:
        fitting = ", ".join(str(n) for n in range(1, batch_size + 1) if batch_size % n == 0)
        raise ExitwaveError(
            f"A batch of {batch_size} series cannot be shared equally by {gpus} GPUs; ask for "
            f"{fitting} (gpu of train_network in the profile), or change batch_size of the network."
        )
    return Devices() if gpus == 1 else _SHARED[backend.backend_name()](names[:gpus])
