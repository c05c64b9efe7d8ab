"""Small epoch files with a task that a small network can learn, made without any physics."""

from __future__ import annotations

from pathlib import Path

import netCDF4
import numpy as np
from crystal_columns import no_vacancies
from numpy.typing import NDArray

from exitwave.files.writer import StoreWriter
from exitwave.provenance.attributes import attributes
from exitwave.samples import EPOCH

SAMPLING = 0.2


def make_series(
    key: int, size: int, images: int, noise: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return ``image (y, x, frame)`` and ``exit_wave (y, x, part)`` of a few Gaussian atoms."""
    draw = np.random.default_rng(key)
    y, x = np.mgrid[:size, :size]
    bumps = np.zeros((size, size))
    for row, column in draw.uniform(0.2 * size, 0.8 * size, (6, 2)):
        bumps += np.exp(-((y - row) ** 2 + (x - column) ** 2) / 8)
    frames = np.linspace(-1, 1, images) if images > 1 else np.ones(1)
    image = 1 + 0.2 * bumps[..., None] * frames
    image += np.random.default_rng((key, noise)).normal(0, 0.02, image.shape)
    wave = np.stack([1 - 0.3 * bumps, 0.5 * bumps], axis=-1)
    return image.astype(np.float32), wave.astype(np.float32)


def write_epoch(
    path: Path, samples: int = 4, size: int = 16, images: int = 3, noise: int = 0
) -> Path:
    """Write an epoch of ``samples`` specimens, the same in every file, with its own noise."""
    sizes = {"sample": samples, "y": size, "x": size, "frame": images}
    with StoreWriter(path, EPOCH, sizes, attributes('{"stage":"render"}')) as store:
        for index in range(samples):
            image, wave = make_series(index, size, images, noise)
            store.write(index, **_columns(index, noise, images), image=image, exit_wave=wave)
    return path


def _columns(index: int, noise: int, images: int) -> dict[str, object]:
    texts = {
        "material": f"material_{index // 2}",
        "formula": "X",
        "split": "training",
        "sample_key": f"specimen {index} epoch {noise}",
        "seed": "",
    }
    numbers = {
        variable.name: 0.0
        for variable in EPOCH.having(()).variables
        if variable.dimensions == ("sample",) and variable.dtype != "str"
    }
    atoms = {
        "atom_count": 1,
        "atom_number": [6],
        "atom_layer": [0],
        "atom_position": np.zeros((1, 3)),
        **no_vacancies(1),
    }
    return {
        **numbers,
        **texts,
        **atoms,
        "sample_index": index % 2,
        "sampling": SAMPLING,
        "energy": 50.0,
        "defocus": np.zeros(images),
    }


def flip_a_bit_of_an_image(path: Path, sample: int) -> None:
    """Change the file as a failing disk would, behind the back of HDF5."""
    with netCDF4.Dataset(path) as file:
        needle = np.asarray(file["image"][sample]).tobytes()[:64]
    content = bytearray(path.read_bytes())
    place = content.index(needle)
    content[place + 10] ^= 1
    path.write_bytes(content)
