"""What determines the scores of an evaluation, as the figures that are drawn from it ask, too.

>>> Settings.from_spec(spec).peak_distance
0.5
"""

from __future__ import annotations

from dataclasses import dataclass

from exitwave.workflow.specs import read_spec


@dataclass(frozen=True)
class Settings:
    """What determines the scores of a sample, from the spec."""

    seed: int
    percentiles: tuple[float, ...]
    blurs: tuple[float, ...]
    peak_distance: float
    peak_threshold: float

    @classmethod
    def from_spec(cls, spec: str) -> Settings:
        """Read the spec of `exitwave.workflow.specs.evaluate_spec`."""
        values = read_spec(spec, "evaluate")
        entry = values["evaluation"]
        return cls(
            seed=values["seed"],
            percentiles=tuple(entry["percentiles"]),
            blurs=tuple(entry["blurs_angstrom"]),
            peak_distance=entry["peak_distance_angstrom"],
            peak_threshold=entry["peak_threshold"],
        )
