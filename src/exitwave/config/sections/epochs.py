"""The section ``epochs``: the pre-generated epochs of images."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from exitwave.config.fields import NonNegative, Section, Share


class EpochSettings(Section):
    """What determines the images of an epoch, beside its number."""

    image_size_px: Annotated[int, Field(ge=16)] = 352
    """Side of the square images; a multiple of 2^(levels) of the network (ours)."""
    target_smear_angstrom: NonNegative = 0.15
    """Standard deviation of the Gaussian folded with the exit wave (paper, Sec. 2)."""
    max_failed_share: Share = 0.05
    """No epoch is made if a larger share of a data set's samples failed (ours)."""


class Epochs(EpochSettings):
    """The pre-generated epochs of images."""

    images: tuple[Annotated[int, Field(ge=1, le=32)], ...] = ()
    """Lengths of focal series that are rendered in any case; those that networks and evaluations
    need always are, and 3 if nothing asks for any."""
    training_epochs: Annotated[int, Field(ge=1)] = 10
    """Epochs of images made of the training samples (paper)."""
    validation_epochs: Annotated[int, Field(ge=1)] = 1
    """Epochs of images made of the validation samples (paper)."""
