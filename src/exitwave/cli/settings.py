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
    for variable, name in (("KERAS_HOME", "keras"), ("MPLCONFIGDIR", "matplotlib")):
        os.environ.setdefault(variable, str(_folder(name)))


def keep_compiled_steps() -> None:
    """Let JAX keep what it compiles for a GPU, so that the next training begins at once.

    The step of a network as large as the paper's takes a minute or two. For a processor nothing is
    kept: nodes that share the installed packages may differ in what their processors can do.
    """
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(_folder("jax")))


def _folder(name: str) -> Path:
    base = sys.prefix if os.access(sys.prefix, os.W_OK) else tempfile.gettempdir()
    return Path(base, "exitwave-settings", name)
