"""Measure what `docs/physics.md` says about the focal spread and the padding.

python benchmarks/transfer.py [spread|quadrature|padding|corners]
"""

from __future__ import annotations

import itertools
import sys
import time
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from exitwave.config import Microscope, Multislice, Structure
from exitwave.imaging.focal_series import form_intensities
from exitwave.imaging.focal_spread import choose_modes
from exitwave.imaging.grids import Band, Grid, choose_band, choose_grid, padded_size
from exitwave.imaging.microscope import MicroscopeDraw, draw_microscope
from exitwave.materials.material import read_materials
from exitwave.multislice.exit_wave import exit_wave
from exitwave.specimens.build import build_specimen

BOX, SAMPLING, WINDOW, TOLERANCE = 38.4, 0.1, 352, 1e-3
FLAKES = (("C", "none"), ("MoS2", "none"), ("MoS2", "graphene"), ("WSe2", "none"))
MODELS = ("quasi_coherent", "incoherent")


def flakes() -> dict[str, NDArray[np.complex64]]:
    """Exit wave - 1 of a flake of each kind."""
    materials = read_materials("monolayers", "", 8)[0]
    settings = Multislice(slice_thickness_angstrom=0.4)
    waves = {}
    for formula, support in FLAKES:
        material = next(material for material in materials if material.formula == formula)
        specimen = build_specimen(material, Structure(support=support), 1, "benchmark", 0)
        name = formula if support == "none" else f"{formula}@{support}"
        waves[name] = exit_wave(specimen, settings) - np.complex64(1)
    return waves


def draws(count: int, images: int = 1) -> list[MicroscopeDraw]:
    """Microscopes of Table 1."""
    rng = np.random.default_rng(1)
    return [draw_microscope(Microscope(), 50.0, images, rng) for _ in range(count)]


def power(wave: NDArray[np.complex64]) -> NDArray[np.float64]:
    """Squared modulus of the transform."""
    return np.abs(np.fft.fft2(wave)) ** 2


def grid_and_band(wave: NDArray[np.complex64], draw: MicroscopeDraw) -> tuple[Grid, Band]:
    """What `render_series` chooses."""
    spectrum = power(wave)
    size = padded_size(draw, spectrum, BOX, WINDOW * draw.sampling, TOLERANCE)
    grid = choose_grid(SAMPLING, draw.sampling, size, WINDOW)
    return grid, choose_band(draw, spectrum, BOX, grid.sampling, TOLERANCE)


def images(
    wave: NDArray[np.complex64], draw: MicroscopeDraw, grid: Grid, band: Band
) -> NDArray[np.float32]:
    """The noiseless images."""
    modes = choose_modes(draw, power(wave), BOX, band.limit, TOLERANCE)
    origin = (BOX - (WINDOW - 1) * grid.sampling) / 2
    return np.array(form_intensities(wave, draw, grid, band, origin, WINDOW, modes))


def difference(image: NDArray[np.floating], truth: NDArray[np.floating]) -> float:
    """Rms of the difference over the rms contrast."""
    return float(np.sqrt(np.mean((image - truth) ** 2)) / np.std(truth))


def quantiles(values: list[float], digits: int = 4) -> str:
    """Median, ninth decile and maximum."""
    return "  ".join(f"{value:.{digits}f}" for value in np.quantile(values, [0.5, 0.9, 1.0]))


def spread() -> None:
    """Difference of the two models over draws of Table 1, and the time each takes."""
    print("flake, focal spread [Å]: difference (median, 90 %, most); modes; seconds an image")
    for name, wave in flakes().items():
        for focal_spread in (5.0, 10.0, 15.0, 20.0):
            off, modes, seconds = [], [], dict.fromkeys(MODELS, 0.0)
            for draw in draws(40):
                shown = {}
                for model in MODELS:
                    drawn = replace(draw, focal_spread=focal_spread, focal_spread_model=model)
                    start = time.perf_counter()
                    grid, band = grid_and_band(wave, drawn)
                    shown[model] = images(wave, drawn, grid, band)
                    seconds[model] += (time.perf_counter() - start) / 40
                    chosen = choose_modes(drawn, power(wave), BOX, band.limit, TOLERANCE)
                    if chosen is not None:
                        modes.append(len(chosen.tables))
                # Their grids may differ by the padding, so both models are shown on one.
                drawn = replace(draw, focal_spread=focal_spread)
                shown["quasi_coherent"] = images(wave, drawn, grid, band)
                off.append(difference(shown["quasi_coherent"], shown["incoherent"]))
            times = "  ".join(f"{seconds[model]:.2f}" for model in MODELS)
            print(
                f"{name:14} {focal_spread:4g}: {quantiles(off)}; {min(modes)}-{max(modes)}; {times}"
            )


