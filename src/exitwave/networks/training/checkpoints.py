"""Checkpoints of a training, from which it goes on exactly where it was killed.

The folder holds

| file | content |
|---|---|
| ``last_0007.npz`` | all variables of the network and of its optimizer, after epoch 7 |
| ``best_0003.npz`` | the network's weights after the epoch with the least validation loss |
| ``best_0003.keras`` | the same as a network, once the training is finished |
| ``state.json`` | the names of those two, and the history |

Only the renaming of ``state.json`` makes a checkpoint valid, and the files that it names are never
written again, so a kill at any moment leaves one complete checkpoint: this one or the one before.

The training goes on while a thread writes; it waits only while the variables are copied. Even that
takes time, so after some epochs nothing is saved; those are trained again after a kill. See
`Checkpoints.update`.
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from exitwave.files.atomic import replacing, write_text

if TYPE_CHECKING:
    import keras

logger = logging.getLogger(__name__)

SAVING_SHARE = 100
"""A training waits for saving about one part in so many of its time, or less."""
LONGEST_SECONDS = 60.0
"""An epoch that ends so long after the last checkpoint is saved whatever that takes [s]."""

_Arrays = list[NDArray[Any]]


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
class CheckpointState:
    """What ``state.json`` says of a training to those who only look on."""

    spec: str = ""
    records: tuple[EpochRecord, ...] = ()


@dataclass(frozen=True)
class _Best:
    """The weights of the best epoch, while they are not yet on the disk."""

    epoch: int
    weights: _Arrays


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
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoints")
        self._writing: Future[None] | None = None
        self._saved_at = -math.inf
        self._seconds_to_save = 0.0
        self._best: _Best | None = None

    def load(self, model: keras.Model) -> tuple[EpochRecord, ...]:
        """Bring a compiled network to where the last checkpoint has it, and return the history.

        Returns
        -------
        tuple of EpochRecord
            Empty, and the network as it was, where there is no checkpoint that can be used.
        """
        if not self._state.exists():
            return ()
        model.optimizer.build(model.trainable_variables)
        try:
            state = json.loads(self._state.read_text(encoding="utf-8"))
            changed = [key for key, value in self._identity.items() if state[key] != value]
            if changed:
                logger.info(
                    "The checkpoint in %s belongs to another %s and is ignored.",
                    self.folder,
                    " and ".join(changed),
                )
                return ()
            records = tuple(EpochRecord(**record) for record in state["records"])
            last = _read(self.folder / state["last"])
            variables = _variables(model)
            if [array.shape for array in last] != [tuple(each.shape) for each in variables]:
                raise ValueError("its variables are not this network's")
            best = best_record(records)
            if best is not None and state["best"].endswith(".keras"):
                weights = _read(self.folder / state["best"])[: len(model.weights)]
                self._best = _Best(best.epoch, weights)
        # Zip, HDF5, JSON and Keras each fail in their own way on a damaged file.
        except Exception as error:
            logger.warning(
                "The checkpoint in %s cannot be read (%s) and is ignored.", self.folder, error
            )
            return ()
        for variable, array in zip(variables, last, strict=True):
            variable.assign(array)
        return records

    def update(self, model: keras.Model, records: Sequence[EpochRecord], last: bool) -> None:
        """Take note of an epoch that has just ended, and save it unless it is too soon.

        That is so until `SAVING_SHARE` times as long has gone by as the training waited for the
        last save, at most `LONGEST_SECONDS`. If the epoch is the best so far, its weights wait for
        the next save.

        Parameters
        ----------
        model : keras.Model
            The network after the epoch.
        records : sequence of EpochRecord
            All epochs until then.
        last : bool
            Whether it is the last epoch, which is always saved, and the best one as a network.

        Raises
        ------
        ExitwaveError
            Where this checkpoint, or the one before it, cannot be written; what was saved before
            is untouched.
        """
        wanted = min(SAVING_SHARE * self._seconds_to_save, LONGEST_SECONDS)
        if last:
            self._finish(model, records)
        elif time.monotonic() - self._saved_at >= wanted:
            self._begin(model, records)
        elif best_record(records) is records[-1]:
            self._best = _Best(records[-1].epoch, _copied(model.weights))

    def save(self, model: keras.Model, records: Sequence[EpochRecord]) -> None:
        """Save the network after the last of the epochs, and wait until it is written.

        Raises
        ------
        ExitwaveError
            See `update`.
        """
        self._begin(model, records)
        self.wait()

    def _begin(self, model: keras.Model, records: Sequence[EpochRecord]) -> None:
        begun = time.monotonic()
        self.wait()
        arrays = _copied(_variables(model))
        best = best_record(records)
        if best is records[-1]:
            self._best = _Best(best.epoch, arrays[: len(model.weights)])
        self._writing = self._thread.submit(self._write, arrays, self._best, tuple(records))
        # Any other best one was saved before.
        self._best = None
        self._saved_at = time.monotonic()
        self._seconds_to_save = self._saved_at - begun

    def wait(self) -> None:
        """Wait until what was begun is written.

        Raises
        ------
        ExitwaveError
            See `update`.
        """
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()

    def _write(self, arrays: _Arrays, best: _Best | None, records: tuple[EpochRecord, ...]) -> None:
        names = {"last": f"last_{records[-1].epoch:04d}.npz"}
        _save(self.folder / names["last"], arrays)
        if (record := best_record(records)) is not None:
            names["best"] = f"best_{record.epoch:04d}.npz"
            if best is not None:
                _save(self.folder / names["best"], best.weights)
        self._make_valid(names, records)

    def _make_valid(self, names: Mapping[str, str], records: Sequence[EpochRecord]) -> None:
        state = {**self._identity, **names, "records": [asdict(record) for record in records]}
        write_text(self._state, json.dumps(state, indent=1))
        for path in self.folder.iterdir():
            if path.name not in {self._state.name, *names.values()}:
                with contextlib.suppress(OSError):
                    path.unlink()

    def _finish(self, model: keras.Model, records: Sequence[EpochRecord]) -> None:
        """Save the last epoch, and the best one as a network of its own."""
        import keras

        self.wait()
        arrays = _copied(_variables(model))
        names = {"last": f"last_{records[-1].epoch:04d}.npz"}
        _save(self.folder / names["last"], arrays)
        if (record := best_record(records)) is not None:
            if record is records[-1]:
                weights = arrays[: len(model.weights)]
            elif self._best is not None:
                weights = self._best.weights
            else:
                weights = _read(self.folder / f"best_{record.epoch:04d}.npz")
            names["best"] = f"best_{record.epoch:04d}.keras"
            network = keras.models.clone_model(model)
            network.set_weights(weights)
            with replacing(self.folder / names["best"]) as temporary:
                network.save(temporary)
        # Only now: after a kill until here the last epoch is trained again, and the network saved.
        self._make_valid(names, records)


def _variables(model: keras.Model) -> list[Any]:
    """Return the variables that a checkpoint keeps: the network's, then its optimizer's."""
    return [*model.weights, *(model.optimizer.variables if model.optimizer else ())]


def _copied(variables: Sequence[Any]) -> _Arrays:
    from keras import ops

    # On a processor JAX would only lend its memory, which the next step writes to.
    return [np.array(ops.convert_to_numpy(variable)) for variable in variables]


def _save(path: Path, arrays: _Arrays) -> None:
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, *arrays)


def _read(path: Path) -> _Arrays:
    """Return the arrays of a file, or the variables of a network that Keras saved."""
    if path.suffix == ".keras":
        # So version 0.1 kept its checkpoints.
        import keras

        model = keras.saving.load_model(path)
        return _copied(_variables(model))
    # NumPy leaves a damaged file open that it opened itself.
    with path.open("rb") as raw, np.load(raw) as file:
        return [file[f"arr_{number}"] for number in range(len(file.files))]


def is_finite(record: EpochRecord) -> bool:
    """Return whether the losses of an epoch, as far as computed, are finite numbers."""
    losses = (record.loss, record.val_loss)
    return all(math.isfinite(loss) for loss in losses if loss is not None)
