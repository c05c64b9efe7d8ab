"""Train a network on pre-generated epochs, and go on exactly where a training was killed.

Writes into the folder of the network:

| file | content |
|---|---|
| ``model.keras`` | the network after the last epoch, without its optimizer |
| ``network.json`` | what is needed to use it, see `exitwave.networks.trained` |
| ``history.csv`` | epoch; loss and val_loss (mean square error of Re and Im); |
| | learning_rate at the start of the epoch; seconds, and of these seconds_waiting for data; |
| | val_loss is empty after epochs for which it was not computed, see ``validate_every`` |
| ``training.json`` | spec, provenance, cost, machine, epoch with the least validation loss |
| ``logs/`` | the history for TensorBoard |
| ``checkpoints/`` | see `exitwave.networks.training.checkpoints` |

The network of the last epoch is the result, not that of the best: the validation samples are what
the network is judged by, so they must not choose it. The best one is kept among the checkpoints.

>>> train_network(spec, training=[Path("training/00.nc")], validation=[Path("validation/00.nc")],
...               output=Path("results/networks/mos2"))
"""

from __future__ import annotations

import json
import logging
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from exitwave.config import NetworkSettings
from exitwave.config.conditions import conditions_of
from exitwave.durations import rough_duration
from exitwave.errors import ExitwaveError
from exitwave.files.atomic import write_text
from exitwave.files.checks import content_digest
from exitwave.files.disk_errors import write_error
from exitwave.files.reader import StoreReader
from exitwave.files.tables import write_table
from exitwave.networks import backend
from exitwave.networks.architectures import build_network
from exitwave.networks.devices import Devices, choose_devices
from exitwave.networks.domain import TrainingDomain, joined
from exitwave.networks.trained import save_network
from exitwave.networks.training.checkpoints import (
    Checkpoints,
    EpochRecord,
    best_record,
    is_finite,
)
from exitwave.networks.training.curves import diverged, validated_epochs, validation_text
from exitwave.networks.training.epoch_reader import (
    EpochFiles,
    check_network_fits,
    check_training_files,
)
from exitwave.networks.training.optimizers import make_optimizer
from exitwave.networks.training.symmetries import turn_in_step
from exitwave.provenance import attributes as provenance
from exitwave.provenance import inputs
from exitwave.samples import EPOCH
from exitwave.samples.parts import COMPONENTS
from exitwave.seeds import generator
from exitwave.summaries.training import TrainingSummary
from exitwave.tasks.progress import TrainedEpochs, current
from exitwave.workflow.specs import RenderSpec, TrainSpec, read_spec

if TYPE_CHECKING:
    import keras
    from tensorboardX.event_file_writer import EventsWriter

    from exitwave.networks.training.loader import SeriesBatches

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """What to train, on what."""

    spec: str
    settings: NetworkSettings
    seed: int
    training: EpochFiles
    validation: EpochFiles
    output: Path


def train_network(
    spec: str,
    training: Sequence[Path],
    validation: Sequence[Path],
    output: Path,
    gpus: int = 0,
    device_kind: str = "gpu",
) -> None:
    """Train a network and write its folder.

    Parameters
    ----------
    spec : str
        See `exitwave.workflow.specs.train_spec`.
    training : sequence of Path
        Epoch files; training epoch e uses file e modulo their number.
    validation : sequence of Path
        Epoch files; the validation loss is computed from their samples.
    output : Path
        Folder of the network. A training that was killed goes on from the checkpoint there.
    gpus : int
        GPUs that share each batch; fail at once where there are fewer. With 0 the backend takes one
        where it finds one.
    device_kind : {'gpu', 'cpu'}
        ``cpu`` takes virtual devices of a processor in place of GPUs.

    Raises
    ------
    ExitwaveError
        Where the files do not fit the network, a GPU is missing, the loss is no longer a finite
        number, or the results cannot be written.
    """
    values = read_spec(spec, TrainSpec)
    settings, seed = values.network, values.seed
    with ExitStack() as stack:
        # All that can fail without Keras comes before its import, which takes seconds.
        files = [stack.enter_context(EpochFiles(paths)) for paths in (training, validation)]
        check_training_files(files[0], settings)
        check_network_fits(files[1], settings)
        backend.prepare_environment(require_gpu=gpus > 0)
        devices = choose_devices(gpus, settings.batch_size, device_kind)
        job = Job(spec, settings, seed, files[0], files[1], Path(output))
        _train(job, devices)


