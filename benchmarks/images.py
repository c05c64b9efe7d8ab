"""What a focal series costs: through abTEM sample by sample, production, and the floor.

Takes exit waves of nanoflakes as production stores them, and microscopes drawn from Table 1 of the
paper. The same series of three images of 352 px with its target is then made in two ways, one
after the other in this process and on one thread: as a user of abTEM would with its public
functions, and as production does. abTEM gets a vacuum-padded box in two ways: the widest that any
of the series needs, for all; and, beyond what a user would know, the one that production chooses
for each series. Its numbers of points are fast to transform, and its plans of the FFT are made
before the clock starts. The floor is the time of the transforms and of the Poisson draws that
production makes, replayed alone. All in processor time, as others' load counts less.

    python benchmarks/images.py                  # prints Markdown, some minutes
    python benchmarks/images.py --write          # and puts it into docs/benchmarks.md
"""

import argparse
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from unittest import mock

import abtem
import numpy as np
import scipy.fft
from exit_waves import specimens
from page import PAGE, ROOT, machine, spread, timed, write_section
from threadpoolctl import threadpool_limits

from exitwave.config import Epochs, Microscope, Multislice, parse_config
from exitwave.imaging.detector import detector_window, window_mtf
from exitwave.imaging.focal_series import (
    RenderedSeries,
    form_intensities,
    render_series,
    smear_wave,
)
from exitwave.imaging.grids import Grid, choose_band, choose_grid, padded_size
from exitwave.imaging.microscope import MicroscopeDraw, draw_microscope
from exitwave.imaging.transfer import blur_envelope
from exitwave.multislice.exit_wave import exit_wave
from exitwave.stages import render
from exitwave.stages.catalog import build_catalog
from exitwave.stages.simulate import simulate_exit_waves
from exitwave.workflow import specs

LIMITS = Microscope()
SIZE = Epochs().image_size_px
SMEAR = Epochs().target_smear_angstrom
WAVES = Multislice(method="fourier")
IMAGES = 3
DRAWS = 2
"""Microscopes for each wave."""
CATALOG = {
    "materials": {"selection": "name=2H-MoS2"},
    "split": {"by": "samples", "training_samples": 16, "validation_samples": 1},
    "shards": 1,
    "multislice": {"method": "fourier"},
}
TRANSFORMS = ("fft", "ifft", "fft2", "ifft2", "rfft", "irfft", "rfft2", "irfft2")


@dataclass(frozen=True)
class Series:
    """What both ways get: a wave with its points' distance, a microscope, a padded grid."""

    wave: np.ndarray
    sampling: float
    draw: MicroscopeDraw
    grid: Grid

    @property
    def box(self) -> float:
        """Side of the wave's box [Å]."""
        return len(self.wave) * self.sampling


@dataclass
class Measured:
    """Over all series; times in core-seconds."""

    padded: list[float] = field(default_factory=list)
    one_box: list[float] = field(default_factory=list)
    abtem: list[float] = field(default_factory=list)
    production: list[float] = field(default_factory=list)
    transforms: list[float] = field(default_factory=list)
    draws: list[float] = field(default_factory=list)
    differences: list[float] = field(default_factory=list)
    target_differences: list[float] = field(default_factory=list)


def make_series(waves: list[np.ndarray], box: float) -> list[Series]:
    """Several microscopes for each wave."""
    rng = np.random.default_rng(1)
    found = []
    for wave in waves:
        sampling = box / len(wave)
        power = np.abs(np.fft.fft2(wave - 1)) ** 2
        for _ in range(DRAWS):
            draw = draw_microscope(LIMITS, WAVES.energy_kev, IMAGES, rng)
            window = SIZE * draw.sampling
            least = padded_size(draw, power, box, window, LIMITS.padding_tolerance)
            grid = choose_grid(sampling, draw.sampling, least, detector_window(SIZE).size)
            found.append(Series(wave, sampling, draw, grid))
    return found


def padded_waves(series: Series) -> abtem.Waves:
    """The wave in the middle of its padded box; abTEM's first index is x."""
    points, offset = series.grid.wave_points, wave_offset(series)
    padded = np.ones((points, points), dtype=np.complex64)
    inside = slice(offset, offset + len(series.wave))
    padded[inside, inside] = series.wave.T
    return abtem.Waves(padded, energy=1e3 * series.draw.energy_kev, sampling=series.sampling)


def wave_offset(series: Series) -> int:
    """The wave's first point in the padded box."""
    return (series.grid.wave_points - len(series.wave)) // 2


def image_offset(series: Series) -> int:
    """The image's first pixel in the padded box."""
    centre = (wave_offset(series) + len(series.wave) / 2) * series.sampling
    return round(centre / series.grid.sampling - SIZE / 2)


def squared_frequencies(series: Series) -> np.ndarray:
    k = np.fft.fftfreq(series.grid.wave_points, series.sampling)
    return k[:, None] ** 2 + k**2