def quadrature() -> None:
    """Error of the modes and of Gauss and Hermite's nodes, both against 241 equidistant foci."""
    wave = flakes()["MoS2"]
    middle = replace(
        draws(1)[0],
        defocus=(60.0,),
        spherical_aberration=7.5e4,
        coma=300.0,
        focal_spread=20.0,
        sampling=0.105,
        focal_spread_model="incoherent",
    )
    for blur in (1.0, 0.5):
        draw = replace(middle, blur=blur)
        grid, band = grid_and_band(wave, draw)

        def averaged(nodes, weights, draw=draw, grid=grid, band=band):  # type: ignore[no-untyped-def]
            total = 0.0
            for node, weight in zip(nodes, weights / weights.sum(), strict=True):
                focus = (draw.defocus[0] + node * draw.focal_spread,)
                sharp = replace(draw, defocus=focus, focal_spread=0.0)
                sharp = replace(sharp, focal_spread_model="quasi_coherent")
                total = total + weight * images(wave, sharp, grid, band)
            return total

        nodes = np.linspace(-3.6, 3.6, 241)
        truth = averaged(nodes, np.exp(-(nodes**2)))
        chosen = choose_modes(draw, power(wave), BOX, band.limit, TOLERANCE)
        assert chosen is not None
        error = difference(images(wave, draw, grid, band), truth)
        print(f"blur {blur:g} Å: {len(chosen.tables)} modes {error:.1e}")
        for count in (3, 5, 7, 9, 15, 25, 45):
            error = difference(averaged(*np.polynomial.hermite.hermgauss(count)), truth)
            print(f"  {count} nodes of Gauss and Hermite {error:.1e}")


def padding() -> None:
    """Side of the padded box over draws of Table 1 of series of three images."""
    print("flake, model: padded size [Å] (median, 90 %, most)")
    for name, wave in flakes().items():
        spectrum = power(wave)
        for model, count in zip(MODELS, (1000, 200), strict=True):
            sizes = [
                padded_size(
                    replace(draw, focal_spread_model=model),
                    spectrum, BOX, WINDOW * draw.sampling, TOLERANCE,
                )
                for draw in draws(count, images=3)
            ]  # fmt: skip
            print(f"{name:14} {model:14} {count} draws: {quantiles(sizes, 0)}")


def corners() -> None:
    """Change of the images in a box of twice the side: draws and 32 (8) corners of Table 1."""
    middle = replace(draws(1)[0], sampling=0.105, astigmatism_angle=1.0, coma_angle=2.0)
    worst = [
        replace(
            middle, defocus=(150.0,), spherical_aberration=15e4 * sign, astigmatism=c12, coma=c21,
            focal_spread=focal_spread, blur=blur,
        )
        for sign, c12, c21, focal_spread, blur in itertools.product(
            (-1, 1), (0.0, 25.0), (0.0, 600.0), (5.0, 20.0), (0.5, 1.5)
        )
    ]  # fmt: skip
    print("flake, model: change (median, 90 %, most) of 40 draws; of corners; largest box [Å]")
    for name, wave in flakes().items():
        for model in MODELS:
            changes, largest = [], 0.0
            for group in (draws(40), worst if model == "quasi_coherent" else worst[:16:2]):
                changes.append([])
                for draw in group:
                    drawn = replace(draw, focal_spread_model=model)
                    grid, band = grid_and_band(wave, drawn)
                    twice = Grid(2 * grid.wave_points, 2 * grid.image_points, 2 * grid.period)
                    padded, isolated = (images(wave, drawn, g, band) for g in (grid, twice))
                    changes[-1].append(difference(padded, isolated))
                    largest = max(largest, grid.period)
            print(f"{name:14} {model:14}", *map(quantiles, changes), f"{largest:.0f}", sep="; ")


if __name__ == "__main__":
    measurements = {f.__name__: f for f in (spread, quadrature, padding, corners)}
    for chosen_name in sys.argv[1:] or measurements:
        measurements[chosen_name]()
