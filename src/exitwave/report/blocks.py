"""The parts that the report is laid out of, and how it writes numbers."""

from __future__ import annotations

import base64
import itertools
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from exitwave.errors import ExitwaveError
from exitwave.figures.style import DPI, Caption, read_captions


@dataclass(frozen=True)
class Cell:
    """One cell of a table: a text, a remark in small type, whether it stands out, an address."""

    text: str
    remark: str = ""
    strong: bool = False
    link: str = ""


@dataclass(frozen=True)
class Table:
    """A table: its caption, the heads of its columns, and rows of cells or plain texts."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell | str, ...], ...]
    folded: bool = False

    @property
    def numeric(self) -> tuple[bool, ...]:
        """Which columns hold numbers and are set to the right; the first one names the row."""
        columns = list(zip(*self.rows, strict=True))
        return tuple(
            place > 0 and all(_is_number(cell) for cell in column)
            for place, column in enumerate(columns)
        )


def _is_number(cell: Cell | str) -> bool:
    text = cell if isinstance(cell, str) else cell.text
    return text == "" or (text[0] in "0123456789–" and len(text) < 20)


@dataclass(frozen=True)
class Picture:
    """A figure of the report: its picture as a data address, and its size on a screen [pixel]."""

    number: int
    title: str
    text: str
    alternative: str
    source: str
    width: int
    height: int


@dataclass(frozen=True)
class Section:
    """A part of the report."""

    title: str
    anchor: str
    paragraphs: tuple[str, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    tables: tuple[Table, ...] = ()
    pictures: tuple[Picture, ...] = ()
    code: str = ""
    sections: tuple[Section, ...] = ()


@dataclass
class Numbering:
    """Numbers the figures of a report in the order of reading."""

    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def pictures(self, folder: Path) -> tuple[Picture, ...]:
        """Return the figures in a folder with their captions."""
        return tuple(
            _picture(next(self._numbers), folder / f"{name}.png", caption)
            for name, caption in read_captions(folder).items()
        )


def _picture(number: int, path: Path, caption: Caption) -> Picture:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ExitwaveError(
            f"The figure {path} cannot be read ({error}); run snakemake again to draw it."
        ) from error
    # Width and height are the first two numbers of a PNG file's header; a screen has 96 dpi.
    width, height = (round(side * 96 / DPI) for side in struct.unpack(">II", content[16:24]))
    return Picture(
        number=number,
        title=caption.title,
        text=caption.text,
        alternative=caption.alternative,
        source="data:image/png;base64," + base64.b64encode(content).decode("ascii"),
        width=width,
        height=height,
    )


def anchor(*names: str) -> str:
    """Return the name of a place in the report."""
    return re.sub(r"[^a-z0-9]+", "-", "-".join(names).lower()).strip("-")


def byte_size(size: float) -> str:
    """Return a number of bytes in the unit that suits it."""
    if pd.isna(size):
        return "–"
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"


def whole(number: int) -> str:
    """Return a whole number with thin spaces between the thousands."""
    return f"{number:,}".replace(",", "\u202f")


def count(number: int, noun: str) -> str:
    """Return a number with its noun, in the plural where it has to be."""
    return f"{whole(number)} {noun}{'' if number == 1 else 's'}"
