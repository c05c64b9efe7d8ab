"""How well drifting series are registered, and what that gives their waves.

Simulates focal series of MoS2 at the paper's settings, moves the first and the last image by up to
4 px, and registers them by a trained network (`exitwave.reconstruction.registration`).

    python benchmarks/registration.py results/networks/mos2 --series 4     # prints Markdown
"""

import argparse
import time
from pathlib import Path

import numpy as np
from page import machine

from exitwave.config import Microscope, Multislice, Structure
from exitwave.imaging.focal_series import render_series
from exitwave.imaging.microscope import ANGSTROM_PER_MICROMETRE, draw_microscope
from exitwave.materials.material import read_materials
from exitwave.multislice.exit_wave import exit_wave
from exitwave.networks.tiles import predict_in_tiles
from exitwave.networks.trained import TrainedNetwork, load_network
from exitwave.reconstruction.registration import register, shifted
from exitwave.specimens.build import build_specimen

ENERGY, SMEAR, SIZE_PX, DRIFT_PX = 50.0, 0.15, 352, 4.0


def rmse(wave: np.ndarray, truth: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.abs(wave - truth) ** 2)))


def measured(network: TrainedNetwork, seed: int, limits: Microscope) -> str:
    """One row of the table."""
    material = read_materials("monolayers", "name=2H-MoS2")[0][0]
    specimen = build_specimen(material, Structure(), 1, "mos2", 1000 + seed)
    wave = exit_wave(specimen, Multislice())
    rng = np.random.default_rng(seed)
    draw = draw_microscope(limits, ENERGY, network.settings.images, rng)
    series = render_series(wave, specimen.box / len(wave), draw, SIZE_PX, SMEAR, 1e-3, rng)
    drift = rng.uniform(-DRIFT_PX, DRIFT_PX, (network.settings.images, 2))
    middle = len(drift) // 2
    drift[middle] = 0
    images = np.stack(
        [shifted(series.image[..., frame], -drift[frame]) for frame in range(len(drift))], axis=-1
    )

    def predict(part: np.ndarray) -> np.ndarray:
        return predict_in_tiles(network, part, series.sampling)

    start = time.perf_counter()
    found = register(images, predict, series.sampling, ENERGY, draw.defocus, SMEAR)
    seconds = time.perf_counter() - start
    off = np.delete(found.optics.shifts / series.sampling - drift, middle, axis=0)
    errors = [
        rmse(predict(each), series.exit_wave) for each in (images, found.images, series.image)
    ]
    cs, true_cs = (
        each / ANGSTROM_PER_MICROMETRE
        for each in (found.optics.microscope.spherical_aberration, draw.spherical_aberration)
    )
    return (
        f"| {draw.dose:.0f} | {np.sqrt(np.mean(off**2)):.2f}{'' if found.at_rest else ' (moving)'} "
        f"| {cs:.2f} ({true_cs:.2f}) | {errors[0]:.4f} | {errors[1]:.4f} | {errors[2]:.4f} "
        f"| {seconds:.0f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("network", type=Path, help="folder of a network for MoS2 at full size")
    parser.add_argument("--series", type=int, default=5)
    parser.add_argument(
        "--dose-log10", type=float, nargs=2, default=(3.6, 4.8), help="limits of the dose [e/Å²]"
    )
    options = parser.parse_args()
    limits = Microscope(dose_log10_per_square_angstrom=tuple(options.dose_log10))
    network = load_network(options.network, precision="float32")
    print(f"{machine()}.\n")
    print(
        "| dose [e/Å²] | shifts off by, rms [px] | Cs, and the true one [µm] | RMSE as it came "
        "| registered | without drift | s |\n|---|---|---|---|---|---|---|"
    )
    for seed in range(options.series):
        print(measured(network, seed, limits), flush=True)


if __name__ == "__main__":
    main()
