"""Do networks disagree where they err? Several networks look at the same images (paper, Sec. 4).

The ensemble's wave is the members' mean, the disagreement s at a pixel their standard deviation
(n - 1 in the denominator, so s = |a - b| / √2 of two). If the n members' errors were independent
and of rms σ, s would be σ in the root mean square, so that a member were off by s and the mean by
s / √n; what all of them get wrong alike does not show. That holds on the average over pixels, which
``error_over_disagreement`` shows. Bins of s follow the lines only where σ varies by more than s
scatters about it: of two members, many pixels have a small s by chance and a usual error.

Writes into the folder of the ensemble:

| file | content |
|---|---|
| ``samples.csv`` | one row per sample: identity, errors of mean and members, disagreement, peaks |
| ``calibration.csv`` | disagreement, error of mean and members, of all samples' pixels, in bins |
| ``summary.json`` | how well disagreement predicts errors, gain of the mean, provenance |
| ``examples.npz`` | telling samples, see `exitwave.scoring.examples` |

>>> judge_ensemble(spec, [Path("results/networks/a"), Path("results/networks/b")], epochs, folder)
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.stats import spearmanr

from exitwave.config import EnsembleSettings
from exitwave.errors import ExitwaveError
from exitwave.files.documents import nan_to_null, write_document
from exitwave.provenance import attributes as provenance
from exitwave.provenance import inputs
from exitwave.samples import EpochSample
from exitwave.scoring.examples import EnsembleExample, Example, write_examples
from exitwave.scoring.metrics import Wave, wave_error
from exitwave.scoring.peaks import find_peaks, match_peaks, threshold_level
from exitwave.scoring.validation_samples import (
    Predictor,
    Row,
    ValidationSamples,
    network_predictor,
    predicted,
    ranked,
    require_network_fits,
    validation_samples,
    write_rows,
)
from exitwave.summaries.scores import EnsembleSummary
from exitwave.tasks.progress import counted
from exitwave.workflow.specs import EnsembleSpec, read_spec

logger = logging.getLogger(__name__)

WORST_SHARE = 0.05
"""Of a specimen's pixels: of so many with the worst errors, how many have the most disagreement?"""
_FINE_EDGES = np.geomspace(1e-7, 1e2, 901)
_SPECIMEN_WIDTH = 0.7  # of the Gaussian that closes the gaps between a specimen's columns [Å]
_SPECIMEN_SHARE = 0.1  # of the highest value of what it gives


def judge_ensemble(
    spec: str, networks: Sequence[Path], epochs: Sequence[Path], output: Path
) -> None:
    """Compare the disagreement of trained networks with their errors.

    Parameters
    ----------
    spec : str
        See `exitwave.workflow.specs.ensemble_spec`.
    networks : sequence of Path
        Folders of two or more networks that take the same number of images.
    epochs : sequence of Path
        Validation epochs of a data set.
    output : Path
        Folder of the ensemble.
    """
    _require_several(len(networks))
    predictors = [network_predictor(folder) for folder in networks]
    for folder in networks:
        require_network_fits(folder, epochs)
    judge_predictions(spec, predictors, epochs, output, inputs.of_networks(networks))


def judge_predictions(
    spec: str,
    predictors: Sequence[Predictor],
    epochs: Sequence[Path],
    output: Path,
    made_from: inputs.Inputs | None = None,
) -> None:
    """Judge anything that turns focal series into exit waves; see `judge_ensemble`.

    The memory needed depends on the size of a batch, not on the number of samples.

    Raises
    ------
    ExitwaveError
        Where there are fewer than two predictors, no samples, or waves of the wrong shape.
    """
    _require_several(len(predictors))
    settings = read_spec(spec, EnsembleSpec).ensemble
    calibration = _Calibration(len(predictors))
    with validation_samples(epochs) as samples:
        judged = _judge_all(samples, predictors, calibration, settings)
        rows = list(counted(judged, output.name, len(samples)))
        ranked(rows)
        examples = _examples(samples, predictors, rows)
    summary = _summary(rows, calibration, len(predictors), examples)
    made = provenance.attributes(
        spec, inputs.joined(made_from or {}, inputs.of_stores(epochs=epochs))
    )
    write_rows(output / "samples.csv", rows)
    write_rows(output / "calibration.csv", calibration.binned(settings.bins))
    write_examples(output, examples, {"spec": spec})
    write_document(output / "summary.json", {**asdict(summary), **made})
    line = {
        "samples": summary.samples,
        "pixel_correlation": summary.pixel_correlation,
        "worst_caught": summary.worst_caught,
    }
    logger.info("%s", json.dumps(nan_to_null(line)))


