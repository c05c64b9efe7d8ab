"""``summary.json`` of evaluations, ensembles and comparisons: their scores over all samples.

Numbers that are not finite in the making are null in the file, and None to its readers.

>>> read_document(folder / "summary.json", EvaluationSummary).median("rmse_imag")
0.0062
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

ExampleRow = Mapping[str, str | int | float | None]
"""What an example was chosen by, and its row of ``samples.csv``."""


@dataclass(frozen=True)
class Quartiles:
    """Quartiles of a column over all samples; None where it has no value."""

    lower_quartile: float | None
    median: float | None
    upper_quartile: float | None


@dataclass(frozen=True)
class VacancySummary:
    """Columns that lack atoms, over all samples.

    Attributes
    ----------
    sites, lacking : int
        Columns of the flakes, and those of them that lack atoms.
    precision, recall : float or None
        Share of the claims that hold, and of what is missing that was claimed.
    truth_precision, truth_recall : float or None
        The same from the true waves.
    chance : float or None
        Of claims at random so many would hold.
    """

    sites: int
    lacking: int
    precision: float | None
    recall: float | None
    truth_precision: float | None
    truth_recall: float | None
    chance: float | None


@dataclass(frozen=True)
class EvaluationSummary:
    """Scores of a network, in the order of the file; provenance stands behind them there.

    Attributes
    ----------
    samples : int
        Number of samples.
    statistics : mapping of str to Quartiles
        By the columns of ``samples.csv`` that are results.
    ratios : mapping of str to (float or None)
        By how much the baselines' median RMSE exceeds the network's.
    vacancies : VacancySummary or None
        None in files from before vacancies were counted.
    examples : tuple of mapping
        The samples at the chosen percentiles.
    """

    samples: int
    statistics: Mapping[str, Quartiles]
    ratios: Mapping[str, float | None]
    vacancies: VacancySummary | None = None
    examples: tuple[ExampleRow, ...] = ()

    def median(self, column: str) -> float | None:
        """Return the median of a column; None where there is none."""
        found = self.statistics.get(column)
        return None if found is None else found.median


@dataclass(frozen=True)
class Optic:
    """An aberration in the tables of refined series.

    Attributes
    ----------
    stem, ending : str
        Its columns are ``{prefix}_{stem}_{ending}``, see `column`.
    unit : float
        That of the columns [Å].
    """

    stem: str
    ending: str
    unit: float = 1.0

    def column(self, prefix: str) -> str:
        """Return the name of a column.

        Parameters
        ----------
        prefix : {'found', 'true', 'distance', 'error'}
            The value that was found, the true one, the distance between both, with the angle, and
            the error bar (standard deviation of a component).
        """
        return f"{prefix}_{self.stem}_{self.ending}"


OPTICS = {
    "defocus": Optic("defocus", "angstrom"),
    "cs": Optic("cs", "micrometre", 1e4),
    "c12": Optic("c12", "angstrom"),
    "c21": Optic("c21", "angstrom"),
}
"""The defocus is that of the middle image."""


@dataclass(frozen=True)
class RefinementSummary:
    """What refining brought over some series of an evaluation, in the order of the file.

    Attributes
    ----------
    samples, failed : int
        Series that were refined, and that could not be.
    statistics : mapping of str to Quartiles
        By the columns of ``samples.csv`` that are numbers.
    within : mapping of str to float
        By how much an aberration that counts as found may be off [Å; Cs µm].
    found : mapping of str to float
        Share of the series of which it was found.
    all_found : float
        Share of the series of which all of these were.
    consistent : float
        Share of the series whose verdict was that the wave is consistent with the images.
    """

    samples: int
    failed: int
    statistics: Mapping[str, Quartiles]
    within: Mapping[str, float]
    found: Mapping[str, float]
    all_found: float
    consistent: float

    def median(self, column: str) -> float | None:
        """Return the median of a column; None where there is none."""
        found = self.statistics.get(column)
        return None if found is None else found.median


@dataclass(frozen=True)
class EnsembleSummary:
    """How well disagreement tells errors, in the order of the file.

    Attributes
    ----------
    samples, members : int
        Numbers of samples and of networks.
    medians : mapping of str to float
        Of errors and disagreement, over the samples.
    pixel_correlation, worst_caught : float or None
        Medians over the samples, see `exitwave.stages.ensemble`.
    worst_share : float
        Of a specimen's pixels, the share that counts as the worst.
    sample_correlation : float or None
        Spearman's, of disagreement and error of the samples.
    error_over_disagreement : float or None
        Both root mean squares over all pixels.
    independent_errors : float
        What that would be if the members' errors were independent.
    mean_over_member : float or None
        Median RMSE of the mean relative to that of a member.
    examples : tuple of mapping
        Telling samples.
    """

    samples: int
    members: int
    medians: Mapping[str, float | None]
    pixel_correlation: float | None
    worst_caught: float | None
    worst_share: float
    sample_correlation: float | None
    error_over_disagreement: float | None
    independent_errors: float
    mean_over_member: float | None
    examples: tuple[ExampleRow, ...] = ()


@dataclass(frozen=True)
class ComparisonSummary:
    """Errors of a network and of classical reconstruction, in the order of the file.

    Attributes
    ----------
    samples, ranked_samples : int
        Samples that were reconstructed, of so many that the network ranked.
    network_frames : tuple of int
        The images of a series that the network gets.
    statistics : mapping of str to Quartiles
        By the columns of ``samples.csv`` that are errors.
    """

    samples: int
    ranked_samples: int
    network_frames: tuple[int, ...]
    statistics: Mapping[str, Quartiles]