def _train(job: Job, devices: Devices) -> None:
    settings = job.settings
    # For what might draw beside us: all our own draws come from `exitwave.seeds`.
    backend.make_deterministic(int(generator(job.seed, "train", settings.replica).integers(2**31)))
    from exitwave.networks.training.loader import SeriesBatches, TrainingOrder, curve_order

    order = TrainingOrder(job.training, settings, job.seed)
    training = SeriesBatches(job.training, order, settings, place=devices.place)
    curve = curve_order(job.validation, settings, job.seed)
    validation = SeriesBatches(job.validation, curve, settings, place=devices.place)
    digests = {
        name: [content_digest(content.path) for content in files.contents]
        for name, files in (("training data", job.training), ("validation data", job.validation))
    }
    checkpoints = Checkpoints(job.output / "checkpoints", {"spec": job.spec, **digests})
    with devices.scope():
        model, records = _start(job, checkpoints, steps=settings.epochs * len(training))
    with closing(_new_event_file(job.output / "logs")) as events:
        recorder = _Recorder(job, model, records, checkpoints, (training, validation), events)
        if recorder.finished < settings.epochs:
            _fit(model, devices, recorder, settings)
    _write_results(job, model, devices, recorder, digests)


def _new_event_file(folder: Path) -> EventsWriter:
    """Begin the TensorBoard log again; it would show an older one beside this one.

    Keras' own callback needs TensorFlow and TensorBoard, so it is of no use with JAX.
    """
    from tensorboardX.event_file_writer import EventsWriter

    try:
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("events.out.tfevents.*"):
            old.unlink()
        # Not its SummaryWriter: that one writes in a thread, where a full disk goes unseen.
        return EventsWriter(str(folder / "events"))
    except OSError as error:
        raise write_error(folder, error) from error


def _start(
    job: Job, checkpoints: Checkpoints, steps: int
) -> tuple[keras.Model, tuple[EpochRecord, ...]]:
    """Return the network, compiled for training, after the epochs of the last checkpoint."""
    settings = job.settings
    model = build_network(settings, settings.images, job.seed)
    model.compile(
        optimizer=make_optimizer(settings, steps),
        loss="mse",
        # The loss of the last layer's scaled output. Without this weight the gradients shrink
        # with the target, and RMSprop and Adam stand still where they fall below its epsilon.
        loss_weights=settings.target_scale**2,
        jit_compile=backend.compiles_steps(settings.jit_compile),
    )
    records = checkpoints.load(model)
    if records:
        logger.info("Going on after epoch %d.", len(records))
    if settings.augment:
        turn_in_step(model)
    return model, records


def _fit(
    model: keras.Model, devices: Devices, recorder: _Recorder, settings: NetworkSettings
) -> None:
    import keras

    training, validation = recorder.batches
    try:
        model.fit(
            devices.feed(training),
            validation_data=devices.feed(validation),
            validation_freq=validated_epochs(settings.epochs, settings.validate_every),
            initial_epoch=recorder.finished,
            epochs=settings.epochs,
            # Keras would shuffle with a generator that a restart sets back.
            shuffle=False,
            verbose=1 if sys.stdout.isatty() else 0,
            callbacks=[
                keras.callbacks.LambdaCallback(
                    on_epoch_begin=recorder.begin_epoch, on_epoch_end=recorder.end_epoch
                )
            ],
        )
    except KeyboardInterrupt:
        recorder.stop()
        raise
    except Exception as error:
        for batches in (training, validation):
            if batches.failure is not None:
                raise batches.failure from error
        if backend.is_out_of_memory(error):
            raise ExitwaveError(
                f"The memory of {backend.device_name()} does not hold batches of "
                f"{settings.batch_size} series; lower batch_size or channels of the network."
            ) from error
        raise


