"""The files that data sets consist of: one NetCDF-4 file per shard of exit waves or epoch.

A file under its final name is complete: it is written under a temporary name beside it, checked
against its schema, and renamed. Every sample is one chunk with its own digest, so a flipped bit is
found before it is used.

>>> with StoreWriter(path, EXIT_WAVES, {"sample": 2, "y": 384, "x": 384}, attributes) as store:
...     store.write(0, exit_wave=wave, ...)
>>> open_exit_waves(path, complex_values=True)["exit_wave"]
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Container, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

import netCDF4
import numpy as np

from exitwave.files.checks import check_store
from exitwave.files.disk_errors import write_error
from exitwave.files.schemas import (
    DIGEST,
    FIXED_SIZES,
    FORMAT_VERSION,
    PART,
    PARTS,
    Schema,
    Value,
    Variable,
    converted,
    is_image,
    sample_digest,
)

# Some tens of specimens; 100 kB of positions, of which a reader keeps two chunks.
_ATOMS_IN_CHUNK = 4096


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
    optional : container of str
        Optional variables of the schema that the samples have.
    """

    def __init__(
        self,
        path: Path,
        schema: Schema,
        sizes: Mapping[str, int],
        attributes: Mapping[str, str],
        optional: Container[str] = (),
    ) -> None:
        self.path = Path(path)
        self.schema = schema.having(optional)
        self.sizes = {**sizes, **FIXED_SIZES}
        # Its own, should two jobs ever write the same store where files cannot be locked.
        self._temporary = self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}.tmp")
        # All but the images, to be written at the end, a variable at once.
        self._small: list[dict[str, Value] | None] = [None] * sizes["sample"]
        # Computes a sample's digest while it is written.
        self._thread = ThreadPoolExecutor(1)
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
        for variable in self.schema.variables:
            if variable.dimensions[0] == "sample":
                self._create(variable)
        self._create(DIGEST)
        self._create(PART)
        self._file["part"][:] = np.array(PARTS, dtype=object)

    def _create(self, variable: Variable) -> None:
        is_text = variable.dtype == "str"
        sizes = [self.sizes[name] for name in variable.dimensions]
        chunks = None
        if is_image(variable):
            chunks = (1, *sizes[1:])
        elif variable.dimensions[0] != "sample" and sizes[0]:
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

    def write(self, index: int, **values: Value) -> None:
        """Write one sample: a value for each variable of the schema, arrays without `sample`."""
        wanted = {variable.name for variable in self.schema.variables}
        if set(values) != wanted:
            raise TypeError(
                f"a sample of {self.schema.kind} lacks {sorted(wanted - set(values))} "
                f"and has too much {sorted(set(values) - wanted)}"
            )
        stored = {
            variable.name: converted(variable, values[variable.name])
            for variable in self.schema.variables
        }
        digest = self._thread.submit(sample_digest, self.schema, stored)
        small = dict(stored)
        try:
            for variable in self.schema.variables:
                if is_image(variable):
                    self._file[variable.name][index] = small.pop(variable.name)
        except (OSError, RuntimeError) as error:
            raise write_error(self.path, error) from error
        self._small[index] = {**small, DIGEST.name: digest.result()}

    def _write_small(self) -> None:
        missing = [index for index, values in enumerate(self._small) if values is None]
        if missing:
            raise ValueError(f"samples {missing[:5]} of {self.path} were never written")
        samples = [values for values in self._small if values is not None]
        for dimension, count in self.schema.ragged.items():
            self.sizes[dimension] = sum(int(values[count]) for values in samples)
            self._file.createDimension(dimension, self.sizes[dimension])
        for variable in (*self.schema.variables, DIGEST):
            if variable.dimensions[0] != "sample":
                self._create(variable)
            if is_image(variable) or not self.sizes[variable.dimensions[0]]:
                continue
            values = [sample[variable.name] for sample in samples]
            if variable.dtype == "str":
                self._file[variable.name][:] = np.array(values, dtype=object)
            else:
                join = np.concatenate if variable.dimensions[0] != "sample" else np.stack
                self._file[variable.name][:] = join(values)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._thread.shutdown()
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


def _sync(path: Path) -> None:
    # Without this a power cut could leave the final name on a file without its content.
    with path.open("rb") as file:
        os.fsync(file.fileno())
