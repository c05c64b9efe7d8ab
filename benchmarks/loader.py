"""How fast batches reach the training step, compared with a plain reading of the same samples.

Renders an epoch of MoS2 flakes as production does, 352 px and three images per series, and reads it
in turns, from a warm cache: byte after byte, as fast as the system copies; the two variables that
training needs sample after sample through netCDF4; and through `exitwave.networks.loader`,
shuffled, alone and in `fit` of Keras with a network whose step costs next to nothing. Wall time, so
take an idle machine; medians over the turns. Each backend has a process of its own.

    python benchmarks/loader.py                  # prints Markdown, about two minutes
    python benchmarks/loader.py --write          # and puts it into docs/benchmarks.md
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import netCDF4
import numpy as np
from page import PAGE, ROOT, machine, spread, write_section

from exitwave.config import Network, parse_config
from exitwave.stages.catalog import build_catalog
from exitwave.stages.render import render_epoch
from exitwave.stages.simulate import simulate_exit_waves
from exitwave.workflow import specs

BACKENDS = ("tensorflow", "jax")
THREADS = (1, 2, 4)
WAYS = (
    "bytes",
    "netcdf",
    "first",
    *(f"batches_{number}" for number in THREADS),
    "loader",
    "augmented",
)


def make_epoch(folder: Path, samples: int, images: int = 3, size_px: int = 352) -> Path:
    """An epoch file of real flakes."""
    config = parse_config(
        {
            "datasets": {
                "flakes": {
                    "materials": {"selection": "name=2H-MoS2"},
                    "split": {
                        "by": "samples",
                        "training_samples": samples,
                        "validation_samples": 1,
                    },
                    "shards": 1,
                    "multislice": {"method": "fourier"},
                    "epochs": {"image_size_px": size_px},
                }
            }
        }
    )
    build_catalog(specs.catalog_spec(config, "flakes"), folder / "catalog")
    waves, epoch = folder / "exit_waves/000.nc", folder / "training/00.nc"
    manifest = folder / "catalog/shards/000.json"
    simulate_exit_waves(specs.simulate_spec(config, "flakes"), manifest, waves)
    render_epoch(specs.render_spec(config, "flakes", images, "training", 0), [waves], epoch)
    return epoch


def read_bytes(path: Path) -> None:
    with path.open("rb", buffering=0) as file:
        while file.read(2**22):
            pass


def read_netcdf(path: Path) -> None:
    with netCDF4.Dataset(path) as file:
        file.set_auto_mask(False)
        for sample in range(len(file.dimensions["sample"])):
            file["image"][sample]
            file["exit_wave"][sample]


def measure_backend(path: Path, turns: int) -> dict[str, list[float]]:
    """Seconds of each way, in turns; in this process's backend."""
    import keras

    from exitwave.networks.epoch_reader import EpochFiles
    from exitwave.networks.loader import SeriesBatches, TrainingOrder

    size = Network(dataset="flakes").images
    with EpochFiles([path]) as files:
        height, width = files.size_px
        network = keras.Sequential(
            [
                keras.Input((height, width, size)),
                keras.layers.Cropping2D(((0, height - 1), (0, width - 1))),
                keras.layers.Conv2D(2, 1),
            ]
        )

        def loss(target, predicted):
            return keras.ops.mean((target[:, :1, :1] - predicted) ** 2)

        network.compile(optimizer="sgd", loss=loss, jit_compile=False)
        batches = {}
        for way, augment in (("loader", False), ("augmented", True)):
            settings = Network(dataset="flakes", augment=augment)
            batches[way] = SeriesBatches(files, TrainingOrder(files, settings, 1), settings)

        def train(way: str, turn: int) -> None:
            batches[way].start_epoch(turn)
            network.fit(batches[way], shuffle=False, verbose=0)

        settings = Network(dataset="flakes")
        threads = {
            number: SeriesBatches(files, TrainingOrder(files, settings, 1), settings, number)
            for number in THREADS
        }

        def read_batches(turn: int, number: int) -> None:
            threads[number].start_epoch(turn)
            for index in range(len(threads[number])):
                threads[number][index]

        def read_first(turn: int) -> None:
            with EpochFiles([path]) as anew:
                first = SeriesBatches(anew, TrainingOrder(anew, settings, 1), settings)
                first.start_epoch(turn)
                for index in range(len(first)):
                    first[index]

        ways = {
            "bytes": lambda turn: read_bytes(path),  # noqa: ARG005
            "netcdf": lambda turn: read_netcdf(path),  # noqa: ARG005
            "first": read_first,
            **{
                f"batches_{number}": lambda turn, number=number: read_batches(turn, number)
                for number in THREADS
            },
            "loader": lambda turn: train("loader", turn),
            "augmented": lambda turn: train("augmented", turn),
        }
        seconds: dict[str, list[float]] = {way: [] for way in WAYS}
        for turn in range(turns + 1):
            for way, function in ways.items():
                start = time.perf_counter()
                function(turn)
                if turn:  # in the first, the step is compiled
                    seconds[way].append(time.perf_counter() - start)
    return seconds


def report(measured: dict[str, dict[str, list[float]]], samples: int, size: int) -> str:
    labels = {
        "bytes": "plain reading of the file's bytes",
        "netcdf": "image and wave, sample after sample through netCDF4",
        "first": "batches of 8, shuffled and normalised, when every checksum is compared",
        **{
            f"batches_{number}": f"the same in each later epoch, {number} threads".replace(
                "1 threads", "1 thread"
            )
            for number in THREADS
        },
        "loader": "the same in `fit`, whose empty step shares the two cores",
        "augmented": "the same in `fit`, turned and flipped (`augment: true`)",
    }
    lines = [
        f"{samples} series of three images of 352 px with their wave, {size / samples / 1e6:.2f} MB"
        " per series, in the system's cache. Wall time on two cores; medians over the turns, and "
        "in brackets the least and the most.",
        "",
        f"{machine()}.",
        "",
        "| backend | way | ms per series | MB/s | speed relative to netCDF4's |",
        "|---|---|---|---|---|",
    ]
    for backend, seconds in measured.items():
        for way in WAYS:
            each = np.array(seconds[way]) / samples
            ratios = np.array(seconds["netcdf"]) / np.array(seconds[way])
            lines.append(
                f"| {backend} | {labels[way]} | {spread(list(1e3 * each), '.2f')} "
                f"| {size / samples / 1e6 / np.median(each):.0f} | {spread(list(ratios), '.2f')} |"
            )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=96)
    parser.add_argument("--turns", type=int, default=9)
    parser.add_argument("--write", action="store_true", help=f"into {PAGE.relative_to(ROOT)}")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure_backend(arguments.measure, arguments.turns)))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = make_epoch(Path(folder), arguments.samples)
        measured = {}
        for backend in BACKENDS:
            print(backend, file=sys.stderr, flush=True)
            command = [sys.executable, __file__, "--measure", path, "--turns", str(arguments.turns)]
            done = subprocess.run(
                [str(part) for part in command],
                env=os.environ | {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"},
                stdout=subprocess.PIPE,
                text=True,
                check=True,
            )
            measured[backend] = json.loads(done.stdout.splitlines()[-1])
        text = report(measured, arguments.samples, path.stat().st_size)
    print(text)
    if arguments.write:
        write_section("Loader", "loader", text)


if __name__ == "__main__":
    main()
