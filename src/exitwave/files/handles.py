"""Open stores for reading: one handle a file in a process, of the right kind and version."""

from __future__ import annotations

from pathlib import Path

import netCDF4

from exitwave.errors import ExitwaveError
from exitwave.files.schemas import FORMAT_VERSION, SCHEMAS, Schema, is_image

_ATOM_CACHE_BYTES = 2**18


def damaged(path: Path, reason: str) -> ExitwaveError:
    """Return the error that names a damaged file and what is wrong with it."""
    return ExitwaveError(
        f"{path} is damaged: {reason}; remove this file and run snakemake again, which makes a "
        "new one."
    )


# Every reader of a file shares one handle. HDF5 2.2 crashes if a process has a file open twice,
# reads texts through one handle, closes it and opens a third.
_OPEN_FILES: dict[tuple[int, int], tuple[netCDF4.Dataset, int]] = {}


def open_file(path: Path, schema: Schema | None = None) -> netCDF4.Dataset:
    """Open a store for reading, to be closed with `close_file`.

    Parameters
    ----------
    path : Path
        A store.
    schema : Schema, optional
        What it has to hold; by default anything of ours.

    Raises
    ------
    ExitwaveError
        Where the file is missing or damaged, or holds something else.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise ExitwaveError(
            f"The file {path} does not exist; check the path, or run snakemake to make it."
        ) from error
    place = status.st_dev, status.st_ino
    file, users = _OPEN_FILES.get(place, (None, 0))
    if file is None:
        try:
            file = netCDF4.Dataset(path, "r")
        except OSError as error:
            raise damaged(path, f"it is cut short or no NetCDF file ({error})") from error
        file.set_auto_mask(False)
    _OPEN_FILES[place] = file, users + 1
    try:
        _require_kind(path, file, schema)
    except ExitwaveError:
        close_file(file)
        raise
    if not users:
        _limit_caches(file)
    return file


def _limit_caches(file: netCDF4.Dataset) -> None:
    """Samples are mostly read once and in any order: a large cache would only hold memory."""
    for variable in SCHEMAS[file.kind].variables:
        # What is missing is named by whoever checks or reads it.
        if variable.name in file.variables:
            if is_image(variable):
                file[variable.name].set_var_chunk_cache(size=0, nelems=0)
            elif variable.dimensions[0] != "sample":
                file[variable.name].set_var_chunk_cache(size=_ATOM_CACHE_BYTES)


def _require_kind(path: Path, file: netCDF4.Dataset, schema: Schema | None) -> None:
    found = getattr(file, "kind", None)
    wanted = [schema.kind] if schema is not None else list(SCHEMAS)
    if found not in wanted:
        raise ExitwaveError(
            f"{path} holds {found or 'no exitwave data'}, but {' or '.join(wanted)} was "
            "expected; give the path of such a file."
        )
    version = int(file.format_version)
    if version != FORMAT_VERSION:
        raise ExitwaveError(
            f"{path} has format version {version}, but this program reads {FORMAT_VERSION}; "
            "remove it and run snakemake again, or use the version of exitwave that wrote it."
        )


def close_file(file: netCDF4.Dataset) -> None:
    """Close what `open_file` opened, unless another reader still has it."""
    for place, (opened, users) in _OPEN_FILES.items():
        if opened is file:
            if users > 1:
                _OPEN_FILES[place] = file, users - 1
            else:
                del _OPEN_FILES[place]
                file.close()
            return
