"""How fast batches reach the training step, compared with a plain reading of the same samples.

Renders an epoch of MoS2 flakes as production does, 352 px and three images per series, and reads it
in turns, from a warm cache: byte after byte, as fast as the system copies; the two variables that
training needs sample after sample through netCDF4; and through `exitwave.networks.training.loader`,
shuffled, alone and in `fit` of Keras with a network whose step costs next to nothing; and before
steps that sleep as long as a GPU's step takes, how long those wait for their batch. Wall time, so
take an idle machine; medians over the turns. Each backend has a process of its own, and keeps freed
memory as `exitwave train` does.

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
from exitwave.networks import backend
from exitwave.stages.catalog import build_catalog
from exitwave.stages.render import render_epoch
from exitwave.stages.simulate import simulate_exit_waves
from exitwave.tasks.memory import keep_freed_memory
from exitwave.workflow import specs

BACKENDS = ("tensorflow", "jax")
THREADS = (1, 2, 4)
# What one H200 took for a series of three images of 352 px in bfloat16 [s].
STEP = 1.4e-3
# Of a training; what is read ahead beyond one counts in the next.
EPOCHS = 4
WAYS = (
    "bytes",
    "netcdf",
    "first",
    *(f"batches_{number}" for number in THREADS),
    "loader",
    "augmented",
)


WAITING = tuple(f"waiting_{number}" for number in THREADS)


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
    """Seconds of each way and shares of waiting, in turns; in this process's backend."""
    keep_freed_memory()
    import keras

    from exitwave.networks.devices import Devices
    from exitwave.networks.training.epoch_reader import EpochFiles
    from exitwave.networks.training.loader import SeriesBatches, TrainingOrder
    from exitwave.networks.training.symmetries import turn_in_step

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

        networks, batches = {}, {}
        for way, augment in (("loader", False), ("augmented", True)):
            settings = Network(dataset="flakes", augment=augment)
            batches[way] = SeriesBatches(files, TrainingOrder(files, settings, 1), settings)
            networks[way] = keras.models.clone_model(network)
            networks[way].compile(
                optimizer="sgd", loss=loss, jit_compile=backend.compiles_steps(False)
            )
            if augment:
                turn_in_step(networks[way])

        def train(way: str, turn: int) -> float:
            """Some epochs of a training; returns the time of one after the first [s]."""
            started: list[float] = []

            def begin(epoch: int, logs: object) -> None:  # noqa: ARG001
                batches[way].start_epoch(EPOCHS * turn + epoch)
                started.append(time.perf_counter())

            networks[way].fit(
                Devices().feed(batches[way]),
                epochs=EPOCHS,
                shuffle=False,
                verbose=0,
                callbacks=[keras.callbacks.LambdaCallback(on_epoch_begin=begin)],
            )
            return (time.perf_counter() - started[1]) / (EPOCHS - 1)

        settings = Network(dataset="flakes")
        threads = {
            number: SeriesBatches(files, TrainingOrder(files, settings, 1), settings, number)
            for number in THREADS
        }

        def read_batches(turn: int, number: int) -> float:
            """Epochs one after the other; returns the time of one after the first [s]."""
            for epoch in range(EPOCHS):
                if epoch == 1:
                    start = time.perf_counter()
                threads[number].start_epoch(EPOCHS * turn + epoch)
                for index in range(len(threads[number])):
                    threads[number][index]
            return (time.perf_counter() - start) / (EPOCHS - 1)

        def step_after(turn: int, number: int) -> float:
            """Steps that leave the processor alone; returns the share of time that they wait."""
            paced, waited = threads[number], 0.0
            for epoch in range(EPOCHS):
                if epoch == 1:
                    start = time.perf_counter()
                paced.start_epoch(EPOCHS * turn + epoch)
                for index in range(len(paced)):
                    time.sleep(STEP * len(paced[index][0]))
                waited += paced.seconds_waited if epoch else 0.0
            return waited / (time.perf_counter() - start)

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
        seconds: dict[str, list[float]] = {way: [] for way in (*WAYS, *WAITING)}
        for turn in range(turns + 1):
            for way, function in ways.items():
                start = time.perf_counter()
                own = function(turn)
                if turn:  # in the first, the step is compiled
                    seconds[way].append(own or time.perf_counter() - start)
            for number, way in zip(THREADS, WAITING, strict=True):
                share = step_after(turn, number)
                if turn:
                    seconds[way].append(share)
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
        "augmented": "the same in `fit`, turned and flipped in the step (`augment: true`)",
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
    for backend_name, seconds in measured.items():
        for way in WAYS:
            each = np.array(seconds[way]) / samples
            ratios = np.array(seconds["netcdf"]) / np.array(seconds[way])
            lines.append(
                f"| {backend_name} | {labels[way]} | {spread(list(1e3 * each), '.2f')} "
                f"| {size / samples / 1e6 / np.median(each):.0f} | {spread(list(ratios), '.2f')} |"
            )
    lines += [
        "",
        f"Steps that sleep {1e3 * STEP:.1f} ms per series, as long as one H200 computed, wait for "
        "their batches this share of the time:",
        "",
        "| backend | 1 thread | 2 threads | 4 threads |",
        "|---|---|---|---|",
    ]
    for backend_name, seconds in measured.items():
        shares = [spread([100 * share for share in seconds[way]], ".1f") for way in WAITING]
        lines.append(f"| {backend_name} | {' | '.join(f'{share} %' for share in shares)} |")
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
        for backend_name in BACKENDS:
            print(backend_name, file=sys.stderr, flush=True)
            command = [sys.executable, __file__, "--measure", path, "--turns", str(arguments.turns)]
            done = subprocess.run(
                [str(part) for part in command],
                env=os.environ | {"KERAS_BACKEND": backend_name, "TF_CPP_MIN_LOG_LEVEL": "3"},
                stdout=subprocess.PIPE,
                text=True,
                check=True,
            )
            measured[backend_name] = json.loads(done.stdout.splitlines()[-1])
        text = report(measured, arguments.samples, path.stat().st_size)
    print(text)
    if arguments.write:
        write_section("Loader", "loader", text)


if __name__ == "__main__":
    main()
