"""``training.json`` and ``network.json``: what a training came to, and what was trained.

>>> read_document(Path("results/networks/mos2/training.json"), TrainingSummary).best_epoch
28
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import JsonValue, TypeAdapter


@dataclass(frozen=True, kw_only=True)
class TrainingSummary:
    """What a training came to, in the order of its file; provenance stands behind it there.

    Attributes
    ----------
    parameters : int
        Weights of the network.
    training_samples, validation_samples : int
        Samples that an epoch trains on, and from which the validation loss is computed.
    image_size_px : tuple of (int, int)
        Rows and columns of an image.
    epochs : int
        Finished epochs.
    loss, val_loss : float
        After the last epoch.
    best_epoch, best_val_loss : int, float
        The epoch with the least validation loss among those for which it was computed, the first
        being 1, and that loss.
    seconds, seconds_per_epoch : float
        Of all epochs, and the median of one [s].
    waiting_share : float
        Of the time, the share in which batches were waited for.
    samples_per_second : float
        By the median epoch.
    peak_memory_bytes, peak_gpu_memory_bytes : int or None
        None where it is not known.
    backend, device : str
        What computed.
    training_data, validation_data : tuple of str
        Digests of the epochs.
    """

    parameters: int
    training_samples: int
    validation_samples: int
    image_size_px: tuple[int, int]
    epochs: int
    loss: float
    val_loss: float
    best_epoch: int
    best_val_loss: float
    seconds: float
    waiting_share: float | None = None
    seconds_per_epoch: float
    samples_per_second: float
    peak_memory_bytes: int
    peak_gpu_memory_bytes: int | None = None
    backend: str
    device: str
    training_data: tuple[str, ...] = ()
    validation_data: tuple[str, ...] = ()


@dataclass(frozen=True)
class Architecture:
    """What the report says of a network in words."""

    channels: tuple[int, ...]
    convolutions: int
    kernel_px: int
    images: int
    architecture: str = "unet"
    """Networks of earlier versions were all U-Nets."""


@dataclass(frozen=True)
class NetworkDescription:
    """``network.json`` as the report shows it, with the settings as they stand there.

    They are no `exitwave.config.NetworkSettings`, which a network of another version may not fit.
    """

    network: Mapping[str, JsonValue]

    @property
    def architecture(self) -> Architecture:
        """The settings that the report puts into words."""
        return TypeAdapter(Architecture).validate_python(self.network)
