"""Stream focal series and their exit waves from epoch files, batch by batch.

The memory needed is that of a few batches, however many samples the files hold. Order, training
share and symmetries come from `exitwave.seeds`, so a training that was interrupted goes on with
the samples that it would have seen.

>>> files = EpochFiles([Path("results/mos2/epochs/3_images/training/00.nc")])
>>> batches = SeriesBatches(files, TrainingOrder(files, settings, seed=1), settings)
>>> image, target = batches[0]
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import keras
import numpy as np
from numpy.typing import NDArray

from exitwave.config import NetworkSettings
from exitwave.errors import ExitwaveError
from exitwave.networks.architectures import OUTPUT_CHANNELS
from exitwave.networks.normalization import normalize_series
from exitwave.networks.training.epoch_reader import EpochFiles
from exitwave.networks.training.symmetries import SYMMETRIES
from exitwave.seeds import generator, uniform_hash

# Images, targets, and the symmetries by which the step is to turn both, where it is.
Batch = tuple[NDArray[Any], ...]

# Reading and normalising let go of Python's lock, so each thread keeps a core busy. More than these
# feed any one GPU; fewer cores than threads do no harm.
_READERS = max(2, min(4, len(os.sched_getaffinity(0))))
_ALIGNMENT = 64


@dataclass(frozen=True)
class Draw:
    """Which sample of which file takes the next place in a batch, and how it is to be turned."""

    file: int
    sample: int
    symmetry: int = 0


class Order(Protocol):
    """The sequence of samples in each epoch.

    Attributes
    ----------
    turns : bool
        Whether the samples are turned and flipped.
    """

    @property
    def turns(self) -> bool: ...  # noqa: D102

    def epoch(self, epoch: int) -> list[Draw]:
        """Return the samples of an epoch, the first epoch being 0."""


class TrainingOrder:
    """Each epoch takes the next file, in an order and with symmetries of its own.

    Parameters
    ----------
    files : EpochFiles
        The pre-generated epochs; epoch e uses file e modulo their number.
    settings : NetworkSettings
        ``training_share``, ``augment`` and ``replica``.
    seed : int
        Root seed.
    """

    def __init__(self, files: EpochFiles, settings: NetworkSettings, seed: int) -> None:
        self._files = files
        self._settings = settings
        self._seed = seed
        self._chosen = choose_share(files.contents[0].specimens, settings.training_share, seed)
        self.turns = settings.augment

    def epoch(self, epoch: int) -> list[Draw]:
        """Return the samples of a training epoch."""
        file = epoch % len(self._files.contents)
        specimens = self._files.contents[file].specimens
        samples = [i for i, specimen in enumerate(specimens) if specimen in self._chosen]
        # By specimen, so that the order does not depend on the order in the file.
        samples.sort(key=specimens.__getitem__)
        order = generator(self._seed, "order", self._settings.replica, epoch)
        return [
            Draw(file, samples[place], self._symmetry(epoch, specimens[samples[place]]))
            for place in order.permutation(len(samples))
        ]

    def _symmetry(self, epoch: int, specimen: str) -> int:
        if not self._settings.augment:
            return 0
        draw = generator(self._seed, "symmetry", self._settings.replica, epoch, specimen)
        return int(draw.integers(SYMMETRIES))


class FileOrder:
    """Every epoch takes all samples of all files as they lie there."""

    turns = False

    def __init__(self, files: EpochFiles) -> None:
        self._draws = [
            Draw(file, sample)
            for file, content in enumerate(files.contents)
            for sample in range(len(content.specimens))
        ]

    def epoch(self, epoch: int) -> list[Draw]:  # noqa: ARG002
        """Return all samples."""
        return self._draws


class CurveOrder:
    """Every epoch takes the same samples of all files, as they lie there, chosen by their hash.

    The choice is the same for every network, and most of it stays when other samples join.

    Parameters
    ----------
    files : EpochFiles
        The validation epochs.
    samples : int
        How many are chosen; all, where there are fewer.
    seed : int
        Root seed.
    """

    turns = False

    def __init__(self, files: EpochFiles, samples: int, seed: int) -> None:
        def rank(draw: Draw) -> float:
            specimen = files.contents[draw.file].specimens[draw.sample]
            return uniform_hash(seed, "curve_samples", specimen, draw.file)

        chosen = sorted(FileOrder(files).epoch(0), key=rank)[:samples]
        self._draws = sorted(chosen, key=lambda draw: (draw.file, draw.sample))

    def epoch(self, epoch: int) -> list[Draw]:  # noqa: ARG002
        """Return the chosen samples."""
        return self._draws


def curve_order(files: EpochFiles, settings: NetworkSettings, seed: int) -> Order:
    """Return which validation samples the validation loss is computed from."""
    if settings.curve_samples is None:
        return FileOrder(files)
    return CurveOrder(files, settings.curve_samples, seed)


def choose_share(specimens: Sequence[str], share: float, seed: int) -> frozenset[str]:
    """Choose a fixed share of the specimens, at least one; smaller shares lie within larger."""
    ranked = sorted(specimens, key=lambda specimen: uniform_hash(seed, "training_share", specimen))
    return frozenset(ranked[: max(1, round(share * len(ranked)))])


def _aligned(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return an array that begins on a boundary of 64 bytes: JAX then takes it without a copy."""
    size = 4 * math.prod(shape)
    memory = np.empty(size + _ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % _ALIGNMENT
    return memory[start : start + size].view(np.float32).reshape(shape)


# Without keras's types, mypy takes its classes for Any.
class SeriesBatches(keras.utils.PyDataset):  # type: ignore[misc]
    """Batches of normalised series and targets for ``fit``, which must not shuffle them.

    Every sample of an epoch is used; the last batch may be short. Threads make the next batches
    while the network computes, those of the next epoch as well, whatever the backend. Where reading
    fails, the reason stands in ``failure``, since backends wrap the exception in one of their own.

    Parameters
    ----------
    files : EpochFiles
        Where the samples lie.
    order : Order
        Which samples make up an epoch.
    settings : NetworkSettings
        ``batch_size`` and ``normalization``.
    readers : int
        Threads that make batches.
    place : callable
        Brings a batch to where the step takes it from, see `exitwave.networks.devices`.

    Attributes
    ----------
    seconds_waited : float
        How long batches were waited for, since the beginning of the epoch [s].
    """

    def __init__(
        self,
        files: EpochFiles,
        order: Order,
        settings: NetworkSettings,
        readers: int = _READERS,
        place: Callable[[Batch], Batch] = lambda batch: batch,
    ) -> None:
        super().__init__(workers=1)
        self.failure: ExitwaveError | None = None
        self.seconds_waited = 0.0
        self._reader = ThreadPoolExecutor(readers, thread_name_prefix="batches")
        # As many are in the making while one waits for the step.
        self._most_ahead = readers
        # By epoch and index.
        self._ahead: dict[tuple[int, int], Future[Batch]] = {}
        self._files = files
        self._order = order
        self._settings = settings
        self._place = place
        # The next epoch's are drawn meanwhile.
        self._draws: dict[int, Future[list[Draw]]] = {}
        self.start_epoch(0)

    def start_epoch(self, epoch: int) -> None:
        """Go to an epoch; the first is 0."""
        self._epoch = epoch
        wanted = (epoch, epoch + 1)
        for each in wanted:
            if each not in self._draws:
                self._draws[each] = self._reader.submit(self._order.epoch, each)
        # The first batches of the epoch may be in the making already.
        for place in [place for place in self._ahead if place[0] not in wanted]:
            self._ahead.pop(place).cancel()
        self._draws = {each: self._draws[each] for each in wanted}
        self.seconds_waited = 0.0

    @property
    def samples(self) -> int:
        """Number of samples in the present epoch."""
        return len(self._draws[self._epoch].result())

    @property
    def sample_signature(self) -> list[tuple[tuple[int, ...], type[np.generic]]]:
        """Shape and type of what a batch holds of each sample, array by array."""
        size = self._files.size_px
        of_each: list[tuple[tuple[int, ...], type[np.generic]]] = [
            ((*size, self._files.images), np.float32),
            ((*size, OUTPUT_CHANNELS), np.float32),
        ]
        return [*of_each, ((1, 1), np.int32)] if self._order.turns else of_each

    def __len__(self) -> int:
        return self._batches_of(self._epoch)

    def _batches_of(self, epoch: int) -> int:
        return -(-len(self._draws[epoch].result()) // self._settings.batch_size)

    def __getitem__(self, index: int) -> Batch:
        """Return a batch.

        Returns
        -------
        image : array of shape (sample, y, x, frame)
            Normalised series.
        target : array of shape (sample, y, x, 2)
            Re - 1 and Im of the exit wave.
        symmetries : array of shape (sample, 1, 1)
            Only where the order turns: by which of the square's symmetries the step has to turn
            images and targets, see `exitwave.networks.training.symmetries.turn_in_step`.
        """
        start = time.perf_counter()
        for place in self._coming(index):
            if place not in self._ahead:
                self._ahead[place] = self._reader.submit(self._batch, self._draws_of(*place))
        try:
            return self._ahead.pop((self._epoch, index)).result()
        except ExitwaveError as error:
            self.failure = error
            raise
        finally:
            self.seconds_waited += time.perf_counter() - start

    def _coming(self, index: int) -> list[tuple[int, int]]:
        """Return epoch and index of a batch and of those to make ahead, beyond the epoch's end."""
        batches, following = len(self), self._epoch + 1
        beyond = self._batches_of(following) if self._draws[following].done() else 0
        last = min(index + self._most_ahead, batches + beyond - 1)
        return [
            (self._epoch, coming) if coming < batches else (following, coming - batches)
            for coming in range(index, last + 1)
        ]

    def _draws_of(self, epoch: int, index: int) -> list[Draw]:
        first = index * self._settings.batch_size
        return self._draws[epoch].result()[first : first + self._settings.batch_size]

    def _batch(self, draws: list[Draw]) -> Batch:
        images = _aligned((len(draws), *self._files.size_px, self._files.images))
        targets = _aligned((len(draws), *self._files.size_px, OUTPUT_CHANNELS))
        for draw, image, target in zip(draws, images, targets, strict=True):
            self._take(draw, image, target)
        targets[..., 0] -= 1
        if not self._order.turns:
            return self._place((images, targets))
        symmetries = np.array([draw.symmetry for draw in draws], np.int32)
        return self._place((images, targets, symmetries[:, None, None]))

    def _take(self, draw: Draw, image: NDArray[np.float32], target: NDArray[np.float32]) -> None:
        """Read a sample into its place in a batch, which it need not leave any more."""
        self._files.read_into(draw.file, draw.sample, image, target)
        sampling = self._files.contents[draw.file].sampling[draw.sample]
        normalized = normalize_series(image, self._settings.normalization, sampling, out=image)
        if normalized is not image:
            image[:] = normalized
