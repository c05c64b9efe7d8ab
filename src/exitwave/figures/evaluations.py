"""Read an evaluation: its table of samples, its examples, and by what it judged peaks."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from exitwave.errors import ExitwaveError
from exitwave.files.documents import read_document
from exitwave.provenance.attributes import Origin
from exitwave.scoring.examples import Example, read_examples
from exitwave.workflow.specs import EvaluateSpec, read_spec


def read_samples(evaluation: Path) -> pd.DataFrame:
    """Read ``samples.csv`` in the folder of an evaluation."""
    path = evaluation / "samples.csv"
    try:
        return pd.read_csv(path, dtype={"epoch": str, "sample_key": str})
    except (OSError, ValueError) as error:
        raise ExitwaveError(
            f"The evaluation {path} cannot be read ({error}); run snakemake again to make it."
        ) from error


def peak_settings(evaluation: Path) -> tuple[float, float]:
    """Return threshold (a share) and distance [Å] by which an evaluation judged peaks."""
    origin = read_document(evaluation / "summary.json", Origin)
    settings = read_spec(origin.spec, EvaluateSpec).evaluation
    return settings.peak_threshold, settings.peak_distance_angstrom


def read_example(evaluation: Path, percentile: float) -> Example:
    """Return the example than which so many per cent of the samples are worse.

    Raises
    ------
    ExitwaveError
        Where the evaluation keeps no such sample.
    """
    for example in read_examples(evaluation):
        if example.percentile == percentile:
            return example
    raise ExitwaveError(
        f"The evaluation {evaluation} keeps no sample at {percentile:g} %; add it to the "
        "evaluation's percentiles."
    )
