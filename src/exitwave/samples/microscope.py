"""The parameters of a microscope as an epoch stores them, each named once, with unit and meaning.

>>> MicroscopeParameters.variables()[1].name
'defocus'
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

import numpy as np

from exitwave.files.schemas import Value, Values, Variable, column
from exitwave.samples.parts import ENERGY


def _stored(variable: Variable) -> Any:
    return field(metadata={"variable": variable})


def _drawn(name: str, units: str, long_name: str) -> Any:
    return _stored(column(name, "f8", units, long_name))


def _optional(name: str, default: Any, units: str, long_name: str) -> Any:
    dimensions = ("sample", "frame") if default == () else ("sample",)
    variable = Variable(name, dimensions, "f8", units, long_name, is_optional=True)
    return field(default=default, metadata={"variable": variable})


def _of_mtf(name: str) -> Any:
    text = f"{name} of the modulation transfer function; NaN where it is a measured curve"
    return _stored(column(f"mtf_{name}", "f8", "1", text, may_be_nan=True))


@dataclass(frozen=True, kw_only=True)
class MicroscopeParameters:
    """What an epoch stores of the microscope of one focal series; signs and angles are abTEM's.

    Attributes
    ----------
    energy_kev : float
        Kinetic energy of the electrons [keV].
    defocus : tuple of float
        Defocus of each image [Å]; positive is underfocus, C10 = -defocus.
    spherical_aberration : float
        C30 [Å].
    astigmatism, astigmatism_angle : float
        Amplitude C12 [Å] and angle phi12 [rad] of the two-fold astigmatism.
    coma, coma_angle : float
        Amplitude C21 [Å] and angle phi21 [rad] of the axial coma.
    focal_spread : float
        1/e width of the distribution of foci [Å].
    blur : float
        B of the envelope exp(-B² k² / 2) [Å].
    dose : float
        Electrons per area of each image [Å⁻²].
    mtf_c1, mtf_c2, mtf_c3 : float
        Parameters of `exitwave.imaging.detector.mtf`; drawn, but without effect and stored as NaN
        where the camera has a measured curve.
    trefoil, trefoil_angle : float
        Amplitude C23 [Å] and angle phi23 [rad] of the three-fold astigmatism.
    shift_x, shift_y : tuple of float
        Shift of the content of each image along x and y [Å]; empty for none.
    intensity : tuple of float
        Factor of the intensity of each image; empty for 1.

    Angles are measured from x (along a row) towards y (down a column).
    """

    energy_kev: float = _stored(ENERGY)
    defocus: tuple[float, ...] = _stored(
        Variable("defocus", ("sample", "frame"), "f8", "angstrom", "defocus of each image")
    )
    spherical_aberration: float = _drawn("spherical_aberration", "angstrom", "Cs")
    astigmatism: float = _drawn(
        "astigmatism", "angstrom", "amplitude of the two-fold astigmatism C12"
    )
    astigmatism_angle: float = _drawn(
        "astigmatism_angle", "radian", "angle of the two-fold astigmatism"
    )
    coma: float = _drawn("coma", "angstrom", "amplitude of the axial coma C21")
    coma_angle: float = _drawn("coma_angle", "radian", "angle of the axial coma")
    focal_spread: float = _drawn("focal_spread", "angstrom", "focal spread, 1/e width")
    blur: float = _drawn("blur", "angstrom", "B of the envelope exp(-B^2 k^2 / 2)")
    dose: float = _drawn("dose", "angstrom-2", "electrons per area of each image")
    mtf_c1: float = _of_mtf("c1")
    mtf_c2: float = _of_mtf("c2")
    mtf_c3: float = _of_mtf("c3")
    trefoil: float = _optional(
        "trefoil", 0.0, "angstrom", "amplitude of the three-fold astigmatism C23"
    )
    trefoil_angle: float = _optional(
        "trefoil_angle", 0.0, "radian", "angle of the three-fold astigmatism"
    )
    shift_x: tuple[float, ...] = _optional(
        "shift_x", (), "angstrom", "shift of each image's content along x"
    )
    shift_y: tuple[float, ...] = _optional(
        "shift_y", (), "angstrom", "shift of each image's content along y"
    )
    intensity: tuple[float, ...] = _optional(
        "intensity", (), "1", "factor of each image's intensity"
    )

    @classmethod
    def variables(cls) -> tuple[Variable, ...]:
        """Return the variables of an epoch that hold the parameters, in its order."""
        return tuple(
            entry.metadata["variable"] for entry in fields(cls) if "variable" in entry.metadata
        )

    def values(self) -> dict[str, Value]:
        """Return the parameters by the names of their variables; optional ones if they act."""
        return {
            entry.metadata["variable"].name: getattr(self, entry.name)
            for entry in fields(self)
            if (variable := entry.metadata.get("variable")) is not None
            and not (variable.is_optional and getattr(self, entry.name) == entry.default)
        }

    def of_frames(self, frames: Sequence[int]) -> Self:
        """Return the microscope of some images of the series, in the order given."""
        per_frame: dict[str, Any] = {
            entry.name: tuple(value[frame] for frame in frames)
            for entry in fields(MicroscopeParameters)
            if isinstance(value := getattr(self, entry.name), tuple) and value
        }
        return replace(self, **per_frame)

    @classmethod
    def from_values(cls, values: Values) -> Self:
        """Take the values of an epoch."""
        taken: dict[str, Any] = {}
        for entry in fields(MicroscopeParameters):
            variable = entry.metadata["variable"]
            if variable.is_optional and variable.name not in values:
                continue
            value = values[variable.name]
            is_series = "frame" in variable.dimensions
            taken[entry.name] = (
                tuple(float(each) for each in np.asarray(value)) if is_series else float(value)
            )
        return cls(**taken)
