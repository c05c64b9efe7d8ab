"""Validation samples for all that looks at trained networks: read, predict, rank, write down.

>>> with validation_samples([Path("results/mos2/epochs/3_images/validation/00.nc")]) as samples:
...     waves = predicted(predict, [samples[0], samples[1]])
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exitwave.config.conditions import Conditions
from exitwave.errors import ExitwaveError
from exitwave.files.reader import StoreReader
from exitwave.files.tables import write_table
from exitwave.networks.domain import require_domain
from exitwave.samples import EPOCH, EpochSample
from exitwave.scoring.metrics import Wave

BATCH_SIZE = 8
"""Samples that are predicted, and held in memory, together."""

Row = dict[str, str | int | float]
"""One row of a table of results, by the names of its columns."""

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


class ValidationSamples:
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

    def __getitem__(self, index: int) -> EpochSample:
        number, place = self._places[index]
        return EpochSample.from_values(self._readers[number].read(place))

    def identity(self, index: int, sample: EpochSample) -> Row:
        """Return the first columns of a sample's row, `IDENTITY_COLUMNS`."""
        number, place = self._places[index]
        return {
            "epoch": self._readers[number].path.stem,
            "place": place,
            "material": sample.identity.material,
            "formula": sample.identity.formula,
            "sample_index": sample.identity.sample_index,
            "sample_key": sample.identity.sample_key,
            "sampling_angstrom": sample.sampling,
            "dose_per_square_angstrom": sample.microscope.dose,
            "first_defocus_angstrom": sample.microscope.defocus[0],
            "atom_count": len(sample.atoms),
        }

    def column(self, name: str) -> list[Any]:
        """Return a per-sample variable of all samples."""
        return [value for reader in self._readers for value in reader.column(name)]

    def location(self, index: int) -> tuple[Path, int]:
        """Return the epoch of a sample and its place in it."""
        number, place = self._places[index]
        return self._readers[number].path, place

    def batches(self) -> Iterator[tuple[range, list[EpochSample]]]:
        """Yield the indices and the samples of one batch after the other."""
        for start in range(0, len(self), BATCH_SIZE):
            indices = range(start, min(start + BATCH_SIZE, len(self)))
            yield indices, [self[index] for index in indices]


@contextlib.contextmanager
def validation_samples(epochs: Sequence[Path]) -> Iterator[ValidationSamples]:
    """Open epochs of focal series.

    Raises
    ------
    ExitwaveError
        Where there are no samples, or a file is none of an epoch.
    """
    with contextlib.ExitStack() as stack:
        readers = [stack.enter_context(StoreReader(path, EPOCH)) for path in epochs]
        yield ValidationSamples(readers)


def predicted(
    predict: Predictor, batch: Sequence[EpochSample], frames: Sequence[int] | None = None
) -> Wave:
    """Return a predictor's waves (sample, y, x) of some samples.

    Parameters
    ----------
    predict : Predictor
        A network, or what takes its place.
    batch : sequence of EpochSample
        Samples of an epoch.
    frames : sequence of int, optional
        The images of the series that it gets; by default all.

    Raises
    ------
    ExitwaveError
        Where the waves have another shape than the images, or are not finite.
    """
    images = np.stack([sample.image for sample in batch])
    if frames is not None:
        images = images[..., list(frames)]
    sampling = np.array([sample.sampling for sample in batch])
    waves = np.asarray(predict(images, sampling))
    if waves.shape != images.shape[:3]:
        raise ExitwaveError(
            f"The network gives waves of shape {waves.shape} for images of shape {images.shape}; "
            "evaluate it on epochs with its own number and size of images."
        )
    if not np.all(np.isfinite(waves)):
        raise ExitwaveError(
            f"The network's exit wave of {batch[0].identity.material} or one of the next "
            f"{len(batch) - 1} samples is not finite; its training diverged, so lower "
            "learning_rate and train it again."
        )
    return waves


def conditions(samples: ValidationSamples, frames: Sequence[int] | None = None) -> Conditions:
    """Return under which conditions the series of samples were recorded.

    Parameters
    ----------
    samples : ValidationSamples
        Series.
    frames : sequence of int, optional
        The images of each series that a network gets; by default all.
    """
    defocus = np.array(samples.column("defocus"), dtype=np.float64)
    if frames is not None:
        defocus = defocus[:, list(frames)]
    steps = np.diff(defocus, axis=1)

    def limits(values: Any) -> tuple[float, float]:
        return float(np.min(values)), float(np.max(values))

    return Conditions(
        images=defocus.shape[1],
        energy_kev=limits(samples.column("energy")),
        sampling_angstrom=limits(samples.column("sampling")),
        defocus_angstrom=limits(defocus),
        defocus_step_angstrom=limits(steps) if steps.size else None,
        dose_per_square_angstrom=limits(samples.column("dose")),
    )


def network_predictor(folder: Path) -> Predictor:
    """Return the trained network in a folder as a predictor."""
    from exitwave.networks.trained import load_network, predict_waves

    network = load_network(folder)

    def predict(images: NDArray[np.float32], sampling: NDArray[np.float64]) -> Wave:
        return predict_waves(network, images, sampling)

    return predict


def require_network_fits(
    folder: Path, epochs: Sequence[Path], frames: Sequence[int] | None = None
) -> None:
    """Raise where a network was trained for other series than those of epochs.

    Materials and supports that it does not know are no reason: how it does on them is what an
    evaluation is for.

    Parameters
    ----------
    folder : Path
        Of the network.
    epochs : sequence of Path
        Files of focal series.
    frames : sequence of int, optional
        The images of each series that the network gets; by default all.

    Raises
    ------
    ExitwaveError
        With one sentence for each quantity that is outside.
    """
    from exitwave.networks.trained import read_domain

    with validation_samples(epochs) as samples:
        require_domain(
            folder.name,
            read_domain(folder),
            conditions(samples, frames),
            "evaluate it on a data set like that of its training, or train one for this",
        )


def ranked(rows: Sequence[Row]) -> list[int]:
    """Return the indices of the samples from the worst to the best by Eq. (A.1).

    Also gives each row its ``percent_worse``.
    """
    ranks = sorted(
        range(len(rows)),
        # The rest of the key orders equal errors the same way in every run.
        key=lambda index: (
            -float(rows[index]["relative_error"]),
            rows[index]["sample_key"],
            rows[index]["epoch"],
            rows[index]["place"],
        ),
    )
    for position, index in enumerate(ranks):
        rows[index]["percent_worse"] = 100 * position / max(len(rows) - 1, 1)
    return ranks


def percentile_rank(percentile: float, count: int) -> int:
    """Return the place, from the worst, of the sample than which so many per cent are worse.

    The paper's convention (Appendix A.5): 5 is a bad sample, 50 the median, 95 a good one.
    """
    return round(percentile / 100 * (count - 1))


def write_rows(path: Path, rows: Sequence[Mapping[str, str | int | float]]) -> None:
    """Write a table as CSV; numbers have the seven digits that float32 waves hold."""
    write_table(path, [{**row, **_rounded(row)} for row in rows])


def _rounded(row: Mapping[str, str | int | float]) -> dict[str, str]:
    # "" is an empty cell.
    return {
        name: "" if math.isnan(value) else f"{value:.7g}"
        for name, value in row.items()
        if isinstance(value, float)
    }
