"""Which elements a material is made of.

>>> element_set("MoS2")
'Mo-S'
"""

from __future__ import annotations

import re


def element_set(formula: str) -> str:
    """Return the elements of a formula in the order of the alphabet, such as ``Mo-S``."""
    return "-".join(sorted(set(re.findall(r"[A-Z][a-z]?", formula))))
