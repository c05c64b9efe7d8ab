"""What a kind of figure is asked to draw."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Source:
    """One of the results that a figure shows.

    Attributes
    ----------
    name : str
        Its name in the configuration, which no other source of the figure has; names files.
    label : str
        What it is called in the figure; others may be called the same.
    path : Path
        Its folder, or the file of an epoch.
    dataset, dataset_label : str
        The data set that it belongs to, by name and as called in the figure.
    """

    name: str
    label: str
    path: Path
    dataset: str = ""
    dataset_label: str = ""


@dataclass(frozen=True)
class Order:
    """What a figure shows.

    Attributes
    ----------
    sources : tuple of Source
        In the order of the legend.
    percentile : float, optional
        Which sample of each source is shown: so many per cent are worse. Without it each kind has
        a choice of its own.
    """

    sources: tuple[Source, ...]
    percentile: float | None = None

    def picture(self, source: Source, name: str) -> str:
        """Return the name of a picture of one source; no other source's picture has it."""
        return name if len(self.sources) == 1 else f"{source.name}_{name}"
