"""Simulate the exit waves of one shard: specimens, multislice, one NetCDF store.

A sample that is already there, in a previous file of any shard or in the journal of a killed run,
is copied if its key still holds; only the others are computed. The samples that fail are named,
with the reason, in the store's attribute ``failed`` and in the summary beside it.

On a processor each worker builds specimens and computes their waves. With a GPU the workers only
build specimens, and this process computes the waves of many at a time.

>>> simulate_exit_waves(spec, Path("catalog/shards/000.json"), Path("exit_waves/000.nc"), workers=2)
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import statistics
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from exitwave.config import Multislice, Structure
from exitwave.errors import ExitwaveError, SpecimenError
from exitwave.files.documents import write_document
from exitwave.files.journal import Journal
from exitwave.files.reader import StoreReader
from exitwave.files.schemas import Values
from exitwave.files.shard_files import ShardFiles
from exitwave.files.writer import StoreWriter
from exitwave.materials.manifest import Manifest, ManifestSample, read_manifest
from exitwave.materials.material import Material
from exitwave.materials.sample_keys import sample_key
from exitwave.multislice.exit_wave import (
    single_energy,
    stored_points,
    with_drawn_energy,
)
from exitwave.multislice.thermal import Draws, thermal_exit_wave, thermal_exit_waves
from exitwave.provenance import attributes as provenance
from exitwave.provenance import inputs
from exitwave.samples import EXIT_WAVES, ExitWaveSample
from exitwave.samples.parts import Identity
from exitwave.seeds import generator
from exitwave.specimens.build import Specimen, build_specimen
from exitwave.summaries.exit_waves import FailedSpecimen, ShardSummary, failed_text
from exitwave.tasks.parallel import (
    chunks,
    counted_results,
    map_tasks,
    prefetch,
    unordered_results,
)
from exitwave.tasks.progress import FailedSample, current
from exitwave.workflow.specs import SimulateSpec, read_spec

logger = logging.getLogger(__name__)

# Several batches of small waves, or two of large ones. Three such chunks are under way: their
# waves are computed, wait to be written, or are written.
_SPECIMENS_AT_ONCE = 64


@dataclass(frozen=True)
class Simulation:
    """One task: one sample of one material, with all that determines it."""

    seed: int
    dataset: str
    material: Material
    sample_index: int
    split: str
    sample_key: str
    structure: Structure
    multislice: Multislice
    device: Literal["cpu", "gpu"]


@dataclass(frozen=True)
class Simulated:
    """What a task gives: the sample, and the time that it took [s]."""

    sample: ExitWaveSample
    seconds: float


@dataclass(frozen=True)
class Built:
    """A specimen, the settings with its own energy, and the time that it took to build [s]."""

    specimen: Specimen
    multislice: Multislice
    seconds: float


# A specimen, its wave, and its share of the time that the waves took [s].
_Crossed = tuple[Built, NDArray[np.complex64], float]


def build_sample(task: Simulation) -> Built:
    """Build one specimen."""
    start = time.perf_counter()
    specimen = build_specimen(
        task.material, task.structure, task.seed, task.dataset, task.sample_index
    )
    settings = with_drawn_energy(task.multislice, _generator(task, "energy"))
    return Built(specimen, settings, time.perf_counter() - start)


def simulate_sample(task: Simulation) -> Simulated:
    """Build one specimen and compute its exit wave."""
    built = build_sample(task)
    start = time.perf_counter()
    wave = thermal_exit_wave(built.specimen, built.multislice, _draws(task), task.device)
    return _simulated(task, built, wave, time.perf_counter() - start)


def _generator(task: Simulation, *aspect: str | int) -> np.random.Generator:
    identity = (task.dataset, task.material.identifier, task.sample_index)
    return generator(task.seed, *identity, "multislice", *aspect)


def _draws(task: Simulation) -> Draws:
    return lambda number: _generator(task, "phonons", number)


def _simulated(
    task: Simulation, built: Built, wave: NDArray[np.complex64], seconds: float
) -> Simulated:
    specimen = built.specimen
    sample = ExitWaveSample(
        exit_wave=np.stack([wave.real, wave.imag], axis=-1),
        identity=Identity(
            material=task.material.identifier,
            formula=task.material.formula,
            sample_index=task.sample_index,
            split=task.split,
            sample_key=task.sample_key,
        ),
        sampling=specimen.box / len(wave),
        energy=single_energy(built.multislice),
        tilt=specimen.tilt,
        tilt_axis=specimen.tilt_axis,
        exit_distance=task.multislice.exit_distance_angstrom,
        thickness=specimen.thickness,
        atoms=specimen.atoms,
        vacancies=specimen.vacancies,
    )
    return Simulated(sample, built.seconds + seconds)


def simulate_together(
    tasks: Sequence[Simulation], workers: int, worker_jobs: int = 0
) -> Iterator[tuple[int, Simulated | Exception]]:
    """Yield the samples as `exitwave.tasks.parallel.unordered_results` does, computed on a GPU.

    While this process computes the waves of some specimens, the workers build the next ones, and
    the caller has those before.

    Parameters
    ----------
    tasks : sequence of Simulation
        What to simulate.
    workers, worker_jobs : int
        Who builds the specimens, see `exitwave.tasks.parallel.map_tasks`.
    """
    for results in prefetch(_in_chunks(tasks, workers, worker_jobs)):
        for index, result in results:
            if isinstance(result, Exception):
                yield index, result
            else:
                yield index, _simulated(tasks[index], *result)


def _in_chunks(
    tasks: Sequence[Simulation], workers: int, worker_jobs: int
) -> Iterator[list[tuple[int, _Crossed | Exception]]]:
    for chunk in prefetch(
        chunks(unordered_results(build_sample, tasks, workers, worker_jobs), _SPECIMENS_AT_ONCE)
    ):
        yield _with_waves(tasks, chunk)


def _with_waves(
    tasks: Sequence[Simulation], chunk: list[tuple[int, Built | Exception]]
) -> list[tuple[int, _Crossed | Exception]]:
    failed = [(index, each) for index, each in chunk if isinstance(each, Exception)]
    good = [(index, each) for index, each in chunk if not isinstance(each, Exception)]
    start = time.perf_counter()
    waves = thermal_exit_waves(
        [built.specimen for _, built in good],
        [built.multislice for _, built in good],
        [_draws(tasks[index]) for index, _ in good],
    )
    seconds = (time.perf_counter() - start) / max(len(good), 1)
    return [
        *failed,
        *(
            (index, wave if isinstance(wave, Exception) else (built, wave, seconds))
            for (index, built), wave in zip(good, waves, strict=True)
        ),
    ]


def simulate_exit_waves(
    spec: str,
    manifest: Path,
    output: Path,
    workers: int = 1,
    device: Literal["cpu", "gpu"] = "cpu",
    worker_jobs: int = 0,
) -> ShardSummary:
    """Make the store of one shard.

    Parameters
    ----------
    spec : str
        See `exitwave.workflow.specs.simulate_spec`.
    manifest : Path
        The shard's manifest from the catalog.
    output : Path
        The store, ``{shard}.nc``; its summary is written beside it as ``{shard}.json``.
    workers : int
        Processes to compute with, or on a GPU to build specimens with.
    device : {'cpu', 'gpu'}
        Where the waves are computed. On a GPU this process computes many together, of abTEM's
        multislice each worker one at a time.
    worker_jobs : int
        Slurm jobs of as many processes each that help, see `exitwave.tasks.worker_jobs`.

    Returns
    -------
    ShardSummary
        What became of the samples.
    """
    tasks = _tasks(spec, read_manifest(manifest), device)
    shard = _Shard(spec, manifest, output)
    reused = shard.reusable({task.sample_key for task in tasks})
    missing = [task for task in tasks if task.sample_key not in reused]
    logger.info(
        "%s: %d samples, %d already there, %d to compute with %d workers",
        output,
        len(tasks),
        len(reused),
        len(missing),
        workers * (1 + worker_jobs),
    )
    failed: list[FailedSpecimen] = []
    seconds: list[float] = []
    unexpected: list[Exception] = []
    title = f"{output.parent.parent.name}/{output.stem}"
    for index, result in _results(missing, workers, title, worker_jobs, len(reused)):
        task = missing[index]
        if isinstance(result, Exception):
            reason = str(result) if isinstance(result, SpecimenError) else _reason(result)
            logger.warning(
                "%s, sample %d failed: %s", task.material.identifier, task.sample_index, reason
            )
            failed.append(_failure(task, reason))
            current().name_failed(FailedSample(task.material.identifier, task.sample_index, reason))
            if not isinstance(result, SpecimenError):
                unexpected.append(result)
        else:
            seconds.append(result.seconds)
            shard.keep(result.sample.values())
    if unexpected and len(unexpected) == len(tasks):
        # Not one bad material but something wrong with the machine or the installation.
        raise ExitwaveError(
            f"Every sample of {output} failed, the last one with {_reason(unexpected[-1])}; mend "
            "this and run again."
        )
    summary = ShardSummary(
        samples=len(tasks) - len(failed),
        computed=len(missing) - len(failed),
        copied=len(tasks) - len(missing),
        failed=tuple(sorted(failed, key=lambda entry: (entry.material, entry.sample_index))),
        seconds_per_wave=round(statistics.median(seconds), 3) if seconds else None,
        made_from=shard.files.made_from,
    )
    shard.finish(tasks, summary)
    return summary


def _results(
    tasks: Sequence[Simulation], workers: int, title: str, worker_jobs: int, already_done: int
) -> Iterator[tuple[int, Simulated | Exception]]:
    if any(task.device == "gpu" and task.multislice.method == "fourier" for task in tasks):
        results = simulate_together(tasks, workers, worker_jobs)
        return counted_results(results, title, len(tasks), already_done)
    return map_tasks(simulate_sample, tasks, workers, title, worker_jobs, already_done)


def _tasks(spec: str, manifest: Manifest, device: Literal["cpu", "gpu"]) -> list[Simulation]:
    values = read_spec(spec, SimulateSpec)

    def task(sample: ManifestSample) -> Simulation:
        material = manifest.materials[sample.material]
        return Simulation(
            seed=values.seed,
            dataset=values.dataset,
            material=material,
            sample_index=sample.sample_index,
            split=sample.split,
            sample_key=sample_key(spec, material, sample.sample_index),
            structure=values.structure,
            multislice=values.multislice,
            device=device,
        )

    return [task(sample) for sample in manifest.samples]


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _failure(task: Simulation, reason: str) -> FailedSpecimen:
    return FailedSpecimen(
        material=task.material.identifier,
        formula=task.material.formula,
        sample_index=task.sample_index,
        reason=reason,
    )


class _Shard:
    """The samples of one shard, from wherever they are found to its store."""

    def __init__(self, spec: str, manifest: Path, output: Path) -> None:
        self.spec = spec
        self.manifest = manifest
        self.output = output
        self.files = ShardFiles(spec, manifest, output)
        self._journalled: set[str] = set()
        self._stored: dict[str, tuple[Path, int]] = {}

    def reusable(self, wanted: set[str]) -> set[str]:
        """Return the keys among those wanted whose samples exist already, each verified."""
        # Before anything is appended to it, its end must be found.
        self._journalled.update(_journalled_keys(self.files.journal, wanted))
        for path in self.files.sources():
            missing = wanted - self._stored.keys() - self._journalled
            if not missing:
                break
            if path.suffix == ".journal":
                self._take(Journal(path).read(), missing)
            elif self.files.stays(path):
                self._stored |= {key: (path, place) for key, place, _ in _verified(path, missing)}
            else:
                self._take((sample for _, _, sample in _verified(path, missing)), missing)
        return set(self._stored) | self._journalled

    def _take(self, samples: Iterable[Values], missing: set[str]) -> None:
        """Copy samples at once from a file that another job may remove."""
        with contextlib.suppress(OSError):
            for sample in samples:
                if str(sample["sample_key"]) in missing - self._journalled:
                    self.keep(sample)

    def keep(self, sample: Values) -> None:
        self.files.journal.append(sample)
        self._journalled.add(str(sample["sample_key"]))

    def finish(self, tasks: list[Simulation], summary: ShardSummary) -> None:
        """Write the store in the order of the tasks, then clear what is no longer needed."""
        failed = {(entry.material, entry.sample_index) for entry in summary.failed}
        good = [t for t in tasks if (t.material.identifier, t.sample_index) not in failed]
        size = stored_points(good[0].multislice, good[0].structure.box_angstrom) if good else 0
        attributes = {
            **provenance.attributes(self.spec, inputs.of_manifest(self.manifest)),
            "failed": failed_text(summary.failed),
        }
        sizes = {"sample": len(good), "y": size, "x": size}
        with StoreWriter(self.output, EXIT_WAVES, sizes, attributes) as store:
            for place, sample in self._samples(good):
                # Of what a journal holds, the time of a wave goes into no store; and a sample that
                # changed sides of the split is still the same sample.
                kept = {name: value for name, value in sample.items() if name != "seconds"}
                store.write(place, **{**kept, "split": good[place].split})
        self.files.keep_store()
        write_document(self.output.with_suffix(".json"), asdict(summary))
        self.files.clear()

    def _samples(self, tasks: list[Simulation]) -> Iterator[tuple[int, Values]]:
        """Yield place in the new store and values of each sample, one at a time."""
        places = {task.sample_key: place for place, task in enumerate(tasks)}
        for record in prefetch(self.files.journal.read()):
            if (key := str(record["sample_key"])) in places:
                yield places.pop(key), record
        left = sorted((self._stored[key], place) for key, place in places.items())
        for path, group in itertools.groupby(left, key=lambda entry: entry[0][0]):
            entries = list(group)
            with StoreReader(path) as reader:
                samples = reader.read_all(stored for (_, stored), _ in entries)
                for (_, place), sample in zip(entries, samples, strict=True):
                    yield place, sample


def _journalled_keys(journal: Journal, wanted: set[str]) -> set[str]:
    return {key for record in journal.read() if (key := str(record["sample_key"])) in wanted}


def _verified(path: Path, wanted: set[str]) -> Iterator[tuple[str, int, Values]]:
    """Yield key, place and values of the wanted samples of a store, each held to its digest."""
    try:
        with StoreReader(path, EXIT_WAVES) as reader:
            keys = [str(key) for key in reader.column("sample_key")]
            places = [place for place, key in enumerate(keys) if key in wanted]
            for place, sample in zip(places, reader.read_all(places), strict=True):
                yield keys[place], place, sample
    except ExitwaveError as error:
        logger.warning("%s The samples behind it are computed again.", error)
