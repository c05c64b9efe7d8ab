"""What the classical reconstruction makes of a long series of few electrons that drifts.

abTEM makes the series (`tests/support/abtem_long_series.py`): 30 images at 300 kV, Cs 2.7 mm, from
270 to 90 nm under focus, 10 e/px, a drift of 5 px, a focal spread, a source of 0.05 mrad, a
camera. Given are Cs, nominal defoci, dose, camera and both incoherences; shifts, brightness and
errors of the defoci are fitted. Frames held out are compared with what the wave predicts of them.

    python benchmarks/long_series.py --cache series.npz       # prints Markdown
"""

import argparse
import math
import resource
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from page import machine

sys.path.append(str(Path(__file__).parents[1] / "tests" / "support"))
from abtem_long_series import LongSeries, long_series

from exitwave.imaging.microscope import MicroscopeDraw
from exitwave.imaging.transfer import aberration_phase
from exitwave.reconstruction.classical import reconstruct_wave, remove_low_frequencies
from exitwave.reconstruction.preparation import resample_to
from exitwave.reconstruction.refinement.classical import FittedSeries, fit_series, held_out
from exitwave.reconstruction.refinement.joint import SeriesBeliefs
from exitwave.reconstruction.refinement.series import Coherence, source_envelope

HELD, PADDED, BORDER, LOW_PX = 4, 720, 24, 8.0
# The waves are compared up to such frequencies [1/Å].
HIGHEST = (0.5, 0.7, 0.9)
FOCI = np.linspace(-2.5, 2.5, 21)


def cached(path: Path | None) -> LongSeries:
    if path is not None and path.exists():
        stored = dict(np.load(path, allow_pickle=False))
        found = {name: each.item() if each.ndim == 0 else each for name, each in stored.items()}
        return LongSeries(**found)
    series = long_series()
    if path is not None:
        np.savez(path, **vars(series))
    return series


def microscope(series: LongSeries) -> MicroscopeDraw:
    """What is given."""
    return MicroscopeDraw(
        energy_kev=series.energy_kev,
        defocus=tuple(series.nominal_defocus.tolist()),
        spherical_aberration=series.cs_angstrom,
        astigmatism=0.0,
        astigmatism_angle=0.0,
        coma=0.0,
        coma_angle=0.0,
        focal_spread=series.focal_spread,
        blur=0.0,
        dose=series.dose_per_pixel / series.pixel**2,
        mtf_c1=1.0,
        mtf_c2=1.0,
        mtf_c3=1.0,
        sampling=series.pixel,
        mtf_frequency_unit="nyquist",
        mtf_curve=tuple(map(tuple, series.mtf.tolist())),
    )


def padded(wave: np.ndarray) -> tuple[np.ndarray, tuple[slice, slice]]:
    """The scattered wave in vacuum, and where it lies there."""
    first = (PADDED - len(wave)) // 2
    field = (slice(first, first + len(wave)),) * 2
    whole = np.zeros((PADDED, PADDED), dtype=complex)
    whole[field] = wave - 1
    return whole, field


def frequencies(pixel: float) -> tuple[np.ndarray, np.ndarray]:
    k = np.fft.fftfreq(PADDED, pixel)
    return k[np.newaxis, :], k[:, np.newaxis]


def true_image(series: LongSeries, frame: int, shift_px: np.ndarray) -> np.ndarray:
    """The image without noise and camera, its content moved by (y, x) [pixel]."""
    whole, field = padded(series.exit_wave)
    kx, ky = frequencies(series.pixel)
    draw, defocus = microscope(series), float(series.defocus[frame])
    turn = np.exp(-2j * np.pi * series.pixel * (kx * shift_px[1] + ky * shift_px[0]))
    total, weights = 0.0, np.exp(-(FOCI**2))
    for place, weight in zip(FOCI, weights / weights.sum(), strict=True):
        focus = defocus + place * series.focal_spread
        lens = np.exp(-1j * aberration_phase(draw, focus, kx, ky))
        lens *= source_envelope(draw, focus, kx, ky, series.convergence_mrad)
        total = total + weight * np.abs(1 + np.fft.ifft2(np.fft.fft2(whole) * lens * turn)) ** 2
    return total[field]


def limited(image: np.ndarray, pixel: float, highest: float) -> np.ndarray:
    """Frequencies up to the highest one, without the borders."""
    ky, kx = np.fft.fftfreq(image.shape[0], pixel), np.fft.fftfreq(image.shape[1], pixel)
    inside = np.hypot(ky[:, np.newaxis], kx[np.newaxis, :]) <= highest
    found = np.fft.ifft2(np.fft.fft2(image) * inside)[BORDER:-BORDER, BORDER:-BORDER]
    return found if np.iscomplexobj(image) else found.real


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def wave_errors(series: LongSeries, wave: np.ndarray, focus: float, place_px: np.ndarray) -> str:
    """Errors relative to the true wave, which is carried by a focus [Å] and moved (y, x)."""
    kx, ky = frequencies(series.pixel)
    whole, field = padded(series.exit_wave)
    draw = replace(microscope(series), spherical_aberration=0.0)
    turn = np.exp(-2j * np.pi * series.pixel * (kx * place_px[1] + ky * place_px[0]))
    turn = turn * np.exp(-1j * aberration_phase(draw, focus, kx, ky))
    true = 1 + np.fft.ifft2(np.fft.fft2(whole) * turn)[field]
    errors = []
    for highest in HIGHEST:
        found, exact = (
            limited(remove_low_frequencies(each, LOW_PX).astype(complex), series.pixel, highest)
            for each in (wave, true)
        )
        product = np.vdot(found, exact)
        off = found * (product / abs(product)) - exact
        errors.append(f"{np.linalg.norm(off) / np.linalg.norm(exact):.2f}")
    return " | ".join(errors)


