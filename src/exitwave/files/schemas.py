"""What a store holds: the variables of its kind, with dimensions, types and units.

Nothing here knows what the variables mean. Rooms that do announce their schemas, and the files'
readers find them by the kind that each file names:

>>> EPOCH = announced(Schema("epoch", (column("dose", "f8", "angstrom-2", "electrons per area"),)))
>>> SCHEMAS["epoch"].variable("dose").units
'angstrom-2'
"""

from __future__ import annotations

import hashlib
from collections.abc import Container, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

FORMAT_VERSION = 2
PARTS = ("real", "imag")

Value = NDArray[Any] | str | float
Values = Mapping[str, Value]
"""One sample by the names of its variables: arrays without the dimension ``sample``."""


@dataclass(frozen=True)
class Variable:
    """One variable of a store, with what a reader needs to know of it."""

    name: str
    dimensions: tuple[str, ...]
    dtype: str
    units: str
    long_name: str
    may_be_nan: bool = False
    is_optional: bool = False
    """Only in those files whose samples have it; elsewhere it has no effect."""


def column(
    name: str, dtype: str, units: str, long_name: str, *, may_be_nan: bool = False
) -> Variable:
    """Return a variable with one entry for each sample."""
    return Variable(name, ("sample",), dtype, units, long_name, may_be_nan)


@dataclass(frozen=True)
class Schema:
    """The variables of one kind of store."""

    kind: str
    variables: tuple[Variable, ...]

    def having(self, names: Container[str]) -> Schema:
        """Return the schema of a file that has only those optional variables that are named."""
        kept = tuple(each for each in self.variables if not each.is_optional or each.name in names)
        return self if kept == self.variables else Schema(self.kind, kept)

    def variable(self, name: str) -> Variable:
        """Return the variable of a name."""
        return next(variable for variable in self.variables if variable.name == name)

    @cached_property
    def ragged(self) -> dict[str, str]:
        """Dimensions of contiguous ragged arrays, and the variable with each sample's share.

        In a ragged array the entries of sample i follow those of sample i - 1; how many there are
        of a dimension such as ``atom`` stands in ``atom_count``.
        """
        firsts = dict.fromkeys(variable.dimensions[0] for variable in self.variables)
        return {name: f"{name}_count" for name in firsts if name != "sample"}


SCHEMAS: dict[str, Schema] = {}
"""Schemas by the kind of store, as far as the rooms that know them have been imported."""


def announced(schema: Schema) -> Schema:
    """Make a schema known to all readers of files, and return it."""
    SCHEMAS[schema.kind] = schema
    return schema


# What every store holds beside the variables of its schema.
DIGEST = column("digest", "str", "1", "BLAKE2b digest of the sample's content")
PART = Variable("part", ("part",), "str", "1", "part of a complex number")

# Sizes of the dimensions that are the same in every store.
FIXED_SIZES = {"part": len(PARTS), "xyz": 3}


def is_image(variable: Variable) -> bool:
    """Say whether a variable holds an image or wave of each sample."""
    return "y" in variable.dimensions


def converted(variable: Variable, value: object) -> Value:
    """Return a value in the type of its variable."""
    if variable.dtype == "str":
        return str(value)
    return np.asarray(value, dtype=variable.dtype)


def sample_digest(schema: Schema, values: Values) -> str:
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
