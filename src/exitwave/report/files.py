"""Which files the report reads, and where they lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class DatasetFiles:
    """Where the files of a data set are.

    Attributes
    ----------
    label : str
        Name in the report.
    catalog : Path
        Folder of the catalog; of the source, where the exit waves are another data set's.
    exit_waves : sequence of Path
        Stores of exit waves, each with its summary ``.json`` beside it.
    epochs : sequence of Path
        Epochs of both sides.
    figures : Path
        Folder that `exitwave plot dataset` wrote.
    """

    label: str
    catalog: Path
    exit_waves: Sequence[Path]
    epochs: Sequence[Path]
    figures: Path


@dataclass(frozen=True)
class NetworkFiles:
    """Where the files of a network are: its folder, and that of `exitwave plot network`."""

    label: str
    dataset: str
    folder: Path
    figures: Path


@dataclass(frozen=True)
class EvaluationFiles:
    """Where the files of an evaluation are: its folder, and that of `exitwave plot evaluation`.

    ``network`` and ``dataset`` are the keys of the configuration; ``refinement`` is the folder of
    the refined series, where there are some.
    """

    label: str
    network: str
    dataset: str
    folder: Path
    figures: Path
    refinement: Path | None = None
