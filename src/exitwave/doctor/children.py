r"""Python processes beside this one: what a library does in them cannot harm this one.

>>> child = start_python("print(1 + 1)")
>>> child.communicate(timeout=CHILD_SECONDS)
('2\n', '')
"""

from __future__ import annotations

import os
import subprocess
import sys

CHILD_SECONDS = 120


def start_python(code: str, **environment: str) -> subprocess.Popen[str]:
    """Start a process of this Python that runs the code, in this environment and what is added."""
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **environment},
    )


def last_line(text: str) -> str:
    """Return the last line that a process said, of an `ExitwaveError` the sentence."""
    lines = text.strip().splitlines()
    return lines[-1].partition("ExitwaveError: ")[2] or lines[-1] if lines else "nothing was said."
