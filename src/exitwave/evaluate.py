"""Hold a network's exit waves against the true ones, sample by sample.

Writes into the folder of the evaluation:

| file | content |
|---|---|
| ``samples.csv`` | one row a sample: identity, errors, the same for the baselines, peaks |
| ``summary.json`` | quartiles of every column, the network's gain over the baselines, provenance |
| ``examples.npz`` | arrays of the samples at the chosen percentiles, see `Example` |

>>> evaluate_network(spec, Path("results/networks/demo"), [Path(".../validation/00.nc")], folder)
"""

from __future__ import annotations

import contextlib
import csv
import json
import logging
import math
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from exitwave import inputs, provenance
from exitwave.atomic_files import replacing, write_text
from exitwave.config.specs import read_spec
from exitwave.errors import ExitwaveError
from exitwave.metrics import Wave, blurred, exchange_targets, vacuum, wave_error
from exitwave.peaks import Peaks, find_peaks, match_peaks, random_found_share, threshold_level
from exitwave.schemas import EPOCH
from exitwave.seeds import generator
from exitwave.store import StoreReader
from exitwave.vacancies import (
    column_sites,
    count_vacancies,
    missing_columns,
    precision_and_recall,
)

logger = logging.getLogger(__name__)

BATCH_SIZE = 8
"""Samples that are predicted, and held in memory, together."""

Predictor = Callable[[NDArray[np.float32], NDArray[np.float64]], Wave]
"""From focal series (sample, y, x, frame) and pixel sides (sample,) [Å] to waves (sample, y, x)."""

IDENTITY_COLUMNS = (
    "epoch",
    "place",
    "material",
    "formula",
    "sample_index",
    "sample_key",
    "sampling_angstrom",
    "dose_per_square_angstrom",
    "first_defocus_angstrom",
    "atom_count",
)
"""Columns of ``samples.csv`` that say which sample it is; all others are results."""


@dataclass(frozen=True)
class Settings:
    """What determines the scores of a sample, from the spec."""

    seed: int
    percentiles: tuple[float, ...]
    blurs: tuple[float, ...]
    peak_distance: float
    peak_threshold: float

    @classmethod
    def from_spec(cls, spec: str) -> Settings:
        """Read the spec of `exitwave.config.specs.evaluate_spec`."""
        values = read_spec(spec, "evaluate")
        entry = values["evaluation"]
        return cls(
            seed=values["seed"],
            percentiles=tuple(entry["percentiles"]),
            blurs=tuple(entry["blurs_angstrom"]),
            peak_distance=entry["peak_distance_angstrom"],
            peak_threshold=entry["peak_threshold"],
        )


@dataclass(frozen=True)
class Example:
    """One sample with its reconstruction, and all that is needed to draw it.

    Attributes
    ----------
    percentile : float
        So many per cent of the samples are worse, by Eq. (A.1).
    row : mapping
        Its row of ``samples.csv``.
    image : (y, x, frame) array
        Focal series, relative to the incident beam.
    truth, prediction : (y, x) array of complex
        Exit waves relative to the incident wave.
    sampling : float
        Side of a pixel [Å].
    defocus : (frame,) array
        Defocus of each image [Å].
    dose : float
        Electrons per Å² of each image.
    atom_number : (atom,) array
        Atomic numbers.
    atom_position : (atom, 3) array
        x, y, z from the centre of the first pixel [Å]; z along the beam.
    """

    percentile: float
    row: dict[str, Any]
    image: NDArray[np.float32]
    truth: NDArray[np.complex64]
    prediction: NDArray[np.complex64]
    sampling: float
    defocus: NDArray[np.float64]
    dose: float
    atom_number: NDArray[np.int32]
    atom_position: NDArray[np.float64]


