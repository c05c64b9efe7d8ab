"""Read the arrays of single samples straight from their place in a store.

HDF5 reads for one thread at a time, and through netCDF4 a focal series of 352 px takes longer than
a training step on a GPU. In our stores the array of a sample is one chunk, uncompressed, with
HDF5's checksum behind it, so its bytes can be read by any number of threads once its place is
known.

>>> chunks = SampleChunks.located(path, ("image", "exit_wave"))
>>> chunks.read("image", 5, image)
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

_CHECKSUM = struct.Struct("<I")
_FLETCHER32 = 3  # HDF5's number of the filter
_MODULUS = 0xFFFF


@dataclass(frozen=True)
class _Places:
    """Where the chunks of a variable lie."""

    shape: tuple[int, ...]
    starts: NDArray[np.int64]
    verified: NDArray[np.bool_]


class SampleChunks:
    """Chunks of float32 variables with one chunk for each sample.

    Each chunk is compared with its checksum when it is first read, and again where the file has
    been written to since.
    """

    def __init__(self, path: Path, places: dict[str, _Places]) -> None:
        self._path = path
        self._places = places
        self._file = os.open(path, os.O_RDONLY)
        self._state = self._present_state()

    @classmethod
    def located(cls, path: Path, variables: Iterable[str]) -> Self | None:
        """Find the chunks of variables of a store.

        Returns
        -------
        SampleChunks or None
            None where a variable is stored in another way, as by a program that compressed it.

        Raises
        ------
        OSError
            Where the file cannot be read.
        """
        import h5py

        # Nothing is written, and who reads the store as well holds the lock.
        with h5py.File(path, "r", locking=False) as file:
            places = {name: _found(file[name]) for name in variables}
        known = {name: found for name, found in places.items() if found is not None}
        return cls(path, known) if len(known) == len(places) else None

    def read(self, variable: str, sample: int, out: NDArray[np.float32]) -> None:
        """Read the array of one sample into a contiguous array of its shape.

        Raises
        ------
        OSError
            Where the file cannot be read.
        ValueError
            Where the content does not agree with its checksum.
        """
        places = self._places[variable]
        if out.shape != places.shape or not out.flags.c_contiguous:
            raise TypeError(f"{variable} has the shape {places.shape}, in one piece of memory")
        checksum = bytearray(_CHECKSUM.size)
        buffers: list[memoryview | bytearray] = [out.data.cast("B"), checksum]
        wanted = out.nbytes + len(checksum)
        if os.preadv(self._file, buffers, int(places.starts[sample])) != wanted:
            raise ValueError("the file ends within it")
        if (state := self._present_state()) != self._state:
            for entry in self._places.values():
                entry.verified[:] = False
            self._state = state
        if not places.verified[sample]:
            if fletcher32(out) != _CHECKSUM.unpack(checksum)[0]:
                raise ValueError("checksum")
            places.verified[sample] = True

    def _present_state(self) -> tuple[int, int]:
        status = os.fstat(self._file)
        return status.st_mtime_ns, status.st_size

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def _found(variable: object) -> _Places | None:
    """Return the places of a variable's chunks, or None where they are not as we write them."""
    import h5py

    if not isinstance(variable, h5py.Dataset):
        return None
    creation = variable.id.get_create_plist()
    filters = [creation.get_filter(number)[0] for number in range(creation.get_nfilters())]
    shape = variable.shape[1:]
    as_written = (
        variable.dtype == np.dtype("<f4")
        and variable.chunks == (1, *shape)
        and filters == [_FLETCHER32]
    )
    if not as_written:
        return None
    starts = np.full(len(variable), -1, dtype=np.int64)
    size = 4 * int(np.prod(shape)) + _CHECKSUM.size

    def take(chunk: h5py.h5d.StoreInfo) -> None:
        if chunk.size == size and not chunk.filter_mask:
            starts[chunk.chunk_offset[0]] = chunk.byte_offset

    variable.id.chunk_iter(take)
    if (starts < 0).any():
        return None
    return _Places(shape, starts, np.zeros(len(starts), dtype=bool))


def fletcher32(array: NDArray[np.float32]) -> int:
    """Return HDF5's Fletcher-32 checksum of an array.

    With w the k big-endian 16-bit words of the array, it is made of Σ w_i and Σ (k - i) w_i modulo
    2^16 - 1 (H5_checksum_fletcher32). Modulo that number, to swap the two bytes of a word is to
    multiply it by 2^8, so the words are added as they lie in memory; and the weighted sum follows
    from the sums of rows and of columns of the words laid out as a table.
    """
    words = np.ascontiguousarray(array).reshape(-1).view("<u2")
    rows = len(array) if words.size % max(len(array), 1) == 0 else 1
    table = words.reshape(rows, -1)
    down, along = table.shape
    # A row or a column of up to 65,536 words fits into 32 bits.
    wide = np.uint32 if max(table.shape) <= 1 << 16 else np.uint64
    of_rows = table.sum(axis=1, dtype=wide).astype(np.int64)
    of_columns = table.sum(axis=0, dtype=wide).astype(np.int64)
    total = int(of_rows.sum())
    weighted = (
        words.size * total
        - along * int(of_rows @ np.arange(down))
        - int(of_columns @ np.arange(along))
    )
    first, second = (_folded(256 * value) for value in (total, weighted))
    return second << 16 | first


def _folded(value: int) -> int:
    """Return a sum as HDF5 folds it: 2^16 - 1 in place of 0, unless all words are 0."""
    if value == 0:
        return 0
    return value % _MODULUS or _MODULUS
