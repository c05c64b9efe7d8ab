"""The files that data sets consist of: one NetCDF-4 file a shard of exit waves or an epoch.

A file under its final name is complete: it is written under a temporary name beside it, checked
against its schema, and renamed. Every sample is one chunk with its own digest, so a flipped bit is
found before it is used.

>>> with StoreWriter(path, EXIT_WAVES, {"sample": 2, "y": 384, "x": 384}, attributes) as store:
...     store.write(0, exit_wave=wave, ...)
>>> open_exit_waves(path, complex_values=True)["exit_wave"]
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import netCDF4
import numpy as np
from numpy.typing import NDArray

from exitwave.errors import ExitwaveError
from exitwave.files.disk_errors import write_error
from exitwave.files.schemas import (
    DIGEST,
    EPOCH,
    EXIT_WAVES,
    FIXED_SIZES,
    FORMAT_VERSION,
    PART,
    PARTS,
    RAGGED,
    SCHEMAS,
    Schema,
    Variable,
)

if TYPE_CHECKING:
    import xarray as xr


# Some tens of specimens; 100 kB of positions, of which a reader keeps two chunks.
_ATOMS_IN_CHUNK = 4096
_ATOM_CACHE_BYTES = 2**18


class StoreWriter:
    """Write a store, sample by sample, and give it its final name when it is complete.

    Parameters
    ----------
    path : Path
        Final name.
    schema : Schema
        `EXIT_WAVES` or `EPOCH`.
    sizes : mapping
        Sizes of the dimensions ``sample``, ``y``, ``x`` and, for an epoch, ``frame``.
    attributes : mapping
        Global attributes, see `exitwave.provenance.attributes.attributes`.
    """

    def __init__(
        self,
        path: Path,
        schema: Schema,
        sizes: Mapping[str, int],
        attributes: Mapping[str, str],
    ) -> None:
        self.path = Path(path)
        self.schema = schema
        self.sizes = {**sizes, **FIXED_SIZES}
        # Its own, should two jobs ever write the same store where files cannot be locked.
        self._temporary = self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}.tmp")
        # All but the images, to be written at the end, a variable at once.
        self._small: list[dict[str, Any] | None] = [None] * sizes["sample"]
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = netCDF4.Dataset(self._temporary, "w", format="NETCDF4")
        except OSError as error:
            raise write_error(self.path, error) from error
        self._file.setncatts(
            {**attributes, "kind": schema.kind, "format_version": np.int32(FORMAT_VERSION)}
        )
        for name, size in self.sizes.items():
            self._file.createDimension(name, size)
        for variable in schema.variables:
            if variable.dimensions[0] not in RAGGED:
                self._create(variable)
        self._create(DIGEST)
        self._create(PART)
        self._file["part"][:] = np.array(PARTS, dtype=object)

    def _create(self, variable: Variable) -> None:
        is_text = variable.dtype == "str"
        sizes = [self.sizes[name] for name in variable.dimensions]
        chunks = None
        if _is_image(variable):
            chunks = (1, *sizes[1:])
        elif variable.dimensions[0] in RAGGED and sizes[0]:
            # A reader of one sample should not have to read the atoms of all.
            chunks = (min(sizes[0], _ATOMS_IN_CHUNK), *sizes[1:])
        created = self._file.createVariable(
            variable.name,
            str if is_text else variable.dtype,
            variable.dimensions,
            chunksizes=chunks,
            fletcher32=not is_text and bool(self.sizes["sample"]),
            fill_value=None if is_text else False,
        )
        created.setncatts({"units": variable.units, "long_name": variable.long_name})

    def write(self, index: int, **values: Any) -> None:
        """Write one sample: a value for each variable of the schema, arrays without `sample`."""
        wanted = {variable.name for variable in self.schema.variables}
        if set(values) != wanted:
            raise TypeError(
                f"a sample of {self.schema.kind} lacks {sorted(wanted - set(values))} "
                f"and has too much {sorted(set(values) - wanted)}"
            )
        converted = {
            variable.name: _convert(variable, values[variable.name])
            for variable in self.schema.variables
        }
        digest = sample_digest(self.schema, converted)
        try:
            for variable in self.schema.variables:
                if _is_image(variable):
                    self._file[variable.name][index] = converted.pop(variable.name)
        except (OSError, RuntimeError) as error:
            raise write_error(self.path, error) from error
        self._small[index] = {**converted, DIGEST.name: digest}

    def _write_small(self) -> None:
        missing = [index for index, values in enumerate(self._small) if values is None]
        if missing:
            raise ValueError(f"samples {missing[:5]} of {self.path} were never written")
        samples = [values for values in self._small if values is not None]
        for dimension in RAGGED:
            self.sizes[dimension] = sum(len(values[f"{dimension}_number"]) for values in samples)
            self._file.createDimension(dimension, self.sizes[dimension])
        for variable in (*self.schema.variables, DIGEST):
            if variable.dimensions[0] in RAGGED:
                self._create(variable)
            if _is_image(variable) or not self.sizes[variable.dimensions[0]]:
                continue
            values = [sample[variable.name] for sample in samples]
            if variable.dtype == "str":
                self._file[variable.name][:] = np.array(values, dtype=object)
            else:
                join = np.concatenate if variable.dimensions[0] in RAGGED else np.stack
                self._file[variable.name][:] = join(values)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is not None:
            with contextlib.suppress(OSError, RuntimeError):
                self._file.close()
            self._temporary.unlink(missing_ok=True)
            return
        try:
            try:
                self._write_small()
                self._file.close()
            except (OSError, RuntimeError) as failure:
                raise write_error(self.path, failure) from failure
            check_store(self._temporary)
            _sync(self._temporary)
            self._temporary.replace(self.path)
        except BaseException:
            self._temporary.unlink(missing_ok=True)
            raise


def _is_image(variable: Variable) -> bool:
    """Say whether a variable holds an image or wave of each sample."""
    return "y" in variable.dimensions


def _convert(variable: Variable, value: Any) -> Any:
    if variable.dtype == "str":
        return str(value)
    return np.asarray(value, dtype=variable.dtype)


def _sync(path: Path) -> None:
    # Without this a power cut could leave the final name on a file without its content.
    with path.open("rb") as file:
        os.fsync(file.fileno())


def sample_digest(schema: Schema, values: Mapping[str, Any]) -> str:
    """Return the digest of one sample's values, converted to the schema's types."""
    digest = hashlib.blake2b(digest_size=16)
    for variable in schema.variables:
        value = values[variable.name]
        if variable.dtype == "str":
            digest.update(str(value).encode() + b"\0")
        else:
            little_endian = np.dtype(variable.dtype).newbyteorder("<")
            digest.update(np.ascontiguousarray(value, dtype=little_endian).reshape(-1).data)
    return digest.hexdigest()


class StoreReader:
    """Read the samples of a store one at a time; each is held against its digest.

    Iterating over ``len(reader)`` samples needs the memory of one.
    """

    def __init__(self, path: Path, kind: str | None = None) -> None:
        self.path = Path(path)
        self._file = open_file(self.path, kind)
        self.schema = SCHEMAS[str(self._file.kind)]
        self.sizes = {name: len(dimension) for name, dimension in self._file.dimensions.items()}
        counts = {
            dimension: np.asarray(self._file[name][:], dtype=np.int64)
            for dimension, name in RAGGED.items()
        }
        self._ends = {dimension: np.cumsum(count) for dimension, count in counts.items()}
        self._starts = {name: ends - counts[name] for name, ends in self._ends.items()}
        self._columns: dict[str, NDArray[Any]] = {}
        self._is_closed = False

    def __len__(self) -> int:
        return self.sizes["sample"]

    @property
    def attributes(self) -> dict[str, Any]:
        """The global attributes."""
        return {name: self._file.getncattr(name) for name in self._file.ncattrs()}

    def column(self, name: str) -> NDArray[Any]:
        """Return a whole variable that has one entry a sample, such as ``material``."""
        if name not in self._columns:
            try:
                self._columns[name] = np.asarray(self._file[name][:])
            except (RuntimeError, OSError) as error:
                raise _damaged(self.path, str(error)) from error
            self._columns[name].flags.writeable = False
        return self._columns[name]

    def read(self, index: int) -> dict[str, Any]:
        """Return all values of one sample.

        Raises
        ------
        ExitwaveError
            Where the sample's content does not agree with its digest.
        """
        values: dict[str, Any] = {}
        places: dict[str, Any] = {
            name: slice(self._starts[name][index], self._ends[name][index]) for name in RAGGED
        }
        try:
            for variable in self.schema.variables:
                where = places.get(variable.dimensions[0], index)
                if _is_image(variable) or variable.dimensions[0] in RAGGED:
                    value = self._file[variable.name][where]
                else:
                    value = self._entry(variable.name, index)
                values[variable.name] = _convert(variable, value)
            digest = str(self._entry(DIGEST.name, index))
        except (RuntimeError, OSError) as error:
            raise _damaged(self.path, f"sample {index} cannot be read ({error})") from error
        if digest != sample_digest(self.schema, values):
            raise _damaged(self.path, f"sample {index} does not agree with its checksum")
        return values

    def _entry(self, name: str, index: int) -> Any:
        # For one sample of thousands, a whole variable would be too much.
        return self._columns[name][index] if name in self._columns else self._file[name][index]

    def read_all(self, places: Iterable[int]) -> Iterator[dict[str, Any]]:
        """Yield many samples, one at a time, with fewer accesses than `read` takes for each."""
        for variable in (*self.schema.variables, DIGEST):
            if not _is_image(variable) and variable.dimensions[0] not in RAGGED:
                self.column(variable.name)
        for place in places:
            yield self.read(place)

    def close(self) -> None:
        """Close the file."""
        if not self._is_closed:
            close_file(self._file)
        self._is_closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return self.read_all(range(len(self)))


def _damaged(path: Path, reason: str) -> ExitwaveError:
    return ExitwaveError(
        f"{path} is damaged: {reason}; remove this file and run snakemake again, which makes it "
        "anew."
    )


# Every reader of a file shares one handle. HDF5 2.2 crashes where a process has a file open twice,
# reads texts through one handle, closes it and opens a third.
_OPEN_FILES: dict[tuple[int, int], tuple[netCDF4.Dataset, int]] = {}


def open_file(path: Path, kind: str | None = None) -> netCDF4.Dataset:
    """Open a store for reading, to be closed with `close_file`.

    Parameters
    ----------
    path : Path
        A store.
    kind : str, optional
        What it has to hold, see `exitwave.files.schemas`; by default anything of ours.

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
            raise _damaged(path, f"it is cut short or no NetCDF file ({error})") from error
        file.set_auto_mask(False)
    _OPEN_FILES[place] = file, users + 1
    try:
        _require_kind(path, file, kind)
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
            if _is_image(variable):
                file[variable.name].set_var_chunk_cache(size=0, nelems=0)
            elif variable.dimensions[0] in RAGGED:
                file[variable.name].set_var_chunk_cache(size=_ATOM_CACHE_BYTES)


