"""Exit waves of real specimens, made once for all tests."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from exitwave.config import Multislice, Structure
from exitwave.materials.material import read_materials
from exitwave.multislice.exit_wave import exit_wave
from exitwave.specimens.build import build_specimen

BOX, WAVE_SAMPLING = 38.4, 0.1


@functools.cache
def scattered_wave(name: str = "2H-MoS2") -> NDArray[np.complex64]:
    """Exit wave - 1 of a flake of a built-in monolayer, 384² points.

    With thick slices, projected whole: quick, and as full of high frequencies as any.
    """
    material = read_materials("monolayers", f"name={name}", 8)[0][0]
    specimen = build_specimen(material, Structure(), 1, "test", 0)
    settings = Multislice(method="abtem", projection="infinite", slice_thickness_angstrom=1.0)
    return exit_wave(specimen, settings) - np.complex64(1)
