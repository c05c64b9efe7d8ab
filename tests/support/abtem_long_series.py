"""A long focal series that abTEM alone makes: a MoS2 flake on graphene, 30 images at a low dose.

It stands for one that was taken at a microscope without a corrector. Nothing of exitwave is in it:
ASE builds the atoms, abTEM computes the wave and forms the images, NumPy counts the electrons.

The two incoherences, read in abTEM 1.0.11 (`abtem/transfer.py`); α = λk is the scattering angle:

Source. `angular_spread` θ multiplies the *wave* by exp(-(θ/2)² (∂χ/∂α)²), which for round
aberrations, C10 = -defocus, is exp(-(πθ/λ)² (C10 α + Cs α³)²), as Frank wrote it. A source whose
current per solid angle falls as exp(-β²/θ²) has this envelope, so θ is the semi-angle at which it
is down to 1/e. It is not the standard deviation, though abTEM's documentation says so: along each
axis that is θ/√2. An envelope on the wave is quasi-coherent: right where a beam interferes with
the direct one, but it damps too much what scattered beams do among each other, and loses electrons.

Focus. abTEM's `focal_spread` Δ is the 1/e half-width, too: foci distributed as exp(-f²/Δ²), whose
standard deviation is Δ/√2, and exp(-(πλΔk²/2)²) on the wave. Here it is not an envelope: abTEM
averages the intensities over a Gaussian distribution of foci with this standard deviation.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.build import graphene, mx2
from scipy.fft import next_fast_len

ENERGY_KEV = 300.0
CS = 2.7e7  # [Å]
FIRST_DEFOCUS, LAST_DEFOCUS = 2700.0, 900.0  # under focus [Å]
# Vacuum around the field, in all [Å]. Fringes of 1 1/Å, the limit of what is seen, reach 190 Å; by
# then they have faded, and the atoms keep away from the borders.
PADDING = 160.0
GUARD = 32  # around the field, counted but not kept: the camera blurs across borders [pixel]
FINE = 0.12  # the coarsest grid of the multislice [Å]
FOCAL_STEP = 30.0  # the largest between the foci of an average [Å]

# Frequency in units of the Nyquist frequency, MTF: it falls as that of a camera with a thick
# scintillator does, and belongs to none.
CAMERA_MTF = (
    (0.0, 1.0),
    (0.1, 0.80),
    (0.2, 0.63),
    (0.3, 0.51),
    (0.4, 0.42),
    (0.5, 0.35),
    (0.6, 0.29),
    (0.7, 0.24),
    (0.8, 0.20),
    (0.9, 0.17),
    (1.0, 0.14),
    (1.2, 0.10),
    (1.42, 0.07),
)

# Root mean square displacements along an axis [Å].
DISPLACEMENTS = {"Mo": 0.05, "S": 0.06, "C": 0.06}


@dataclass(frozen=True)
class LongSeries:
    """What the camera counted, and all that is true of it.

    Attributes
    ----------
    counts : (frame, y, x) array of float32
        Electrons per pixel, behind the camera's MTF.
    pixel : float
        Side of a pixel [Å].
    energy_kev : float
        Of the electrons [keV].
    cs_angstrom : float
        Spherical aberration [Å].
    nominal_defocus : (frame,) array
        What the microscope says, positive under focus [Å].
    defocus : (frame,) array
        What it was, from the plane of the exit wave [Å].
    shifts_px : (frame, 2) array
        How much further along y and x the content of an image lies than in the exit wave [pixel].
    intensity : (frame,) array
        Mean counts of vacuum, relative to the dose.
    dose_per_pixel : float
        Electrons per pixel and image.
    focal_spread : float
        1/e half-width of the distribution of foci [Å].
    convergence_mrad : float
        1/e semi-angle of the source [mrad].
    exit_wave : (y, x) array of complex64
        On the pixels of the images, without aberrations, cut to their Nyquist frequency along each
        axis; 3 Å below the lowest atom. Vacuum is 1, and so is all around the field.
    mtf : (n, 2) array or None
        The camera's: frequency in units of the Nyquist frequency, and MTF.
    """

    counts: np.ndarray
    pixel: float
    energy_kev: float
    cs_angstrom: float
    nominal_defocus: np.ndarray
    defocus: np.ndarray
    shifts_px: np.ndarray
    intensity: np.ndarray
    dose_per_pixel: float
    focal_spread: float
    convergence_mrad: float
    exit_wave: np.ndarray
    mtf: np.ndarray | None


def long_series(
    seed: int = 1,
    frames: int = 30,
    pixel: float = 0.3,
    size_px: int = 480,
    *,
    dose_per_pixel: float = 10.0,
    focal_spread: float = 40.0,
    convergence_mrad: float = 0.05,
    drift_px: float = 5.0,
    focal_offset: float = 60.0,
    focal_error: float = 10.0,
    intensity_error: float = 0.02,
    mtf: Sequence[Sequence[float]] | None = CAMERA_MTF,
) -> LongSeries:
    """Make a focal series.

    Parameters
    ----------
    seed : int
        Of the atoms, the errors and the counts, each with draws of its own.
    frames : int
        Number of images, at equidistant nominal foci.
    pixel : float
        Side of a pixel [Å].
    size_px : int
        Side of the field [pixel]; the specimen grows with it.
    dose_per_pixel : float
        Electrons per pixel and image.
    focal_spread, convergence_mrad : float
        1/e half-widths of the foci [Å] and of the source [mrad]; 0 for none.
    drift_px : float
        Distance between the first image and the last [pixel].
    focal_offset, focal_error : float
        True less nominal defocus: common, and root mean square of each image's own [Å].
    intensity_error : float
        Root mean square of the relative fluctuation from image to image.
    mtf : sequence of (frequency, value) or None
        The camera's MTF, frequencies in units of the Nyquist frequency; None is an ideal camera.
    """
    of_atoms, of_drift, of_foci, of_dose, of_counts = np.random.default_rng(seed).spawn(5)
    wave = _exit_wave(_specimen(size_px * pixel, of_atoms), pixel, size_px)
    shifts = _drift(frames, drift_px, of_drift)
    nominal = np.linspace(FIRST_DEFOCUS, LAST_DEFOCUS, frames)
    defocus = nominal + focal_offset + focal_error * of_foci.standard_normal(frames)
    intensity = 1 + intensity_error * of_dose.standard_normal(frames)
    curve = None if mtf is None else np.array(mtf, dtype=float)

    size = next_fast_len(size_px + math.ceil(PADDING / pixel))
    start = (size - size_px) // 2
    field = slice(start, start + size_px)
    guarded = slice(start - GUARD, start + size_px + GUARD)
    padded = np.ones((size, size), np.complex64)
    padded[field, field] = wave
    counts = np.empty((frames, size_px, size_px), np.float32)
    for i in range(frames):
        image = _image(padded, pixel, float(defocus[i]), focal_spread, convergence_mrad)
        mean = intensity[i] * dose_per_pixel * _moved(image, shifts[i])[guarded, guarded]
        counted = of_counts.poisson(np.maximum(mean, 0)).astype(float)
        counts[i] = _seen(counted, curve)[GUARD:-GUARD, GUARD:-GUARD]
    return LongSeries(
        counts=counts,
        pixel=pixel,
        energy_kev=ENERGY_KEV,
        cs_angstrom=CS,
        nominal_defocus=nominal,
        defocus=defocus,
        shifts_px=shifts,
        intensity=intensity,
        dose_per_pixel=dose_per_pixel,
        focal_spread=focal_spread,
        convergence_mrad=convergence_mrad,
        exit_wave=wave,
        mtf=curve,
    )


def write_tiff_stack(series: LongSeries, path: Path | str, dtype: str = "float32") -> None:
    """Write the counts as a TIFF of one page per image, which says nothing of the pixel's size.

    Parameters
    ----------
    dtype : str
        `float32`, or `uint16` for rounded counts.
    """
    # Only who writes needs tifffile.
    from tifffile import imwrite

    counts = series.counts
    if np.issubdtype(dtype, np.integer):
        counts = np.round(counts).clip(0, np.iinfo(dtype).max)
    imwrite(path, counts.astype(dtype), photometric="minisblack", metadata=None)


def _specimen(side: float, rng: np.random.Generator) -> Atoms:
    """An uneven hexagon of MoS2 with vacancies, tilted by 2°, above a larger piece of graphene.

    Both end within a field of the given side [Å]. The atoms rest where a snapshot of their
    vibrations found them, so the wave is one wave and not a mean.
    """
    flake = _cut(
        mx2("MoS2", kind="2H", a=3.16, thickness=3.17),
        side * np.array([0.27, 0.31, 0.25, 0.29, 0.26, 0.30]),
        turn=17.0,
        first_edge=27.0,
    )
    sulphur, molybdenum = (np.flatnonzero(flake.numbers == number) for number in (16, 42))
    gone = [
        rng.choice(sulphur, len(sulphur) // 30, replace=False),
        rng.choice(molybdenum, len(molybdenum) // 150, replace=False),
    ]
    del flake[np.concatenate(gone)]
    sheet = _cut(
        graphene(),
        side * np.array([0.37, 0.40, 0.34, 0.41, 0.38, 0.33, 0.36]),
        turn=4.0,
        first_edge=10.0,
    )
    # abTEM's beam runs along z, so the support lies at the larger z.
    sheet.positions[:, 2] += flake.positions[:, 2].max() + 3.4
    specimen = flake + sheet
    specimen.rotate(2.0, (1.0, 0.3, 0.0), center=(0, 0, 0))
    widths = np.array([DISPLACEMENTS[symbol] for symbol in specimen.get_chemical_symbols()])
    specimen.positions += widths[:, np.newaxis] * rng.standard_normal((len(specimen), 3))
    specimen.positions[:, :2] += side / 2
    specimen.positions[:, 2] += 3.0 - specimen.positions[:, 2].min()
    specimen.set_cell([side, side, specimen.positions[:, 2].max() + 3.0])
    specimen.set_pbc(True)
    return specimen


def _cut(layer: Atoms, distances: np.ndarray, turn: float, first_edge: float) -> Atoms:
    """A polygon of a layer around the origin, its lattice turned about the beam.

    Parameters
    ----------
    layer : Atoms
        A hexagonal cell.
    distances : (n,) array
        Of the edges from the origin [Å], whose normals share out a full turn evenly.
    turn, first_edge : float
        Of the lattice and of the first edge's normal [°].
    """
    repeats = math.ceil(4 * distances.max() / layer.cell.lengths()[0])
    layer = layer.repeat((repeats, repeats, 1))
    layer.set_pbc(False)
    layer.positions[:, :2] -= layer.positions[:, :2].mean(axis=0)
    layer.positions[:, 2] -= layer.positions[:, 2].min()
    layer.rotate(turn, "z")
    normals = np.deg2rad(first_edge + 360 * np.arange(len(distances)) / len(distances))
    edges = layer.positions[:, :2] @ np.stack([np.cos(normals), np.sin(normals)])
    return layer[(edges < distances).all(axis=1)]


def _exit_wave(atoms: Atoms, pixel: float, size_px: int) -> np.ndarray:
    """abTEM's wave behind the atoms (y, x), its spectrum cut to that of the pixels."""
    import abtem

    # abTEM keeps two thirds of its grid's frequencies; the corners of the pixels' spectrum need 3.
    points = size_px * max(3, math.ceil(pixel / FINE))
    with abtem.config.set({"fft": "numpy", "dask.lazy": False}):
        potential = abtem.Potential(atoms, gpts=(points, points), slice_thickness=1.0)
        waves = abtem.PlaneWave(energy=1e3 * ENERGY_KEV).multislice(potential)
    # abTEM's first index is x.
    spectrum = np.fft.fftshift(np.fft.fft2(np.asarray(waves.to_cpu().array.T)))
    first = points // 2 - size_px // 2
    kept = slice(first, first + size_px)
    wave = np.fft.ifft2(np.fft.ifftshift(spectrum[kept, kept])) * (size_px / points) ** 2
    return wave.astype(np.complex64)


