"""One training step on made-up series: whether the backend can train on this machine.

>>> trial = run_trial_step()
>>> trial.device
'NVIDIA H200'
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import keras
import numpy as np

from exitwave.config import NetworkSettings
from exitwave.errors import ExitwaveError
from exitwave.networks import backend
from exitwave.networks.architectures import OUTPUT_CHANNELS, build_network

_SERIES = 2
_SIZE_PX = 64


@dataclass(frozen=True)
class Trial:
    """What a training step took."""

    device: str
    backend: str
    loss: float
    seconds: float
    """Time [s] of building the network, compiling the step, and the step itself."""


def run_trial_step() -> Trial:
    """Train a small network for one step, compiled as `exitwave train` compiles it.

    Returns
    -------
    Trial
        Where it ran and what it took.

    Raises
    ------
    ExitwaveError
        Where the loss is not a finite number or the weights did not change.
    """
    start = time.perf_counter()
    settings = NetworkSettings(channels=(8, 16), convolutions=2, jit_compile=True)
    random = np.random.default_rng(1)
    shape = (_SERIES, _SIZE_PX, _SIZE_PX)
    series = random.normal(1, 0.1, (*shape, settings.images)).astype(np.float32)
    target = random.normal(0, 0.1, (*shape, OUTPUT_CHANNELS)).astype(np.float32)
    network = build_network(settings, settings.images)
    network.compile(
        optimizer=keras.optimizers.RMSprop(settings.learning_rate),
        loss="mse",
        jit_compile=backend.compiles_steps(settings.jit_compile),
    )
    before = network.get_weights()
    loss = float(network.train_on_batch(series, target))
    changed = any(
        not np.array_equal(old, new) for old, new in zip(before, network.get_weights(), strict=True)
    )
    if not math.isfinite(loss) or not changed:
        raise ExitwaveError(
            f"A training step on {backend.device_name()} gave the loss {loss:g} and "
            f"{'changed' if changed else 'did not change'} the weights; expected a finite loss "
            "and other weights. Try another driver, or train on the processor."
        )
    seconds = time.perf_counter() - start
    return Trial(backend.device_name(), backend.backend_name(), loss, round(seconds, 1))