class _Recorder:
    """Keeps the history, and what a restart needs."""

    def __init__(
        self,
        job: Job,
        model: keras.Model,
        records: Sequence[EpochRecord],
        checkpoints: Checkpoints,
        batches: tuple[SeriesBatches, SeriesBatches],
        events: EventsWriter,
    ) -> None:
        self.records = list(records)
        self._job = job
        self._model = model
        self._checkpoints = checkpoints
        self.batches = batches
        self._events = events
        self._in_epoch = False
        self._started_at = 0.0
        self._learning_rate = 0.0
        # From the checkpoint: a kill may have come before the last lines were written.
        self._write_history()
        for record in self.records:
            self._write_event(record)

    @property
    def finished(self) -> int:
        """Number of finished epochs."""
        return len(self.records)

    def begin_epoch(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:  # noqa: ARG002
        """Set up the samples of an epoch, the first being 0."""
        self._in_epoch = True
        for batches in self.batches:
            batches.start_epoch(epoch)
        self._learning_rate = backend.as_float(self._model.optimizer.learning_rate)
        self._started_at = time.perf_counter()

    def end_epoch(self, epoch: int, logs: Mapping[str, float]) -> None:
        """Record an epoch and save a checkpoint where one is due."""
        weight = self._job.settings.target_scale**2
        val_loss = logs.get("val_loss")
        record = EpochRecord(
            epoch=epoch + 1,
            loss=float(logs["loss"]) / weight,
            val_loss=None if val_loss is None else float(val_loss) / weight,
            learning_rate=self._learning_rate,
            seconds=round(time.perf_counter() - self._started_at, 3),
            seconds_waiting=round(sum(batches.seconds_waited for batches in self.batches), 3),
        )
        if not is_finite(record):
            raise diverged(record, self._job.output.name, self._job.settings.learning_rate)
        self.records.append(record)
        self._in_epoch = False
        last = self.finished == self._job.settings.epochs
        self._checkpoints.update(self._model, self.records, last)
        self._write_history()
        self._write_event(record)
        self._tell(record)

    def stop(self) -> None:
        """Save what is finished, where no other epoch has begun to change the network."""
        if self.records and not self._in_epoch:
            self._checkpoints.save(self._model, self.records)

    def _write_history(self) -> None:
        columns = [field.name for field in fields(EpochRecord)]
        rows = [asdict(record) for record in self.records]
        write_table(self._job.output / "history.csv", rows, columns)

    def _write_event(self, record: EpochRecord) -> None:
        from tensorboardX.proto.event_pb2 import Event

        values = asdict(record)
        event = Event(wall_time=time.time(), step=values.pop("epoch"))
        for name, value in values.items():
            if value is not None:
                event.summary.value.add(tag=name, simple_value=value)
        try:
            self._events.write_event(event)
            self._events.flush()
        except OSError as error:
            raise write_error(self._job.output / "logs", error) from error

    def _tell(self, record: EpochRecord) -> None:
        """Say how far the training is, to people and to programs."""
        epochs = self._job.settings.epochs
        per_epoch = statistics.median(record.seconds for record in self.records[-5:])
        rate = self.batches[0].samples / max(record.seconds, 1e-3)
        current().train(
            TrainedEpochs(record.epoch, epochs, record.loss, record.val_loss, per_epoch), rate
        )
        logger.info(
            "epoch %d/%d: loss %.3e, %s, %.1f samples/s, "
            "waiting for data %.1f %% of the time, %s left",
            record.epoch,
            epochs,
            record.loss,
            validation_text(record, validated_epochs(epochs, self._job.settings.validate_every)),
            rate,
            100 * record.seconds_waiting / max(record.seconds, 1e-3),
            rough_duration((epochs - record.epoch) * per_epoch),
        )


def training_domain(epochs: Sequence[Path]) -> TrainingDomain | None:
    """Return what a network is trained for by epochs; None where one does not say how it was made.

    Limits of the microscope are those of the epochs' specs, of which the draws of few samples would
    tell only a part; energies and materials are those of the samples.
    """
    found: list[TrainingDomain] = []
    for path in epochs:
        with StoreReader(path, EPOCH) as reader:
            try:
                spec = read_spec(reader.attributes["spec"], RenderSpec, any_version=True)
            except ExitwaveError:
                return None
            energies = reader.column("energy")
            limits = spec.microscope
            energy = (float(energies.min()), float(energies.max()))
            domain = TrainingDomain(
                **vars(conditions_of(limits, spec.images, energy)),
                spherical_aberration_micrometre=limits.spherical_aberration_micrometre,
                astigmatism_angstrom=limits.astigmatism_angstrom,
                coma_angstrom=limits.coma_angstrom,
                trefoil_angstrom=limits.trefoil_angstrom,
                misregistration_angstrom=(0.0, limits.misregistration_angstrom),
                intensity_error_share=(0.0, limits.intensity_error_share),
                focal_spread_angstrom=limits.focal_spread_angstrom,
                blur_angstrom=limits.blur_angstrom,
                target_smear_angstrom=(spec.epochs.target_smear_angstrom,) * 2,
                formulas=tuple(sorted({str(name) for name in reader.column("formula")})),
                components=tuple(
                    COMPONENTS[number] for number in np.unique(reader.column("atom_layer"))
                ),
            )
            found.append(domain)
    return joined(found)


def _write_results(
    job: Job,
    model: keras.Model,
    devices: Devices,
    recorder: _Recorder,
    digests: Mapping[str, list[str]],
) -> None:
    records = recorder.records
    # A network that was never compiled is saved without the state of an optimizer.
    network = build_network(job.settings, job.settings.images, job.seed)
    network.set_weights(model.get_weights())
    samplings = [content.sampling for content in job.training.contents]
    both = (*job.training.contents, *job.validation.contents)
    made_from = inputs.of_stores(
        training=[content.path for content in job.training.contents],
        validation=[content.path for content in job.validation.contents],
    )
    origin = provenance.attributes(job.spec, made_from)
    save_network(
        job.output,
        network,
        job.settings,
        origin,
        sampling_angstrom=(
            float(min(sampling.min() for sampling in samplings)),
            float(max(sampling.max() for sampling in samplings)),
        ),
        domain=training_domain([content.path for content in both]),
    )
    seconds = [record.seconds for record in records]
    samples, curve_samples = (side.samples for side in recorder.batches)
    best = best_record(records)
    # Keras' validation_freq has the last epoch.
    assert best is not None
    assert best.val_loss is not None
    assert records[-1].val_loss is not None
    summary = TrainingSummary(
        parameters=int(network.count_params()),
        training_samples=samples,
        validation_samples=curve_samples,
        image_size_px=job.training.size_px,
        epochs=len(records),
        loss=records[-1].loss,
        val_loss=records[-1].val_loss,
        best_epoch=best.epoch,
        best_val_loss=best.val_loss,
        seconds=round(sum(seconds), 3),
        waiting_share=round(
            sum(record.seconds_waiting for record in records) / max(sum(seconds), 1e-3), 4
        ),
        seconds_per_epoch=statistics.median(seconds),
        samples_per_second=round(samples / max(statistics.median(seconds), 1e-3), 3),
        peak_memory_bytes=backend.peak_memory_bytes(),
        peak_gpu_memory_bytes=backend.peak_gpu_memory_bytes(),
        backend=backend.backend_name(),
        device=devices.name,
        training_data=tuple(digests["training data"]),
        validation_data=tuple(digests["validation data"]),
    )
    write_text(job.output / "training.json", json.dumps({**asdict(summary), **origin}, indent=1))