def _image(
    wave: np.ndarray, pixel: float, defocus: float, focal_spread: float, convergence_mrad: float
) -> np.ndarray:
    """abTEM's intensity (y, x) of a wave (y, x), relative to vacuum."""
    import abtem

    deviation = focal_spread / math.sqrt(2)
    foci = 2 * math.ceil(3 * deviation / FOCAL_STEP) + 1
    with abtem.config.set({"fft": "numpy", "dask.lazy": False}):
        ctf = abtem.CTF(
            energy=1e3 * ENERGY_KEV,
            defocus=(
                abtem.distributions.gaussian(deviation, foci, center=defocus)
                if foci > 1
                else defocus
            ),
            Cs=CS,
            angular_spread=convergence_mrad,
        )
        waves = abtem.Waves(wave.T.copy(), energy=1e3 * ENERGY_KEV, sampling=pixel)
        intensity = waves.apply_ctf(ctf).intensity().reduce_ensemble()
    return np.asarray(intensity.to_cpu().array.T)


def _drift(frames: int, drift_px: float, rng: np.random.Generator) -> np.ndarray:
    """A path (frame, 2) from the origin: even steps with a little of chance in each [pixel]."""
    angle = rng.uniform(0, 2 * np.pi)
    steps = np.array([np.sin(angle), np.cos(angle)]) + 0.3 * rng.standard_normal((frames - 1, 2))
    path = np.concatenate([np.zeros((1, 2)), steps.cumsum(axis=0)])
    return path * (drift_px / max(float(np.hypot(*path[-1])), 1e-9))


def _moved(image: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """The image, its content moved by (y, x) [pixel], by a phase of its spectrum."""
    ky = np.fft.fftfreq(image.shape[0])[:, np.newaxis]
    kx = np.fft.rfftfreq(image.shape[1])
    ramp = np.exp(-2j * np.pi * (ky * shift[0] + kx * shift[1]))
    return np.asarray(np.fft.irfft2(np.fft.rfft2(image) * ramp, s=image.shape))


def _seen(counts: np.ndarray, curve: np.ndarray | None) -> np.ndarray:
    """The counts folded with the camera's point spread, the same in all directions."""
    if curve is None:
        return counts
    k = np.hypot(np.fft.fftfreq(counts.shape[0])[:, np.newaxis], np.fft.rfftfreq(counts.shape[1]))
    transfer = np.interp(2 * k, curve[:, 0], curve[:, 1])
    return np.asarray(np.fft.irfft2(np.fft.rfft2(counts) * transfer, s=counts.shape))