def _require_kind(path: Path, file: netCDF4.Dataset, kind: str | None) -> None:
    found = getattr(file, "kind", None)
    if found not in SCHEMAS or (kind is not None and found != kind):
        raise ExitwaveError(
            f"{path} holds {found or 'no exitwave data'}, but {kind or ' or '.join(SCHEMAS)} was "
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


def check_store(path: Path, kind: str | None = None) -> Schema:
    """Hold a store against its schema and every sample against its digest.

    Returns
    -------
    Schema
        What the file holds.

    Raises
    ------
    ExitwaveError
        With the first thing that is wrong.
    """
    path = Path(path)
    file = open_file(path, kind)
    try:
        schema = SCHEMAS[file.kind]
        for variable in (*schema.variables, DIGEST):
            if variable.name not in file.variables:
                raise _damaged(path, f"the variable '{variable.name}' is missing")
            stored = file[variable.name]
            if stored.dimensions != variable.dimensions:
                raise _damaged(
                    path,
                    f"'{variable.name}' has dimensions {stored.dimensions} "
                    f"instead of {variable.dimensions}",
                )
            if getattr(stored, "units", None) != variable.units:
                raise _damaged(path, f"'{variable.name}' is not in {variable.units}")
            if not getattr(stored, "long_name", ""):
                raise _damaged(path, f"'{variable.name}' has no long_name")
        for attribute in ("spec", "exitwave_version", "git_commit", "conventions"):
            if not getattr(file, attribute, ""):
                raise _damaged(path, f"the attribute '{attribute}' is missing")
    finally:
        close_file(file)
    with StoreReader(path) as reader:
        for index, values in enumerate(reader):
            for variable in schema.variables:
                floating = variable.dtype.startswith("f") and not variable.may_be_nan
                if floating and not np.all(np.isfinite(values[variable.name])):
                    raise _damaged(path, f"'{variable.name}' of sample {index} is not finite")
    return schema


def content_digest(path: Path) -> str:
    """Return one digest of the samples of a store, whatever their order in it.

    It leaves out the time, the versions and the machine, so that two runs that computed the same
    content have the same digest.
    """
    with StoreReader(Path(path)) as reader:
        lines = sorted(
            f"{key} {digest}"
            for key, digest in zip(
                reader.column("sample_key"), reader.column(DIGEST.name), strict=True
            )
        )
    return hashlib.blake2b("\n".join(lines).encode(), digest_size=16).hexdigest()


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
    return _open_labelled(Path(path), EXIT_WAVES.kind, complex_values)


def open_epoch(path: str | Path, complex_values: bool = False) -> xr.Dataset:
    """Open an epoch as a labelled, lazily loaded data set; see `open_exit_waves`.

    Returns
    -------
    xarray.Dataset
        ``image (sample, y, x, frame)`` (1), ``exit_wave`` (1) and the columns of `EPOCH`.
    """
    return _open_labelled(Path(path), EPOCH.kind, complex_values)


def _open_labelled(path: Path, kind: str, complex_values: bool) -> xr.Dataset:
    import xarray as xr

    close_file(open_file(path, kind))
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
