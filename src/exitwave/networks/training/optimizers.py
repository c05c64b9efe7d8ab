"""The training algorithms, by the names that they have in the configuration.

>>> optimizer = make_optimizer(settings, steps=25000)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exitwave.config import NetworkSettings

if TYPE_CHECKING:
    import keras


def make_optimizer(settings: NetworkSettings, steps: int) -> keras.Optimizer:
    """Return the optimizer of a new network.

    Parameters
    ----------
    settings : NetworkSettings
        ``optimizer``, ``learning_rate``, ``schedule`` and ``precision``.
    steps : int
        Of the whole training, for the schedule.
    """
    import keras

    rate: Any = settings.learning_rate
    if settings.schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(settings.learning_rate, steps)
    optimizer = {
        "rmsprop": lambda: keras.optimizers.RMSprop(rate),
        "adam": lambda: keras.optimizers.Adam(rate),
        "amsgrad": lambda: keras.optimizers.Adam(rate, amsgrad=True),
    }[settings.optimizer]()
    if settings.precision == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    return optimizer
