"""What a user knows of the microscope, in place of what a network's training leaves open.

>>> known = KnownOptics(spherical_aberration_micrometre=-5.0, astigmatism_angstrom=(0.0, 0.0))
>>> assumed, beliefs = known.applied(assumed, beliefs)
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from exitwave.config.mtf_curve import MtfCurve, read_mtf_curve
from exitwave.errors import ExitwaveError
from exitwave.imaging.microscope import ANGSTROM_PER_MICROMETRE, MicroscopeDraw
from exitwave.reconstruction.refinement.optics import Beliefs

Vector = tuple[float, float]
"""An amplitude [Å] and its angle [degree]."""


@dataclass(frozen=True, kw_only=True)
class KnownOptics:
    """Aberrations that are known; None is fitted. Angles are abTEM's, from x towards y.

    Attributes
    ----------
    defocus : bool
        Whether the defoci of the images are known as they were given.
    spherical_aberration_micrometre : float, optional
        Cs.
    astigmatism_angstrom, coma_angstrom, trefoil_angstrom : (float, float), optional
        Amplitude [Å] and angle [degree] of C12, C21 and C23.
    focal_spread_angstrom, blur_angstrom : float, optional
        1/e width of the focal spread, and B of the envelope exp(-B² k² / 2).
    mtf_file : str, optional
        The camera's modulation transfer function, see `exitwave.config.mtf_curve`.
    """

    defocus: bool = False
    spherical_aberration_micrometre: float | None = None
    astigmatism_angstrom: Vector | None = None
    coma_angstrom: Vector | None = None
    trefoil_angstrom: Vector | None = None
    focal_spread_angstrom: float | None = None
    blur_angstrom: float | None = None
    mtf_file: str | None = None

    def __post_init__(self) -> None:
        """Demand numbers that a microscope can have.

        Raises
        ------
        ExitwaveError
            With one sentence.
        """
        limits = {
            "--cs-micrometre": (self.spherical_aberration_micrometre, -1e5, 1e5, "µm"),
            "--focal-spread-angstrom": (self.focal_spread_angstrom, 0.0, 1e3, "Å"),
            "--blur-angstrom": (self.blur_angstrom, 0.0, 20.0, "Å"),
        }
        for name, given in (
            ("astigmatism", self.astigmatism_angstrom),
            ("coma", self.coma_angstrom),
            ("trefoil", self.trefoil_angstrom),
        ):
            if given is not None:
                limits[f"--{name}-angstrom"] = (given[0], 0.0, 1e6, "Å and degrees")
                limits[f"the angle of --{name}-angstrom"] = (given[1], -360.0, 360.0, "degrees")
        for option, (value, low, high, unit) in limits.items():
            if value is not None and not low <= value <= high:
                raise ExitwaveError(
                    f"{option} is {value:g}; give {unit}, from {low:g} to {high:g}."
                )

    def curve(self) -> MtfCurve | None:
        """Return the camera's modulation transfer function.

        Raises
        ------
        ExitwaveError
            Where the file holds none.
        """
        if self.mtf_file is None:
            return None
        try:
            return read_mtf_curve(self.mtf_file)
        except ValueError as error:
            raise ExitwaveError(f"--mtf-file {error}.") from None

    def applied(self, assumed: MicroscopeDraw, beliefs: Beliefs) -> tuple[MicroscopeDraw, Beliefs]:
        """Return a microscope with what is known of it, and beliefs that fix that."""
        values: dict[str, Any] = {}
        fixed: dict[str, Any] = {}
        if self.defocus:
            fixed |= {"defocus": 0.0, "defocus_step": 0.0}
        if self.spherical_aberration_micrometre is not None:
            values["spherical_aberration"] = (
                ANGSTROM_PER_MICROMETRE * self.spherical_aberration_micrometre
            )
            fixed["spherical_aberration"] = 0.0
        for name, given in (
            ("astigmatism", self.astigmatism_angstrom),
            ("coma", self.coma_angstrom),
            ("trefoil", self.trefoil_angstrom),
        ):
            if given is not None:
                values |= {name: given[0], f"{name}_angle": math.radians(given[1])}
                fixed[name] = 0.0
        for name, width in (
            ("focal_spread", self.focal_spread_angstrom),
            ("blur", self.blur_angstrom),
        ):
            if width is not None:
                values[name] = width
                fixed[f"{name}_square"] = 0.0
        return replace(assumed, **values), replace(beliefs, **fixed)
