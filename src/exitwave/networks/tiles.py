"""Apply a network to images of any size, in tiles that are small enough for the memory.

A network sees no farther than its kernels reach (`exitwave.networks.architectures`). Tiles that
overlap by that much, at places where its poolings fall on the same pixels, give the wave of the
whole image, whatever their size.

>>> network = load_network("results/networks/mos2", precision="float32")
>>> wave = predict_in_tiles(network, images, sampling_angstrom=0.105)
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from exitwave.config.constraints import size_factor
from exitwave.errors import ExitwaveError
from exitwave.networks.architectures import ARCHITECTURES
from exitwave.networks.normalization import normalize_series
from exitwave.networks.trained import Network, require_pixels
from exitwave.tasks.progress import counted

TILE_PX = 768
"""Side of a tile, its overlaps included, with which a network as large as the paper's needs some
1.5 GB in float32 [pixel]."""


@dataclass(frozen=True)
class _Tile:
    """What is computed and what is kept of it, along one axis [pixel]."""

    start: int
    stop: int
    first: int
    last: int


def predict_in_tiles(
    network: Network,
    image: NDArray[np.floating],
    sampling_angstrom: float,
    tile_px: int = TILE_PX,
    title: str = "wave",
    any_pixel: bool = False,
) -> NDArray[np.complex64]:
    """Reconstruct the exit wave of one focal series of any size.

    Parameters
    ----------
    network : Network
        From `exitwave.networks.trained.load_network`. With a precision of 16 bits the wave depends
        on the tiles by its rounding.
    image : array of shape (y, x, frame)
        Focal series in any unit of intensity. Sides that are no multiple of what the network needs
        are continued by their mirror image for a few pixels.
    sampling_angstrom : float
        Side of a pixel [Å].
    tile_px : int
        Longest side of a tile [pixel]; it becomes larger where the network reaches farther.
    title : str
        What the progress calls the work.
    any_pixel : bool
        Whether pixels that the network was not trained with will do.

    Returns
    -------
    array of shape (y, x)
        Exit wave relative to the incident wave.

    Raises
    ------
    ExitwaveError
        Where the network takes another number of images, or was trained with other pixels.
    """
    image = np.asarray(image)
    settings = network.settings
    if image.ndim != 3 or image.shape[2] != settings.images:
        raise ExitwaveError(
            f"The series has the shape {image.shape}, but the network takes (y, x, "
            f"{settings.images}); give a series of {settings.images} images."
        )
    if not any_pixel:
        require_pixels(network, sampling_angstrom)
    height, width = image.shape[:2]
    factor = size_factor(settings.channels)
    series = normalize_series(image, settings.normalization, sampling_angstrom)
    missing = [(0, -side % factor) for side in (height, width)]
    series = np.pad(series, [*missing, (0, 0)], mode="symmetric")
    reach = ARCHITECTURES[settings.architecture].reach_px(settings)
    overlap = factor * math.ceil(reach / factor)
    rows, columns = (
        list(_tiles(side, tile_px // factor * factor, overlap, factor)) for side in series.shape[:2]
    )
    wave = np.empty(series.shape[:2], np.complex64)
    places = [(row, column) for row in rows for column in columns]
    for row, column in counted(places, title, len(places), "tiles"):
        part = series[row.start : row.stop, column.start : column.stop]
        found = network.apply(part[np.newaxis])[0]
        wave[row.first : row.last, column.first : column.last] = found[
            row.first - row.start : row.last - row.start,
            column.first - column.start : column.last - column.start,
        ]
    return wave[:height, :width]


def _tiles(side: int, tile: int, overlap: int, factor: int) -> Iterator[_Tile]:
    """Cut a side into tiles of one length, so that a network is compiled for one size.

    Each keeps what lies `overlap` or more within it, and up to the border of the image.
    """
    tile = max(tile, 2 * overlap + factor)
    if side <= tile:
        yield _Tile(0, side, 0, side)
        return
    step = tile - 2 * overlap
    first = 0
    for start in range(0, side, step):
        # The last tile is moved back into the image.
        begin = min(start, side - tile)
        is_last = begin + tile == side
        last = side if is_last else begin + tile - overlap
        yield _Tile(begin, begin + tile, first, last)
        first = last
        if is_last:
            return
