"""Compare a network's exit waves with the true ones, sample by sample.

Writes into the folder of the evaluation:

| file | content |
|---|---|
| ``samples.csv`` | one row per sample: identity, errors, the same for the baselines, peaks |
| ``summary.json`` | quartiles of every column, the network's gain over the baselines, provenance |
| ``examples.npz`` | the samples at the chosen percentiles, see `exitwave.scoring.examples` |

>>> evaluate_network(spec, Path("results/networks/demo"), [Path(".../validation/00.nc")], folder)
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from exitwave.config import EvaluationSettings
from exitwave.files.documents import nan_to_null, write_document
from exitwave.provenance import attributes as provenance
from exitwave.provenance import inputs
from exitwave.samples import EpochSample
from exitwave.scoring.examples import Example, write_examples
from exitwave.scoring.metrics import Wave, blurred, exchange_targets, vacuum, wave_error
from exitwave.scoring.peaks import (
    Peaks,
    find_peaks,
    match_peaks,
    random_found_share,
    threshold_level,
)
from exitwave.scoring.vacancies import (
    column_sites,
    count_vacancies,
    deficient_columns,
    precision_and_recall,
)
from exitwave.scoring.validation_samples import (
    IDENTITY_COLUMNS,
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
from exitwave.seeds import generator
from exitwave.summaries.scores import EvaluationSummary, ExampleRow, Quartiles, VacancySummary
from exitwave.tasks.progress import counted
from exitwave.workflow.specs import EvaluateSpec, read_spec

logger = logging.getLogger(__name__)


def evaluate_network(spec: str, network: Path, epochs: Sequence[Path], output: Path) -> None:
    """Evaluate a trained network on the validation epochs of a data set.

    Parameters
    ----------
    spec : str
        See `exitwave.workflow.specs.evaluate_spec`.
    network : Path
        Folder of the network.
    epochs : sequence of Path
        Epochs of focal series.
    output : Path
        Folder of the evaluation.
    """
    # First of all, since it says what is wrong with a folder that holds no network.
    predict = network_predictor(network)
    require_network_fits(network, epochs)
    evaluate_predictions(spec, predict, epochs, output, inputs.of_network(network))


def evaluate_predictions(
    spec: str,
    predict: Predictor,
    epochs: Sequence[Path],
    output: Path,
    made_from: inputs.Inputs | None = None,
) -> None:
    """Evaluate anything that turns focal series into exit waves; see `evaluate_network`.

    ``made_from`` are the inputs that the predictor stands for, beside the epochs.

    The memory needed depends on `BATCH_SIZE` and the size of the images, not on their number.

    Raises
    ------
    ExitwaveError
        Where there are no samples, or the waves are not finite numbers of the right shape.
    """
    values = read_spec(spec, EvaluateSpec)
    settings = values.evaluation
    with validation_samples(epochs) as samples:
        scored = _score_all(samples, predict, values)
        rows = list(counted(scored, "/".join(output.parts[-2:]), len(samples)))
        ranks = ranked(rows)
        chosen = [
            (percentile, ranks[percentile_rank(percentile, len(rows))])
            for percentile in settings.percentiles
        ]
        examples = [
            _example(samples[index], predict, percentile, rows[index])
            for percentile, index in chosen
        ]
    summary = summarize(
        rows, [{"percentile": percentile, **rows[index]} for percentile, index in chosen]
    )
    made = provenance.attributes(
        spec, inputs.joined(made_from or {}, inputs.of_stores(epochs=epochs))
    )
    write_rows(output / "samples.csv", rows)
    write_examples(output, examples, made)
    write_document(output / "summary.json", {**asdict(summary), **made})
    logger.info("%s", json.dumps(nan_to_null({"samples": len(rows), **summary.ratios})))


def _score_all(
    samples: ValidationSamples, predict: Predictor, values: EvaluateSpec
) -> Iterator[Row]:
    materials = [str(name) for name in samples.column("material")]
    specimens = [
        f"{material}/{number}"
        for material, number in zip(materials, samples.column("sample_index"), strict=True)
    ]
    settings = values.evaluation
    rng = generator(values.seed, "evaluate", "exchange")
    exchanged = exchange_targets(materials, specimens, rng)
    for indices, batch in samples.batches():
        for index, sample, wave in zip(indices, batch, predicted(predict, batch), strict=True):
            other = samples[int(exchanged[index])] if len(exchanged) else None
            yield {
                **samples.identity(index, sample),
                **_errors(wave, sample, other, settings),
                **_peak_scores(wave, sample, other, settings),
                **_vacancy_scores(wave, sample),
            }


def _errors(
    wave: Wave, sample: EpochSample, other: EpochSample | None, settings: EvaluationSettings
) -> dict[str, float]:
    """The four errors of the network, without prefix, and of each baseline."""
    truth, sampling = sample.wave, sample.sampling
    pairs = {
        "": (wave, truth),
        "vacuum_": (vacuum(truth), truth),
        **{
            f"blurred_{float(width)}_": (blurred(truth, width, sampling), truth)
            for width in settings.blurs_angstrom
        },
    }
    if other is not None:
        pairs["exchanged_"] = (wave, other.wave)
    return {
        f"{prefix}{name}": value
        for prefix, pair in pairs.items()
        for name, value in asdict(wave_error(*pair)).items()
    }


def _peak_scores(
    wave: Wave, sample: EpochSample, other: EpochSample | None, settings: EvaluationSettings
) -> dict[str, float]:
    sampling, distance = sample.sampling, settings.peak_distance_angstrom
    true = _true_peaks(sample, settings)
    level = threshold_level(sample.wave, settings.peak_threshold)
    predicted = find_peaks(wave, sampling, level)
    match = match_peaks(true, predicted, distance)
    chance = math.nan
    if other is not None:
        chance = match_peaks(_true_peaks(other, settings), predicted, distance).found_share
    median, largest = match.median_displacement, match.largest_displacement
    return {
        "true_peaks": match.true_count,
        "predicted_peaks": match.predicted_count,
        "found_share": match.found_share,
        "spurious_share": match.spurious_share,
        "median_displacement_pm": 100 * median,
        "median_displacement_px": median / sampling,
        "largest_displacement_pm": 100 * largest,
        "largest_displacement_px": largest / sampling,
        "chance_found_share": chance,
        "random_found_share": random_found_share(true, len(predicted), distance),
    }


def _vacancy_scores(wave: Wave, sample: EpochSample) -> dict[str, int]:
    """Columns that lack atoms, found from the prediction and, as the best possible, the truth."""
    sites, sampling = column_sites(sample.atoms, sample.vacancies), sample.sampling
    ours = count_vacancies(sites, deficient_columns(wave, sites, sampling))
    best = count_vacancies(sites, deficient_columns(sample.wave, sites, sampling))
    return {
        "vacancy_sites": ours.sites,
        "vacancies": ours.lacking,
        "claimed_vacancies": ours.claimed,
        "found_vacancies": ours.found,
        "truth_claimed_vacancies": best.claimed,
        "truth_found_vacancies": best.found,
    }


def _true_peaks(sample: EpochSample, settings: EvaluationSettings) -> Peaks:
    truth = sample.wave
    level = threshold_level(truth, settings.peak_threshold)
    return find_peaks(truth, sample.sampling, level)


def summarize(rows: Sequence[Row], examples: Sequence[ExampleRow] = ()) -> EvaluationSummary:
    """Return quartiles of every result and the gains over baselines; NaN is what has no value."""
    results = pd.DataFrame(rows).drop(columns=list(IDENTITY_COLUMNS), errors="ignore")
    results = results.drop(columns="percent_worse", errors="ignore")
    quartiles = results.quantile([0.25, 0.5, 0.75])
    statistics = {str(column): Quartiles(*map(float, quartiles[column])) for column in quartiles}
    medians = {str(column): float(quartiles[column].loc[0.5]) for column in quartiles}

    def gain(baseline: str, part: str) -> float:
        reached = medians[f"rmse_{part}"]
        level = medians.get(f"{baseline}_rmse_{part}", math.nan)
        return level / reached if reached else math.inf

    ratios = {
        f"{baseline}_rmse_{part}": gain(baseline, part)
        for baseline in ("exchanged", "vacuum")
        for part in ("real", "imag")
    }
    return EvaluationSummary(
        samples=len(rows),
        statistics=statistics,
        ratios=ratios,
        vacancies=_vacancy_summary(rows),
        examples=tuple(examples),
    )


def _vacancy_summary(rows: Sequence[Row]) -> VacancySummary:
    """Precision and recall over the columns of all samples, and what chance would reach."""
    total = {
        name: sum(int(row.get(name, 0)) for row in rows)
        for name in (
            "vacancy_sites",
            "vacancies",
            "claimed_vacancies",
            "found_vacancies",
            "truth_claimed_vacancies",
            "truth_found_vacancies",
        )
    }
    lacking = total["vacancies"]
    precision, recall = precision_and_recall(
        lacking, total["claimed_vacancies"], total["found_vacancies"]
    )
    best_precision, best_recall = precision_and_recall(
        lacking, total["truth_claimed_vacancies"], total["truth_found_vacancies"]
    )
    return VacancySummary(
        sites=total["vacancy_sites"],
        lacking=lacking,
        precision=precision,
        recall=recall,
        truth_precision=best_precision,
        truth_recall=best_recall,
        # Of claims at random so many hold.
        chance=lacking / total["vacancy_sites"] if total["vacancy_sites"] else math.nan,
    )


def _example(sample: EpochSample, predict: Predictor, percentile: float, row: Row) -> Example:
    (wave,) = predicted(predict, [sample])
    return Example.of(sample, wave, percentile, row)
