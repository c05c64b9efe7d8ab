"""What this machine's GPU makes of the factory: waves, images, steps, batches, and a training.

Makes the paper's MoS2 data set at full size with the product's own commands, side by side and
without Snakemake; measures each stage; then trains the network for the time that it is
given, in as many goes as it takes, and evaluates it once it is finished. What a folder holds is not
made again, nor measured again.

    make setup GPU=jax && export KERAS_BACKEND=jax        # or tensorflow
    python benchmarks/gpu.py FOLDER --minutes 10           # prints Markdown
    python benchmarks/gpu.py FOLDER --minutes 10 --write   # and puts it into docs/benchmarks.md
    python benchmarks/gpu.py FOLDER --small --gpus 0       # a rehearsal of minutes on a processor
"""

import argparse
import contextlib
import csv
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from page import PAGE, ROOT, machine, write_section

from exitwave.config import Config, parse_config
from exitwave.config.sections.networks import NetworkSettings
from exitwave.workflow import specs

NAME = "mos2"
IMAGES = 3
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
THREADS = (1, 2, 4)
# Jobs that compute exit waves on one GPU at a time: what they write keeps their own core busy.
TOGETHER = 4
# Specimens whose waves are computed together.
AT_ONCE = 64
# The network of docs/paper.md but for what a GPU is good at.
NETWORK = {
    "dataset": NAME,
    "optimizer": "adam",
    "learning_rate": 1e-3,
    "schedule": "cosine",
    "target_scale": 10,
    "image_scale": 5,
    "augment": True,
    "jit_compile": True,
    "validate_every": 5,
}


def configuration(options: argparse.Namespace) -> Config:
    """The paper's MoS2 set, or one of seconds with the same stages."""
    dataset: dict[str, Any] = {
        "materials": {"selection": "name=2H-MoS2"},
        "split": {
            "by": "samples",
            "training_samples": options.samples,
            "validation_samples": options.samples,
        },
        "shards": 2 * TOGETHER,
        "multislice": {"method": "fourier"},
        "epochs": {"training_epochs": options.epochs},
    }
    network = NETWORK | {
        "epochs": options.train_epochs,
        "batch_size": options.batch_size,
        "precision": options.precision,
    }
    if options.small:
        dataset["structure"] = {"box_angstrom": 25.6, "flake_radius_angstrom": [6, 9]}
        dataset["epochs"]["image_size_px"] = 128
        network["channels"] = [8, 16]
    return parse_config(
        {
            "datasets": {NAME: dataset},
            "networks": {NAME: network},
            "evaluations": {NAME: {"network": NAME, "dataset": NAME}},
        }
    )


# The data


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "exitwave.cli", *(str(word) for word in words)]


def side_by_side(
    title: str, commands: Sequence[Sequence[str]], cores: int, logs: Path, gpu: bool = False
) -> float:
    """Run commands, so many at a time, and return the wall time [s]."""
    start = time.perf_counter()
    alone = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    if not gpu:
        alone["CUDA_VISIBLE_DEVICES"] = ""
    waiting, running = list(enumerate(commands)), []
    logs.mkdir(parents=True, exist_ok=True)
    while waiting or running:
        while waiting and len(running) < cores:
            number, words = waiting.pop(0)
            log = logs / f"{title}_{number}.log"
            with log.open("wb") as file:
                process = subprocess.Popen(
                    words, env=os.environ | alone, stdout=file, stderr=subprocess.STDOUT
                )
            running.append((process, log))
        time.sleep(0.1)
        for process, log in [each for each in running if each[0].poll() is not None]:
            running.remove((process, log))
            if process.returncode:
                raise SystemExit(f"{title} failed:\n{log.read_text()[-2000:]}")
            done = len(commands) - len(waiting) - len(running)
            print(f"{title}: {done} of {len(commands)}", file=sys.stderr, flush=True)
    return time.perf_counter() - start


def epochs_of(folder: Path, split: str) -> list[Path]:
    return sorted((folder / NAME / "epochs" / split).glob("*.nc"))


