"""Formats that a data set can be exported to: one file for each that ``--to`` may name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from exitwave.registry import Registry

if TYPE_CHECKING:
    from exitwave.exports.portions import Portion


class Format(Protocol):
    """What the module of a format defines."""

    def write(self, portion: Portion, folder: Path) -> None:
        """Write the samples of one store.

        The memory that it takes must not grow with the number of samples. Who calls it describes
        the files in ``index.json`` beside them, and gives the folder its final name.

        Parameters
        ----------
        portion : Portion
            Samples with their schema; read them with `Portion.samples`, one at a time.
        folder : Path
            An empty folder for the files of this portion alone.
        """


FORMATS: Registry[Format] = Registry(__name__, "export format", Format)
