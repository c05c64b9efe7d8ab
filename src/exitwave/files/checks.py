"""Whether a store is what it should be, and one digest of all that it holds."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from exitwave.files.handles import close_file, damaged, open_file
from exitwave.files.reader import StoreReader
from exitwave.files.schemas import DIGEST, SCHEMAS, Schema


def check_store(path: Path, schema: Schema | None = None) -> Schema:
    """Compare a store with its schema and every sample with its digest.

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
    file = open_file(path, schema)
    try:
        schema = SCHEMAS[file.kind].having(file.variables)
        for variable in (*schema.variables, DIGEST):
            if variable.name not in file.variables:
                raise damaged(path, f"the variable '{variable.name}' is missing")
            stored = file[variable.name]
            if stored.dimensions != variable.dimensions:
                raise damaged(
                    path,
                    f"'{variable.name}' has dimensions {stored.dimensions} "
                    f"instead of {variable.dimensions}",
                )
            if getattr(stored, "units", None) != variable.units:
                raise damaged(path, f"'{variable.name}' is not in {variable.units}")
            if not getattr(stored, "long_name", ""):
                raise damaged(path, f"'{variable.name}' has no long_name")
        for attribute in ("spec", "exitwave_version", "git_commit", "conventions"):
            if not getattr(file, attribute, ""):
                raise damaged(path, f"the attribute '{attribute}' is missing")
    finally:
        close_file(file)
    with StoreReader(path) as reader:
        for index, values in enumerate(reader):
            for variable in schema.variables:
                floating = variable.dtype.startswith("f") and not variable.may_be_nan
                if floating and not np.all(np.isfinite(values[variable.name])):
                    raise damaged(path, f"'{variable.name}' of sample {index} is not finite")
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