def abtem_intensities(series: Series, waves: abtem.Waves, k_squared: np.ndarray) -> abtem.Images:
    """The images before the camera, on the pixels of the whole padded box."""
    draw = series.draw
    # abTEM of 2021 had this envelope; today's user multiplies it on.
    waves = waves.convolve(blur_envelope(draw, k_squared).astype(np.float32))
    ctf = abtem.CTF(
        energy=1e3 * draw.energy_kev,
        defocus=np.array(draw.defocus),
        Cs=draw.spherical_aberration,
        astigmatism=draw.astigmatism,
        astigmatism_angle=draw.astigmatism_angle,
        coma=draw.coma,
        coma_angle=draw.coma_angle,
        focal_spread=draw.focal_spread,
    )
    return waves.apply_ctf(ctf).intensity().interpolate(gpts=series.grid.image_points)


def abtem_target(series: Series, waves: abtem.Waves, k_squared: np.ndarray) -> np.ndarray:
    """The smeared wave on the images' pixels."""
    smeared = waves.convolve(np.exp(-2 * np.pi**2 * SMEAR**2 * k_squared).astype(np.float32))
    waves = abtem.Images(smeared.array, sampling=series.sampling)
    return cropped(series, waves.interpolate(gpts=series.grid.image_points)).array


def cropped(series: Series, images: abtem.Images) -> abtem.Images:
    extent = SIZE * series.grid.sampling
    offset = image_offset(series) * series.grid.sampling
    return images.crop(extent=(extent, extent), offset=(offset, offset))


