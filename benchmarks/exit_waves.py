"""What an exit wave costs and how wrong it is: a plain abTEM script, production, and the floor.

Makes nanoflakes of MoS2 and, where there are C2DB rows, of materials taken from them, with the
paper's defects and tilts in boxes of 38.4 Å. For each it times, one after the other in this process
and on one thread, abTEM as a user would call it at the paper's settings, our own path through
abTEM, and the multislice in Fourier space; in processor time, as others' load counts less. Errors
are Eq. (A.1) against the Fourier multislice with finer planes and points, itself compared with
the float64 reference of the tests for the first flake. The floor is the time of the transforms
that the Fourier multislice makes, replayed alone.

    python benchmarks/exit_waves.py                  # prints Markdown, some minutes
    python benchmarks/exit_waves.py --write          # and puts it into docs/benchmarks.md
"""

import argparse
import os
import sys
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import abtem
import numpy as np
import scipy.fft
from abtem.parametrizations import LobatoParametrization
from ase import Atoms
from ase.data import chemical_symbols
from page import PAGE, ROOT, machine, spread, timed, write_section
from scipy.optimize import minimize_scalar
from threadpoolctl import threadpool_limits

from exitwave.config import Multislice, Structure
from exitwave.materials.material import read_materials
from exitwave.multislice import fourier as fourier_multislice
from exitwave.multislice.exit_wave import crop_band, exit_wave, smearing_width, stored_points
from exitwave.specimens.build import Specimen, build_specimen

sys.path.insert(0, str(ROOT / "tests" / "physics"))
import reference

ROWS = Path(os.environ.get("EXITWAVE_C2DB", ROOT.parent / "shared" / "c2db"))

PAPER = Multislice(method="abtem")
WIDTH = smearing_width(PAPER)
FINEST = Multislice(sampling_angstrom=0.04)
OURS = {
    "our path through abTEM, the same settings": PAPER,
    "Fourier, 0.05 Å, planes 0.23 Å (`slice_thickness_angstrom: 0.2`, the default)": Multislice(),
    "Fourier, 0.05 Å, planes 0.4 Å": Multislice(slice_thickness_angstrom=0.4),
    "Fourier, 0.06 Å, planes 0.4 Å": Multislice(
        slice_thickness_angstrom=0.4, sampling_angstrom=0.06
    ),
}
PLAIN = "plain abTEM script: finite, 0.05 Å, slices 0.2 Å"


@dataclass
class Measured:
    """Of one way to compute, over the specimens."""

    seconds: list[float]
    speed_ups: list[float]
    errors: list[float]
    over_floor: list[float]


