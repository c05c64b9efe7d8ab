"""Checkpoints of a training, from which it goes on exactly where it was killed.

The folder holds the network after the last epoch with the state of its optimizer, the network of
the epoch with the least validation loss, and ``state.json``, which names both and repeats the
history. Only the renaming of ``state.json`` makes a checkpoint valid, and the files that it names
are never written again, so a kill at any moment leaves one complete checkpoint: this one or the
one before.
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from exitwave.files.atomic import replacing, write_text

if TYPE_CHECKING:
    import keras

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class EpochRecord:
    """What the history says of one epoch; the first is 1."""

    epoch: int
    loss: float
    val_loss: float
    learning_rate: float
    seconds: float
    seconds_waiting: float = 0.0
    """Of these, how long batches were waited for."""


def best_record(records: Sequence[EpochRecord]) -> EpochRecord:
    """Return the first epoch with the least validation loss."""
    return min(records, key=lambda record: record.val_loss)


@dataclass(frozen=True)
class Checkpoint:
    """A training after some epochs."""

    model: keras.Model
    records: tuple[EpochRecord, ...]


@dataclass(frozen=True)
class CheckpointState:
    """What ``state.json`` says of a training to those who only look on."""

    spec: str = ""
    records: tuple[EpochRecord, ...] = ()


class Checkpoints:
    """The checkpoints of one training.

    Parameters
    ----------
    folder : Path
        Where they lie.
    identity : mapping
        What determines the training's result, as JSON values: a checkpoint with another identity
        is not used.
    """

    def __init__(self, folder: Path, identity: Mapping[str, str | list[str]]) -> None:
        self.folder = folder
        self._identity = dict(identity)
        self._state = folder / "state.json"

    def load(self) -> Checkpoint | None:
        """Return the last checkpoint, or None where there is none that can be used."""
        if not self._state.exists():
            return None
        import keras

        try:
            state = json.loads(self._state.read_text(encoding="utf-8"))
            changed = [key for key, value in self._identity.items() if state[key] != value]
            if changed:
                logger.info(
                    "The checkpoint in %s belongs to another %s and is ignored.",
                    self.folder,
                    " and ".join(changed),
                )
                return None
            records = tuple(EpochRecord(**record) for record in state["records"])
            model = keras.saving.load_model(self.folder / state["last"])
        # Zip, HDF5, JSON and Keras each fail in their own way on a damaged file.
        except Exception as error:
            logger.warning(
                "The checkpoint in %s cannot be read (%s) and is ignored.", self.folder, error
            )
            return None
        return Checkpoint(model, records)

    def save(self, model: keras.Model, records: Sequence[EpochRecord]) -> None:
        """Save the network after the last of the epochs.

        Raises
        ------
        ExitwaveError
            Where it cannot be written; the checkpoint before it is untouched.
        """
        last, best = records[-1].epoch, best_record(records).epoch
        names = {"last": f"last_{last:04d}.keras", "best": f"best_{best:04d}.keras"}
        for name, epoch in zip(names.values(), (last, best), strict=True):
            if epoch == last:
                with replacing(self.folder / name) as temporary:
                    model.save(temporary)
        state = {**self._identity, **names, "records": [asdict(record) for record in records]}
        write_text(self._state, json.dumps(state, indent=1))
        self._remove_all_but({self._state.name, *names.values()})

    def _remove_all_but(self, names: set[str]) -> None:
        for path in self.folder.iterdir():
            if path.name not in names:
                with contextlib.suppress(OSError):
                    path.unlink()


def is_finite(record: EpochRecord) -> bool:
    """Return whether the losses of an epoch are finite numbers."""
    return math.isfinite(record.loss) and math.isfinite(record.val_loss)
