"""Read single samples of epoch files, whatever their order, and say whether a network fits them.

>>> with EpochFiles([Path("results/mos2/epochs/3_images/training/00.nc")]) as files:
...     image, exit_wave = files.read(file=0, sample=5)
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from exitwave.config import NetworkSettings
from exitwave.config.constraints import size_factor
from exitwave.errors import ExitwaveError
from exitwave.files.chunks import SampleChunks
from exitwave.files.handles import close_file, open_file
from exitwave.files.reader import StoreReader
from exitwave.files.schemas import PARTS
from exitwave.samples import EPOCH

# The HDF5 library is not thread-safe, and Keras reads training batches ahead in a thread while the
# validation batches are read in another.
_HDF5_LOCK = threading.Lock()


@dataclass(frozen=True)
class EpochContent:
    """What one epoch file holds, without its images."""

    path: Path
    size_px: tuple[int, int]
    images: int
    specimens: tuple[str, ...]
    sampling: NDArray[np.float64]


class EpochFiles:
    """Epoch files of which single samples are read, in any order and from any thread.

    Parameters
    ----------
    paths : sequence of Path
        Files with images of the same size and number.

    Raises
    ------
    ExitwaveError
        Where a file is missing, damaged, holds something else or no sample, or differs in the
        number or size of its images from the first.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self.contents = tuple(_read_content(Path(path)) for path in paths)
        self._check_alike()
        with ExitStack() as stack:
            self._sources: list[_Source] = []
            for content in self.contents:
                self._sources.append(_open_source(content.path))
                stack.callback(self._sources[-1].close)
            self._opened = stack.pop_all()

    @property
    def size_px(self) -> tuple[int, int]:
        """Height and width of the images [pixel]."""
        return self.contents[0].size_px

    @property
    def images(self) -> int:
        """Images in a series."""
        return self.contents[0].images

    def _check_alike(self) -> None:
        first = self.contents[0]
        for content in self.contents:
            if not content.specimens:
                raise ExitwaveError(
                    f"{content.path} holds no samples; look in the catalog for why its materials "
                    "were rejected."
                )
            if (content.size_px, content.images) != (first.size_px, first.images):
                raise ExitwaveError(
                    f"{content.path} holds series of {_describe(content)}, but {first.path} of "
                    f"{_describe(first)}; give epochs that were rendered alike."
                )

    def read(self, file: int, sample: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return image (y, x, frame) and exit wave (y, x, part) of a sample; see `read_into`."""
        image = np.empty((*self.size_px, self.images), np.float32)
        exit_wave = np.empty((*self.size_px, len(PARTS)), np.float32)
        self.read_into(file, sample, image, exit_wave)
        return image, exit_wave

    def read_into(
        self, file: int, sample: int, image: NDArray[np.float32], exit_wave: NDArray[np.float32]
    ) -> None:
        """Read one sample into arrays that are each in one piece of memory.

        Parameters
        ----------
        file, sample : int
            Which file, and which sample of it.
        image : array of shape (y, x, frame)
            Takes the intensity relative to the incident beam.
        exit_wave : array of shape (y, x, part)
            Takes real and imaginary part.

        Raises
        ------
        ExitwaveError
            Where the content does not agree with its checksum. That is HDF5's own, of the two
            chunks, which is compared when a sample is read for the first time and when its file
            has been written to since; the digest over all variables, which `StoreReader.read`
            compares, takes many times as long.
        """
        try:
            self._sources[file].read("image", sample, image)
            self._sources[file].read("exit_wave", sample, exit_wave)
        except (RuntimeError, OSError, ValueError) as error:
            raise ExitwaveError(
                f"{self.contents[file].path} is damaged: sample {sample} cannot be read or does "
                f"not agree with its checksum ({error}); remove this file and run snakemake "
                "again, which makes a new one."
            ) from error

    def close(self) -> None:
        """Close the files."""
        self._opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Source(Protocol):
    """Where samples are read from."""

    def read(self, variable: str, sample: int, out: NDArray[np.float32]) -> None:
        """Read the array of one sample."""

    def close(self) -> None:
        """Close the file."""


class _ThroughHdf5:
    """The samples of an epoch that another program has rewritten, compressed for example."""

    def __init__(self, path: Path) -> None:
        with _HDF5_LOCK:
            self._file = open_file(path)

    def read(self, variable: str, sample: int, out: NDArray[np.float32]) -> None:
        with _HDF5_LOCK:
            out[:] = self._file[variable][sample]

    def close(self) -> None:
        with _HDF5_LOCK:
            close_file(self._file)


def _open_source(path: Path) -> _Source:
    return SampleChunks.located(path, ("image", "exit_wave")) or _ThroughHdf5(path)


def _describe(content: EpochContent) -> str:
    height, width = content.size_px
    return f"{content.images} images of {height} x {width} px"


def _read_content(path: Path) -> EpochContent:
    with _HDF5_LOCK, StoreReader(path, EPOCH) as reader:
        # Not the sample key: it may differ between the epochs of one specimen.
        specimens = tuple(
            f"{material}/{index}"
            for material, index in zip(
                reader.column("material"), reader.column("sample_index"), strict=True
            )
        )
        return EpochContent(
            path=path,
            size_px=(reader.sizes["y"], reader.sizes["x"]),
            images=reader.sizes["frame"],
            specimens=specimens,
            sampling=reader.column("sampling"),
        )


def check_training_files(files: EpochFiles, settings: NetworkSettings) -> None:
    """Raise `ExitwaveError` where a network cannot be trained on files."""
    check_network_fits(files, settings)
    first = files.contents[0]
    for content in files.contents[1:]:
        # The steps of an epoch, hence the learning rates, must not depend on the file.
        if sorted(content.specimens) != sorted(first.specimens):
            raise ExitwaveError(
                f"{content.path} and {first.path} show different specimens "
                f"({len(content.specimens)} and {len(first.specimens)}), but all training epochs "
                "must show the same; render them again from one set of exit waves."
            )
    height, width = files.size_px
    if settings.augment and height != width:
        raise ExitwaveError(
            f"The images of {first.path} are {height} x {width} px, but quarter turns need square "
            "ones; render square images or set augment to false."
        )


def check_network_fits(files: EpochFiles, settings: NetworkSettings) -> None:
    """Raise `ExitwaveError` where a network cannot take the images of files."""
    first = files.contents[0]
    if files.images != settings.images:
        raise ExitwaveError(
            f"{first.path} holds series of {_describe(first)}, but the network takes "
            f"{settings.images} images; give epochs that were rendered for {settings.images}."
        )
    factor = size_factor(settings.channels)
    if any(side % factor for side in files.size_px):
        raise ExitwaveError(
            f"{first.path} holds {_describe(first)}, but a network of {len(settings.channels)} "
            f"levels needs sides that are multiples of {factor} px; change epochs.image_size_px "
            "or networks.*.channels."
        )
