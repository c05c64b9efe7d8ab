"""Refine series of an evaluation by their own images, and compare what is found with the truth.

Each series is refined twice from the network's wave: with all aberrations unknown (`refined`), and
with the microscope known (`floor`), which is the best that its images allow. Dose and camera are
given in both.

Writes into the folder of the refined series:

| file | content |
|---|---|
| ``samples.csv`` | one row per series: identity, errors of waves, optics found and true, verdict |
| ``summary.json`` | quartiles of every number, shares found and consistent, provenance |
| ``examples.npz`` | those that gained most, least, and the median one |

>>> refine_samples(spec, Path("results/networks/mos2"), epochs, folder)
"""

from __future__ import annotations

import functools
import json
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from exitwave.errors import ExitwaveError
from exitwave.files.documents import write_document
from exitwave.imaging.microscope import MicroscopeDraw
from exitwave.networks.calibration import CALIBRATION_NAME, Calibration, require_calibration
from exitwave.networks.trained import read_settings
from exitwave.provenance import attributes as provenance
from exitwave.provenance import inputs
from exitwave.reconstruction.refinement.measured import error_bars
from exitwave.reconstruction.refinement.refine import Refinement
from exitwave.reconstruction.refinement.verdict import verdict
from exitwave.samples import EpochSample
from exitwave.scoring.examples import Example, RefinementExample, write_examples
from exitwave.scoring.metrics import wave_error
from exitwave.scoring.refinements import (
    Series,
    SeriesTask,
    deviations,
    read_series,
    refine_known,
    refine_unknown,
    refined_series,
    series_tasks,
    spread_places,
)
from exitwave.scoring.validation_samples import (
    IDENTITY_COLUMNS,
    Predictor,
    Row,
    ValidationSamples,
    network_predictor,
    require_network_fits,
    validation_samples,
    write_rows,
)
from exitwave.summaries.scores import OPTICS, Quartiles, RefinementSummary
from exitwave.workflow.specs import RefineSpec, read_spec

logger = logging.getLogger(__name__)

WITHIN = {"defocus": 3.0, "cs": 0.5, "c12": 2.0}
"""An aberration counts as found if it is off by no more [Å; Cs µm]."""


@dataclass(frozen=True)
class _Refined:
    """A series' row but for its identity, and what is drawn of it: some MB."""

    row: Row
    found: Refinement


def refine_samples(
    spec: str,
    network: Path,
    epochs: Sequence[Path],
    output: Path,
    workers: int = 1,
    calibration: Path | None = None,
) -> None:
    """Refine series of the validation epochs of a data set.

    Parameters
    ----------
    spec : str
        See `exitwave.workflow.specs.refine_spec`.
    network : Path
        Folder of the network.
    epochs : sequence of Path
        Validation epochs.
    output : Path
        Folder of the refined series.
    workers : int
        Processes to refine with.
    calibration : Path, optional
        What was measured of the network, by default in its folder.
    """
    # First of all, since it says what is wrong with a folder that holds no network.
    predict = network_predictor(network)
    images = read_settings(network).images
    if images < 2:
        raise ExitwaveError(
            f"{network} takes one image, which does not determine both wave and aberrations; take "
            "a network of 2 or more images."
        )
    require_network_fits(network, epochs)
    file = calibration or network / CALIBRATION_NAME
    known = require_calibration(file)
    made_from = {**inputs.of_network(network), "calibration": [inputs.of_file(file)]}
    refine_predictions(spec, predict, known, epochs, output, made_from, workers)


def refine_predictions(
    spec: str,
    predict: Predictor,
    calibration: Calibration,
    epochs: Sequence[Path],
    output: Path,
    made_from: inputs.Inputs | None = None,
    workers: int = 1,
) -> None:
    """Refine what anything predicts of focal series; see `refine_samples`.

    Raises
    ------
    ExitwaveError
        Where there are no samples, the waves are not finite, or no series could be refined.
    """
    wanted = read_spec(spec, RefineSpec).samples
    with validation_samples(epochs) as samples:
        chosen = _chosen(samples, wanted)
        tasks = series_tasks(samples, predict, chosen)
        done = refined_series(functools.partial(_refine, calibration), tasks, workers)
        rows = {
            place: {**samples.identity(chosen[place], samples[chosen[place]]), **done[place].row}
            for place in done
        }
        examples = [
            _example(samples[chosen[place]], tasks[place], done[place].found, rows[place], gain)
            for gain, place in _drawn(rows).items()
        ]
    table = list(rows.values())
    made = provenance.attributes(
        spec, inputs.joined(made_from or {}, inputs.of_stores(epochs=epochs))
    )
    summary = _summary(table, len(tasks) - len(table))
    write_rows(output / "samples.csv", table)
    write_examples(output, examples, made)
    write_document(output / "summary.json", {**asdict(summary), **made})
    logger.info("%s", json.dumps(_log_line(summary)))