def evaluate_network(spec: str, network: Path, epochs: Sequence[Path], output: Path) -> None:
    """Evaluate a trained network on the validation epochs of a data set.

    Parameters
    ----------
    spec : str
        See `exitwave.config.specs.evaluate_spec`.
    network : Path
        Folder of the network.
    epochs : sequence of Path
        Epochs of focal series.
    output : Path
        Folder of the evaluation.
    """
    from exitwave.trained_network import load_network, predict_waves

    model = load_network(network)

    def predict(images: NDArray[np.float32], sampling: NDArray[np.float64]) -> Wave:
        return predict_waves(model, images, sampling)

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
    settings = Settings.from_spec(spec)
    with contextlib.ExitStack() as stack:
        samples = _Samples([stack.enter_context(StoreReader(path, EPOCH.kind)) for path in epochs])
        rows = list(_score_all(samples, predict, settings))
        ranks = _rank(rows)
        for position, index in enumerate(ranks):
            rows[index]["percent_worse"] = 100 * position / max(len(rows) - 1, 1)
        chosen = [
            (percentile, ranks[percentile_rank(percentile, len(rows))])
            for percentile in settings.percentiles
        ]
        examples = [
            _example(samples, predict, index, percentile, rows[index])
            for percentile, index in chosen
        ]
    summary = summarize(rows)
    summary["examples"] = [
        {"percentile": percentile, **rows[index]} for percentile, index in chosen
    ]
    summary |= provenance.attributes(
        spec, inputs.joined(made_from or {}, inputs.of_stores(epochs=epochs))
    )
    _write(output, rows, summary, examples)
    logger.info("%s", json.dumps(_finite({"samples": len(rows), **summary["ratios"]})))


class _Samples:
    """The samples of several epochs in one row, read when they are asked for."""

    def __init__(self, readers: Sequence[StoreReader]) -> None:
        self._readers = readers
        self._places = [
            (number, place) for number, reader in enumerate(readers) for place in range(len(reader))
        ]
        if not self._places:
            raise ExitwaveError(
                "There is no sample to evaluate on; give epochs with validation samples."
            )

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> dict[str, Any]:
        number, place = self._places[index]
        return self._readers[number].read(place)

    def identity(self, index: int) -> dict[str, Any]:
        """Epoch and place of a sample, the first columns of its row."""
        number, place = self._places[index]
        return {"epoch": self._readers[number].path.stem, "place": place}

    def column(self, name: str) -> list[Any]:
        """A per-sample variable of all samples."""
        return [value for reader in self._readers for value in reader.column(name)]


def _wave(sample: dict[str, Any]) -> NDArray[np.complex64]:
    parts = sample["exit_wave"]
    return np.asarray(parts[..., 0] + 1j * parts[..., 1], dtype=np.complex64)


def _predict(predict: Predictor, batch: Sequence[dict[str, Any]]) -> Wave:
    images = np.stack([sample["image"] for sample in batch])
    sampling = np.array([float(sample["sampling"]) for sample in batch])
    waves = np.asarray(predict(images, sampling))
    if waves.shape != images.shape[:3]:
        raise ExitwaveError(
            f"The network gives waves of shape {waves.shape} for images of shape {images.shape}; "
            "evaluate it on epochs with its own number and size of images."
        )
    if not np.all(np.isfinite(waves)):
        raise ExitwaveError(
            f"The network's exit wave of {batch[0]['material']} or one of the next "
            f"{len(batch) - 1} samples is not finite; its training diverged, so lower "
            "learning_rate and train it again."
        )
    return waves


def _score_all(
    samples: _Samples, predict: Predictor, settings: Settings
) -> Iterator[dict[str, Any]]:
    materials = [str(name) for name in samples.column("material")]
    specimens = [
        f"{material}/{number}"
        for material, number in zip(materials, samples.column("sample_index"), strict=True)
    ]
    rng = generator(settings.seed, "evaluate", "exchange")
    exchanged = exchange_targets(materials, specimens, rng)
    for start in range(0, len(samples), BATCH_SIZE):
        indices = range(start, min(start + BATCH_SIZE, len(samples)))
        batch = [samples[index] for index in indices]
        for index, sample, wave in zip(indices, batch, _predict(predict, batch), strict=True):
            other = samples[int(exchanged[index])] if len(exchanged) else None
            yield {
                **samples.identity(index),
                **_identity(sample),
                **_errors(wave, sample, other, settings),
                **_peak_scores(wave, sample, other, settings),
                **_vacancy_scores(wave, sample),
            }


