"""An experiment that abTEM alone makes: WSe2 on graphene, seen by a microscope that drifts.

Nothing of exitwave's specimens, multislice or imaging is in it, so a wave that is reconstructed
from it is judged by an independent physics: ASE builds the atoms, abTEM computes the waves through
frozen phonons and forms the images, NumPy counts the electrons.
"""

from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.build import graphene, mx2

from exitwave.scoring.peaks import find_peaks, threshold_level

ENERGY_KEV, PIXEL = 80.0, 0.12
SHAPE = (488, 520)  # y, x [pixel]
FINE = 0.08  # of abTEM's grid: two thirds of a pixel [Å]
DARK_LEVEL = 64
DEFOCUS = (-20.0, 30.0, 80.0)
# Of the content of each image, along y and x [pixel].
DRIFT = np.array([[-2.3, 1.7], [0.0, 0.0], [1.4, 2.9]])


@dataclass(frozen=True)
class Experiment:
    """What the camera counted, and where the atomic columns of the flake are.

    Attributes
    ----------
    frames : (frame, y, x) array of uint16
        Counts over the dark level.
    columns : (n, 2) array
        x and y of the columns of W and of Se, from the centre of the first pixel [Å].
    """

    frames: np.ndarray
    columns: np.ndarray


def make_experiment(seed: int = 5, dose: float = 2e4) -> Experiment:
    """Make a focal series of 520 x 488 px.

    Parameters
    ----------
    seed : int
        Of vacancies, vibrations and counts.
    dose : float
        Electrons per Å² of each image.
    """
    rng = np.random.default_rng(seed)
    atoms, columns = _specimen(rng)
    images = _images(atoms, seed)
    mean = dose * PIXEL**2
    counted = rng.poisson(np.maximum(images, 0) * mean).astype(float)
    frames = np.stack([_seen(image) for image in counted])
    return Experiment(np.round(frames + DARK_LEVEL).clip(0).astype(np.uint16), columns)


