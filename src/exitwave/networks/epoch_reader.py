"""Read single samples of epoch files, whatever their order, and say whether a network fits them.

>>> with EpochFiles([Path("results/mos2/epochs/3_images/training/00.nc")]) as files:
...     image, exit_wave = files.read(file=0, sample=5)
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from exitwave.config import NetworkSettings
from exitwave.config.constraints import size_factor
from exitwave.errors import ExitwaveError
from exitwave.files.handles import close_file, open_file
from exitwave.files.reader import StoreReader
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
        with _HDF5_LOCK:
            self._files = [open_file(content.path) for content in self.contents]

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
        """Read one sample.

        Returns
        -------
        image : array of shape (y, x, frame)
            Intensity relative to the incident beam.
        exit_wave : array of shape (y, x, part)
            Real and imaginary part.

        Raises
        ------
        ExitwaveError
            Where the content does not agree with its checksum. That is HDF5's own, of the two
            chunks: a series of 352 px takes 0.8 ms, and 6 ms with the digest over all variables
            that `StoreReader.read` compares.
        """
        try:
            with _HDF5_LOCK:
                image = self._files[file]["image"][sample]
                exit_wave = self._files[file]["exit_wave"][sample]
        except (RuntimeError, OSError) as error:
            raise ExitwaveError(
                f"{self.contents[file].path} is damaged: sample {sample} cannot be read or does "
                f"not agree with its checksum ({error}); remove this file and run snakemake "
                "again, which makes a new one."
            ) from error
        return image, exit_wave

    def close(self) -> None:
        """Close the files."""
        with _HDF5_LOCK:
            while self._files:
                close_file(self._files.pop())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


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