def prepare(folder: Path, config: Config, options: argparse.Namespace) -> dict[str, Any]:
    """Make the data, and return what they took."""
    root, logs = folder / NAME, folder / "logs"
    catalog = command(
        "catalog", "--spec", specs.catalog_spec(config, NAME), "--output", root / "catalog"
    )
    side_by_side("catalog", [catalog], 1, logs)
    on_gpu = bool(options.gpus) and not options.waves_on_cores
    simulate = [
        command(
            *("simulate", "--spec", specs.simulate_spec(config, NAME), "--manifest", manifest),
            *("--output", root / "exit_waves" / f"{manifest.stem}.nc"),
            *("--workers", max(1, options.cores // TOGETHER), "--gpu", int(on_gpu)),
        )
        for manifest in sorted((root / "catalog/shards").glob("*.json"))
    ]
    simulating = side_by_side("simulate", simulate, TOGETHER, logs, on_gpu)
    stores = sorted((root / "exit_waves").glob("*.nc"))
    sides = [("validation", 0), *(("training", epoch) for epoch in range(options.epochs))]
    render = [
        command(
            *("render", "--spec", specs.render_spec(config, NAME, IMAGES, split, epoch)),
            *("--output", root / "epochs" / split / f"{epoch:02d}.nc", "--workers", 1, *stores),
        )
        for split, epoch in sides
    ]
    rendering = side_by_side("render", render, options.cores, logs)
    series = options.samples * len(sides)
    return {
        "waves": 2 * options.samples,
        "seconds_simulating": simulating,
        "simulated_by": f"{TOGETHER} jobs on the GPU" if on_gpu else f"{options.cores} processes",
        "series": series,
        "seconds_rendering": rendering,
    }


# What is measured, each in a process of its own


def measure_waves(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Time of an exit wave: one after the other on one core and on the GPU, and in batches."""
    from exitwave.materials.manifest import read_manifest
    from exitwave.multislice.batches import fourier_waves
    from exitwave.multislice.exit_wave import exit_wave, passage_of
    from exitwave.specimens.build import build_specimen

    settings = configuration(options).datasets[NAME]
    manifest = read_manifest(min((folder / NAME / "catalog/shards").glob("*.json")))
    material = next(iter(manifest.materials.values()))
    count = 8 if options.small else 256
    specimens = [build_specimen(material, settings.structure, 1, NAME, i) for i in range(count)]
    devices = ("cpu", "gpu") if options.gpus else ("cpu",)
    seconds: dict[str, list[float]] = {}
    for device in devices:
        exit_wave(specimens[0], settings.multislice, device)
        seconds[device] = []
        for specimen in specimens[:12]:
            start = time.perf_counter()
            exit_wave(specimen, settings.multislice, device)
            seconds[device].append(time.perf_counter() - start)
    medians = {device: 1e3 * statistics.median(each) for device, each in seconds.items()}
    passages = [passage_of(specimen, settings.multislice) for specimen in specimens]
    ends = [time.perf_counter()]
    # As many at once as in `exitwave simulate`; the first ones prepare transforms and kernels.
    for first in range(0, count, AT_ONCE):
        chunk = slice(first, first + AT_ONCE)
        waves = fourier_waves(specimens[chunk], passages[chunk], devices[-1])
        ends.append(time.perf_counter())
    steady = np.diff(ends)[1:] if len(ends) > 2 else np.diff(ends)
    own = exit_wave(specimens[-1], settings.multislice, "cpu")
    error = float(np.sum(np.abs(waves[-1] - own) ** 2) / np.sum(np.abs(own - 1) ** 2))
    together = 1e3 * statistics.median(steady) / min(AT_ONCE, count)
    return {
        "milliseconds": medians,
        "together": {"device": devices[-1], "milliseconds": together},
        "error": error,
    }


def measure_steps(_: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Series a second of the training step alone, in one precision, from arrays in memory."""
    import keras

    from exitwave.networks import backend
    from exitwave.networks.architectures import OUTPUT_CHANNELS, build_network

    settings = configuration(options).networks[NAME].part(NetworkSettings)
    size = 128 if options.small else 352
    model = build_network(settings, IMAGES)
    model.compile(
        optimizer="adam", loss="mse", jit_compile=backend.compiles_steps(settings.jit_compile)
    )
    rng = np.random.default_rng(0)
    count = settings.batch_size * (4 if options.small else 25)
    images = rng.normal(1, 0.1, (count, size, size, IMAGES)).astype(np.float32)
    targets = rng.normal(0, 0.1, (count, size, size, OUTPUT_CHANNELS)).astype(np.float32)
    ends: list[float] = []
    clock = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: ends.append(time.perf_counter())  # noqa: ARG005
    )
    start = time.perf_counter()
    model.fit(
        *(images, targets), batch_size=settings.batch_size, epochs=4, verbose=0, callbacks=[clock]
    )
    ends.append(time.perf_counter())
    best = min(np.diff(ends[1:]))
    return {
        "series_per_second": count / best,
        "seconds_first_epoch": ends[1] - start,
        "device": backend.device_name(),
        "backend": backend.backend_name(),
        "keras": keras.__version__,
        "parameters": model.count_params(),
    }


def measure_batches(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Milliseconds that a series takes on its way from the system's cache to the step."""
    from exitwave.networks.training.epoch_reader import EpochFiles
    from exitwave.networks.training.loader import SeriesBatches, TrainingOrder

    settings = configuration(options).networks[NAME].part(NetworkSettings)
    milliseconds = {}
    with EpochFiles(epochs_of(folder, "training")[:1]) as files:
        for readers in THREADS:
            batches = SeriesBatches(files, TrainingOrder(files, settings, 1), settings, readers)
            seconds = []
            for epoch in range(4):
                batches.start_epoch(epoch)
                start = time.perf_counter()
                for index in range(len(batches)):
                    batches[index]
                seconds.append(time.perf_counter() - start)
            milliseconds[str(readers)] = 1e3 * min(seconds[1:]) / batches.samples
    return {"milliseconds": milliseconds}


MEASURES: dict[str, Callable[[Path, argparse.Namespace], dict[str, Any]]] = {
    "waves": measure_waves,
    "batches": measure_batches,
    **{f"steps_{precision}": measure_steps for precision in PRECISIONS},
}


def measured(name: str) -> dict[str, Any]:
    """What one measure gives in a process of its own, or why it gave nothing."""
    print(f"measuring {name}", file=sys.stderr, flush=True)
    words = [word for word in sys.argv[1:] if word != "--write"]
    if name.startswith("steps_"):
        words += ["--precision", name.removeprefix("steps_")]
    done = subprocess.run(
        [sys.executable, __file__, *words, "--measure", name], capture_output=True, text=True
    )
    if done.returncode:
        reason = (done.stderr.strip() or "without a word").splitlines()[-1]
        return {"failed": f"failed: {reason}"}
    return dict(json.loads(done.stdout.splitlines()[-1]))


# The training


def train(folder: Path, config: Config, options: argparse.Namespace) -> dict[str, Any]:
    """Train until the network is finished or the time is over; a later call goes on."""
    output = folder / "networks" / NAME
    words = command(
        *("train", "--spec", specs.train_spec(config, NAME), "--output", output),
        *("--training", *epochs_of(folder, "training")),
        *("--validation", *epochs_of(folder, "validation"), "--gpu", options.gpus),
    )
    start = time.perf_counter()
    process = subprocess.Popen(words)
    try:
        process.wait(timeout=60 * options.minutes)
    except subprocess.TimeoutExpired:
        # While a step is compiled, an interrupt may be lost.
        while process.poll() is None:
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=30)
    if process.returncode not in (0, 130):
        raise SystemExit(f"The training failed with status {process.returncode}.")
    with (output / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    result: dict[str, Any] = {
        "epochs": len(rows),
        "of": options.train_epochs,
        "seconds_last_call": time.perf_counter() - start,
    }
    # The first epoch compiles the step.
    if seconds := [float(row["seconds"]) for row in rows[1:]]:
        result["seconds_per_epoch"] = statistics.median(seconds)
        result["series_per_second"] = options.samples / statistics.median(seconds)
        waited = sum(float(row["seconds_waiting"]) for row in rows[1:])
        result["waiting"] = waited / sum(seconds)
    if process.returncode == 0:
        evaluation = folder / "evaluations" / NAME
        spec = specs.evaluate_spec(config, NAME)
        subprocess.run(
            command(
                *("evaluate", "--spec", spec, "--network", output, "--output", evaluation),
                *epochs_of(folder, "validation"),
            ),
            check=True,
        )
        statistics_of = json.loads((evaluation / "summary.json").read_text())["statistics"]
        result["median_rmse"] = statistics_of["rmse"]["median"]
    return result


def report(found: dict[str, Any], options: argparse.Namespace) -> str:
    found = {name: {"failed": "not measured"} for name in MEASURES} | found
    steps = {name: found[f"steps_{name}"] for name in PRECISIONS}
    known = next((step for step in steps.values() if "device" in step), {})
    size = "a rehearsal at 128 px" if options.small else "352 px, three images, full-size network"
    lines = [
        f"{known.get('device', 'device unknown')}, {options.cores} cores, {options.gpus} GPUs used;"
        f" Keras {known.get('keras', '-')} on {known.get('backend', '-')}; MoS2, "
        f"{options.samples} + {options.samples} samples, {size}.",
        "",
        f"{machine()}.",
        "",
        "| what | measured |",
        "|---|---|",
    ]

    def row(what: str, value: Callable[[], str], source: dict[str, Any]) -> None:
        text = source["failed"] if "failed" in source else value()
        lines.append(f"| {what} | {text} |")

    made, waves, batches = found["prepare"], found["waves"], found["batches"]
    for stage, count, seconds, by in (
        ("exit waves", made["waves"], made["seconds_simulating"], made["simulated_by"]),
        ("series", made["series"], made["seconds_rendering"], f"{options.cores} processes"),
    ):
        lines.append(
            f"| {count} {stage} by {by}, start-up and writing included | {seconds:.0f} s, "
            f"{count / seconds:.0f} a second |"
        )
    row(
        "one exit wave after the other",
        lambda: ", ".join(f"{d}: {ms:.1f} ms" for d, ms in waves["milliseconds"].items()),
        waves,
    )
    row(
        f"exit waves in batches, {AT_ONCE} specimens at once",
        lambda: (
            f"{waves['together']['device']}: {waves['together']['milliseconds']:.1f} ms per wave; "
            f"Eq. (A.1) to the wave of a processor {waves['error']:.1e}"
        ),
        waves,
    )
    for name, step in steps.items():
        row(
            f"training step alone, {name}, batches of {options.batch_size}",
            lambda step=step: (
                f"{step['series_per_second']:.0f} series/s "
                f"(first epoch, with compiling, {step['seconds_first_epoch']:.0f} s)"
            ),
            step,
        )
    row(
        f"from the system's cache to the step, {', '.join(map(str, THREADS))} threads",
        lambda: (
            ", ".join(f"{each:.2f}" for each in batches["milliseconds"].values()) + " ms per series"
        ),
        batches,
    )
    trained = found.get("train")
    if trained:
        rate = "too few to tell their speed"
        if "waiting" in trained:
            rate = (
                f"{trained['seconds_per_epoch']:.2f} s each, validation every "
                f"{NETWORK['validate_every']} epochs; {trained['series_per_second']:.0f} series/s, "
                f"waiting for data {100 * trained['waiting']:.1f} % of the time"
            )
        lines.append(
            f"| `exitwave train`, {options.precision} | {trained['epochs']} of {trained['of']} "
            f"epochs, {rate} |"
        )
        if "median_rmse" in trained:
            lines.append(f"| median RMSE of its wave | {trained['median_rmse']:.4f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="what is made and measured lies here")
    parser.add_argument("--minutes", type=float, default=10.0, help="of training in this call")
    parser.add_argument("--gpus", type=int, default=1, help="that share the training; 0: processor")
    parser.add_argument("--samples", type=int, default=1000, help="on each side of the split")
    parser.add_argument("--epochs", type=int, default=10, help="epochs of images")
    parser.add_argument("--train-epochs", type=int, default=200)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--precision", default="mixed_bfloat16", choices=PRECISIONS)
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--skip", nargs="+", default=[], choices=MEASURES, help="for now")
    parser.add_argument("--waves-on-cores", action="store_true", help="not on the GPU")
    parser.add_argument("--small", action="store_true", help="a rehearsal with small images")
    parser.add_argument("--write", action="store_true", help=f"into {PAGE.relative_to(ROOT)}")
    parser.add_argument("--measure", choices=MEASURES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(MEASURES[options.measure](options.folder, options)))
        return
    config = configuration(options)
    notes = options.folder / "measured.json"
    found = json.loads(notes.read_text()) if notes.exists() else {}

    def note(name: str, value: dict[str, Any]) -> None:
        found[name] = value
        notes.write_text(json.dumps(found, indent=1))

    if "prepare" not in found:
        options.folder.mkdir(parents=True, exist_ok=True)
        note("prepare", prepare(options.folder, config, options))
    for name in MEASURES:
        if name not in options.skip and (name not in found or "failed" in found[name]):
            note(name, measured(name))
    if options.minutes > 0:
        note("train", train(options.folder, config, options))
    text = report(found, options)
    print(text)
    if options.write:
        write_section("GPU", "gpu", text)


if __name__ == "__main__":
    main()