def _identity(sample: dict[str, Any]) -> dict[str, Any]:
    return {
        "material": str(sample["material"]),
        "formula": str(sample["formula"]),
        "sample_index": int(sample["sample_index"]),
        "sample_key": str(sample["sample_key"]),
        "sampling_angstrom": float(sample["sampling"]),
        "dose_per_square_angstrom": float(sample["dose"]),
        "first_defocus_angstrom": float(sample["defocus"][0]),
        "atom_count": int(sample["atom_count"]),
    }


def _errors(
    wave: Wave, sample: dict[str, Any], other: dict[str, Any] | None, settings: Settings
) -> dict[str, float]:
    """The four errors of the network, without prefix, and of each baseline."""
    truth, sampling = _wave(sample), float(sample["sampling"])
    pairs = {
        "": (wave, truth),
        "vacuum_": (vacuum(truth), truth),
        **{
            f"blurred_{float(width)}_": (blurred(truth, width, sampling), truth)
            for width in settings.blurs
        },
    }
    if other is not None:
        pairs["exchanged_"] = (wave, _wave(other))
    return {
        f"{prefix}{name}": value
        for prefix, pair in pairs.items()
        for name, value in asdict(wave_error(*pair)).items()
    }


def _peak_scores(
    wave: Wave, sample: dict[str, Any], other: dict[str, Any] | None, settings: Settings
) -> dict[str, float]:
    sampling, distance = float(sample["sampling"]), settings.peak_distance
    true = _true_peaks(sample, settings)
    level = threshold_level(_wave(sample), settings.peak_threshold)
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


def _vacancy_scores(wave: Wave, sample: dict[str, Any]) -> dict[str, int]:
    """Columns that lack atoms, told from the prediction and, as the best possible, the truth."""
    sites, sampling = column_sites(sample), float(sample["sampling"])
    ours = count_vacancies(sites, missing_columns(wave, sites, sampling))
    best = count_vacancies(sites, missing_columns(_wave(sample), sites, sampling))
    return {
        "vacancy_sites": ours.sites,
        "vacancies": ours.lacking,
        "claimed_vacancies": ours.claimed,
        "found_vacancies": ours.found,
        "truth_claimed_vacancies": best.claimed,
        "truth_found_vacancies": best.found,
    }


def _true_peaks(sample: dict[str, Any], settings: Settings) -> Peaks:
    truth = _wave(sample)
    level = threshold_level(truth, settings.peak_threshold)
    return find_peaks(truth, float(sample["sampling"]), level)


def _rank(rows: Sequence[dict[str, Any]]) -> list[int]:
    """Indices of the samples from the worst to the best by Eq. (A.1)."""
    return sorted(
        range(len(rows)),
        # The rest of the key orders equal errors the same way in every run.
        key=lambda index: (
            -rows[index]["relative_error"],
            rows[index]["sample_key"],
            rows[index]["epoch"],
            rows[index]["place"],
        ),
    )


def percentile_rank(percentile: float, count: int) -> int:
    """Return the place, from the worst, of the sample than which so many per cent are worse.

    The paper's convention (Appendix A.5): 5 is a bad sample, 50 the median, 95 a good one.
    """
    return round(percentile / 100 * (count - 1))


def _example(
    samples: _Samples, predict: Predictor, index: int, percentile: float, row: dict[str, Any]
) -> Example:
    sample = samples[index]
    return Example(
        percentile=percentile,
        row=row,
        image=sample["image"],
        truth=_wave(sample),
        prediction=np.asarray(_predict(predict, [sample])[0], dtype=np.complex64),
        sampling=float(sample["sampling"]),
        defocus=sample["defocus"],
        dose=float(sample["dose"]),
        atom_number=sample["atom_number"],
        atom_position=sample["atom_position"],
    )


