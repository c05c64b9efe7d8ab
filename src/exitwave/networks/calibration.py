"""What was measured of a trained network on its validation samples, beside its weights.

How far its waves are off at each frequency and dose, and what a refinement
(`exitwave.reconstruction.refinement`) finds where the network knows what it sees. By the second a
verdict is passed on series whose truth nobody knows.

>>> calibration = read_calibration(Path("results/networks/mos2"))
>>> calibration.largest_scale
1.3
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from exitwave.errors import ExitwaveError
from exitwave.networks.error_power import ErrorPower

CALIBRATION_NAME = "calibration.json"

# Of 20 series that the network knows one is doubted: deviations of a normal distribution.
_ONE_IN_TWENTY = 1.645


@dataclass(frozen=True)
class Calibration:
    """What was measured of a network.

    Attributes
    ----------
    error_power : ErrorPower
        Of its waves.
    samples : int
        Validation samples that it was measured on.
    scale_log_mean, scale_log_deviation : float or None
        Of ln of the scale of the error that refinements found; None for networks of one image,
        which says nothing of both wave and microscope.
    optics_errors : dict of str to float
        Root mean squares of how far the fitted parameters were off, see
        `exitwave.reconstruction.refinement.refine.Refinement.errors`.
    """

    error_power: ErrorPower
    samples: int
    scale_log_mean: float | None = None
    scale_log_deviation: float | None = None
    optics_errors: dict[str, float] | None = None

    @property
    def largest_scale(self) -> float:
        """The scale that one series in twenty exceeds although the network knows its like."""
        if self.scale_log_mean is None or self.scale_log_deviation is None:
            return math.inf
        return math.exp(self.scale_log_mean + _ONE_IN_TWENTY * self.scale_log_deviation)

    @classmethod
    def of_scales(
        cls,
        error_power: ErrorPower,
        samples: int,
        scales: Sequence[float],
        errors: dict[str, float],
    ) -> Calibration:
        """Return it, given the scales that refinements of some samples found."""
        logs = np.log(scales)
        # Of few samples the deviation is as likely too small.
        deviation = float(np.std(logs, ddof=1)) if len(logs) > 1 else 0.5
        return cls(error_power, samples, float(np.mean(logs)), deviation, errors)

    def as_json(self) -> dict[str, object]:
        """Return what is stored."""
        return {**asdict(self), "error_power": self.error_power.as_json()}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Calibration:
        """Return what `as_json` gave.

        Raises
        ------
        ValueError
            Where it is something else.
        """
        try:
            return cls(
                error_power=ErrorPower.from_json(stored["error_power"]),
                samples=int(stored["samples"]),
                scale_log_mean=stored["scale_log_mean"],
                scale_log_deviation=stored["scale_log_deviation"],
                optics_errors=stored["optics_errors"],
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"it lacks {error}") from None


def read_calibration(folder: Path) -> Calibration | None:
    """Return what was measured of the network in a folder; None where nothing was.

    Raises
    ------
    ExitwaveError
        Where the file is damaged.
    """
    path = (folder if folder.is_dir() else folder.parent) / CALIBRATION_NAME
    if not path.exists():
        return None
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(stored, dict):
            raise ValueError(f"a mapping was expected, not {type(stored).__name__}")
        return Calibration.from_json(stored)
    except (OSError, ValueError) as error:
        raise ExitwaveError(
            f"{path} is damaged or of another version ({error}); remove it and run snakemake, or "
            "exitwave calibrate, again."
        ) from error


def require_calibration(folder: Path) -> Calibration:
    """Return what was measured of the network in a folder.

    Raises
    ------
    ExitwaveError
        Where nothing was, or the file is damaged.
    """
    found = read_calibration(folder)
    if found is None:
        raise ExitwaveError(
            f"{folder} has no {CALIBRATION_NAME}, which says how far the network's waves are off; "
            "make it by snakemake, or by `exitwave calibrate --network NETWORK --output "
            f"NETWORK/{CALIBRATION_NAME} EPOCH.nc` from validation epochs of its data set."
        )
    return found
