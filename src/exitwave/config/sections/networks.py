"""The section ``networks``: a network and its training."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from exitwave.config.fields import Name, OneOf, Positive, Section, added_later, explained

ARCHITECTURES = {"unet": "a U-Net with residual blocks (paper)"}
"""Each is a module of `exitwave.networks.architectures`."""


class NetworkSettings(Section):
    """What determines a network, beside the epochs that it is trained on."""

    architecture: Annotated[str, OneOf(ARCHITECTURES)] = added_later(
        "unet", description=f"How the layers are joined: {explained(ARCHITECTURES)}"
    )
    images: Annotated[int, Field(ge=1, le=32)] = 3
    """Images in a focal series (paper: 3; 1, 2 and 4 in Fig. 6)."""
    channels: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=2)] = (
        32,
        64,
        128,
        256,
    )
    """Feature channels of each level from the top, the bridge last (ours; the numbers of
    Fig. S1 are lost)."""
    convolutions: Annotated[int, Field(ge=2)] = 5
    """Convolutions in a block (paper)."""
    kernel_px: Annotated[int, Field(ge=1)] = 3
    """Side of the convolution kernels (paper)."""
    batch_normalization: bool = False
    """Batch normalisation after each convolution (paper: none named)."""
    normalization: Literal["mean", "local"] = "mean"
    """Each series is divided by its mean, or by its local mean and spread."""
    image_scale: Positive = 1.0
    """The network sees (image / mean - 1) times this."""
    target_scale: Positive = 1.0
    """The network's last layer gives (Re - 1, Im) times this."""
    augment: bool = False
    """Flip and turn each sample by quarter turns, drawn again in each epoch (ours)."""
    optimizer: Literal["rmsprop", "adam", "amsgrad"] = "rmsprop"
    """Training algorithm (paper: RMSprop)."""
    learning_rate: Positive = 5e-4
    """Learning rate at the start (paper)."""
    schedule: Literal["constant", "cosine"] = "constant"
    """Course of the learning rate over the whole training (paper: constant)."""
    epochs: Annotated[int, Field(ge=1)] = 200
    """Training epochs; the pre-generated ones are cycled (paper: up to 200)."""
    batch_size: Annotated[int, Field(ge=1)] = 8
    """Samples in a training step (ours)."""
    training_share: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Share of the training samples that is used (Fig. S3)."""
    validate_every: Annotated[int, Field(ge=1)] = added_later(1)
    """The validation loss is computed after every so many epochs, and after the last (paper: 5 in
    Fig. S3)."""
    curve_samples: Annotated[int, Field(ge=1)] | None = added_later(None)
    """The validation loss is computed from so many validation samples, chosen by hash and the same
    for all networks; null for all. Evaluations use all (ours)."""
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = "float32"
    """Keras precision policy. On a GPU that has bfloat16 take mixed_bfloat16; what each costs in
    accuracy stands in docs/benchmarks.md."""
    jit_compile: bool = False
    """Compile the training step with XLA."""
    replica: Annotated[int, Field(ge=0)] = 0
    """Another number gives another initialisation and order; for ensembles."""


class Network(NetworkSettings):
    """One network and its training."""

    dataset: Name
    """Data set it is trained on."""
    label: str = ""
    """Name in figures and reports; the key itself if empty."""