def _specimen(rng: np.random.Generator) -> tuple[Atoms, np.ndarray]:
    """A hexagon of WSe2 with vacancies of Se, tilted by 3°, above a disc of graphene."""
    size = PIXEL * np.array(SHAPE[::-1])
    flake = _turned(mx2("WSe2", kind="2H", a=3.282, thickness=3.34, size=(24, 24, 1)), 20.0)
    directions = np.deg2rad(np.arange(6) * 60 + 10)
    edges = flake.positions[:, :2] @ np.stack([np.cos(directions), np.sin(directions)])
    flake = flake[edges.max(axis=1) < 17.0]
    selenium = np.flatnonzero(flake.numbers == 34)
    del flake[rng.choice(selenium, len(selenium) // 25, replace=False)]
    sheet = _turned(graphene(size=(40, 40, 1)), 5.0)
    sheet = sheet[np.hypot(*sheet.positions[:, :2].T) < 22.0]
    # abTEM's beam runs along z, so the support lies at the larger z.
    sheet.positions[:, 2] += flake.positions[:, 2].max() + 3.6
    specimen = flake + sheet
    specimen.rotate(3.0, (1.0, 0.4, 0.0), center="COP")
    specimen.positions[:, :2] += size / 2
    specimen.positions[:, 2] += 3.0 - specimen.positions[:, 2].min()
    specimen.set_cell([*size, specimen.positions[:, 2].max() + 3.0])
    specimen.set_pbc(True)
    heavy = specimen.positions[specimen.numbers != 6, :2]
    # Both Se of a column, 0.18 Å apart by the tilt, count once.
    near = np.linalg.norm(heavy[:, None] - heavy[None], axis=2) < 0.5
    first = near.argmax(axis=1)
    columns = np.array([heavy[near[place]].mean(axis=0) for place in np.unique(first)])
    return specimen, columns


def _turned(layer: Atoms, degrees: float) -> Atoms:
    """The layer turned about the beam, its middle at the origin."""
    layer.set_pbc(False)
    layer.positions[:, :2] -= layer.positions[:, :2].mean(axis=0)
    layer.positions[:, 2] -= layer.positions[:, 2].min()
    layer.rotate(degrees, "z")
    return layer


def _images(atoms: Atoms, seed: int) -> np.ndarray:
    """Intensities relative to vacuum (frame, y, x): the mean over vibrating specimens."""
    import abtem

    # Root mean square displacements along an axis at room temperature [Å].
    phonons = abtem.FrozenPhonons(
        atoms, num_configs=4, sigmas={"W": 0.05, "Se": 0.07, "C": 0.06}, seed=seed
    )
    points = tuple(round(side / FINE) for side in atoms.cell.lengths()[:2])
    with abtem.config.set({"fft": "numpy", "dask.lazy": False}):
        potential = abtem.Potential(phonons, gpts=points, slice_thickness=0.5)
        waves = abtem.PlaneWave(energy=1e3 * ENERGY_KEV).multislice(potential)
        images = []
        for defocus, (down, right) in zip(DEFOCUS, DRIFT, strict=True):
            ctf = abtem.CTF(
                energy=1e3 * ENERGY_KEV,
                defocus=defocus,
                Cs=4e4,
                C12=8.0,
                phi12=0.7,
                C21=150.0,
                phi21=2.0,
                focal_spread=15.0,
            )
            intensity = waves.apply_ctf(ctf).intensity().to_cpu().array.mean(axis=0)
            # abTEM's first index is x.
            images.append(_on_pixels(intensity.T, down, right))
    return np.stack(images)


def _on_pixels(intensity: np.ndarray, down: float, right: float) -> np.ndarray:
    """The intensity, moved by some pixels, on the camera's pixels: its low frequencies."""
    height, width = SHAPE
    spectrum = np.fft.fftshift(np.fft.fft2(intensity))
    top, left = ((a - b) // 2 for a, b in zip(intensity.shape, SHAPE, strict=True))
    spectrum = np.fft.ifftshift(spectrum[top : top + height, left : left + width])
    ky, kx = np.fft.fftfreq(height), np.fft.fftfreq(width)
    spectrum *= np.exp(-2j * np.pi * (ky[:, np.newaxis] * down + kx * right))
    return np.fft.ifft2(spectrum).real * (height * width) / intensity.size


def _seen(counts: np.ndarray) -> np.ndarray:
    """The counts behind the camera's MTF, which is that of the tutorial's K3."""
    k = np.hypot(np.fft.fftfreq(counts.shape[0])[:, np.newaxis], np.fft.rfftfreq(counts.shape[1]))
    transfer = np.interp(2 * k, np.linspace(0, 1, len(K3_MTF)), K3_MTF)
    return np.fft.irfft2(np.fft.rfft2(counts) * transfer, s=counts.shape)


# Gatan's measurement of a K3 at 200 kV, at every eighth of the Nyquist frequency.
K3_MTF = (1.0, 0.970, 0.939, 0.901, 0.852, 0.793, 0.727, 0.656, 0.585)


@dataclass(frozen=True)
class Found:
    """How many of the columns a wave shows, and how many of its peaks are none."""

    share: float
    spurious: float
    displacement: float  # median [Å]


def columns_found(wave: np.ndarray, experiment: Experiment) -> Found:
    """Compare the peaks of a wave on the camera's pixels with the columns of the flake."""
    peaks = find_peaks(wave, PIXEL, threshold_level(wave, 0.3)).positions
    distances = np.linalg.norm(experiment.columns[:, None] - peaks[None], axis=2)
    nearest = distances.min(axis=1)
    return Found(
        share=float(np.mean(nearest < 0.5)),
        spurious=float(np.mean(distances.min(axis=0) >= 0.5)),
        displacement=float(np.median(nearest[nearest < 0.5])),
    )
