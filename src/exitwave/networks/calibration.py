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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from exitwave.config import Microscope
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
        Standard deviations of how far the fitted parameters were off, from the medians of their
        moduli, which one failed fit does not spoil; names as in
        `exitwave.reconstruction.refinement.refine.Refinement.errors`.
    limits : Microscope or None
        Between which the microscopes of its series were drawn.
    smear_angstrom : float or None
        Standard deviation of the Gaussian that its waves are folded with.
    scale_limit : float or None
        The scale from which on a wave is not to be believed; without it that of a normal
        distribution of its logarithms.
    """

    error_power: ErrorPower
    samples: int
    scale_log_mean: float | None = None
    scale_log_deviation: float | None = None
    optics_errors: dict[str, float] | None = None
    limits: Microscope | None = None
    smear_angstrom: float | None = None
    scale_limit: float | None = None

    @property
    def largest_scale(self) -> float:
        """The scale that one series in twenty exceeds although the network knows its like."""
        if self.scale_limit is not None:
            return self.scale_limit
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
        mean = float(np.mean(logs))
        # The tail of large ones can be longer than that of a normal distribution.
        limit = max(mean + _ONE_IN_TWENTY * deviation, float(np.quantile(logs, 0.95)))
        return cls(error_power, samples, mean, deviation, errors, scale_limit=math.exp(limit))

    def as_json(self) -> dict[str, object]:
        """Return what is stored."""
        limits = None if self.limits is None else self.limits.model_dump(mode="json")
        return {
            "error_power": self.error_power.as_json(),
            "samples": self.samples,
            "scale_log_mean": self.scale_log_mean,
            "scale_log_deviation": self.scale_log_deviation,
            "optics_errors": self.optics_errors,
            "limits": limits,
            "smear_angstrom": self.smear_angstrom,
            "scale_limit": self.scale_limit,
        }

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Calibration:
        """Return what `as_json` gave.

        Raises
        ------
        ValueError
            Where it is something else.
        """
        limits = stored.get("limits")
        try:
            return cls(
                error_power=ErrorPower.from_json(stored["error_power"]),
                samples=int(stored["samples"]),
                scale_log_mean=stored["scale_log_mean"],
                scale_log_deviation=stored["scale_log_deviation"],
                optics_errors=stored["optics_errors"],
                limits=None if limits is None else Microscope.model_validate(limits),
                smear_angstrom=stored.get("smear_angstrom"),
                scale_limit=stored.get("scale_limit"),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"it lacks {error}") from None


def read_calibration(folder: Path) -> Calibration | None:
    """Return what was measured of the network in a folder; None where nothing was.

    The file itself may be given, too.

    Raises
    ------
    ExitwaveError
        Where the file is damaged.
    """
    path = folder
    if path.suffix != ".json":
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
    """Return what was measured of the network in a folder; the file itself may be given, too.

    Raises
    ------
    ExitwaveError
        Where nothing was, or the file is damaged.
    """
    found = read_calibration(folder)
    if found is None:
        missing = folder if folder.suffix == ".json" else folder / CALIBRATION_NAME
        raise ExitwaveError(
            f"There is no {missing}, which says how far the network's waves are off; "
            "make it by snakemake, or by `exitwave calibrate --network NETWORK --output "
            f"NETWORK/{CALIBRATION_NAME} EPOCH.nc` from validation epochs of its data set."
        )
    return found