def _judge_all(
    samples: ValidationSamples,
    predictors: Sequence[Predictor],
    calibration: _Calibration,
    settings: EnsembleSettings,
) -> Iterator[Row]:
    """Yield the row of each sample; its pixels are added to the calibration."""
    for indices, batch in samples.batches():
        waves = np.stack([predicted(predict, batch) for predict in predictors])
        for place, (index, sample) in enumerate(zip(indices, batch, strict=True)):
            members = waves[:, place].astype(np.complex128)
            calibration.add(disagreement(members), _error(members, sample))
            yield _row(samples.identity(index, sample), sample, members, settings)


def _require_several(members: int) -> None:
    if members < 2:
        raise ExitwaveError(
            f"An ensemble of {members} network cannot disagree; name two or more networks."
        )


def disagreement(members: Wave) -> NDArray[np.float64]:
    """Return the standard deviation of members' waves (member, y, x) about their mean (y, x)."""
    deviation = np.abs(members - members.mean(axis=0))
    return np.asarray(np.sqrt((deviation**2).sum(axis=0) / (len(members) - 1)))


def _error(members: Wave, sample: EpochSample) -> NDArray[np.float64]:
    return np.asarray(np.abs(members.mean(axis=0) - sample.wave))


def specimen_pixels(truth: Wave, sampling: float) -> NDArray[np.bool_]:
    """Return where a specimen and its rim are: vacuum is easy, and would flatter any measure.

    That is where |truth - 1|, folded with a Gaussian that closes the gaps between columns, is
    above a tenth of its highest value.

    Parameters
    ----------
    truth : (y, x) array of complex
        True wave relative to the incident wave.
    sampling : float
        Side of a pixel [Å].
    """
    near = gaussian_filter(np.abs(truth - 1).astype(float), _SPECIMEN_WIDTH / sampling)
    return np.asarray(near > _SPECIMEN_SHARE * near.max())


def _row(identity: Row, sample: EpochSample, members: Wave, settings: EnsembleSettings) -> Row:
    truth, sampling, mean = sample.wave, sample.sampling, members.mean(axis=0)
    errors = [wave_error(wave, truth).rmse for wave in members]
    apart = disagreement(members)
    level = threshold_level(truth, settings.peak_threshold)
    match = match_peaks(
        find_peaks(truth, sampling, level),
        find_peaks(mean, sampling, level),
        settings.peak_distance_angstrom,
    )
    inside = specimen_pixels(truth, sampling)
    correlation, caught = _agreement(apart[inside], _error(members, sample)[inside])
    return {
        **identity,
        **asdict(wave_error(mean, truth)),
        "member_rmse": float(np.mean(errors)),
        "best_member_rmse": min(errors),
        "worst_member_rmse": max(errors),
        "disagreement": float(np.sqrt(np.mean(apart**2))),
        "pixel_correlation": correlation,
        "worst_caught": caught,
        "true_peaks": match.true_count,
        "predicted_peaks": match.predicted_count,
        "missed_peaks": match.true_count - len(match.pairs),
        "spurious_peaks": match.predicted_count - len(match.pairs),
        "found_share": match.found_share,
        "spurious_share": match.spurious_share,
    }


def _agreement(apart: NDArray[np.float64], error: NDArray[np.float64]) -> tuple[float, float]:
    """Spearman's correlation of pixels, and the share of the worst ones that stand out."""
    if len(apart) < 2 or np.ptp(apart) == 0 or np.ptp(error) == 0:
        return float("nan"), float("nan")
    count = max(1, round(WORST_SHARE * len(apart)))
    worst, apart_most = (np.argsort(-values, kind="stable")[:count] for values in (error, apart))
    return float(spearmanr(apart, error).statistic), len(np.intersect1d(worst, apart_most)) / count


