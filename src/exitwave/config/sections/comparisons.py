"""The section ``comparisons``: a network beside classical reconstruction."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from exitwave.config.fields import Name, Positive, Section


class ComparisonSettings(Section):
    """What determines a comparison, beside the network and the epochs."""

    images: Annotated[int, Field(ge=2)] = 11
    """Images of the series, over the same range of defocus as the network's (paper)."""
    iterations: Annotated[int, Field(ge=1)] = 100
    """Iterations of the classical reconstruction (ours)."""
    samples: Annotated[int, Field(ge=1)] = 12
    """Samples that are reconstructed, at even distances in the network's ranking (paper: 3)."""
    percentiles: tuple[Annotated[float, Field(ge=0, le=100)], ...] = (25.0, 50.0, 75.0)
    """Samples that are drawn: so many per cent are worse for the network (paper)."""
    high_pass_px: Positive = 8.0
    """Width of the Gaussian taken off the waves, since classical reconstruction loses the long
    wavelengths (paper)."""


class Comparison(ComparisonSettings):
    """A network compared with classical reconstruction from a longer focal series."""

    network: Name
    """The network; it gets images of the series at even distances, first and last among them."""
    dataset: Name
    """The data set whose validation samples are reconstructed."""
    label: str = ""
    """Name in figures and reports; the key itself if empty."""
    paper_network_rmse: float | None = None
    """The paper's value for the network, to stand beside ours."""
    paper_classical_rmse: float | None = None
    """The paper's value for the classical reconstruction, to stand beside ours."""
