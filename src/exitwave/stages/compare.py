"""Compare a network with classical reconstruction from a longer focal series (paper, Sec. 6).

The network gets a few images of each series, at even distances. Of some samples, chosen along the
network's ranking, the wave is also found in the other ways of `exitwave.scoring.ways`: the
network's refined by the images, and classical ones, with more or fewer images and with more or less
known of the microscope. All are smeared as the truth is. Every wave is compared with the truth, and
both once more without their long wavelengths, which classical reconstruction loses.

Writes into the folder of the comparison:

| file | content |
|---|---|
| ``samples.csv`` | one row per reconstructed sample: identity, errors of all its waves |
| ``summary.json`` | quartiles of every error, provenance |
| ``examples.npz`` | the samples at the chosen percentiles, see `exitwave.scoring.examples` |

>>> compare_reconstructions(spec, Path("results/networks/mos2"), epochs, folder)
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from exitwave.config import ComparisonSettings
from exitwave.config.constraints import evenly_spaced
from exitwave.errors import ExitwaveError
from exitwave.files.documents import write_document
from exitwave.files.reader import StoreReader
from exitwave.networks.calibration import require_calibration
from exitwave.networks.error_power import ErrorPower
from exitwave.networks.trained import read_settings
from exitwave.provenance import attributes as provenance
from exitwave.provenance import inputs
from exitwave.reconstruction.classical import remove_low_frequencies
from exitwave.samples import EPOCH, EpochSample
from exitwave.scoring.examples import WAYS, ComparisonExample, Example, write_examples
from exitwave.scoring.metrics import Wave, wave_error
from exitwave.scoring.validation_samples import (
    Predictor,
    Row,
    ValidationSamples,
    network_predictor,
    percentile_rank,
    predicted,
    ranked,
    require_network_fits,
    validation_samples,
    write_rows,
)
from exitwave.scoring.ways import FoundWaves, find_waves
from exitwave.summaries.scores import ComparisonSummary, Quartiles
from exitwave.tasks.parallel import map_tasks
from exitwave.tasks.progress import counted
from exitwave.workflow.specs import CompareSpec, RenderSpec, read_spec

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Task:
    """One focal series to be reconstructed: where it lies, the network's wave, and how."""

    epoch: Path
    place: int
    wave: NDArray[np.complex64]
    few: tuple[int, ...]
    error_power: ErrorPower
    iterations: int


def compare_reconstructions(
    spec: str, network: Path, epochs: Sequence[Path], output: Path, workers: int = 1
) -> None:
    """Compare a trained network with classical reconstruction.

    Parameters
    ----------
    spec : str
        See `exitwave.workflow.specs.compare_spec`.
    network : Path
        Folder of the network, with its calibration.
    epochs : sequence of Path
        Validation epochs of long series.
    output : Path
        Folder of the comparison.
    workers : int
        Processes to reconstruct with.

    Raises
    ------
    ExitwaveError
        Where the folder holds no such network, and as `compare_predictions` does.
    """
    # First of all, since it says what is wrong with a folder that holds no network.
    predict = network_predictor(network)
    taken, made_from = read_settings(network).images, inputs.of_network(network)
    images = read_spec(spec, CompareSpec).comparison.images
    require_network_fits(network, epochs, taken_frames(images, taken))
    error_power = require_calibration(network).error_power
    compare_predictions(spec, predict, taken, error_power, epochs, output, made_from, workers)


def compare_predictions(
    spec: str,
    predict: Predictor,
    taken: int,
    error_power: ErrorPower,
    epochs: Sequence[Path],
    output: Path,
    made_from: inputs.Inputs | None = None,
    workers: int = 1,
) -> None:
    """Compare anything that takes so many images of a series; see `compare_reconstructions`.

    The memory needed depends on the size of the images and the number of workers, of examples and
    of samples that are reconstructed, not on how many there are.

    Parameters
    ----------
    spec, epochs, output, workers
        As for `compare_reconstructions`.
    predict : Predictor
        What is compared.
    taken : int
        Images of a series that it takes.
    error_power : ErrorPower
        How far its waves are off.
    made_from : Inputs, optional
        What it was made from.

    Raises
    ------
    ExitwaveError
        Where the series are not those of the spec or a reconstruction fails.
    """
    settings = read_spec(spec, CompareSpec).comparison
    few = taken_frames(settings.images, taken)
    with validation_samples(epochs) as samples:
        scored = _network_rows(samples, predict, few, settings.images)
        rows = list(counted(scored, "waves of the network", len(samples)))
        ranks = ranked(rows)
        chosen = [ranks[place] for place in _chosen_places(len(ranks), settings)]
        drawn = {
            percentile: ranks[percentile_rank(percentile, len(ranks))]
            for percentile in settings.percentiles
        }
        tasks = [
            _Task(
                *samples.location(index),
                predicted(predict, [samples[index]], few)[0].astype(np.complex64),
                few,
                error_power,
                settings.iterations,
            )
            for index in chosen
        ]
        compared: dict[int, Row] = {}
        kept: dict[int, dict[str, Wave]] = {}
        seconds: list[dict[str, float]] = []
        for place, result in map_tasks(_reconstruct, tasks, workers, "reconstructed series"):
            if isinstance(result, Exception):
                raise result
            index = chosen[place]
            compared[index] = _row(rows[index], samples[index], result.waves, settings.high_pass_px)
            seconds.append(result.seconds)
            if index in drawn.values():
                kept[index] = result.waves
        examples = [
            _example(samples[index], kept[index], percentile, compared[index], settings)
            for percentile, index in drawn.items()
        ]
    # Workers finish in any order.
    table = [compared[index] for index in chosen]
    made = provenance.attributes(
        spec, inputs.joined(made_from or {}, inputs.of_stores(epochs=epochs))
    )
    summary = _summary(table, len(rows), few)
    write_rows(output / "samples.csv", table)
    write_examples(output, examples, made)
    write_document(output / "summary.json", {**asdict(summary), **made})
    logger.info("%s", json.dumps(_log_line(summary, seconds)))


