"""The text that Velox stores with every frame of a stack.

>>> frame_documents(Path("series.emd"), 20)[0]["Optics"]["Defocus"]
'-1.2e-08'
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py

_IMAGES = "Data/Image"


def frame_documents(path: Path, frames: int) -> list[dict[str, Any]]:
    """Return the JSON document of every frame of the one stack that a Velox file has.

    Parameters
    ----------
    path : Path
        Any file in HDF5.
    frames : int
        Frames that the stack must have.

    Returns
    -------
    list of dict
        One per frame; empty where there is no such stack, or more than one.
    """
    with h5py.File(path, "r") as file:
        groups = file[_IMAGES].values() if _IMAGES in file else ()
        stacks = [
            group["Metadata"]
            for group in groups
            if "Metadata" in group and group["Metadata"].shape[-1:] == (frames,)
        ]
        if len(stacks) != 1 or stacks[0].ndim != 2:
            return []
        columns = stacks[0][...]
    try:
        return [
            json.loads(columns[:, frame].tobytes().partition(b"\0")[0]) for frame in range(frames)
        ]
    except ValueError:
        return []