def specimens(flakes: int, rows: int) -> list[Specimen]:
    materials = [read_materials("monolayers", "name=2H-MoS2", 8)[0][0]] * flakes
    database = ROWS / "c2db_sample_3000.db"
    if rows and database.is_file():
        found = read_materials(database, "natoms<=8", 8)[0]
        materials += found[:: len(found) // rows][:rows]
    return [
        build_specimen(material, Structure(), 1, "benchmark", number)
        for number, material in enumerate(materials)
    ]


def plain_script(specimen: Specimen) -> np.ndarray:
    """abTEM by its own defaults; the wave ends about 3 Å below the lowest atom."""
    above, below = 2.0, 3.0
    height = np.ptp(specimen.positions[:, 2])
    atoms = Atoms(
        specimen.numbers,
        specimen.positions + np.array([0.0, 0.0, above]),
        cell=[specimen.box, specimen.box, above + height + below],
        pbc=True,
    )
    sigmas = {chemical_symbols[number]: WIDTH for number in specimen.numbers}
    potential = abtem.Potential(
        atoms,
        sampling=0.05,
        slice_thickness=0.2,
        projection="finite",
        parametrization=LobatoParametrization(sigmas=sigmas),
    )
    waves = abtem.PlaneWave(energy=50e3).multislice(potential)
    waves = waves.compute(progress_bar=False, scheduler="synchronous")
    return np.ascontiguousarray(waves.array.T)


def fitted_error(wave: np.ndarray, truth: np.ndarray, box: float) -> float:
    """Eq. (A.1) where the wave is best propagated to the plane of the other."""
    cropped = crop_band(wave, len(truth)).astype(complex)

    def error(distance: float) -> float:
        moved = reference.propagated(cropped, box / len(truth), distance)
        return float(reference.relative_error(moved, truth))

    return float(minimize_scalar(error, bounds=(-0.4, 0.4), method="bounded").fun)


class Recorder:
    """SciPy's FFT; notes which transforms were made of what."""

    def __init__(self) -> None:
        self.calls: Counter = Counter()

    def __getattr__(self, name: str) -> Callable:
        def recorded(array, **keys):
            self.calls[name, array.shape, array.dtype.str, tuple(keys.items())] += 1
            return getattr(scipy.fft, name)(array, **keys)

        return recorded


def floor(specimen: Specimen, settings: Multislice, repeats: int) -> float:
    """Processor time [s] of the transforms alone."""
    recorder = Recorder()
    with mock.patch.object(fourier_multislice, "fft", recorder):
        exit_wave(specimen, settings)
    rng = np.random.default_rng(0)
    prepared = [
        (getattr(scipy.fft, name), rng.random(shape).astype(dtype), dict(keys), count)
        for (name, shape, dtype, keys), count in recorder.calls.items()
    ]

    def transforms() -> None:
        for function, array, keys, count in prepared:
            for _ in range(count):
                function(array, **{**keys, "overwrite_x": False})

    return timed(transforms, repeats)[1]


def measure(found: list[Specimen], repeats: int) -> dict[str, Measured]:
    table = {label: Measured([], [], [], []) for label in (PLAIN, *OURS)}
    plain_script(found[0])  # FFTW plans once a process
    for number, specimen in enumerate(found):
        print(f"specimen {number + 1} of {len(found)}", file=sys.stderr, flush=True)
        truth = exit_wave(specimen, FINEST).astype(complex)
        # Each way is timed right after the script that it is compared with.
        wave, plain = timed(lambda: plain_script(specimen), 1)  # noqa: B023
        table[PLAIN].seconds.append(plain)
        table[PLAIN].speed_ups.append(1.0)
        table[PLAIN].errors.append(fitted_error(wave, truth, specimen.box))
        for label, settings in OURS.items():
            fast = settings.method == "fourier"
            wave, seconds = timed(
                lambda: exit_wave(specimen, settings),  # noqa: B023
                repeats if fast else 1,
            )
            row = table[label]
            row.seconds.append(seconds)
            row.speed_ups.append(plain / seconds)
            row.errors.append(float(reference.relative_error(wave, truth)))
            if fast:
                row.over_floor.append(seconds / floor(specimen, settings, repeats))
    return table


def reference_errors(specimen: Specimen) -> dict[str, float]:
    """Eq. (A.1) against the float64 reference, on 0.06 Å in slices of 0.1 Å."""
    wave = reference.exit_wave(
        specimen.numbers, specimen.positions, specimen.box, 640, 0.1, WIDTH, 50.0
    )
    truth = reference.resampled(wave, stored_points(PAPER, specimen.box))
    errors = {PLAIN: fitted_error(plain_script(specimen), truth, specimen.box)}
    for label, settings in {
        **OURS,
        "Fourier, 0.04 Å, planes 0.23 Å, the reference of the table above": FINEST,
    }.items():
        errors[label] = float(reference.relative_error(exit_wave(specimen, settings), truth))
    return errors


def report(found: list[Specimen], table: dict[str, Measured], held: dict[str, float]) -> str:
    atoms = [len(specimen.numbers) for specimen in found]
    heights = [np.ptp(specimen.positions[:, 2]) for specimen in found]
    lines = [
        f"{len(found)} specimens in boxes of {found[0].box:g} Å, {min(atoms)} to {max(atoms)} "
        f"atoms, {min(heights):.1f} to {max(heights):.1f} Å high. One thread, processor time; "
        "medians, and in brackets the least and the most.",
        "",
        f"{machine(f'abTEM {abtem.__version__}')}; GPU: not measured.",
        "",
        "| exit wave | core-seconds | times faster than the plain script | Eq. (A.1) | relative to "
        "the floor |",
        "|---|---|---|---|---|",
    ]
    for label, row in table.items():
        lines.append(
            f"| {label} | {spread(row.seconds, '.2f')} | {spread(row.speed_ups, '.1f')} "
            f"| {spread(row.errors, '.1e')} | {spread(row.over_floor, '.2f')} |"
        )
    lines += [
        "",
        "Compared with the float64 reference of the tests, the first MoS2 flake:",
        "",
        "| exit wave | Eq. (A.1) |",
        "|---|---|",
        *(f"| {label} | {error:.1e} |" for label, error in held.items()),
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
    with threadpool_limits(1), abtem.config.set({"fftw.threads": 1}):
        found = specimens(arguments.flakes, arguments.rows)
        text = report(found, measure(found, arguments.repeats), reference_errors(found[0]))
    print(text)
    if arguments.write:
        write_section("Exit waves", "exit_waves", text)


if __name__ == "__main__":
    main()
