"""What it costs a training when the system takes freed memory back, see `exitwave.tasks.memory`.

Trains a small network on series of flakes, 128 px as in the demo, for some epochs, in pairs: as
`exitwave train` does, and with freed memory given back as glibc does by itself. Wall and processor
time of whole processes, so take an idle machine. How much a page costs depends on the machine: on
virtual ones, and where the kernel lends small pages only, it costs most.

    python benchmarks/kept_memory.py             # prints Markdown, some minutes
    python benchmarks/kept_memory.py --write     # and puts it into docs/benchmarks.md
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from loader import make_epoch
from page import PAGE, ROOT, machine, spread, write_section

from exitwave.config import parse_config
from exitwave.workflow import specs

BACKENDS = ("tensorflow", "jax")
# Any limit of the user's own makes exitwave leave glibc as it is; this one limits nothing.
WAYS = {"kept": {}, "given back": {"MALLOC_CHECK_": "0"}}


@dataclass(frozen=True)
class Cost:
    """Of one process."""

    wall: float
    user: float
    system: float
    fetched: float
    """Memory that the system had to clear and lend [GB]."""
    peak: float
    """[GB]"""
    weights: bytes


def train_spec(epochs: int) -> str:
    config = parse_config(
        {
            "datasets": {"flakes": {"materials": {"selection": "name=2H-MoS2"}}},
            "networks": {
                "small": {
                    "dataset": "flakes",
                    "channels": [8, 16, 32, 64],
                    "target_scale": 10,
                    "optimizer": "adam",
                    "batch_size": 2,
                    "epochs": epochs,
                }
            },
        }
    )
    return specs.train_spec(config, "small")


def trained(epoch: Path, output: Path, epochs: int, environment: dict[str, str]) -> Cost:
    """What one training takes, start-up included."""
    command = [Path(sys.executable).parent / "exitwave", "train", "--spec", train_spec(epochs)]
    command += ["--training", epoch, "--validation", epoch, "--output", output]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    start = time.perf_counter()
    process = subprocess.Popen(
        [str(part) for part in command],
        env=clean | {"TF_CPP_MIN_LOG_LEVEL": "3"} | environment,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"The training failed with status {process.returncode}.")
    with zipfile.ZipFile(output / "model.keras") as model:
        weights = model.read("model.weights.h5")
    return Cost(
        wall=time.perf_counter() - start,
        user=usage.ru_utime,
        system=usage.ru_stime,
        fetched=usage.ru_minflt * resource.getpagesize() / 1e9,
        peak=usage.ru_maxrss * 1024 / 1e9,
        weights=weights,
    )


def report(costs: dict[str, dict[str, list[Cost]]], epochs: int, samples: int) -> str:
    lines = [
        f"{epochs} epochs of {samples} series of three images of 128 px, as many for the validation"
        " loss, channels 8 to 64, batches of 2; whole processes on two cores, in pairs. Medians, in"
        " brackets the least and the most. The weights are the same bytes.",
        "",
        f"{machine()}.",
        "",
        "| backend | freed memory is | wall s | user s | system s | pages lent, GB | peak, GB "
        "| wall time relative to kept |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for backend, ways in costs.items():
        kept = np.array([cost.wall for cost in ways["kept"]])
        for way, each in ways.items():
            cells = [
                spread([getattr(cost, name) for cost in each], form)
                for name, form in (
                    ("wall", ".0f"),
                    ("user", ".0f"),
                    ("system", ".0f"),
                    ("fetched", ".1f"),
                    ("peak", ".2f"),
                )
            ]
            ratio = spread(list(np.array([cost.wall for cost in each]) / kept), ".2f")
            lines.append(f"| {backend} | {way} | {' | '.join(cells)} | {ratio} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--write", action="store_true", help=f"into {PAGE.relative_to(ROOT)}")
    arguments = parser.parse_args()
    costs: dict[str, dict[str, list[Cost]]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        epoch = make_epoch(folder, arguments.samples, size_px=128)
        for backend in BACKENDS:
            ways = costs.setdefault(backend, {way: [] for way in WAYS})
            for turn in range(arguments.turns):
                for way, environment in WAYS.items():
                    print(backend, way, turn, file=sys.stderr, flush=True)
                    output = folder / f"{backend}_{way}_{turn}"
                    backend_choice = {"KERAS_BACKEND": backend}
                    ways[way].append(
                        trained(epoch, output, arguments.epochs, backend_choice | environment)
                    )
            if len({cost.weights for each in ways.values() for cost in each}) != 1:
                raise SystemExit(f"With {backend} the weights depend on how memory is kept.")
    text = report(costs, arguments.epochs, arguments.samples)
    print(text)
    if arguments.write:
        write_section("Kept memory", "kept_memory", text)


if __name__ == "__main__":
    main()
