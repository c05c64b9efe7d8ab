"""Where a reconstruction is at fault: peaks that it misses, invents or displaces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exitwave.scoring.examples import Example
from exitwave.scoring.peaks import (
    Floats,
    PeakMatch,
    Peaks,
    find_peaks,
    match_peaks,
    threshold_level,
)


@dataclass(frozen=True)
class Faults:
    """Where a reconstruction is at fault, and where most.

    Attributes
    ----------
    centre : (2,) array
        x and y [Å].
    true, predicted : (2,) array or None
        The displaced peak on either side [Å]; None where no peak was found at all.
    text : str
        How large the fault is there.
    missed, spurious : (n, 2) arrays
        True peaks that were not found, and predicted ones that are not there [Å].
    """

    centre: Floats
    true: Floats | None
    predicted: Floats | None
    text: str
    missed: Floats
    spurious: Floats


def example_peaks(
    example: Example, threshold: float, distance: float
) -> tuple[Peaks, Peaks, PeakMatch]:
    """Return true peaks, predicted peaks and their match, as in the evaluation."""
    level = threshold_level(example.truth, threshold)
    true = find_peaks(example.truth, example.sampling, level)
    predicted = find_peaks(example.prediction, example.sampling, level)
    return true, predicted, match_peaks(true, predicted, distance)


def find_faults(example: Example, threshold: float, distance: float) -> Faults:
    """Return the peaks that are not matched, and the worst faults.

    That is the peak with the largest displacement or, where none was found, the largest
    difference.

    Parameters
    ----------
    example : Example
        The sample.
    threshold : float
        Height of a peak that counts, as a share of the highest true one.
    distance : float
        Largest distance of a pair of peaks [Å].
    """
    true, predicted, match = example_peaks(example, threshold, distance)
    missed = np.delete(true.positions, match.pairs[:, 0], axis=0)
    spurious = np.delete(predicted.positions, match.pairs[:, 1], axis=0)
    if len(match.pairs):
        first, second = match.pairs[int(np.argmax(match.displacements))]
        shift = match.largest_displacement
        return Faults(
            centre=true.positions[first],
            true=true.positions[first],
            predicted=predicted.positions[second],
            text=f"{100 * shift:.1f} pm ({shift / example.sampling:.2f} px) off",
            missed=missed,
            spurious=spurious,
        )
    difference = np.abs(example.prediction - example.truth)
    row, column = np.unravel_index(int(np.argmax(difference)), difference.shape)
    centre = np.array([column, row]) * example.sampling
    return Faults(centre, None, None, "no peak found", missed, spurious)
