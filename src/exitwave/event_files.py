"""Learning curves for TensorBoard, without TensorFlow or TensorBoard.

Keras' own callback needs both, so it is of no use with JAX, and TensorFlow no longer installs
TensorBoard. An event file is a row of records; each record is the length of an ``Event`` message
of Protocol Buffers, the message, and a checksum of either. Sources: TensorFlow's
``tsl/lib/io/record_writer.h`` and ``tensorflow/core/util/event.proto``; RFC 3720, B.4 (CRC-32C).

>>> with EventFile(Path("logs")) as events:
...     events.write(step=1, scalars={"loss": 0.25})
"""

from __future__ import annotations

import functools
import struct
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from exitwave.store import write_error


class EventFile:
    """A new event file in a folder; older ones there are removed, or TensorBoard shows both.

    Parameters
    ----------
    folder : Path
        Folder to give to ``tensorboard --logdir``.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / f"events.out.tfevents.{int(time.time())}.exitwave"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for old in folder.glob("events.out.tfevents.*"):
                old.unlink()
            self._file = self.path.open("wb")
        except OSError as error:
            raise write_error(self.path, error) from error
        self._append(_double(1, time.time()) + _bytes(3, b"brain.Event:2"))

    def write(self, step: int, scalars: Mapping[str, float]) -> None:
        """Append the values of one step; they are in the file when this returns."""
        values = b"".join(
            _bytes(1, _bytes(1, tag.encode()) + _float(2, value)) for tag, value in scalars.items()
        )
        self._append(_double(1, time.time()) + _integer(2, step) + _bytes(5, values))

    def _append(self, event: bytes) -> None:
        length = struct.pack("<Q", len(event))
        try:
            self._file.write(length + _checksum(length) + event + _checksum(event))
            self._file.flush()
        except OSError as error:
            raise write_error(self.path, error) from error

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 127:
        encoded.append(number & 127 | 128)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def _field(number: int, wire_type: int) -> bytes:
    return _varint(number << 3 | wire_type)


def _integer(number: int, value: int) -> bytes:
    return _field(number, 0) + _varint(value)


def _double(number: int, value: float) -> bytes:
    return _field(number, 1) + struct.pack("<d", value)


def _bytes(number: int, value: bytes) -> bytes:
    return _field(number, 2) + _varint(len(value)) + value


def _float(number: int, value: float) -> bytes:
    return _field(number, 5) + struct.pack("<f", value)


def _checksum(data: bytes) -> bytes:
    table = _crc_table()
    crc = 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    # Masked, as the format asks, since a CRC of data that holds CRCs is weak.
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


@functools.cache
def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ 0x82F63B78 * (crc & 1)
        table.append(crc)
    return tuple(table)
