"""Which columns of a crystal lack atoms, found in an exit wave as a user of a network would.

The lattice is known, what is missing is not. Columns of one kind (complete, two sulphur atoms, say)
should all be alike, so a column whose signal is much below the median of its kind lacks something.
No label of a vacancy goes into that.

>>> sites = column_sites(sample.atoms, sample.vacancies)
>>> claimed = deficient_columns(wave, sites, sampling)
>>> count_vacancies(sites, claimed).found
3
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from exitwave.samples.parts import Atoms
from exitwave.scoring.peaks import Floats
from exitwave.specimens.build import FLAKE

LEAST_SITES = 5
"""Of fewer columns of a kind no median is taken, and they are not judged."""
_WIDTH = 0.35  # of the Gaussian in which a column's signal is collected [Å]
_REACH = 3.0  # of the Gaussian, in widths


@dataclass(frozen=True)
class Sites:
    """The columns of a flake as the whole crystal has them, without those of rare kinds.

    Attributes
    ----------
    positions : (n, 2) array
        Mean position of a column's atoms, missing ones included [Å].
    kinds : (n,) array of int
        Columns of the same atoms have the same number.
    lightest : (n,) array
        Share of the lightest atom in the sum of a complete column's atomic numbers.
    lacking : (n,) array of bool
        True where at least one atom is missing.
    """

    positions: Floats
    kinds: NDArray[np.intp]
    lightest: Floats
    lacking: NDArray[np.bool_]


@dataclass(frozen=True)
class VacancyCounts:
    """Numbers of judged columns, of those that lack atoms, of claims, and of claims that hold."""

    sites: int
    lacking: int
    claimed: int
    found: int


def column_sites(atoms: Atoms, vacancies: Atoms) -> Sites:
    """Return the columns of the flake of a specimen, from its atoms and those that are missing."""
    components = np.concatenate([atoms.components, vacancies.components])
    columns = np.concatenate([atoms.columns, vacancies.columns])
    flake = (components == FLAKE) & (columns >= 0)
    number = np.concatenate([atoms.numbers, vacancies.numbers])[flake]
    missing = np.repeat([False, True], [len(atoms), len(vacancies)])[flake]
    position = np.concatenate([atoms.positions, vacancies.positions])[flake, :2].reshape(-1, 2)
    names, column = np.unique(columns[flake], return_inverse=True)
    sizes = np.bincount(column, minlength=len(names))
    heights = np.bincount(column, number, len(names))
    lightest = np.full(len(names), np.inf)
    np.minimum.at(lightest, column, number)
    centres = np.stack(
        [np.bincount(column, position[:, axis], len(names)) for axis in (0, 1)], axis=1
    ) / np.maximum(sizes[:, None], 1)
    composition = [tuple(np.sort(number[column == place])) for place in range(len(names))]
    known = {kind: place for place, kind in enumerate(sorted(set(composition)))}
    kinds = np.array([known[kind] for kind in composition], dtype=np.intp)
    judged = (
        np.bincount(kinds, minlength=len(known))[kinds] >= LEAST_SITES
        if len(kinds)
        else np.zeros(0, dtype=bool)
    )
    lacking = np.bincount(column, missing, len(names)) > 0
    return Sites(
        centres[judged],
        kinds[judged],
        (lightest / np.maximum(heights, 1))[judged],
        lacking[judged],
    )


def deficient_columns(
    wave: NDArray[np.complexfloating], sites: Sites, sampling: float
) -> NDArray[np.bool_]:
    """Say of each column whether the wave shows it to lack an atom.

    The signal of a column is abs(Ψ - 1) under a Gaussian about it, nearly proportional to the sum
    of its atomic numbers. A column lacks something where its signal is below the median of its
    kind by more than half of what its lightest atom contributes.

    Parameters
    ----------
    wave : (y, x) array of complex
        Relative to the incident wave.
    sites : Sites
        From `column_sites`.
    sampling : float
        Side of a pixel [Å].
    """
    signals = _signals(np.abs(np.asarray(wave) - 1), sites.positions / sampling, _WIDTH / sampling)
    claimed = np.zeros(len(signals), dtype=bool)
    for kind in np.unique(sites.kinds):
        chosen = sites.kinds == kind
        limit = (1 - sites.lightest[chosen] / 2) * np.median(signals[chosen])
        claimed[chosen] = signals[chosen] < limit
    return claimed


def _signals(modulus: NDArray[np.floating], places: Floats, width: float) -> Floats:
    """Weighted sums about places [pixel]; what lies beyond the border counts as vacuum."""
    reach = int(np.ceil(_REACH * width)) + 1
    padded = np.pad(modulus, reach)
    offsets = np.arange(-reach, reach + 1)
    signals = np.empty(len(places))
    for index, place in enumerate(places):
        x, y = np.clip(np.round(place).astype(int), 0, np.array(modulus.shape[::-1]) - 1)
        along = np.exp(-((offsets + x - place[0]) ** 2) / (2 * width**2))
        down = np.exp(-((offsets + y - place[1]) ** 2) / (2 * width**2))
        window = padded[y : y + 2 * reach + 1, x : x + 2 * reach + 1]
        signals[index] = down @ window @ along
    return signals


def count_vacancies(sites: Sites, claimed: NDArray[np.bool_]) -> VacancyCounts:
    """Compare claims of `deficient_columns` with what is missing."""
    return VacancyCounts(
        sites=len(claimed),
        lacking=int(sites.lacking.sum()),
        claimed=int(claimed.sum()),
        found=int((claimed & sites.lacking).sum()),
    )


def precision_and_recall(lacking: int, claimed: int, found: int) -> tuple[float, float]:
    """Return the share of claims that hold and the share of missing columns that were claimed.

    NaN where nothing was claimed, or nothing is missing.
    """
    return (
        found / claimed if claimed else float("nan"),
        found / lacking if lacking else float("nan"),
    )
