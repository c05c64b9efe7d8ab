"""How times are worded for people.

>>> duration(5025), rough_duration(5025)
('1 h 23 min', '84 min')
"""

from __future__ import annotations

import math


def duration(seconds: float) -> str:
    """Return a measured time in the two largest units that say something; a dash for NaN."""
    if math.isnan(seconds):
        return "–"
    if seconds < 10:
        return f"{seconds:.2g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours:,} h {minutes:02d} min".replace(",", "\u202f")
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def rough_duration(seconds: float) -> str:
    """Return an estimated time, or how long ago something was, in one unit."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours = seconds / 3600
    return f"{hours:.1f} h" if hours < 48 else f"{hours / 24:.1f} days"
