"""A reconstructed wave in the formats of other programs: HyperSpy's two, and TIFF.

RosettaSciIO writes them, but for zspy, for which its version 0.15 needs a zarr older than abTEM's.

>>> write_formats(("hspy", "tiff"), Path("wave.nc"), wave, 0.105, 80.0, attributes)
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exitwave.errors import ExitwaveError
from exitwave.files.atomic import replacing, replacing_folder

FORMATS = {"hspy": (".hspy",), "zspy": (".zspy",), "tiff": ("_amplitude.tif", "_phase.tif")}
"""Ends of the files of each format, after the name of the NetCDF file without its own."""

_TITLE = "Exit wave"
# Attributes for people, the most important first.
_TOLD = ("warnings", "notes", "settings")
# The version of HyperSpy's format that RosettaSciIO writes.
_HYPERSPY_FORMAT = "3.3"
# A number that no program gives a meaning.
_TIFF_TAG = 65000


def paths_of(output: Path, formats: Iterable[str]) -> tuple[Path, ...]:
    """Return the files that are written beside a NetCDF file.

    Raises
    ------
    ExitwaveError
        Where a format is not known.
    """
    formats = tuple(formats)
    if unknown := [name for name in formats if name not in FORMATS]:
        raise ExitwaveError(
            f"There is no format {unknown[0]!r} for a wave; --formats takes {', '.join(FORMATS)}."
        )
    return tuple(
        output.with_name(output.stem + end)
        for name in FORMATS
        if name in formats
        for end in FORMATS[name]
    )


def write_formats(
    formats: Sequence[str],
    output: Path,
    wave: NDArray[np.complex64],
    sampling_angstrom: float,
    energy_kev: float,
    attributes: Mapping[str, str],
) -> None:
    """Write a wave in other formats beside its NetCDF file.

    Parameters
    ----------
    formats : sequence of str
        Some of `FORMATS`.
    output : Path
        The NetCDF file, from which the others have their names. A file that is there is replaced
        once the new one is whole.
    wave : (y, x) array of complex64
        Relative to the incident wave.
    sampling_angstrom : float
        Side of a pixel [Å].
    energy_kev : float
        Energy of the electrons [keV].
    attributes : mapping of str to str
        How it was made, as in the NetCDF file.

    Raises
    ------
    ExitwaveError
        Where a format is not known, or a file cannot be written.
    """
    paths = {path.name.removeprefix(output.stem): path for path in paths_of(output, formats)}
    for end, path in paths.items():
        data, title, unit = {
            "_amplitude.tif": (np.abs(wave), "Amplitude of the exit wave", ""),
            "_phase.tif": (np.angle(wave), "Phase of the exit wave", "rad"),
        }.get(end, (wave, _TITLE, ""))
        signal = _signal(data, title, unit, sampling_angstrom, energy_kev, attributes)
        if end == ".zspy":
            _write_zspy(path, signal)
        elif end == ".hspy":
            _write_hspy(path, signal)
        else:
            _write_tiff(path, signal)


def _signal(
    data: NDArray[Any],
    title: str,
    unit: str,
    sampling: float,
    energy: float,
    attributes: Mapping[str, str],
) -> dict[str, Any]:
    """Return what RosettaSciIO takes; HyperSpy knows a wave by its complex numbers."""
    return {
        "data": np.ascontiguousarray(data),
        "axes": [
            {
                "_type": "UniformDataAxis",
                "name": name,
                "size": size,
                "scale": float(sampling),
                "offset": 0.0,
                "units": "Å",
                "navigate": False,
                "index_in_array": index,
                "is_binned": False,
            }
            for index, (name, size) in enumerate(zip("yx", data.shape, strict=True))
        ],
        "metadata": {
            "General": {
                "title": title,
                "notes": "\n".join(attributes.get(name, "") for name in _TOLD[:2]).strip(),
            },
            "Signal": {"signal_type": ""} | ({"quantity": unit} if unit else {}),
            "Acquisition_instrument": {"TEM": {"beam_energy": float(energy)}},
        },
        "original_metadata": dict(attributes),
        "attributes": {"_lazy": False, "ragged": False},
        "package_info": {},
        "tmp_parameters": {},
        "learning_results": {},
        "models": {},
    }


def _write_hspy(path: Path, signal: dict[str, Any]) -> None:
    from rsciio.hspy import file_writer

    with replacing(path) as temporary:
        file_writer(temporary, signal, show_progressbar=False)


def _write_tiff(path: Path, signal: dict[str, Any]) -> None:
    """Write float32 with the pixel in the tags of DigitalMicrograph and of ImageJ."""
    from rsciio.tiff import file_writer

    told = {name: signal["original_metadata"].get(name, "") for name in _TOLD}
    text = json.dumps({"title": signal["metadata"]["General"]["title"], **told})
    with replacing(path) as temporary:
        file_writer(
            temporary,
            signal,
            extratags=[(_TIFF_TAG, "s", 0, text, True)],
            # Pixels for each ångström, as ImageJ has it, and none for an inch.
            resolutionunit="NONE",
        )


def _write_zspy(path: Path, signal: dict[str, Any]) -> None:
    """Write what RosettaSciIO writes with zarr 2."""
    import zarr

    with replacing_folder(path) as folder:
        root = zarr.open_group(folder, mode="w", zarr_format=2)
        root.attrs.update(file_format="ZSpy", file_format_version=_HYPERSPY_FORMAT)
        group = root.require_group("Experiments").require_group(_TITLE)
        group.attrs.update(signal["package_info"])
        group.create_array(
            "data", data=signal["data"], chunk_key_encoding={"name": "v2", "separator": "/"}
        )
        for index, axis in enumerate(signal["axes"]):
            described = {name: axis[name] for name in axis if name != "index_in_array"}
            _fill(group.require_group(f"axis-{index}"), described)
        for name in ("metadata", "original_metadata", "attributes", "learning_results"):
            _fill(group.require_group(name), signal[name])


def _fill(group: Any, values: Mapping[str, Any]) -> None:
    """Store values as attributes, and mappings as groups of their own."""
    group.attrs.update(
        {name: value for name, value in values.items() if not isinstance(value, Mapping)}
    )
    for name, value in values.items():
        if isinstance(value, Mapping):
            _fill(group.require_group(name), value)