class _Calibration:
    """Sums over pixels in fine bins of disagreement, from which coarse ones are made."""

    def __init__(self, members: int) -> None:
        self._members = members
        self._sums = np.zeros((3, len(_FINE_EDGES) - 1))

    def add(self, apart: NDArray[np.float64], error: NDArray[np.float64]) -> None:
        limited = np.clip(apart.ravel(), _FINE_EDGES[0], _FINE_EDGES[-1])
        for place, weights in enumerate((None, apart.ravel() ** 2, error.ravel() ** 2)):
            self._sums[place] += np.histogram(limited, _FINE_EDGES, weights=weights)[0]

    def binned(self, bins: int) -> list[dict[str, float]]:
        """Return bins of about as many pixels each, from the least disagreement on."""
        pixels = np.cumsum(self._sums[0])
        middles = (pixels - self._sums[0] / 2) / pixels[-1]
        bin_of = np.minimum((bins * middles).astype(int), bins - 1)
        rows = []
        for number in np.unique(bin_of[self._sums[0] > 0]):
            count, apart, error = self._sums[:, bin_of == number].sum(axis=1)
            # Of each pixel, the members' mean square error is that of their mean plus their
            # variance about it, whatever their errors are.
            member = error + apart * (self._members - 1) / self._members
            rows.append(
                {
                    "pixels": int(count),
                    "disagreement": float(np.sqrt(apart / count)),
                    "error": float(np.sqrt(error / count)),
                    "member_error": float(np.sqrt(member / count)),
                }
            )
        return rows

    def ratio(self) -> float:
        """Return the error over the disagreement, both root mean squares over all pixels."""
        _, apart, error = self._sums.sum(axis=1)
        return float(np.sqrt(error / apart)) if apart else float("nan")


def _summary(
    rows: Sequence[Row],
    calibration: _Calibration,
    members: int,
    examples: Sequence[EnsembleExample],
) -> EnsembleSummary:
    table = pd.DataFrame(rows)
    medians = table[
        ["rmse", "rmse_real", "rmse_imag", "member_rmse", "disagreement", "relative_error"]
    ].median()
    several = len(table) > 2 and table["disagreement"].nunique() > 1
    return EnsembleSummary(
        samples=len(table),
        members=members,
        medians={str(name): float(value) for name, value in medians.items()},
        pixel_correlation=float(table["pixel_correlation"].median()),
        worst_caught=float(table["worst_caught"].median()),
        worst_share=WORST_SHARE,
        sample_correlation=float(spearmanr(table["disagreement"], table["rmse"]).statistic)
        if several
        else float("nan"),
        error_over_disagreement=calibration.ratio(),
        independent_errors=1 / members**0.5,
        mean_over_member=float((table["rmse"] / table["member_rmse"]).median()),
        examples=tuple({"reason": example.reason, **example.row} for example in examples),
    )


def _examples(
    samples: ValidationSamples, predictors: Sequence[Predictor], rows: Sequence[Row]
) -> list[EnsembleExample]:
    table = pd.DataFrame(rows)
    middle = (table["percent_worse"] - 50).abs()
    chosen = {
        "median": int(middle.argmin()),
        "disagreement": int(table["disagreement"].argmax()),
        "missed": int(table["missed_peaks"].argmax()),
        "spurious": int(table["spurious_peaks"].argmax()),
    }
    examples = []
    for reason, index in chosen.items():
        sample = samples[index]
        members = np.stack([predicted(predict, [sample])[0] for predict in predictors])
        members = members.astype(np.complex128)
        row = rows[index]
        example = Example.of(sample, members.mean(axis=0), float(row["percent_worse"]), row)
        examples.append(
            EnsembleExample(
                **vars(example),
                reason=reason,
                disagreement=disagreement(members).astype(np.float32),
            )
        )
    return examples
