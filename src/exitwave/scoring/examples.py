"""Samples that are kept whole, with their reconstructions, so that they can be drawn.

>>> write_examples(folder, examples, attributes)
>>> read_examples(folder)[0].prediction
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from exitwave.errors import ExitwaveError
from exitwave.files.atomic import replacing
from exitwave.files.documents import nan_to_null
from exitwave.samples import EpochSample
from exitwave.scoring.metrics import Wave
from exitwave.scoring.validation_samples import Row
from exitwave.summaries.scores import ExampleRow

EXAMPLES = "examples.npz"


@dataclass(frozen=True)
class Way:
    """A way from a focal series to its wave, as figures and tables call it.

    `exitwave.scoring.ways` says what it is given.

    Attributes
    ----------
    label : str
        What it is, and what it knows.
    all_images : bool
        Whether it gets all images of a series, not only the network's.
    """

    label: str
    all_images: bool = False


WAYS = {
    "network": Way("network"),
    "network_refined": Way("network, refined"),
    "network_floor": Way("network, refined, all known"),
    "network_refined_all": Way("network, refined", all_images=True),
    "network_floor_all": Way("network, refined, all known", all_images=True),
    "classical_paper": Way("classical, as in the paper", all_images=True),
    "classical_all": Way("classical, all known", all_images=True),
    "classical_fitted": Way("classical, microscope fitted", all_images=True),
    "classical_few": Way("classical, all known"),
    "classical_fitted_few": Way("classical, microscope fitted"),
}
"""By the names that columns of ``samples.csv`` begin with; those after the high pass go on with
``high_pass_``."""


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
    row: ExampleRow
    image: NDArray[np.float32]
    truth: NDArray[np.complex64]
    prediction: NDArray[np.complex64]
    sampling: float
    defocus: NDArray[np.float64]
    dose: float
    atom_number: NDArray[np.integer]
    atom_position: NDArray[np.float64]

    @property
    def formula(self) -> str:
        """Chemical formula of its material."""
        return str(self.row["formula"])

    def number(self, column: str) -> float | None:
        """Return a number of its row; None where it has no value."""
        value = self.row[column]
        return None if value is None else float(value)

    @staticmethod
    def of(sample: EpochSample, prediction: Wave, percentile: float, row: Row) -> Example:
        """Take it from a sample of an epoch."""
        return Example(
            percentile=percentile,
            row=row,
            image=sample.image,
            truth=sample.wave,
            prediction=np.asarray(prediction, dtype=np.complex64),
            sampling=sample.sampling,
            defocus=np.array(sample.microscope.defocus),
            dose=sample.microscope.dose,
            atom_number=sample.atoms.numbers,
            atom_position=sample.atoms.positions,
        )


@dataclass(frozen=True)
class EnsembleExample(Example):
    """A telling sample; ``prediction`` is the members' mean.

    Attributes
    ----------
    reason : str
        Why it was chosen: "median", "disagreement" (the largest), "missed" (most true peaks) or
        "spurious" (most predicted peaks).
    disagreement : (y, x) array
        Standard deviation of the members' waves about their mean.
    """

    reason: str
    disagreement: NDArray[np.float32]


@dataclass(frozen=True)
class ComparisonExample(Example):
    """One sample with its wave in several ways; ``image`` is the whole series.

    ``prediction`` is the network's wave.

    Attributes
    ----------
    network_refined, classical_paper, classical_all, classical_few : (y, x) array of complex
        See `exitwave.scoring.ways`.
    high_pass_truth : (y, x) array of complex
        The truth without its long wavelengths; vacuum is 0.
    high_pass_paper : (y, x) array of complex
        ``classical_paper`` likewise.
    """

    network_refined: NDArray[np.complex64]
    classical_paper: NDArray[np.complex64]
    classical_all: NDArray[np.complex64]
    classical_few: NDArray[np.complex64]
    high_pass_truth: NDArray[np.complex64]
    high_pass_paper: NDArray[np.complex64]


@dataclass(frozen=True)
class RefinementExample(Example):
    """One series that was refined; so many per cent of those refined gained less by it.

    Attributes
    ----------
    gain : str
        Why it was chosen: "best", "median" or "worst" by how much the error fell.
    refined : (y, x) array of complex
        Refined wave.
    measured, computed : (y, x, frame) array
        Images without the camera's response and those of the refined wave, on the coarse pixels
        of the fit, relative to vacuum.
    residual : (y, x, frame) array
        Their difference over the deviation of the noise of vacuum.
    pixel : float
        Side of a coarse pixel [Å].
    """

    gain: str
    refined: NDArray[np.complex64]
    measured: NDArray[np.float32]
    computed: NDArray[np.float32]
    residual: NDArray[np.float32]
    pixel: float


AnyExample = TypeVar("AnyExample", bound=Example)


def write_examples(
    folder: Path, examples: Sequence[Example], attributes: Mapping[str, str]
) -> None:
    """Write ``examples.npz`` into a folder, with how it was made."""
    arrays: dict[str, Any] = {
        "attributes": json.dumps(attributes),
        "percentiles": np.array([example.percentile for example in examples]),
    }
    for number, example in enumerate(examples):
        for name, value in vars(example).items():
            arrays[f"{number}/{name}"] = json.dumps(nan_to_null(value)) if name == "row" else value
    with replacing(folder / EXAMPLES) as path, path.open("wb") as binary:
        np.savez(binary, **arrays)


def read_examples(folder: Path) -> list[Example]:
    """Read the examples of an evaluation; see `read_examples_of`."""
    return read_examples_of(Example, folder)


def read_examples_of(kind: type[AnyExample], folder: Path) -> list[AnyExample]:
    """Read ``examples.npz`` in the folder of a result.

    Raises
    ------
    ExitwaveError
        Where the file is missing, damaged or holds other examples.
    """
    path = folder / EXAMPLES
    try:
        with np.load(path, allow_pickle=False) as stored:
            return [
                kind(
                    **{
                        field.name: _restored(field.name, stored[f"{number}/{field.name}"])
                        for field in fields(kind)
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
