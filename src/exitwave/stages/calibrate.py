"""Measure a network on its validation samples: how far its waves are off, and what refining finds.

The power of the error (`exitwave.networks.error_power`) is measured on some samples. Others, or as
many of them as there are, are refined with all aberrations unknown: the scale of the error and
the errors of the fitted optics that are found where the network knows what it sees. Where there
are too few samples for both, some are used twice; the scale, which compares a series with the
mean of all, hardly notices.

Writes ``calibration.json``, see `exitwave.networks.calibration`, with its provenance.

>>> calibrate_network(spec, Path("results/networks/mos2"), epochs, output)
"""

from __future__ import annotations

import functools
import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from exitwave.files.documents import write_document
from exitwave.networks.calibration import Calibration
from exitwave.networks.error_power import ErrorPower
from exitwave.networks.trained import read_settings
from exitwave.provenance import attributes as provenance
from exitwave.provenance import inputs
from exitwave.scoring.metrics import Wave
from exitwave.scoring.refinements import (
    SeriesTask,
    deviations,
    read_series,
    refine_unknown,
    refined_series,
    series_tasks,
    spread_places,
)
from exitwave.scoring.validation_samples import (
    BATCH_SIZE,
    Predictor,
    ValidationSamples,
    network_predictor,
    predicted,
    require_network_fits,
    validation_samples,
)
from exitwave.seeds import generator
from exitwave.tasks.parallel import chunks
from exitwave.tasks.progress import counted
from exitwave.workflow.specs import CalibrateSpec, read_spec

logger = logging.getLogger(__name__)

MEASURED = 200
"""Samples, at most, that the power of the error is measured on."""
REFINED = 40
"""Samples, at most, that are refined."""

# The median of the modulus of a normal distribution, by its standard deviation.
_MEDIAN_MODULUS = 0.6745


@dataclass(frozen=True)
class _Refined:
    """What is kept of a refinement."""

    scale: float
    deviations: dict[str, NDArray[np.float64]]


def calibrate_network(
    spec: str, network: Path, epochs: Sequence[Path], output: Path, workers: int = 1
) -> None:
    """Measure a trained network on validation epochs of its data set.

    Parameters
    ----------
    spec : str
        See `exitwave.workflow.specs.calibrate_spec`.
    network : Path
        Folder of the network.
    epochs : sequence of Path
        Validation epochs.
    output : Path
        ``calibration.json``.
    workers : int
        Processes to refine with.
    """
    # First of all, since it says what is wrong with a folder that holds no network.
    predict = network_predictor(network)
    require_network_fits(network, epochs)
    images, made_from = read_settings(network).images, inputs.of_network(network)
    calibrate_predictions(spec, predict, images, epochs, output, made_from, workers)


def calibrate_predictions(
    spec: str,
    predict: Predictor,
    images: int,
    epochs: Sequence[Path],
    output: Path,
    made_from: inputs.Inputs | None = None,
    workers: int = 1,
) -> None:
    """Measure anything that turns series of so many images into waves; see `calibrate_network`.

    Raises
    ------
    ExitwaveError
        Where there are no samples, the waves are not finite, or no series could be refined.
    """
    seed = read_spec(spec, CalibrateSpec).seed
    with validation_samples(epochs) as samples:
        measured = spread_places(len(samples), MEASURED)
        error_power = _error_power(samples, predict, measured)
        calibration = Calibration(error_power, len(measured))
        if images > 1:
            tasks = series_tasks(samples, predict, _refined(samples, measured, seed))
            refine = functools.partial(_refine, error_power)
            refined = list(refined_series(refine, tasks, workers).values())
            calibration = Calibration.of_scales(
                error_power,
                len(measured),
                [each.scale for each in refined],
                _typical(refined),
            )
        first = read_series(*samples.location(0))
    calibration = replace(calibration, limits=first.limits, smear_angstrom=first.smear)
    made = provenance.attributes(
        spec, inputs.joined(made_from or {}, inputs.of_stores(epochs=epochs))
    )
    write_document(output, {**calibration.as_json(), **made})
    logger.info("%s", json.dumps(_log_line(calibration)))


def _error_power(
    samples: ValidationSamples, predict: Predictor, places: Sequence[int]
) -> ErrorPower:
    def errors() -> Iterator[tuple[Wave, Wave, float, float]]:
        for batch in chunks(places, BATCH_SIZE):
            read = [samples[place] for place in batch]
            for sample, wave in zip(read, predicted(predict, read), strict=True):
                yield wave, sample.wave, sample.sampling, sample.microscope.dose

    return ErrorPower.measured(counted(errors(), "waves of the network", len(places)))


def _refined(samples: ValidationSamples, measured: Sequence[int], seed: int) -> list[int]:
    """Choose the samples that are refined, one by lot from each of as many ranges of the dose."""
    used = set(measured)
    others = [place for place in range(len(samples)) if place not in used]
    doses = samples.column("dose")
    among = sorted(
        others if len(others) >= REFINED else range(len(samples)),
        key=lambda place: (float(doses[place]), place),
    )
    lots = generator(seed, "calibrate")
    parts = np.array_split(np.array(among), min(len(among), REFINED))
    return [int(lots.choice(part)) for part in parts]


def _refine(error_power: ErrorPower, task: SeriesTask) -> _Refined:
    series = read_series(task.epoch, task.place)
    found = refine_unknown(series, task.wave, error_power)
    return _Refined(found.scale, deviations(found.microscope, series.microscope))


def _typical(refined: Sequence[_Refined]) -> dict[str, float]:
    """Return the standard deviation of each parameter's errors, by their median modulus."""
    return {
        name: float(
            np.median(np.abs(np.concatenate([each.deviations[name] for each in refined])))
            / _MEDIAN_MODULUS
        )
        for name in refined[0].deviations
    }


def _log_line(calibration: Calibration) -> dict[str, object]:
    """The limit of the scale, and the errors of the optics, with three digits."""
    found: dict[str, object] = {"samples": calibration.samples}
    if calibration.optics_errors is not None:
        found["largest_scale"] = float(f"{calibration.largest_scale:.3g}")
        found |= {name: float(f"{value:.3g}") for name, value in calibration.optics_errors.items()}
    return found
