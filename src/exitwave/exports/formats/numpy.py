"""NumPy arrays, one ``.npy`` file for each variable, which `numpy.load` can map into memory.

The files are ``{variable}.npy`` with the dimensions and types of the store. Texts have the width of
the longest. Ragged arrays, such as ``atom_position``, hold the atoms of all samples one after
another; ``atom_count`` says how many each has.

>>> images = np.load("export/epochs/3_images/training/00/image.npy", mmap_mode="r")
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy

from exitwave.exports.portions import Portion
from exitwave.files.schemas import Variable


def write(portion: Portion, folder: Path) -> None:
    """Write one file for each variable, sample by sample."""
    types = {variable.name: _type(portion, variable) for variable in portion.variables}
    with ExitStack() as stack:
        files: dict[str, IO[bytes]] = {}
        for variable in portion.variables:
            opened = stack.enter_context((folder / f"{variable.name}.npy").open("wb"))
            shape = tuple(portion.sizes[name] for name in variable.dimensions)
            descr = npy.dtype_to_descr(types[variable.name])
            head = {"descr": descr, "fortran_order": False, "shape": shape}
            # Not a memory map: writing to one on a full disk kills the process.
            npy.write_array_header_1_0(opened, head)
            files[variable.name] = opened
        for sample in portion.samples():
            for name, file in files.items():
                file.write(np.ascontiguousarray(sample[name], dtype=types[name]).tobytes())


def _type(portion: Portion, variable: Variable) -> np.dtype[np.generic]:
    if variable.dtype != "str":
        return np.dtype(variable.dtype).newbyteorder("<")
    longest = max((len(str(text)) for text in portion.column(variable.name)), default=0)
    return np.dtype(f"<U{max(longest, 1)}")
