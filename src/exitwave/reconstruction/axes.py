"""The axes of an array in a microscope's file: which one is which, and how long a step is.

Formats name, order and calibrate them differently. Axes are dictionaries as RosettaSciIO returns
them.

>>> step_angstrom({"name": "x", "scale": 0.0122, "units": "n_m"})
0.122
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from exitwave.reconstruction.vendor_metadata import look_up

_ANGSTROM = {
    "pm": 0.01,
    "a": 1.0,
    "å": 1.0,
    "angstrom": 1.0,
    "angstroms": 1.0,
    "ångström": 1.0,
    "nm": 10.0,
    "um": 1e4,
    "micron": 1e4,
    "microns": 1e4,
    "mm": 1e7,
    "m": 1e10,
    "meter": 1e10,
    "meters": 1e10,
    "nanometer": 10.0,
    "nanometers": 10.0,
}
ENERGIES = ("ev", "kev")
_ANGLES = ("rad", "mrad", "deg")
_X = ("x", "width", "dx", "kx")
_Y = ("y", "height", "dy", "ky")
# Drift correction leaves pixels of a DigitalMicrograph stack with sides that differ by 0.1 %.
EQUAL_SIDES = 2e-3


def image_axes(axes: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
    """Return which axes are y and x: by their names, units, kind, or as the last two."""
    names = [str(axis.get("name")).strip().lower() for axis in axes]
    named = [[index for index, name in enumerate(names) if name in kind] for kind in (_Y, _X)]
    if all(len(indices) == 1 for indices in named):
        return named[0][0], named[1][0]
    for pair in (
        [index for index, axis in enumerate(axes) if unit_of(axis) in _ANGSTROM],
        [index for index, axis in enumerate(axes) if axis.get("navigate") is False],
    ):
        if len(pair) == 2:
            return pair[0], pair[1]
    return len(axes) - 2, len(axes) - 1


def pixel_sides(
    name: str,
    y: Mapping[str, Any],
    x: Mapping[str, Any],
    original: Mapping[str, Any],
    notes: list[str],
) -> tuple[float, float] | None:
    """Return the sides of a pixel [Å], and add a note on them."""
    sides = step_angstrom(y), step_angstrom(x)
    header = look_up(original, ("std_header",)) or {}
    extended = original.get("fei_extended") or {}
    if extended:
        metres = extended["pixel_y"][0], extended["pixel_x"][0]
        if all(0 < side < 1e-6 for side in metres):
            sides = metres[0] * 1e10, metres[1] * 1e10
    elif header and "fei_header" not in original and 0 in (header.get("MX"), header.get("MY")):
        # The reader puts 1 nm where the header has no grid.
        sides = None, None
    if sides[0] is None or sides[1] is None:
        notes.append(f"{name} does not say how large a pixel is.")
        return None
    across, along = sides[0], sides[1]
    # The lengths of both sides may have been divided in single precision.
    if math.isclose(across, along, rel_tol=1e-5):
        notes.append(f"{name} says that a pixel is {across:.6g} Å wide.")
        if header and math.isclose(across, 1.0, rel_tol=1e-5):
            notes.append(
                f"{name} may not mean it: some programs write 1 Å into an MRC file whose pixel is "
                "unknown."
            )
        return along, along
    if abs(across - along) <= EQUAL_SIDES * max(across, along):
        mean = math.sqrt(across * along)
        notes.append(
            f"{name} says that a pixel is {across:.6g} Å high and {along:.6g} Å wide, as after a "
            f"correction of drift; {mean:.6g} Å is used for both."
        )
        return mean, mean
    notes.append(
        f"{name} has pixels of unequal sides: {across:.6g} Å along y and {along:.6g} Å along x."
    )
    return across, along


def step_angstrom(axis: Mapping[str, Any]) -> float | None:
    """Return the step of an axis [Å]; None without a unit of length or a possible size."""
    factor = _ANGSTROM.get(unit_of(axis))
    scale = axis.get("scale")
    if factor is None or scale is None:
        return None
    step = float(scale) * factor
    return step if math.isfinite(step) and step > 0 else None


def unit_of(axis: Mapping[str, Any]) -> str:
    """Return the unit of an axis in one spelling: 'n_m' and 'nm' are the same, so are µ's."""
    unit = axis.get("units")
    if not isinstance(unit, str):
        return ""
    text = "".join(unit.split()).strip("[]").replace("_", "")
    return text.replace("µ", "u").replace("μ", "u").replace("\u212b", "å").lower()


def is_reciprocal(unit: str) -> bool:
    """Whether a unit is one of reciprocal space or of an angle."""
    if unit in _ANGLES:
        return True
    base = re.sub(r"^1/|(\^|\*\*)?\(?[-−⁻][1¹]\)?$", "", unit)
    return base != unit and base in _ANGSTROM
