"""Stores as labelled data sets for xarray.

>>> open_exit_waves(path, complex_values=True)["exit_wave"]
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from exitwave.files.handles import close_file, open_file
from exitwave.files.schemas import Schema
from exitwave.samples.epochs import EPOCH
from exitwave.samples.exit_waves import EXIT_WAVES

if TYPE_CHECKING:
    import xarray as xr


def open_exit_waves(path: str | Path, complex_values: bool = False) -> xr.Dataset:
    """Open a store of exit waves as a labelled, lazily loaded data set.

    Parameters
    ----------
    path : str or Path
        A file ``results/{dataset}/exit_waves/{shard}.nc``.
    complex_values : bool
        Give ``exit_wave (sample, y, x)`` as complex64 in place of a ``part`` dimension.

    Returns
    -------
    xarray.Dataset
        ``exit_wave`` (1), ``atom_position`` [Å] and the columns of `EXIT_WAVES`. The coordinates
        ``y`` and ``x`` [Å] hold where all samples have the same sampling.
    """
    return _open_labelled(Path(path), EXIT_WAVES, complex_values)


def open_epoch(path: str | Path, complex_values: bool = False) -> xr.Dataset:
    """Open an epoch as a labelled, lazily loaded data set; see `open_exit_waves`.

    Returns
    -------
    xarray.Dataset
        ``image (sample, y, x, frame)`` (1), ``exit_wave`` (1) and the columns of `EPOCH`.
    """
    return _open_labelled(Path(path), EPOCH, complex_values)


def _open_labelled(path: Path, schema: Schema, complex_values: bool) -> xr.Dataset:
    import xarray as xr

    close_file(open_file(path, schema))
    dataset = xr.open_dataset(path, engine="netcdf4")
    for name, variable in dataset.data_vars.items():
        if "y" in variable.dims:
            dataset[name] = variable.chunk({"sample": 1})
    if complex_values:
        wave = dataset["exit_wave"]
        joined = (wave.isel(part=0, drop=True) + 1j * wave.isel(part=1, drop=True)).astype(
            np.complex64
        )
        dataset = dataset.drop_vars(["exit_wave", "part"]).assign(
            exit_wave=joined.assign_attrs(wave.attrs)
        )
    sampling = dataset["sampling"].values
    if sampling.size and np.all(sampling == sampling[0]):
        for name in ("y", "x"):
            dataset = dataset.assign_coords(
                {
                    name: (
                        name,
                        sampling[0] * np.arange(dataset.sizes[name]),
                        {
                            "units": "angstrom",
                            "long_name": f"distance from the first point along {name}",
                        },
                    )
                }
            )
    return dataset
