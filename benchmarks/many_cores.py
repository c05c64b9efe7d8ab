"""How exit waves scale over the cores of a node, and what they ask of its memory.

Starts 1, 2, 4 ... processes, up to as many as there are cores; each computes exit waves of MoS2
flakes of full size for some seconds, as a worker of `exitwave simulate` does, or only Fourier
transforms of the same size. A process that keeps its freed memory (`exitwave.tasks.memory`) is
compared with one that gives it back as glibc does by itself: what the kernel lends, it has to clear
first, and that work grows with every process of the machine. Efficiency is the rate of a process
among others relative to that of one alone. Take an idle machine.

    python benchmarks/many_cores.py               # prints Markdown, some minutes
    python benchmarks/many_cores.py --write       # and puts it into docs/benchmarks.md
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
import scipy.fft
from page import PAGE, ROOT, machine, write_section
from threadpoolctl import threadpool_limits

from exitwave.config import Multislice, Structure
from exitwave.materials.material import read_materials
from exitwave.multislice.exit_wave import exit_wave, grid_points
from exitwave.specimens.build import build_specimen
from exitwave.tasks.memory import ENVIRONMENT

# Any limit of the user's own leaves glibc as it is.
MEMORY = {"kept": ENVIRONMENT, "given back": {}}
SPECIMENS = 4


def waves() -> Callable[[int], object]:
    """Compute the wave of one of some flakes."""
    material = read_materials("monolayers", "name=2H-MoS2", 8)[0][0]
    specimens = [build_specimen(material, Structure(), 1, "mos2", i) for i in range(SPECIMENS)]
    settings = Multislice(method="fourier")
    return lambda turn: exit_wave(specimens[turn % SPECIMENS], settings)


def transforms() -> Callable[[int], object]:
    """Transform arrays of a wave's size there and back; what it costs is the floor's kind."""
    points = grid_points(Multislice(), Structure().box_angstrom)
    wave = np.ones((points, points), np.complex64)
    return lambda turn: scipy.fft.ifft2(scipy.fft.fft2(wave))  # noqa: ARG005


WORK = {"exit waves": waves, "transforms only": transforms}


def work(kind: str, seconds: float) -> dict[str, float]:
    """Do one kind of work for some time in this process, and return what one turn took."""
    function = WORK[kind]()
    with threadpool_limits(1):
        for turn in range(SPECIMENS):
            function(turn)
        # All processes of a group begin together.
        print("ready", flush=True)
        sys.stdin.readline()
        before, start, turns = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter(), 0
        while time.perf_counter() - start < seconds:
            function(turns)
            turns += 1
        wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "wall": wall / turns,
        "system": (after.ru_stime - before.ru_stime) / turns,
        "faults": (after.ru_minflt - before.ru_minflt) / turns,
        "peak": after.ru_maxrss / 1024,
    }


def group(kind: str, memory: str, processes: int, seconds: float) -> dict[str, float]:
    """The means over processes that work side by side."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    environment = clean | {name: str(value) for name, value in MEMORY[memory].items()}
    words = [sys.executable, __file__, "--work", kind, "--seconds", str(seconds)]
    started = [
        subprocess.Popen(
            words, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(processes)
    ]
    for process in started:
        assert process.stdout is not None
        if process.stdout.readline() != "ready\n":
            raise SystemExit(f"A process for {kind} failed.")
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [json.loads(process.communicate()[0].splitlines()[-1]) for process in started]
    return {name: float(np.mean([each[name] for each in said])) for name in said[0]}


def report(counts: list[int], seconds: float, cores: int) -> str:
    lines = [
        f"MoS2 flakes at the paper's settings, {seconds:.0f} s each; {cores} cores. Times and page "
        "faults are those of one wave, or of one transform there and back.",
        "",
        f"{machine()}.",
        "",
        "| work | freed memory is | processes | core-seconds | of these system | page faults "
        "| peak, MB | efficiency |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for kind in WORK:
        alone: dict[str, float] = {}
        for count in counts:
            # In turns, since the clock of a processor falls with time.
            for memory in MEMORY:
                print(kind, memory, count, file=sys.stderr, flush=True)
                found = group(kind, memory, count, seconds)
                alone.setdefault(memory, found["wall"])
                lines.append(
                    f"| {kind} | {memory} | {count} | {found['wall']:.4f} "
                    f"| {100 * found['system'] / found['wall']:.0f} % | {found['faults']:.0f} "
                    f"| {found['peak']:.0f} | {alone[memory] / found['wall']:.2f} |"
                )
    return "\n".join(lines)


def main() -> None:
    cores = len(os.sched_getaffinity(0))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=15.0, help="for each group of processes")
    parser.add_argument("--write", action="store_true", help=f"into {PAGE.relative_to(ROOT)}")
    parser.add_argument("--work", choices=WORK, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        print(json.dumps(work(options.work, options.seconds)))
        return
    counts = sorted(
        {2**power for power in range(cores.bit_length()) if 2**power <= cores} | {cores}
    )
    text = report(counts, options.seconds, cores)
    print(text)
    if options.write:
        write_section("Many cores", "many_cores", text)


if __name__ == "__main__":
    main()
