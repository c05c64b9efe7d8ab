"""Read the samples of a store one at a time, each compared with its digest.

>>> with StoreReader(Path("results/mos2/exit_waves/000.nc")) as reader:
...     reader.read(5)["exit_wave"]
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from exitwave.errors import ExitwaveError
from exitwave.files.handles import close_file, damaged, open_file
from exitwave.files.schemas import (
    DIGEST,
    SCHEMAS,
    Schema,
    Value,
    Values,
    converted,
    is_image,
    sample_digest,
)


class StoreReader:
    """Read the samples of a store one at a time; each is checked against its digest.

    Iterating over ``len(reader)`` samples needs the memory of three.
    """

    def __init__(self, path: Path, schema: Schema | None = None) -> None:
        self.path = Path(path)
        self._file = open_file(self.path, schema)
        self.schema = SCHEMAS[str(self._file.kind)].having(self._file.variables)
        self.sizes = {name: len(dimension) for name, dimension in self._file.dimensions.items()}
        counts = {
            dimension: np.asarray(self._file[name][:], dtype=np.int64)
            for dimension, name in self.schema.ragged.items()
        }
        self._ends = {dimension: np.cumsum(count) for dimension, count in counts.items()}
        self._starts = {name: ends - counts[name] for name, ends in self._ends.items()}
        self._columns: dict[str, NDArray[Any]] = {}
        self._is_closed = False

    def __len__(self) -> int:
        return self.sizes["sample"]

    @property
    def attributes(self) -> dict[str, str]:
        """The global attributes."""
        return {name: str(self._file.getncattr(name)) for name in self._file.ncattrs()}

    def column(self, name: str) -> NDArray[Any]:
        """Return a whole variable that has one entry per sample, such as ``material``."""
        if name not in self._columns:
            try:
                self._columns[name] = np.asarray(self._file[name][:])
            except (RuntimeError, OSError) as error:
                raise damaged(self.path, str(error)) from error
            self._columns[name].flags.writeable = False
        return self._columns[name]

    def read(self, index: int) -> Values:
        """Return all values of one sample.

        Raises
        ------
        ExitwaveError
            Where the sample's content does not agree with its digest.
        """
        values, digest = self._stored(index)
        self._compare(index, values, digest)
        return values

    def _stored(self, index: int) -> tuple[Values, str]:
        values: dict[str, Value] = {}
        places = {
            name: slice(start[index], self._ends[name][index])
            for name, start in self._starts.items()
        }
        try:
            for variable in self.schema.variables:
                where = places.get(variable.dimensions[0], index)
                if is_image(variable) or variable.dimensions[0] != "sample":
                    value = self._file[variable.name][where]
                else:
                    value = self._entry(variable.name, index)
                values[variable.name] = converted(variable, value)
            return values, str(self._entry(DIGEST.name, index))
        except (RuntimeError, OSError) as error:
            raise damaged(self.path, f"sample {index} cannot be read ({error})") from error

    def _compare(self, index: int, values: Values, digest: str) -> None:
        if digest != sample_digest(self.schema, values):
            raise damaged(self.path, f"sample {index} does not agree with its checksum")

    def _entry(self, name: str, index: int) -> Any:
        # For one sample of thousands, a whole variable would be too much.
        return self._columns[name][index] if name in self._columns else self._file[name][index]

    def read_all(self, places: Iterable[int]) -> Iterator[Values]:
        """Yield many samples, one at a time, with fewer accesses than `read` takes for each."""
        for variable in (*self.schema.variables, DIGEST):
            if not is_image(variable) and variable.dimensions[0] == "sample":
                self.column(variable.name)
        read: tuple[Values, Future[None]] | None = None
        # The digest of one is computed while the next is read.
        with ThreadPoolExecutor(1) as thread:
            for place in places:
                failure: ExitwaveError | None = None
                try:
                    values, digest = self._stored(place)
                except ExitwaveError as error:
                    # The one before it may be good.
                    failure = error
                if read is not None:
                    yield _compared(read)
                if failure is not None:
                    raise failure
                read = values, thread.submit(self._compare, place, values, digest)
            if read is not None:
                yield _compared(read)

    def close(self) -> None:
        """Close the file."""
        if not self._is_closed:
            close_file(self._file)
        self._is_closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[Values]:
        return self.read_all(range(len(self)))


def _compared(read: tuple[Values, Future[None]]) -> Values:
    values, comparison = read
    comparison.result()
    return values
