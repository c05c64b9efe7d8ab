"""Checkpoints of a training, from which it goes on exactly where it was killed.

The folder holds the network after the last epoch with the state of its optimizer, the network of
the epoch with the least validation loss, and ``state.json``, which names both and repeats the
history. Only the renaming of ``state.json`` makes a checkpoint valid, and the files that it names
are never written again, so a kill at any moment leaves one complete checkpoint: this one or the
one before.

To save takes time, so after some epochs nothing is saved; those are trained again after a kill. See
`Checkpoints.update`.
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from exitwave.files.atomic import replacing, write_text

if TYPE_CHECKING:
    import keras

logger = logging.getLogger(__name__)

SAVING_SHARE = 100
"""Saving takes about one part in so many of the time, or less."""
LONGEST_SECONDS = 60.0
"""An epoch that ends so long after the last checkpoint is saved whatever that takes [s]."""


@dataclass(frozen=True)
class EpochRecord:
    """What the history says of one epoch; the first is 1."""

    epoch: int
    loss: float
    val_loss: float | None
    """None after an epoch for which it was not computed."""
    learning_rate: float
    seconds: float
    seconds_waiting: float = 0.0
    """Of these, how long batches were waited for."""


def best_record(records: Sequence[EpochRecord]) -> EpochRecord | None:
    """Return the first epoch with the least validation loss, or None before there is any."""
    validated = ((record.val_loss, record) for record in records if record.val_loss is not None)
    return min(validated, key=lambda pair: pair[0], default=(None, None))[1]


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


@dataclass(frozen=True)
class _Best:
    """The weights of the best epoch, while they are not yet on the disk."""

    epoch: int
    weights: list[NDArray[Any]]

    def network(self, model: keras.Model) -> keras.Model:
        """Return a network like a model, with these weights and without an optimizer."""
        import keras

        network = keras.models.clone_model(model)
        network.set_weights(self.weights)
        return network


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
        self._saved_at = -math.inf
        self._seconds_to_save = 0.0
        self._best: _Best | None = None

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

    def update(self, model: keras.Model, records: Sequence[EpochRecord], last: bool) -> None:
        """Take note of an epoch that has just ended, and save it unless it is too soon.

        That is so until `SAVING_SHARE` times as long has gone by as the last save took, at most
        `LONGEST_SECONDS`. If the epoch is the best so far, its weights wait for the next save.

        Parameters
        ----------
        model : keras.Model
            The network after the epoch.
        records : sequence of EpochRecord
            All epochs until then.
        last : bool
            Whether it is the last epoch, which is always saved.

        Raises
        ------
        ExitwaveError
            See `save`.
        """
        wanted = min(SAVING_SHARE * self._seconds_to_save, LONGEST_SECONDS)
        if last or time.monotonic() - self._saved_at >= wanted:
            self.save(model, records)
        elif best_record(records) is records[-1]:
            self._best = _Best(records[-1].epoch, model.get_weights())

    def save(self, model: keras.Model, records: Sequence[EpochRecord]) -> None:
        """Save the network after the last of the epochs.

        Raises
        ------
        ExitwaveError
            Where it cannot be written; the checkpoint before it is untouched.
        """
        begun = time.monotonic()
        last, best = records[-1], best_record(records)
        names = {"last": f"last_{last.epoch:04d}.keras"}
        with replacing(self.folder / names["last"]) as temporary:
            model.save(temporary)
        if best is not None:
            names["best"] = f"best_{best.epoch:04d}.keras"
        if best is last:
            with replacing(self.folder / names["best"]) as temporary:
                shutil.copyfile(self.folder / names["last"], temporary)
        elif best is not None and self._best is not None and self._best.epoch == best.epoch:
            with replacing(self.folder / names["best"]) as temporary:
                self._best.network(model).save(temporary)
        # Any other best one was saved before.
        self._best = None
        state = {**self._identity, **names, "records": [asdict(record) for record in records]}
        write_text(self._state, json.dumps(state, indent=1))
        self._remove_all_but({self._state.name, *names.values()})
        self._saved_at = time.monotonic()
        self._seconds_to_save = self._saved_at - begun

    def _remove_all_but(self, names: set[str]) -> None:
        for path in self.folder.iterdir():
            if path.name not in names:
                with contextlib.suppress(OSError):
                    path.unlink()


def is_finite(record: EpochRecord) -> bool:
    """Return whether the losses of an epoch, as far as computed, are finite numbers."""
    losses = (record.loss, record.val_loss)
    return all(math.isfinite(loss) for loss in losses if loss is not None)
