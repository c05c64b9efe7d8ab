"""The sections of docs/benchmarks.md, each made by one script, and what their tables share."""

import datetime
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy

from exitwave.networks.backend import processor_name

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "benchmarks.md"


def timed(function: Callable[[], Any], repeats: int) -> tuple[Any, float]:
    """The result and the median processor time [s]."""
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        result = function()
        seconds.append(time.process_time() - start)
    return result, float(np.median(seconds))


def spread(values: list[float], form: str) -> str:
    """Median, and in brackets the least and the most."""
    if not values:
        return "-"
    return f"{np.median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def machine(*versions: str) -> str:
    """The line that says when, on what and with what was measured."""
    parts = (
        str(datetime.date.today()),
        processor_name(),
        f"Python {platform.python_version()}",
        f"NumPy {np.__version__}",
        f"SciPy {scipy.__version__}",
        *versions,
    )
    return ", ".join(parts)


def write_section(title: str, script: str, text: str) -> None:
    """Put the text between its markers, at the end of the page where there are none yet."""
    name = title.lower()
    first, last = f"<!-- {name}: made by benchmarks/{script}.py -->", f"<!-- end of {name} -->"
    old = PAGE.read_text() if PAGE.exists() else "# Benchmarks\n"
    section = f"{first}\n{text}\n{last}"
    if first in old:
        before, after = old.split(first)[0], old.split(last)[1]
        PAGE.write_text(before + section + after)
    else:
        PAGE.write_text(f"{old.rstrip()}\n\n## {title}\n\n{section}\n")
