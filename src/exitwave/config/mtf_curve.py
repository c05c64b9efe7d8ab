"""A measured modulation transfer function (MTF) of a camera, as a curve of values.

It is read while the configuration is read, so a spec holds its values and no path. The file has two
columns, spatial frequency in units of the Nyquist frequency and MTF, set apart by a comma, a
semicolon or blanks. Its first line may name the columns, and what follows a # is a comment.

>>> read_mtf_curve("camera.csv")
((0.0, 1.0), (0.5, 0.61), (1.0, 0.33))
"""

from __future__ import annotations

import itertools
import math
import re
from pathlib import Path

MtfCurve = tuple[tuple[float, float], ...]

# So many points make some 40 kB of each spec that holds the curve.
MOST_POINTS = 1000


def read_mtf_curve(path: str) -> MtfCurve:
    """Read and check a curve.

    Raises
    ------
    ValueError
        With one sentence that names the file.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise ValueError(
            f"'{path}' cannot be read ({reason}; looked for {Path(path).absolute()}); give the "
            "path of a text file of two columns, or null for the formula"
        ) from None
    lines = [
        (number, line.partition("#")[0].strip())
        for number, line in enumerate(text.splitlines(), start=1)
    ]
    filled = [(number, line) for number, line in lines if line]
    if filled and not any(_is_number(field) for field in _fields(filled[0][1])):
        del filled[0]
    return check_mtf_curve(
        tuple(_point(line, f"line {number} of '{path}'") for number, line in filled), f"'{path}'"
    )


def check_mtf_curve(curve: MtfCurve, name: str = "the curve") -> MtfCurve:
    """Return the curve if it is one that a camera can have.

    Raises
    ------
    ValueError
        With one sentence that begins with the name.
    """
    frequencies = [frequency for frequency, _ in curve]
    if not 2 <= len(curve) <= MOST_POINTS:
        raise ValueError(
            f"{name} has {len(curve)} points; give 2 to {MOST_POINTS}, thinned out where the curve "
            "is smooth"
        )
    if curve[0] != (0.0, 1.0):
        raise ValueError(
            f"{name} starts at frequency {frequencies[0]:g} with the MTF {curve[0][1]:g}; it must "
            "start at frequency 0 with the MTF 1, so divide by its value there"
        )
    for below, above in itertools.pairwise(frequencies):
        if above <= below:
            raise ValueError(
                f"{name} has frequency {above:g} after {below:g}; sort its points by frequency, "
                "each frequency once"
            )
    if frequencies[-1] < 1:
        raise ValueError(
            f"{name} ends at frequency {frequencies[-1]:g}; it must reach 1, the Nyquist "
            "frequency, so double frequencies that are in cycles per pixel"
        )
    if wrong := [value for _, value in curve if not 0 <= value <= 1]:
        raise ValueError(
            f"{name} has the MTF {wrong[0]:g}; all its values must lie between 0 and 1"
        )
    return curve


def _fields(line: str) -> list[str]:
    return re.split(r"\s*[,;]\s*|\s+", line)


def _is_number(field: str) -> bool:
    try:
        return math.isfinite(float(field))
    except ValueError:
        return False


def _point(line: str, where: str) -> tuple[float, float]:
    fields = _fields(line)
    if len(fields) != 2 or not all(_is_number(field) for field in fields):
        raise ValueError(
            f"{where} reads '{line[:40]}'; write two numbers there, the frequency in units of the "
            "Nyquist frequency and the MTF"
        )
    return float(fields[0]), float(fields[1])