def abtem_series(series: Series, mtf: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A noisy series and its target, by abTEM's public functions; its own MTF does not run."""
    waves = padded_waves(series)
    k_squared = squared_frequencies(series)
    images = cropped(series, abtem_intensities(series, waves, k_squared))
    noisy = images.poisson_noise(dose_per_area=series.draw.dose, seed=seed).array
    counts = scipy.fft.irfft2(scipy.fft.rfft2(noisy) * mtf, s=noisy.shape[-2:])
    electrons = series.draw.dose * series.grid.sampling**2
    return counts / electrons, abtem_target(series, waves, k_squared)


def our_series(series: Series, rng: np.random.Generator) -> RenderedSeries:
    return render_series(
        series.wave, series.sampling, series.draw, SIZE, SMEAR, LIMITS.padding_tolerance, rng
    )


class PoissonRecorder:
    """A generator that notes the means of its draws."""

    def __init__(self) -> None:
        self.means: list[np.ndarray] = []
        self.rng = np.random.default_rng(0)

    def poisson(self, means: np.ndarray) -> np.ndarray:
        self.means.append(means)
        return self.rng.poisson(means)


def floor(series: Series, repeats: int) -> tuple[float, float]:
    """Core-seconds of the transforms alone, and of the Poisson draws alone."""
    calls: list[tuple[Callable, np.ndarray, dict]] = []
    rng = PoissonRecorder()

    def recorded(function: Callable) -> Callable:
        def call(array: np.ndarray, **keys: object) -> np.ndarray:
            calls.append((function, array.copy(), {**keys, "overwrite_x": False}))
            return function(array, **keys)

        return call

    with ExitStack() as stack:
        for name in TRANSFORMS:
            function = recorded(getattr(scipy.fft, name))
            stack.enter_context(mock.patch.object(scipy.fft, name, function))
        our_series(series, rng)  # type: ignore[arg-type]

    def transforms() -> None:
        for function, array, keys in calls:
            function(array, **keys)

    def draws() -> None:
        for means in rng.means:
            rng.rng.poisson(means)

    return timed(transforms, repeats)[1], timed(draws, repeats)[1]


def compare(series: Series) -> tuple[float, float]:
    """Rms difference of the two ways before noise, over the rms contrast: images and target."""
    waves, k_squared = padded_waves(series), squared_frequencies(series)
    theirs = cropped(series, abtem_intensities(series, waves, k_squared)).array
    scattered = series.wave - np.complex64(1)
    power = np.abs(np.fft.fft2(scattered)) ** 2
    grid = series.grid
    band = choose_band(series.draw, power, series.box, grid.sampling, LIMITS.padding_tolerance)
    origin = image_offset(series) * grid.sampling - wave_offset(series) * series.sampling
    ours = form_intensities(scattered, series.draw, grid, band, origin, SIZE)
    off = np.sqrt(
        np.mean((np.array(ours) - np.swapaxes(theirs, 1, 2)) ** 2) / np.mean(np.var(ours, (1, 2)))
    )
    target = abtem_target(series, waves, k_squared).T
    rendered = smear_wave(scattered, SMEAR, grid, origin, SIZE)
    missed = np.mean(np.abs(rendered - target) ** 2) / np.mean(np.abs(target - 1) ** 2)
    return float(off), float(np.sqrt(missed))


def measure(found: list[Series], repeats: int) -> Measured:
    measured = Measured()
    widest = max(series.grid.period for series in found)
    for number, series in enumerate(found):
        print(f"series {number + 1} of {len(found)}", file=sys.stderr, flush=True)
        image, target = compare(series)
        measured.padded.append(series.grid.period)
        measured.differences.append(image)
        measured.target_differences.append(target)
        grid = choose_grid(series.sampling, series.draw.sampling, widest)
        measured.one_box.append(abtem_seconds(replace(series, grid=grid), number))
        measured.abtem.append(abtem_seconds(series, number))
        _, seconds = timed(
            lambda: our_series(series, np.random.default_rng(number)),  # noqa: B023
            repeats,
        )
        measured.production.append(seconds)
        transforms, draws = floor(series, repeats)
        measured.transforms.append(transforms)
        measured.draws.append(draws)
    return measured


def abtem_seconds(series: Series, seed: int) -> float:
    mtf = window_mtf(series.draw, SIZE, series.grid.sampling)
    abtem_series(series, mtf, seed)  # FFTW plans
    return timed(lambda: abtem_series(series, mtf, seed), 2)[1]


def epoch_seconds(folder: Path, copies: int) -> tuple[float, float]:
    """Core-seconds per series of a whole epoch, and what of it is not the making of images.

    The rest is reading waves, digests, writing, and the check of the finished file.
    """
    config = parse_config({"datasets": {"flakes": CATALOG}})
    build_catalog(specs.catalog_spec(config, "flakes"), folder / "catalog")
    store = folder / "exit_waves/000.nc"
    simulate_exit_waves(
        specs.simulate_spec(config, "flakes"), folder / "catalog/shards/000.json", store
    )
    spent = []

    def clocked(*arguments: object) -> RenderedSeries:
        start = time.process_time()
        series = render_series(*arguments)
        spent.append(time.process_time() - start)
        return series

    seconds = []
    with mock.patch.object(render, "render_series", clocked):
        for epoch in range(copies):
            spec = specs.render_spec(config, "flakes", IMAGES, "training", epoch)
            start = time.process_time()
            render.render_epoch(spec, [store], folder / f"{epoch:02d}.nc")
            seconds.append(time.process_time() - start)
    count = len(spent) / copies
    return float(np.median(seconds)) / count, float(np.median(seconds) / count - np.mean(spent))


def report(measured: Measured, whole: float, moving: float) -> str:
    production = np.array(measured.production)
    floors = np.add(measured.transforms, measured.draws)
    rows = [
        ("abTEM, one padded box for all series", measured.one_box),
        ("abTEM, the padded box that production chooses for each", measured.abtem),
        ("production: `render_series`", measured.production),
        ("floor: its transforms and Poisson draws alone", list(floors)),
        ("of these the transforms", measured.transforms),
        ("of these the Poisson draws", measured.draws),
    ]
    lines = [
        f"{len(production)} series of {IMAGES} images of {SIZE} px with their target, microscopes "
        f"of Table 1, exit waves of {len(measured.padded) // DRAWS} specimens in boxes of 38.4 Å. "
        f"Sides of the padded boxes [Å]: {spread(measured.padded, '.0f')}. One thread, processor "
        "time; medians, and in brackets the least and the most.",
        "",
        f"{machine(f'abTEM {abtem.__version__}')}; GPU: not measured.",
        "",
        "| series | core-seconds | relative to production |",
        "|---|---|---|",
        *(
            f"| {label} | {spread(seconds, '.3f')} | {spread(list(seconds / production), '.2f')} |"
            for label, seconds in rows
        ),
        "",
        f"Production relative to its floor: {spread(list(production / floors), '.2f')}. A whole "
        f"epoch in one process took {whole:.3f} core-seconds per series, {moving:.3f} of them to "
        "read and check the wave, to write the sample with its digest, and to check the finished "
        "file.",
        "",
        "The images of abTEM and of production before noise, on the same box and pixels, differ by "
        f"{spread(measured.differences, '.1e')} of their rms contrast, the targets by "
        f"{spread(measured.target_differences, '.1e')}.",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--flakes", type=int, default=4, help="nanoflakes of MoS2")
    parser.add_argument("--rows", type=int, default=4, help="materials from C2DB rows")
    parser.add_argument("--repeats", type=int, default=5, help="of the fast ways")
    parser.add_argument("--write", action="store_true", help=f"into {PAGE.relative_to(ROOT)}")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    with (
        threadpool_limits(1),
        abtem.config.set({"fftw.threads": 1}),
        tempfile.TemporaryDirectory() as folder,
    ):
        found = specimens(arguments.flakes, arguments.rows)
        waves = [exit_wave(specimen, WAVES) for specimen in found]
        measured = measure(make_series(waves, found[0].box), arguments.repeats)
        text = report(measured, *epoch_seconds(Path(folder), 3))
    print(text)
    if arguments.write:
        write_section("Images", "images", text)


if __name__ == "__main__":
    main()
