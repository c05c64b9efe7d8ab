"""Which multislice settings are fine enough: Eq. (A.1) and time against the settings.

The paper's Fig. S2, for any materials, and beside slice thickness also the lateral sampling and
the projection. The folder of a study holds

==================  ==============================================================
``errors.csv``      one row per specimen, comparison and settings
``summary.json``    spec, the configuration's own settings, medians of their errors
``wave.npz``        one wave before and after the target's smear, for Fig. S4
==================  ==============================================================

>>> measure_convergence(spec, Path("results/convergence"), workers=2)
"""

from __future__ import annotations

import functools
import logging
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from exitwave.config import Multislice
from exitwave.errors import ExitwaveError
from exitwave.files.atomic import replacing
from exitwave.files.documents import write_document
from exitwave.files.tables import write_table
from exitwave.imaging.focal_series import smear_wave
from exitwave.imaging.grids import Grid
from exitwave.materials.material import Material, read_materials
from exitwave.materials.selection import take_limit
from exitwave.multislice.atomic_scattering import known_elements
from exitwave.multislice.convergence_study import Study, read_study, variations
from exitwave.multislice.exit_wave import exit_wave, grid_points, slice_thicknesses
from exitwave.provenance import attributes as provenance
from exitwave.samples.parts import Atoms
from exitwave.scoring.metrics import wave_error
from exitwave.specimens.build import Specimen, build_specimen
from exitwave.summaries.convergence import (
    ConvergenceRow,
    ConvergenceSummary,
    MedianErrors,
    Settings,
)
from exitwave.tasks.parallel import map_tasks

logger = logging.getLogger(__name__)

MOST_MATERIALS = 7
"""So many colours the figures have."""
NAME = "convergence"
"""Stands where a data set's name stands in the draws of specimens."""

# A wave is computed again until so much time [s] was spent on it, so often at most.
_TIMED_SECONDS, _MOST_REPEATS = 2.0, 3

Wave = NDArray[np.complex64]


@dataclass(frozen=True)
class Subject:
    """A specimen of a material."""

    material: Material
    sample_index: int
    specimen: Specimen


@dataclass(frozen=True)
class Calculation:
    """One task: one wave of one specimen."""

    specimen: Specimen
    multislice: Multislice
    device: Literal["cpu", "gpu"]


@dataclass(frozen=True)
class Calculated:
    """A wave and the time [s] that it took: the processor's or, on a GPU, the clock's."""

    wave: Wave
    seconds: float


def calculate(task: Calculation) -> Calculated:
    """Compute one wave; the time is the median of up to three runs, fewer where they are long.

    On a CPU it is the time of this process alone, which others on the machine hardly change.
    """
    _warm_up(task.device)
    clock = time.process_time if task.device == "cpu" else time.perf_counter
    seconds: list[float] = []
    while len(seconds) < _MOST_REPEATS and sum(seconds) < _TIMED_SECONDS:
        start = clock()
        wave = exit_wave(task.specimen, task.multislice, task.device)
        seconds.append(clock() - start)
    return Calculated(wave, statistics.median(seconds))


@functools.cache
def _warm_up(device: Literal["cpu", "gpu"]) -> None:
    """Let abTEM import and compile what it needs before a time is taken."""
    atom = Specimen(Atoms.of(np.array([6]), np.array([[2.0, 2.0, 0.0]])), box=4.0)
    for projection in ("finite", "infinite"):
        settings = Multislice.model_validate({"projection": projection, "sampling_angstrom": 0.2})
        exit_wave(atom, settings, device)


def measure_convergence(
    spec: str, output: Path, workers: int = 1, device: Literal["cpu", "gpu"] = "cpu"
) -> list[ConvergenceRow]:
    """Compute all waves of a study, compare them and write the folder.

    Parameters
    ----------
    spec : str
        See `exitwave.workflow.specs.convergence_spec`.
    output : Path
        Folder of the study.
    workers : int
        Processes to compute with, one thread each.
    device : {'cpu', 'gpu'}
        Where abTEM computes.

    Returns
    -------
    list of ConvergenceRow
        The rows of ``errors.csv``.
    """
    study = read_study(spec)
    subjects = _subjects(study)
    made = variations(study)
    wanted = list(dict.fromkeys(entry for _, *pair in made for entry in pair))
    # The longest first, so that no worker is left alone with one at the end.
    wanted.sort(key=lambda entry: entry.slice_thickness * entry.sampling**2)
    logger.info("%d specimens, %d waves of each", len(subjects), len(wanted))
    waves = _calculate_all(study, subjects, wanted, workers, device)
    rows = [
        _row(study, subject, waves[place], *comparison)
        for place, subject in enumerate(subjects)
        for comparison in made
    ]
    write_table(output / "errors.csv", [_rounded(asdict(row)) for row in rows])
    example = subjects[0], waves[0][study.own].wave
    _write_wave(output / "wave.npz", study, *example)
    _write_summary(output / "summary.json", spec, study, rows)
    return rows


def _subjects(study: Study) -> list[Subject]:
    materials: dict[str, Material] = {}
    for entry in study.section.materials:
        accepted, _, _ = read_materials(
            entry.source,
            entry.selection,
            entry.max_atoms,
            known_elements(study.multislice.parametrization),
        )
        for material in take_limit(accepted, entry.limit, study.seed, NAME):
            materials.setdefault(material.identifier, material)
    if len(materials) > MOST_MATERIALS:
        raise ExitwaveError(
            f"convergence.materials match {len(materials)} materials, but a figure can show "
            f"at most {MOST_MATERIALS}; narrow the selection of an entry or give it a limit."
        )
    return [
        Subject(material, index, build_specimen(material, study.structure, study.seed, NAME, index))
        for material in materials.values()
        for index in range(study.section.specimens)
    ]


