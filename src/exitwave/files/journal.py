"""Samples that are finished while their file is not: an append-only journal beside it.

HDF5 files do not survive the death of their writer, so results are first appended here, each with
its length and checksum. After a kill the complete records are read back; a torn one at the end is
dropped.
"""

from __future__ import annotations

import hashlib
import io
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from exitwave.files.disk_errors import write_error
from exitwave.files.schemas import Values

_HEADER = struct.Struct("<Q16s")


class Journal:
    """Append samples (mappings of names to numbers, texts and arrays) to a file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._end = 0

    def read(self) -> Iterator[Values]:
        """Yield the complete samples in the order in which they were appended.

        Afterwards new samples are appended behind the last complete one.
        """
        self._end = 0
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            while len(header := file.read(_HEADER.size)) == _HEADER.size:
                length, digest = _HEADER.unpack(header)
                payload = file.read(length)
                if len(payload) < length or _digest(payload) != digest:
                    return
                self._end = file.tell()
                with np.load(io.BytesIO(payload), allow_pickle=False) as record:
                    yield {name: record[name] for name in record.files}

    def append(self, sample: Values) -> None:
        """Append one sample; it is on the disk when this returns.

        Raises
        ------
        ExitwaveError
            Where it cannot be written; the samples before it are safe.
        """
        buffer = io.BytesIO()
        arrays: dict[str, Any] = {name: np.asarray(value) for name, value in sample.items()}
        np.savez(buffer, **arrays)
        payload = buffer.getbuffer()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("r+b" if self.path.exists() else "w+b") as file:
                file.truncate(self._end)
                file.seek(self._end)
                file.write(_HEADER.pack(len(payload), _digest(payload)))
                file.write(payload)
                file.flush()
                os.fsync(file.fileno())
                self._end = file.tell()
        except OSError as error:
            raise write_error(self.path, error) from error

    def remove(self) -> None:
        """Delete the journal."""
        self.path.unlink(missing_ok=True)


def count_samples(path: Path) -> int:
    """Return the number of complete samples of a journal, also of one that is being written.

    Goes by their lengths and reads nothing else, so it is quick, and a damaged sample counts.
    """
    samples = 0
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        while len(header := file.read(_HEADER.size)) == _HEADER.size:
            length, _ = _HEADER.unpack(header)
            if file.tell() + length > size:
                break
            file.seek(length, os.SEEK_CUR)
            samples += 1
    return samples


def _digest(payload: bytes | memoryview) -> bytes:
    return hashlib.blake2b(payload, digest_size=16).digest()
