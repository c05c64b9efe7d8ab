"""How much memory a network takes for images of any size, and whether tiles change its wave.

    python benchmarks/tiles.py results/networks/mos2        # prints Markdown

Each row is a process of its own, whose memory is its greatest resident set. The images are a
simulated focal series of MoS2, laid side by side until they are as large.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from page import machine

from exitwave.config import Microscope, Multislice, Structure
from exitwave.imaging.focal_series import render_series
from exitwave.imaging.microscope import draw_microscope
from exitwave.materials.material import read_materials
from exitwave.multislice.exit_wave import exit_wave
from exitwave.specimens.build import build_specimen

SIZE_PX = 352

ONE = """
import resource, sys, time
import numpy as np
from exitwave.networks.tiles import predict_in_tiles
from exitwave.networks.trained import load_network
network = load_network(sys.argv[1], precision="float32")
series = np.load(sys.argv[2], mmap_mode="r")
side, tile = int(sys.argv[4]), int(sys.argv[5])
repeats = -(-side // series.shape[0])
image = np.tile(series, (repeats, repeats, 1))[:side, :side]
start = time.perf_counter()
wave = predict_in_tiles(network, image, float(sys.argv[3]), **({"tile_px": tile} if tile else {}))
seconds = time.perf_counter() - start
np.save(sys.argv[6], wave)
print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)
"""


def simulated(images: int) -> tuple[np.ndarray, float]:
    """A focal series of MoS2 at the paper's settings, and its pixel [Å]."""
    material = read_materials("monolayers", "name=2H-MoS2")[0][0]
    specimen = build_specimen(material, Structure(), 1, "mos2", 1000)
    wave = exit_wave(specimen, Multislice())
    rng = np.random.default_rng(1)
    draw = draw_microscope(Microscope(), 50.0, images, rng)
    series = render_series(wave, specimen.box / len(wave), draw, SIZE_PX, 0.15, 1e-3, rng)
    return series.image, series.sampling


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("network", type=Path, help="folder of a network, of the paper's size")
    parser.add_argument("--images", type=int, default=3, help="that the network takes")
    parser.add_argument("--untiled", type=int, default=2048, help="side that is also done whole")
    parser.add_argument("--largest", type=int, default=4096, help="side of the largest images")
    options = parser.parse_args()
    print(f"{machine()}.\n\n| images | tile | s | peak memory [GiB] |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        image, sampling = simulated(options.images)
        np.save(Path(folder) / "series.npy", image)
        waves = {}
        # A tile as large as the image is the whole image.
        for side, tile in ((options.untiled, 10**6), (options.untiled, 0), (options.largest, 0)):
            output = Path(folder) / f"{side}_{tile}.npy"
            given = (options.network, Path(folder) / "series.npy", sampling, side, tile, output)
            done = subprocess.run(
                [sys.executable, "-c", ONE, *map(str, given)],
                check=True,
                text=True,
                stdout=subprocess.PIPE,
            )
            seconds, memory = map(float, done.stdout.split()[-2:])
            name = "whole" if tile else "default"
            print(f"| {side} x {side} | {name} | {seconds:.0f} | {memory:.2f} |", flush=True)
            waves[side, tile] = np.load(output)
    whole, tiled = (waves[options.untiled, tile] for tile in (10**6, 0))
    print(
        f"\nLargest difference of the wave in tiles from the whole one, {options.untiled} px: "
        f"{np.abs(whole - tiled).max():.1e} (largest abs(psi - 1): {np.abs(whole - 1).max():.2f})."
    )


if __name__ == "__main__":
    main()
