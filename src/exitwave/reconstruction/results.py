"""A reconstructed wave as a file: the complex wave in Å, with all that led to it.

>>> write_wave(Path("wave.nc"), wave, sampling_angstrom=0.105, images=images, attributes=made)
>>> xarray.open_dataset("wave.nc")["phase"]
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exitwave.files.atomic import replacing
from exitwave.files.schemas import PARTS


def write_wave(
    path: Path,
    wave: NDArray[np.complex64],
    sampling_angstrom: float,
    images: NDArray[np.float32],
    attributes: Mapping[str, str],
    disagreement: NDArray[np.float32] | None = None,
) -> None:
    """Write a wave as NetCDF.

    Parameters
    ----------
    path : Path
        The file; one that is there is replaced once this one is whole.
    wave : (y, x) array of complex64
        Relative to the incident wave.
    sampling_angstrom : float
        Side of a pixel [Å].
    images : (y, x, frame) array of float32
        What the network was given, over the mean of the series.
    attributes : mapping of str to str
        How it was made.
    disagreement : (y, x) array of float32, optional
        Standard deviation of the waves of several networks.
    """
    import xarray as xr

    def variable(dimensions: tuple[str, ...], values: Any, units: str, name: str) -> Any:
        return dimensions, values, {"units": units, "long_name": name}

    plane = ("y", "x")
    parts = np.stack([wave.real, wave.imag], axis=-1)
    variables = {
        "exit_wave": variable(
            (*plane, "part"), parts, "1", "smeared exit wave relative to the incident wave"
        ),
        "phase": variable(plane, np.angle(wave), "radian", "phase of the exit wave"),
        "amplitude": variable(plane, np.abs(wave), "1", "amplitude of the exit wave"),
        "image": variable(
            (*plane, "frame"), images, "1", "images given to the network, over their mean"
        ),
    }
    if disagreement is not None:
        variables["disagreement"] = variable(
            plane, disagreement, "1", "standard deviation of the waves of all networks"
        )
    coordinates = {
        axis: variable((axis,), np.arange(side) * sampling_angstrom, "angstrom", f"{axis} position")
        for axis, side in zip(plane, wave.shape, strict=True)
    }
    dataset = xr.Dataset(variables, {**coordinates, "part": list(PARTS)}, dict(attributes))
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        dataset.to_netcdf(temporary, engine="netcdf4")
