"""A reconstructed wave as a file: the complex wave in Å, with all that led to it.

>>> write_wave(Path("wave.nc"), wave, sampling_angstrom=0.105, images=images, attributes=made)
>>> xarray.open_dataset("wave.nc")["phase"]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exitwave.errors import ExitwaveError
from exitwave.files.atomic import replacing, require_writable
from exitwave.files.schemas import PARTS
from exitwave.reconstruction.other_formats import paths_of


@dataclass(frozen=True, kw_only=True)
class Fit:
    """What a fit to the images computed.

    Attributes
    ----------
    measured, computed, residual : (y, x, frame) array of float32
        See `exitwave.reconstruction.refinement.refine.Refinement`.
    pixel : float
        Side of their pixels [Å].
    network_wave : (y, x) array of complex64, optional
        The network's wave, which the fit began with.
    """

    measured: NDArray[np.float32]
    computed: NDArray[np.float32]
    residual: NDArray[np.float32]
    pixel: float
    network_wave: NDArray[np.complex64] | None = None


def write_wave(
    path: Path,
    wave: NDArray[np.complex64],
    sampling_angstrom: float,
    images: NDArray[np.float32],
    attributes: Mapping[str, str],
    disagreement: NDArray[np.float32] | None = None,
    fit: Fit | None = None,
    by_network: bool = True,
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
    fit : Fit, optional
        Images that a fit computed, beside those measured.
    by_network : bool
        Whether a network was given the images; its waves are smeared.
    """
    import xarray as xr

    def variable(dimensions: tuple[str, ...], values: Any, units: str, name: str) -> Any:
        return dimensions, values, {"units": units, "long_name": name}

    plane = ("y", "x")
    parts = np.stack([wave.real, wave.imag], axis=-1)
    variables = {
        "exit_wave": variable(
            (*plane, "part"),
            parts,
            "1",
            f"{'smeared ' if by_network else ''}exit wave relative to the incident wave",
        ),
        "phase": variable(plane, np.angle(wave), "radian", "phase of the exit wave"),
        "amplitude": variable(plane, np.abs(wave), "1", "amplitude of the exit wave"),
        "image": variable(
            (*plane, "frame"),
            images,
            "1",
            f"images {'given to the network, ' if by_network else ''}over their mean",
        ),
    }
    if disagreement is not None:
        variables["disagreement"] = variable(
            plane, disagreement, "1", "standard deviation of the waves of all networks"
        )
    if fit is not None:
        on_fit = ("y_fit", "x_fit", "frame")
        told = "image without the camera's response, relative to vacuum"
        variables |= {
            "measured_image": variable(on_fit, fit.measured, "1", f"measured {told}"),
            "computed_image": variable(on_fit, fit.computed, "1", f"computed {told}"),
            "residual": variable(
                on_fit, fit.residual, "1", "measured less computed, over the noise of vacuum"
            ),
        }
        if fit.network_wave is not None:
            network = np.stack([fit.network_wave.real, fit.network_wave.imag], axis=-1)
            variables["network_exit_wave"] = variable(
                (*plane, "part"), network, "1", "the network's wave, before the refinement"
            )
    coordinates = {
        axis: variable((axis,), np.arange(side) * sampling_angstrom, "angstrom", f"{axis} position")
        for axis, side in zip(plane, wave.shape, strict=True)
    }
    if fit is not None:
        coordinates |= {
            axis: variable((axis,), np.arange(side) * fit.pixel, "angstrom", f"{axis} position")
            for axis, side in zip(("y_fit", "x_fit"), fit.measured.shape, strict=False)
        }
    dataset = xr.Dataset(variables, {**coordinates, "part": list(PARTS)}, dict(attributes))
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        dataset.to_netcdf(temporary, engine="netcdf4")


def require_output(output: Path, formats: Sequence[str], read: Sequence[Path]) -> None:
    """Demand names that overwrite nothing of what is read, before the work begins.

    Raises
    ------
    ExitwaveError
        Where they do, or cannot be written.
    """
    if output.suffix != ".nc":
        raise ExitwaveError(
            f"--output is {output}; give the name of a NetCDF file, such as "
            f"{output.with_suffix('.nc')}: other formats are written beside it by --formats."
        )
    pictures = [
        picture.with_name(f"{picture.name}{end}")
        for picture in (output.with_suffix(""), fit_picture(output))
        for end in (".png", ".svg")
    ]
    written = {path.resolve() for path in (output, *pictures, *paths_of(output, formats))}
    if lost := [path for path in read if path.resolve() in written]:
        raise ExitwaveError(
            f"{lost[0]} would be replaced by a result; give another name as --output."
        )
    for path in (output, *pictures, *paths_of(output, formats)):
        if path.is_dir() != (path.suffix == ".zspy") and path.exists():
            raise ExitwaveError(
                f"{path} is a {'folder' if path.is_dir() else 'file'}, where a result shall lie; "
                "remove it, or give another name as --output."
            )
    require_writable(output.parent)


def fit_picture(output: Path) -> Path:
    """Return the name of the picture of a fit, without its ending."""
    return output.with_name(f"{output.stem}_fit")
