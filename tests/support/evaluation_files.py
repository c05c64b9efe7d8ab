"""Synthetic validation epochs of flakes, and predictors of any quality to go with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase.data import atomic_numbers
from crystal_columns import no_vacancies
from numpy.typing import NDArray

from exitwave.config import parse_config
from exitwave.files.reader import StoreReader
from exitwave.files.writer import StoreWriter
from exitwave.provenance.attributes import attributes
from exitwave.samples import EPOCH
from exitwave.scoring.validation_samples import Predictor
from exitwave.workflow.specs import evaluate_spec, render_spec

WAVELENGTH = 0.05355  # of 50 keV electrons [Å]
MATERIALS = (("MoS2", "Mo", "S", 3.18), ("WSe2", "W", "Se", 3.32), ("NbTe2", "Nb", "Te", 3.68))
LIMITS = {
    "spherical_aberration": (-15e4, 15e4),
    "astigmatism": (0, 25),
    "coma": (0, 600),
    "focal_spread": (5, 20),
    "blur": (0.5, 1.5),
    "mtf_c1": (-0.6, 0.2),
    "mtf_c2": (0.1, 0.2),
    "mtf_c3": (0.6, 1.8),
}

CONFIG = {
    "seed": 3,
    "datasets": {"flakes": {"epochs": {"image_size_px": 96}, "label": "Synthetic flakes"}},
    "networks": {"small": {"dataset": "flakes", "channels": [4, 8]}},
    "evaluations": {"small_on_flakes": {"network": "small", "dataset": "flakes"}},
}


def evaluation_spec(**values: Any) -> str:
    evaluation = {**CONFIG["evaluations"]["small_on_flakes"], **values}
    config = parse_config({**CONFIG, "evaluations": {"small_on_flakes": evaluation}})
    return evaluate_spec(config, "small_on_flakes")


def flake(
    number: int, side: float, supported: bool = False
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """Numbers, positions [Å] and layers of a round dichalcogenide flake with vacancies."""
    rng = np.random.default_rng(number)
    _, metal, other, lattice = MATERIALS[number % len(MATERIALS)]
    angle, shift = rng.uniform(0, 6), 0.05 * side * rng.uniform(-1, 1, 2)
    basis = ((metal, (0, 0), 1.6), (other, (1 / 3, 1 / 3), 0.0), (other, (1 / 3, 1 / 3), 3.2))
    atoms = [
        (atomic_numbers[symbol], *xy, height, 0)
        for symbol, fraction, height in basis
        for xy in _sites(lattice, fraction, 0.36 * side, angle, shift)
        if rng.random() > 0.07
    ]
    if supported:
        for fraction in ((0, 0), (1 / 3, 1 / 3)):
            atoms += [
                (6, *xy, 7.0, 1) for xy in _sites(2.46, fraction, 0.42 * side, 0.7, np.zeros(2))
            ]
    table = np.array(atoms)
    positions = table[:, 1:4] + np.array([side / 2, side / 2, 0])
    return table[:, 0].astype(int), positions, table[:, 4].astype(int)


def _sites(
    lattice: float, fraction: Sequence[float], radius: float, angle: float, shift: NDArray[Any]
) -> NDArray[np.float64]:
    index = np.stack(np.meshgrid(*[np.arange(-12, 13)] * 2), axis=-1).reshape(-1, 2) + fraction
    xy = index @ np.array([[lattice, 0], [lattice / 2, lattice * np.sqrt(3) / 2]])
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    inside = np.hypot(*(xy.T)) < radius
    return xy[inside] @ turn + shift


def gaussian_wave(
    size: int,
    sampling: float,
    numbers: NDArray[Any],
    positions: NDArray[Any],
    width: float = 0.25,
) -> NDArray[np.complex64]:
    """A weak phase object: each atom a Gaussian of a phase that grows with its number."""
    axis = sampling * np.arange(size)
    phase = np.zeros((size, size))
    for number, (x, y, _) in zip(numbers, positions, strict=True):
        row = np.exp(-((axis - y) ** 2) / (2 * width**2))
        column = np.exp(-((axis - x) ** 2) / (2 * width**2))
        phase += 0.02 * number**0.8 * np.outer(row, column)
    return np.exp(1j * phase - 0.25 * phase**2).astype(np.complex64)


def focal_series(
    wave: NDArray[Any],
    sampling: float,
    defocus: NDArray[Any],
    dose: float,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Images by defocus alone, with Poisson noise and a soft envelope."""
    k = np.fft.fftfreq(wave.shape[0], sampling)
    k2 = k[:, None] ** 2 + k**2
    spectrum = np.fft.fft2(wave) * np.exp(-0.5 * 0.4**2 * k2)
    images = [
        np.abs(np.fft.ifft2(spectrum * np.exp(-1j * np.pi * WAVELENGTH * value * k2))) ** 2
        for value in defocus
    ]
    electrons = dose * sampling**2
    return (rng.poisson(electrons * np.stack(images, axis=-1)) / electrons).astype(np.float32)