def taken_frames(images: int, taken: int) -> tuple[int, ...]:
    """Return the images of a long series that the network gets, at even distances.

    Raises
    ------
    ExitwaveError
        Where there is no such choice.
    """
    try:
        return evenly_spaced(images, taken)
    except ValueError as error:
        raise ExitwaveError(f"The comparison does not suit the network: {error}.") from None


def _network_rows(
    samples: ValidationSamples, predict: Predictor, few: Sequence[int], images: int
) -> Iterator[Row]:
    for indices, batch in samples.batches():
        for sample in batch:
            found = sample.image.shape[-1]
            if found != images:
                raise ExitwaveError(
                    f"The epochs hold series of {found} images, but {images} were to be compared; "
                    f"give epochs of {images} images."
                )
        waves = predicted(predict, batch, few)
        for index, sample, wave in zip(indices, batch, waves, strict=True):
            error = wave_error(wave, sample.wave).relative_error
            yield {**samples.identity(index, sample), "relative_error": error}


def _chosen_places(count: int, settings: ComparisonSettings) -> list[int]:
    """Places in the ranking, from the worst: at even distances, and those that are drawn.

    Each drawn one takes the place of its neighbour, so that the rest of the ranking stays covered.
    """
    drawn = {percentile_rank(percentile, count) for percentile in settings.percentiles}
    wanted = min(settings.samples, count)
    places = {round(place) for place in np.linspace(0, count - 1, wanted)}
    for place in sorted(drawn - places):
        if others := places - drawn:
            places.remove(min(others, key=lambda other: (abs(other - place), other)))
        places.add(place)
    return sorted(places)


def _reconstruct(task: _Task) -> FoundWaves:
    with StoreReader(task.epoch, EPOCH) as reader:
        sample = EpochSample.from_values(reader.read(task.place))
        spec = read_spec(str(reader.attributes["spec"]), RenderSpec, any_version=True)
    return find_waves(
        sample,
        spec.microscope,
        spec.epochs.target_smear_angstrom,
        task.wave,
        task.few,
        task.error_power,
        task.iterations,
    )


def _row(row: Row, sample: EpochSample, waves: Mapping[str, Wave], width: float) -> Row:
    truth = sample.wave
    # `wave_error` knows vacuum as 1.
    passed = 1 + remove_low_frequencies(truth, width)
    found = dict(row)
    for name in WAYS:
        for prefix, error in (
            (name, wave_error(waves[name], truth)),
            (
                f"{name}_high_pass",
                wave_error(1 + remove_low_frequencies(waves[name], width), passed),
            ),
        ):
            found |= {f"{prefix}_{key}": value for key, value in asdict(error).items()}
    return found


def _example(
    sample: EpochSample,
    waves: Mapping[str, Wave],
    percentile: float,
    row: Row,
    settings: ComparisonSettings,
) -> ComparisonExample:
    width = settings.high_pass_px
    return ComparisonExample(
        **vars(Example.of(sample, waves["network"], percentile, row)),
        network_refined=waves["network_refined"].astype(np.complex64),
        classical_paper=waves["classical_paper"].astype(np.complex64),
        classical_all=waves["classical_all"].astype(np.complex64),
        classical_few=waves["classical_few"].astype(np.complex64),
        high_pass_truth=remove_low_frequencies(sample.wave, width),
        high_pass_paper=remove_low_frequencies(waves["classical_paper"], width),
    )


def _summary(rows: Sequence[Row], ranked_samples: int, few: Sequence[int]) -> ComparisonSummary:
    table = pd.DataFrame(rows)
    columns = [name for name in table if str(name).startswith(tuple(WAYS))]
    quartiles = table[columns].quantile([0.25, 0.5, 0.75])
    return ComparisonSummary(
        samples=len(rows),
        ranked_samples=ranked_samples,
        network_frames=tuple(few),
        statistics={str(column): Quartiles(*map(float, quartiles[column])) for column in columns},
    )


def _log_line(
    summary: ComparisonSummary, seconds: Sequence[Mapping[str, float]]
) -> dict[str, dict[str, float | None]]:
    """The median error of each way, and the median time of each but the network itself."""
    medians = {name: summary.statistics[f"{name}_rmse"].median for name in WAYS}
    times = pd.DataFrame(list(seconds)).median()
    return {
        "rmse": medians,
        "seconds": {str(name): float(f"{value:.3g}") for name, value in times.items()},
    }