def _chosen(samples: ValidationSamples, wanted: int) -> list[int]:
    """Choose samples at even distances in the order of their doses."""
    doses = samples.column("dose")
    order = sorted(range(len(samples)), key=lambda place: (float(doses[place]), place))
    return [order[place] for place in spread_places(len(order), wanted)]


def _refine(calibration: Calibration, task: SeriesTask) -> _Refined:
    series = read_series(task.epoch, task.place)
    power, smear = calibration.error_power, calibration.smear_angstrom
    found = refine_unknown(series, task.wave, power, calibration.limits, smear)
    floor = refine_known(series, task.wave, power, smear)
    waves = {"network": task.wave, "refined": found.wave, "floor": floor.wave}
    passed = verdict(found, calibration)
    row: Row = {
        f"{name}_{key}": value
        for name, wave in waves.items()
        for key, value in asdict(wave_error(wave, series.sample.wave)).items()
    }
    row |= {
        "scale": found.scale,
        "misfit": found.misfit,
        "consistent": int(passed.is_consistent),
        "verdict": passed.sentence,
    }
    return _Refined({**row, **_optics(found, series, calibration)}, found)


def _optics(found: Refinement, series: Series, calibration: Calibration) -> Row:
    """What was found of the aberrations, what is true, how far off that is, and the error bar.

    Distances count the angles, too; error bars are of one component, from the curvature of the fit
    and from how far off the optics of the network's validation samples were.
    """
    bars = error_bars(found, calibration)
    off = deviations(found.microscope, series.microscope)
    middle = len(series.microscope.defocus) // 2
    distances = {
        "defocus": abs(off["defocus"][middle]),
        "cs": abs(off["spherical_aberration"][0]),
        "c12": math.hypot(*off["astigmatism"]),
        "c21": math.hypot(*off["coma"]),
    }
    names = dict(
        zip(distances, ("defocus", "spherical_aberration", "astigmatism", "coma"), strict=True)
    )
    values = [_values(each, middle) for each in (found.microscope, series.microscope)]
    row: Row = {}
    for name, parameter in names.items():
        optic = OPTICS[name]
        for prefix, value in (
            ("found", values[0][name]),
            ("true", values[1][name]),
            ("distance", distances[name]),
            ("error", bars[parameter]),
        ):
            row[optic.column(prefix)] = float(value / optic.unit)
    return row


def _values(microscope: MicroscopeDraw, middle: int) -> dict[str, float]:
    return {
        "defocus": microscope.defocus[middle],
        "cs": microscope.spherical_aberration,
        "c12": microscope.astigmatism,
        "c21": microscope.coma,
    }


def _drawn(rows: Mapping[int, Row]) -> dict[str, int]:
    """Choose the examples: which of the rows gained most, least, and in the middle."""
    ranks = sorted(
        rows,
        key=lambda place: (
            float(rows[place]["refined_rmse"]) / float(rows[place]["network_rmse"]),
            place,
        ),
    )
    # Of few series one may be two of these.
    wanted = {"best": ranks[0], "median": ranks[(len(ranks) - 1) // 2], "worst": ranks[-1]}
    return {
        gain: place
        for number, (gain, place) in enumerate(wanted.items())
        if place not in list(wanted.values())[:number]
    }


def _example(
    sample: EpochSample, task: SeriesTask, found: Refinement, row: Row, gain: str
) -> RefinementExample:
    percentile = {"best": 100.0, "median": 50.0, "worst": 0.0}[gain]
    return RefinementExample(
        **vars(Example.of(sample, task.wave, percentile, row)),
        gain=gain,
        refined=found.wave,
        measured=found.measured,
        computed=found.computed,
        residual=found.residual,
        pixel=found.pixel,
    )


def _summary(rows: Sequence[Row], failed: int) -> RefinementSummary:
    table = pd.DataFrame(rows).drop(columns=[*IDENTITY_COLUMNS, "verdict"])
    quartiles = table.quantile([0.25, 0.5, 0.75])
    near = {name: table[OPTICS[name].column("distance")] <= limit for name, limit in WITHIN.items()}
    return RefinementSummary(
        samples=len(rows),
        failed=failed,
        statistics={str(column): Quartiles(*map(float, quartiles[column])) for column in quartiles},
        within=WITHIN,
        found={name: float(each.mean()) for name, each in near.items()},
        all_found=float(pd.DataFrame(near).all(axis=1).mean()),
        consistent=float(table["consistent"].mean()),
    )


def _log_line(summary: RefinementSummary) -> dict[str, object]:
    medians = {name: summary.median(f"{name}_rmse") for name in ("network", "refined", "floor")}
    return {
        "rmse": {name: float(f"{value or 0:.3g}") for name, value in medians.items()},
        "found": {name: float(f"{share:.3g}") for name, share in summary.found.items()},
        "consistent": float(f"{summary.consistent:.3g}"),
    }
