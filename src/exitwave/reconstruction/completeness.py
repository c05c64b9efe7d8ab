"""Whether a file is as long as its own header says.

The libraries that read MRC and TIFF leave out what a cut file has lost, or say so in words of their
own. An interrupted copy shall be called one, and a good file never.

>>> require_complete(Path("series.mrc"))
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO, Literal

from exitwave.errors import ExitwaveError

ByteOrder = Literal["<", ">"]

MRC_HEADER_BYTES = 1024
# Bytes per value of each mode of MRC.
_MRC_MODES = {0: 1, 1: 2, 2: 4, 3: 4, 4: 8, 6: 2, 12: 2}
# Format and bytes of the whole numbers that TIFF knows, by the code of their type.
_TIFF_NUMBERS = {3: ("H", 2), 4: ("I", 4), 16: ("Q", 8)}
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _CHANNELS = 256, 257, 258, 259, 277
# Tags with the places of strips or tiles, and with their lengths.
_PLACES, _LENGTHS = (273, 324), (279, 325)
_READ = {_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _CHANNELS, *_PLACES, *_LENGTHS}


def require_complete(path: Path) -> None:
    """Demand that nothing is missing at the end of an MRC or TIFF file; others pass.

    Parameters
    ----------
    path : Path
        An existing file.

    Raises
    ------
    ExitwaveError
        Where the header speaks of more bytes than there are.
    """
    size = path.stat().st_size
    if size == 0:
        raise ExitwaveError(
            f"{path} is empty, where images were expected; copy or export it from the microscope's "
            "computer again."
        )
    with path.open("rb") as file:
        if path.suffix.lower() in (".tif", ".tiff"):
            needed = _tiff_end(file, size)
        elif path.suffix.lower() in (".mrc", ".mrcs"):
            needed = _mrc_end(file)
        else:
            return
    if needed > size:
        raise ExitwaveError(
            f"{path} has {size} bytes, but its header speaks of {needed} or more, so its end is "
            "missing; copy or export it from the microscope's computer again."
        )


def mrc_byte_order(header: bytes) -> ByteOrder:
    """Return '<' or '>', the byte order in which the header of an MRC file makes sense.

    Its machine stamp is not looked at: some programs write a wrong one, or none.
    """
    sense: dict[int, ByteOrder] = {}
    orders: tuple[ByteOrder, ...] = ("<", ">")
    for order in orders:
        columns, rows, sections, mode = struct.unpack_from(f"{order}4i", header.ljust(16, b"\0"))
        if mode in _MRC_MODES and min(columns, rows, sections) > 0:
            sense[columns] = order
    # In the wrong order a small number is a huge one.
    return sense[min(sense)] if sense else "<"


def _mrc_end(file: BinaryIO) -> int:
    header = file.read(MRC_HEADER_BYTES)
    if len(header) < MRC_HEADER_BYTES:
        return MRC_HEADER_BYTES
    order = mrc_byte_order(header)
    columns, rows, sections, mode = struct.unpack(f"{order}4i", header[:16])
    (extended,) = struct.unpack(f"{order}i", header[92:96])
    if mode not in _MRC_MODES or min(columns, rows, sections, extended) < 0:
        # No header of this format; the reader will say so.
        return 0
    return int(MRC_HEADER_BYTES + extended + columns * rows * sections * _MRC_MODES[mode])


def _tiff_end(file: BinaryIO, size: int) -> int:
    """Return how many bytes a TIFF has at least, by its pages that can be found."""
    start = file.read(16)
    order = {b"II": "<", b"MM": ">"}.get(start[:2])
    if order is None or len(start) < 8:
        return 0
    (kind,) = struct.unpack(f"{order}H", start[2:4])
    if kind == 42:
        offset, count, word, entry = start[4:8], "H", "I", 12
    elif kind == 43 and len(start) == 16:
        offset, count, word, entry = start[8:16], "Q", "Q", 20
    else:
        return 0
    (page,) = struct.unpack(order + word, offset)
    needed, seen = 0, set()
    while page and page not in seen:
        seen.add(page)
        head = struct.calcsize(order + count)
        file.seek(page)
        raw = file.read(head)
        if len(raw) < head:
            return int(page) + head
        (entries,) = struct.unpack(order + count, raw)
        end = page + head + entries * entry + struct.calcsize(order + word)
        if end > size:
            return int(end)
        tags = file.read(entries * entry)
        numbers: dict[int, list[int]] = {}
        for first in range(0, len(tags), entry):
            numbers |= _tag(file, tags[first : first + entry], order, word)
        needed = max(needed, _data_end(numbers))
        file.seek(end - struct.calcsize(order + word))
        (page,) = struct.unpack(order + word, file.read(struct.calcsize(order + word)))
    return needed


def _tag(file: BinaryIO, tag: bytes, order: str, word: str) -> dict[int, list[int]]:
    """Return code and numbers of a tag, if it is one of those that are needed here."""
    code, kind, length = struct.unpack_from(f"{order}HH{word}", tag)
    if code not in _READ or kind not in _TIFF_NUMBERS:
        return {}
    letter, size = _TIFF_NUMBERS[kind]
    value = tag[4 + struct.calcsize(order + word) :]
    if length * size > len(value):
        file.seek(struct.unpack(order + word, value)[0])
        value = file.read(length * size)
    read = min(length, len(value) // size)
    return {code: list(struct.unpack_from(f"{order}{read}{letter}", value))}


def _data_end(numbers: dict[int, list[int]]) -> int:
    """Return where the last strip or tile of a page ends."""
    ends = [0]
    for place, length in zip(_PLACES, _LENGTHS, strict=True):
        places, lengths = numbers.get(place, []), numbers.get(length, [])
        ends += [a + b for a, b in zip(places, lengths, strict=False)]
    if numbers.get(_COMPRESSION, [1]) != [1] or _PLACES[0] not in numbers:
        return max(ends)
    # Some programs give the last strip the length of a whole one.
    pixels = numbers.get(_WIDTH, [0])[0] * numbers.get(_HEIGHT, [0])[0]
    page = pixels * numbers.get(_CHANNELS, [1])[0] * numbers.get(_BITS, [8])[0] // 8
    return max(ends) - max(0, sum(numbers.get(_LENGTHS[0], [])) - page)