def _calculate_all(
    study: Study,
    subjects: Sequence[Subject],
    wanted: Sequence[Settings],
    workers: int,
    device: Literal["cpu", "gpu"],
) -> list[dict[Settings, Calculated]]:
    """Return the waves of each specimen by their settings."""
    places = [(settings, place) for settings in wanted for place in range(len(subjects))]
    tasks = [
        Calculation(subjects[place].specimen, study.full(settings), device)
        for settings, place in places
    ]
    found: list[dict[Settings, Calculated]] = [{} for _ in subjects]
    for index, result in map_tasks(calculate, tasks, workers, NAME):
        settings, place = places[index]
        if isinstance(result, Exception):
            raise ExitwaveError(
                f"The wave of {subjects[place].material.formula} with {settings.projection} "
                f"projection, slices of {settings.slice_thickness:g} Å and a sampling of "
                f"{settings.sampling:g} Å failed ({type(result).__name__}: {result}); mend this or "
                "leave these settings out of the section convergence."
            )
        found[place][settings] = result
    return found


def _row(
    study: Study,
    subject: Subject,
    waves: dict[Settings, Calculated],
    comparison: str,
    settings: Settings,
    reference: Settings,
) -> ConvergenceRow:
    box = subject.specimen.box
    truth = waves[reference].wave
    wave = on_points(waves[settings].wave, len(truth))
    smeared = [smeared_wave(entry, box, study.smear) for entry in (wave, truth)]
    full = study.full(settings)
    slices = slice_thicknesses(subject.specimen.positions[:, 2], full)[1]
    points = grid_points(full, box)
    return ConvergenceRow(
        comparison=comparison,
        material=subject.material.identifier,
        formula=subject.material.formula,
        sample_index=subject.sample_index,
        projection=settings.projection,
        slice_thickness_angstrom=settings.slice_thickness,
        sampling_angstrom=settings.sampling,
        grid_sampling_angstrom=box / points,
        points=points,
        slices=len(slices),
        relative_error=wave_error(wave, truth).relative_error,
        relative_error_smeared=wave_error(*smeared).relative_error,
        seconds=waves[settings].seconds,
        relative_seconds=waves[settings].seconds / waves[study.own].seconds,
    )


def on_points(wave: Wave, size: int) -> Wave:
    """Return a band-limited periodic wave on a finer grid over the same box.

    The first point of both grids is the box's corner. Frequencies that the coarse grid does not
    hold are 0: against a finer wave, their loss counts as an error.

    Parameters
    ----------
    wave : (n, n) array
        n even.
    size : int
        Points along a side, even, at least n.
    """
    points = len(wave)
    if size == points:
        return wave
    low = (size - points) // 2
    spectrum = np.zeros((size, size), dtype=np.complex64)
    # A frequency at the border stands for both signs and so has no place on the finer grid.
    inner = scipy.fft.fftshift(scipy.fft.fft2(wave))[1:, 1:]
    spectrum[low + 1 : low + points, low + 1 : low + points] = inner
    finer = scipy.fft.ifft2(scipy.fft.ifftshift(spectrum)) * np.float32((size / points) ** 2)
    return np.asarray(finer, dtype=np.complex64)


def smeared_wave(wave: Wave, box: float, smear: float) -> Wave:
    """Fold a wave with the target's Gaussian of standard deviation `smear` [Å]; box in Å."""
    grid = Grid(wave_points=len(wave), image_points=len(wave), period=box)
    return np.asarray(smear_wave(wave - np.complex64(1), smear, grid, 0.0, len(wave)))


def _rounded(row: Mapping[str, object]) -> dict[str, object]:
    return {k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()}


def _write_wave(path: Path, study: Study, subject: Subject, wave: Wave) -> None:
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(
            file,
            wave=wave,
            smeared=smeared_wave(wave, subject.specimen.box, study.smear),
            sampling=np.array(subject.specimen.box / len(wave)),
            smear=np.array(study.smear),
            formula=np.array(subject.material.formula),
            sample_index=np.array(subject.sample_index),
        )


def _write_summary(path: Path, spec: str, study: Study, rows: Sequence[ConvergenceRow]) -> None:
    medians = {
        name: MedianErrors(
            statistics.median(row.relative_error for row in chosen),
            statistics.median(row.relative_error_smeared for row in chosen),
            statistics.median(row.seconds for row in chosen),
        )
        for name, chosen in _own_rows(study, rows)
    }
    summary = ConvergenceSummary(study.own, study.reference, medians)
    write_document(path, {**provenance.attributes(spec), **asdict(summary)})
    for name, values in medians.items():
        logger.info(
            "%s: the configuration's settings, with everything: Eq. (A.1) %.2g, smeared %.2g",
            name,
            values.relative_error,
            values.relative_error_smeared,
        )


def _own_rows(
    study: Study, rows: Sequence[ConvergenceRow]
) -> Iterator[tuple[str, list[ConvergenceRow]]]:
    """Yield the rows of each material that show the configuration's settings in total."""
    for material in dict.fromkeys(row.material for row in rows):
        yield (
            material,
            [
                row
                for row in rows
                if (row.material, row.comparison) == (material, "total")
                and row.settings == study.own
            ],
        )
