"""Render one epoch: a microscope for each sample, a focal series, one NetCDF store.

The samples stand in the file in the order in which training reads them. An epoch is streamed: only
a few samples per worker are in memory at a time, whatever their number.

>>> render_epoch(spec, [Path("exit_waves/000.nc")], Path("epochs/3_images/training/00.nc"))
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from exitwave.config import Microscope
from exitwave.errors import ExitwaveError
from exitwave.files.reader import StoreReader
from exitwave.files.writer import StoreWriter
from exitwave.imaging.focal_series import render_series
from exitwave.imaging.microscope import draw_microscope, optional_parameters
from exitwave.provenance import attributes as provenance
from exitwave.provenance import inputs
from exitwave.samples import EPOCH, EXIT_WAVES, EpochSample, ExitWaveSample
from exitwave.seeds import generator, uniform_hash
from exitwave.summaries.exit_waves import FailedSpecimen, failed_specimens
from exitwave.tasks.parallel import map_tasks
from exitwave.workflow.specs import RenderSpec, read_spec

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rendering:
    """One task: the sample at a place of a store, and what the image depends on."""

    store: Path
    place: int
    seed: int
    dataset: str
    epoch: int
    images: int
    microscope: Microscope
    image_size_px: int
    target_smear_angstrom: float


class _Stores:
    """The store that a process reads: it stays open until another one has its turn.

    To open a store takes longer than to read a sample.
    """

    def __init__(self) -> None:
        self._reader: StoreReader | None = None

    def read(self, store: Path, place: int) -> ExitWaveSample:
        """Return one sample."""
        if self._reader is None or self._reader.path != store:
            self.close()
            self._reader = StoreReader(store, EXIT_WAVES)
        return ExitWaveSample.from_values(self._reader.read(place))

    def close(self) -> None:
        """Close what is open."""
        if self._reader is not None:
            self._reader.close()
        self._reader = None


_STORES = _Stores()


def render_sample(task: Rendering) -> EpochSample:
    """Draw a microscope and image one sample."""
    sample = _STORES.read(task.store, task.place)
    identity = (
        task.dataset,
        sample.identity.material,
        sample.identity.sample_index,
        "render",
        task.epoch,
    )
    draw = draw_microscope(
        task.microscope,
        sample.energy,
        task.images,
        generator(task.seed, *identity, "microscope"),
    )
    series = render_series(
        sample.wave,
        sample.sampling,
        draw,
        task.image_size_px,
        task.target_smear_angstrom,
        task.microscope.padding_tolerance,
        generator(task.seed, *identity, "noise"),
    )
    target = series.exit_wave
    origin = np.array([series.origin, series.origin, 0.0])
    return EpochSample(
        image=series.image,
        exit_wave=np.stack([target.real, target.imag], axis=-1),
        identity=sample.identity,
        sampling=series.sampling,
        microscope=draw.stored,
        padded_size=series.padded_size,
        seed="/".join(str(part) for part in (task.seed, *identity)),
        atoms=sample.atoms.moved(origin),
        vacancies=sample.vacancies.moved(origin),
    )


def render_epoch(spec: str, stores: Sequence[Path], output: Path, workers: int = 1) -> None:
    """Make one epoch of a data set.

    Parameters
    ----------
    spec : str
        See `exitwave.workflow.specs.render_spec`.
    stores : sequence of Path
        All exit-wave stores of the data set.
    output : Path
        The epoch's store.
    workers : int
        Processes to compute with.

    Raises
    ------
    ExitwaveError
        Where too large a share of the samples failed, none is left on this side of the split, or
        a store is damaged.
    """
    values = read_spec(spec, RenderSpec)
    _require_few_failures(stores, values)
    tasks = _tasks(values, stores)
    settings = values.epochs
    sizes = {
        "sample": len(tasks),
        "y": settings.image_size_px,
        "x": settings.image_size_px,
        "frame": values.images,
    }
    title = "/".join(output.with_suffix("").parts[-5:])
    attributes = provenance.attributes(spec, inputs.of_stores(stores=stores))
    # Store by store, wherever a sample stands in the epoch.
    turns = sorted(range(len(tasks)), key=lambda turn: (tasks[turn].store, tasks[turn].place))
    try:
        optional = optional_parameters(values.microscope)
        with StoreWriter(output, EPOCH, sizes, attributes, optional) as store:
            for index, result in map_tasks(
                render_sample, [tasks[turn] for turn in turns], workers, title
            ):
                if isinstance(result, Exception):
                    raise result
                store.write(turns[index], **result.values())
    finally:
        _STORES.close()


def _require_few_failures(stores: Sequence[Path], values: RenderSpec) -> None:
    samples = 0
    failed: list[FailedSpecimen] = []
    for path in stores:
        with StoreReader(path, EXIT_WAVES) as reader:
            samples += len(reader)
            failed += failed_specimens(reader.attributes)
    limit = values.epochs.max_failed_share
    if failed and len(failed) > limit * (samples + len(failed)):
        first = failed[0]
        raise ExitwaveError(
            f"{len(failed)} of {samples + len(failed)} samples of the data set "
            f"'{values.dataset}' failed (the first: {first.material}, {first.reason}), "
            f"more than epochs.max_failed_share = {limit:g} allows; mend the cause, which each "
            "store's summary names, or raise the limit."
        )


def _tasks(values: RenderSpec, stores: Sequence[Path]) -> list[Rendering]:
    """The samples of one side of the split, in training order.

    The order is that of a hash of each sample's identity, so one more sample leaves the order of
    the others as it was.
    """
    keyed = []
    for path in stores:
        with StoreReader(path, EXIT_WAVES) as reader:
            columns = (reader.column(name) for name in ("material", "sample_index", "split"))
            for place, (material, index, split) in enumerate(zip(*columns, strict=True)):
                if split == values.split:
                    order = uniform_hash(
                        values.seed,
                        values.dataset,
                        "order",
                        values.epoch,
                        str(material),
                        int(index),
                    )
                    keyed.append(((order, str(material), int(index)), path, place))
    if not keyed:
        raise ExitwaveError(
            f"The data set '{values.dataset}' has no {values.split} samples; change its "
            "split, or take more materials."
        )
    return [
        Rendering(
            store=path,
            place=place,
            seed=values.seed,
            dataset=values.dataset,
            epoch=values.epoch,
            images=values.images,
            microscope=values.microscope,
            image_size_px=values.epochs.image_size_px,
            target_smear_angstrom=values.epochs.target_smear_angstrom,
        )
        for _, path, place in sorted(keyed)
    ]
