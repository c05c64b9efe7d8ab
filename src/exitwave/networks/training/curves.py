"""Learning curves: which epochs have a validation loss, and what the log says of it.

>>> validated_epochs(epochs=12, every=5)
[5, 10, 12]
"""

from __future__ import annotations

from exitwave.errors import ExitwaveError
from exitwave.networks.training.checkpoints import EpochRecord


def validated_epochs(epochs: int, every: int) -> list[int]:
    """Return the epochs after which the validation loss is computed, the first epoch being 1.

    The last is always among them, since its loss is what the training came to.
    """
    return [epoch for epoch in range(1, epochs + 1) if epoch % every == 0 or epoch == epochs]


def validation_text(record: EpochRecord, validated: list[int]) -> str:
    """Return what a line about an epoch says of its validation loss."""
    if record.val_loss is not None:
        return f"val_loss {record.val_loss:.3e}"
    following = next(epoch for epoch in validated if epoch > record.epoch)
    return f"val_loss computed next after epoch {following}"


def diverged(record: EpochRecord, network: str, learning_rate: float) -> ExitwaveError:
    """Return the error of a training after an epoch whose losses are not finite."""
    validation = "" if record.val_loss is None else f" and the validation loss {record.val_loss:g}"
    return ExitwaveError(
        f"The loss is {record.loss:g}{validation} in epoch {record.epoch} of {network}: the "
        f"training diverged; lower learning_rate (now {learning_rate:g}) or use float32."
    )