def write_epoch(
    path: Path,
    samples: int = 6,
    size: int = 96,
    frames: int = 3,
    supported: bool = False,
    epoch: int = 0,
) -> Path:
    """Write a validation epoch of so many flakes, of the materials in turn."""
    config = parse_config(CONFIG)
    spec = render_spec(config, "flakes", frames, "validation", epoch)
    sizes = {"sample": samples, "y": size, "x": size, "frame": frames}
    with StoreWriter(path, EPOCH, sizes, attributes(spec)) as store:
        for number in range(samples):
            store.write(number, **_sample(number, size, frames, supported, epoch))
    return path


def _sample(number: int, size: int, frames: int, supported: bool, epoch: int) -> dict[str, Any]:
    rng = np.random.default_rng((number, epoch))
    sampling = rng.uniform(0.10, 0.11)
    numbers, positions, layers = flake(number, size * sampling, supported)
    wave = gaussian_wave(size, sampling, numbers, positions)
    defocus = rng.uniform(-150, 50) + 50.0 * np.arange(frames)
    dose = 10 ** rng.uniform(2.5, 5)
    name = MATERIALS[number % len(MATERIALS)][0]
    drawn = {
        variable.name: rng.uniform(*LIMITS.get(variable.name, (0.0, 2 * np.pi)))
        for variable in EPOCH.having(()).variables
        if variable.dimensions == ("sample",)
        and variable.dtype == "f8"
        and variable.name != "energy"
    }
    return {
        **drawn,
        "image": focal_series(wave, sampling, defocus, dose, rng),
        "exit_wave": np.stack([wave.real, wave.imag], axis=-1),
        "material": f"{name}-0123456789ab",
        "formula": name,
        "sample_index": number // len(MATERIALS),
        "split": "validation",
        "sample_key": f"key{number:03d}",
        "sampling": sampling,
        "energy": 50.0,
        "defocus": defocus,
        "dose": dose,
        "seed": f"3/flakes/{name}/{number}",
        "atom_count": len(numbers),
        "atom_number": numbers,
        "atom_layer": layers,
        "atom_position": positions,
        **no_vacancies(len(numbers)),
    }


Degrade = Callable[[NDArray[np.complex64], float], NDArray[Any]]


def oracle(epochs: Sequence[Path], degrade: Degrade = lambda wave, _: wave) -> Predictor:
    """A predictor that knows the truth of each image, and what to make of it."""
    known = {}
    for path in epochs:
        with StoreReader(path) as reader:
            for sample in reader:
                parts = sample["exit_wave"]
                known[sample["image"].tobytes()] = parts[..., 0] + 1j * parts[..., 1]

    def predict(images: NDArray[np.float32], sampling: NDArray[np.float64]) -> NDArray[Any]:
        waves = [
            degrade(known[image.tobytes()].astype(np.complex64), float(side))
            for image, side in zip(images, sampling, strict=True)
        ]
        return np.stack(waves)

    return predict


def flawed(wave: NDArray[np.complex64], sampling: float) -> NDArray[Any]:
    """Smoother than the truth, a bit off, noisy, and blind in one corner: like a real network."""
    from scipy.ndimage import gaussian_filter, shift

    rng = np.random.default_rng(int(1e6 * sampling))
    signal = gaussian_filter(wave - 1, 0.08 / sampling, mode="constant")
    signal = 0.9 * shift(signal, (0.2, -0.3), order=1)
    noise = rng.normal(size=wave.shape) + 1j * rng.normal(size=wave.shape)
    signal += 0.15 * rng.random() * gaussian_filter(noise, 2.0)
    third = wave.shape[0] // 3
    signal[:third, :third] *= 0.3
    return (1 + signal).astype(np.complex64)