def summarize(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the number of samples, quartiles of every result, and the gains over baselines.

    Returns
    -------
    dict
        ``samples``; ``statistics``: of each column the three quartiles, None where it has no
        value; ``ratios``: by how much the baselines' median RMSE exceeds the network's;
        ``vacancies``: precision and recall of the columns that lack atoms.
    """
    results = pd.DataFrame(rows).drop(columns=list(IDENTITY_COLUMNS), errors="ignore")
    results = results.drop(columns="percent_worse", errors="ignore")
    quartiles = results.quantile([0.25, 0.5, 0.75])
    names = ("lower_quartile", "median", "upper_quartile")
    statistics = {
        str(column): dict(zip(names, (float(value) for value in quartiles[column]), strict=True))
        for column in quartiles
    }

    def gain(baseline: str, part: str) -> float:
        reached = statistics[f"rmse_{part}"]["median"]
        level = statistics.get(f"{baseline}_rmse_{part}", {}).get("median", math.nan)
        return level / reached if reached else math.inf

    ratios = {
        f"{baseline}_rmse_{part}": gain(baseline, part)
        for baseline in ("exchanged", "vacuum")
        for part in ("real", "imag")
    }
    return {
        "samples": len(rows),
        "statistics": statistics,
        "ratios": ratios,
        "vacancies": _vacancy_summary(rows),
    }


def _vacancy_summary(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
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
    return {
        "sites": total["vacancy_sites"],
        "lacking": lacking,
        "precision": precision,
        "recall": recall,
        "truth_precision": best_precision,
        "truth_recall": best_recall,
        # Of claims at random so many hold.
        "chance": lacking / total["vacancy_sites"] if total["vacancy_sites"] else math.nan,
    }


def _finite(value: Any) -> Any:
    """The same value with null for what JSON has no number for."""
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _write(
    output: Path,
    rows: Sequence[dict[str, Any]],
    summary: dict[str, Any],
    examples: Sequence[Example],
) -> None:
    with replacing(output / "samples.csv") as path, path.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({**row, **_rounded(row)} for row in rows)
    with replacing(output / "examples.npz") as path, path.open("wb") as binary:
        np.savez(binary, **_arrays(examples, summary))
    write_text(
        output / "summary.json", json.dumps(_finite(summary), indent=1, allow_nan=False) + "\n"
    )


def _rounded(row: dict[str, Any]) -> dict[str, str]:
    # Seven digits are what float32 waves hold; "" is an empty cell.
    return {
        name: "" if math.isnan(value) else f"{value:.7g}"
        for name, value in row.items()
        if isinstance(value, float)
    }


def _arrays(examples: Sequence[Example], summary: dict[str, Any]) -> dict[str, Any]:
    arrays: dict[str, Any] = {
        "attributes": json.dumps(provenance_of(summary)),
        "percentiles": np.array([example.percentile for example in examples]),
    }
    for number, example in enumerate(examples):
        for name, value in vars(example).items():
            arrays[f"{number}/{name}"] = json.dumps(_finite(value)) if name == "row" else value
    return arrays


def provenance_of(summary: dict[str, Any]) -> dict[str, Any]:
    """Return the part of a ``summary.json`` that says how the evaluation was made."""
    results = ("samples", "statistics", "ratios", "vacancies", "examples")
    return {name: value for name, value in summary.items() if name not in results}


def read_examples(evaluation: Path) -> list[Example]:
    """Read ``examples.npz`` in the folder of an evaluation."""
    path = evaluation / "examples.npz"
    try:
        with np.load(path, allow_pickle=False) as stored:
            return [
                Example(
                    **{
                        name: _restored(name, stored[f"{number}/{name}"])
                        for name in Example.__dataclass_fields__
                    }
                )
                for number in range(len(stored["percentiles"]))
            ]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ExitwaveError(
            f"The examples {path} cannot be read ({error}); remove the folder and run snakemake "
            "again."
        ) from error


def _restored(name: str, value: NDArray[Any]) -> Any:
    if name == "row":
        return json.loads(str(value))
    return value if value.ndim else value.item()