def row(series: LongSeries, foci: int) -> tuple[str, FittedSeries]:
    """One row of the first table."""
    start = time.perf_counter()
    found = fit_series(
        np.moveaxis(series.counts, 0, -1),
        series.pixel,
        microscope(series),
        Coherence(series.convergence_mrad, foci),
        SeriesBeliefs(),
        held_out(len(series.counts), HELD),
        progress=lambda sentence: print(sentence, file=sys.stderr, flush=True),
    )
    seconds = time.perf_counter() - start
    fitted = list(found.fitted)
    middle = fitted[len(fitted) // 2]
    place = np.stack([found.microscope.shift_y, found.microscope.shift_x], axis=1) / series.pixel
    off = (place - (series.shifts_px - series.shifts_px[middle]))[fitted]
    focus = (series.defocus - np.array(found.microscope.defocus))[fitted]
    brightness = (np.array(found.microscope.intensity) / series.intensity)[fitted]
    return (
        f"| {foci} | {math.sqrt(np.mean(off**2)):.3f} | {np.std(focus):.1f} | "
        f"{100 * np.std(brightness):.2f} | {found.misfit:.3f} | "
        f"{wave_errors(series, found.wave, focus.mean(), series.shifts_px[middle])} | "
        f"{seconds:.0f} |"
    ), found


def roots(series: LongSeries) -> str:
    """The same by Gerchberg and Saxton's way, all told: true shifts and defoci."""
    start = time.perf_counter()
    true = replace(
        microscope(series),
        defocus=tuple(series.defocus.tolist()),
        shift_y=tuple((series.shifts_px[:, 0] * series.pixel).tolist()),
        shift_x=tuple((series.shifts_px[:, 1] * series.pixel).tolist()),
        intensity=tuple(series.intensity.tolist()),
    )
    images = series.counts / np.float32(series.dose_per_pixel)
    wave = reconstruct_wave(images, series.pixel, true, 20, accelerated=True).wave
    errors = wave_errors(series, wave, 0.0, np.zeros(2))
    seconds = time.perf_counter() - start
    return f"| roots of the counts, all known | — | — | — | — | {errors} | {seconds:.0f} |"


def held_rows(series: LongSeries, found: FittedSeries) -> list[str]:
    rows = []
    for held in found.held:
        below = max(frame for frame in found.fitted if frame < held.frame)
        above = min(frame for frame in found.fitted if frame > held.frame)
        size = held.computed.shape
        pixel = series.pixel * len(series.exit_wave) / len(held.computed)
        place = series.shifts_px[held.frame]
        true, first, second = (
            resample_to(true_image(series, frame, place).astype(np.float32), size)
            for frame in (held.frame, below, above)
        )
        exact = limited(true, pixel, found.highest)
        by, mean, quiet = (
            correlation(limited(each, pixel, found.highest), exact)
            for each in (held.computed, held.mean, (first + second) / 2)
        )
        wave, beside = held.wave, held.neighbours
        rows.append(
            f"| {held.frame} | {wave.correlation:.3f} | {beside.correlation:.3f} | "
            f"{wave.misfit:.3f} | {beside.misfit:.3f} | {wave.unexplained:.2f} | "
            f"{beside.unexplained:.2f} | {by:.3f} | {mean:.3f} | {quiet:.3f} |"
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, help="keep the series here (.npz)")
    parser.add_argument("--foci", type=int, nargs="+", default=[1, 5], help="of the focal spread")
    parser.add_argument("--roots", action="store_true", help="Gerchberg and Saxton's way, too")
    options = parser.parse_args()
    series = cached(options.cache)
    print(f"{machine()}.\n")
    errors = " | ".join(f"wave off, up to {highest} 1/Å" for highest in HIGHEST)
    print(
        "| foci | shifts off by, rms [px] | defoci, rms [Å] | brightness, rms [%] | misfit "
        f"| {errors} | s |\n|---|---|---|---|---|---|---|---|---|"
    )
    for foci in options.foci:
        line, found = row(series, foci)
        print(line, flush=True)
    if options.roots:
        print(roots(series), flush=True)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"\nMost memory: {memory:.1f} GiB.\n")
    print(
        "| frame held out | correlation: wave | neighbours | times the noise: wave | neighbours "
        "| missed: wave | neighbours | with the true image: wave | neighbours "
        "| neighbours without noise |\n|---|---|---|---|---|---|---|---|---|---|"
    )
    print("\n".join(held_rows(series, found)))


if __name__ == "__main__":
    main()
