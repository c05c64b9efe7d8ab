"""Settings of the libraries that a user may have changed."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path


def isolate_user_settings() -> None:
    """Give Keras and Matplotlib a folder for their settings beside the installed packages.

    By themselves they write to the home folder and read it: what a user has set there, such as
    another order of the axes, must not change a result.
    """
    base = sys.prefix if os.access(sys.prefix, os.W_OK) else tempfile.gettempdir()
    for variable, name in (("KERAS_HOME", "keras"), ("MPLCONFIGDIR", "matplotlib")):
        os.environ.setdefault(variable, str(Path(base, "exitwave-settings", name)))
