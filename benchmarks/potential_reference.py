"""Whose potential is right? abTEM's projections against the reference of the tests.

Makes one MoS2 nanoflake with the paper's defects and tilt, computes its exit wave with the
three-dimensional Fourier potential of `tests/support/reference.py`, and prints Markdown tables of
Eq. (A.1) against it: of the reference itself with coarser slices and other grids, of production
with several settings, and of abTEM's finite projection with one suspected cause of its error after
the other taken out. All waves are compared in the band that is stored, up to 5 1/Å.

    python benchmarks/potential_reference.py             # the table of docs/physics.md
    python benchmarks/potential_reference.py --box 16    # a small flake, and one more grid
"""

import argparse
import dataclasses
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import abtem
import numpy as np
import scipy.fft
from abtem.integrals import QuadratureProjectionIntegrals
from abtem.parametrizations import LobatoParametrization
from ase import Atoms
from ase.data import chemical_symbols

from exitwave.config import Multislice, Structure
from exitwave.materials.material import read_materials
from exitwave.multislice.exit_wave import exit_wave, grid_points, smearing_width, stored_points
from exitwave.specimens.build import Specimen, build_specimen

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))
import reference

WIDTH = smearing_width(Multislice())
DEMO = {"projection": "infinite", "slice_thickness_angstrom": 0.5, "sampling_angstrom": 0.08}


def flake(box: float, sample: int) -> Specimen:
    """A MoS2 nanoflake as the paper's first data set has it, as large as the box allows."""
    material = read_materials("monolayers", "name=2H-MoS2", 8)[0][0]
    radius = (7.0, 15.0) if box > 30 else (box / 4, box / 3)
    structure = Structure(box_angstrom=box, flake_radius_angstrom=radius)
    return build_specimen(material, structure, 1, "mos2", sample)


class Comparison:
    """Waves of one specimen, each compared with the converged one."""

    def __init__(self, specimen: Specimen, sampling: float, step: float) -> None:
        self.specimen = specimen
        self.size = stored_points(Multislice(), specimen.box)
        start = time.perf_counter()
        self.truth = self.reference(sampling, step)
        self.seconds = time.perf_counter() - start

    def reference(self, sampling: float, step: float) -> np.ndarray:
        points = grid_points(Multislice(sampling_angstrom=sampling), self.specimen.box)
        wave = reference.exit_wave(
            self.specimen.numbers, self.specimen.positions, self.specimen.box, points, step, WIDTH
        )
        return reference.resampled(wave, self.size)

    def production(self, **keys) -> np.ndarray:
        wave = exit_wave(self.specimen, Multislice(method="abtem", **keys)).astype(complex)
        # A coarse grid holds less than the band.
        return wave if len(wave) == self.size else padded(wave, self.size)

    def finite(self, refinement: int, step: float, cleared: bool = False, **keys) -> np.ndarray:
        """abTEM's finite slices, built on a finer grid, in the reference's multislice.

        With `cleared` the slices are built without vibration and smeared by the exact Gaussian.
        """
        points = grid_points(Multislice(), self.specimen.box)
        factor = reference.phase_per_scattering_factor(50.0) / volts_per_scattering_factor()

        def phases() -> Iterator[np.ndarray]:
            damping = reference.debye_waller(
                reference.frequencies(points, self.specimen.box / points), WIDTH if cleared else 0.0
            )
            for projected in slices:
                coarse = reference.resampled(projected, points) if refinement > 1 else projected
                yield factor * scipy.fft.ifft2(scipy.fft.fft2(coarse) * damping).real

        thickness, slices = finite_slices(
            self.specimen, points * refinement, step, 0.0 if cleared else WIDTH, keys
        )
        wave = reference.multislice(phases(), thickness, self.specimen.box)
        return reference.resampled(wave, self.size)

    def whole_atoms(self, step: float) -> np.ndarray:
        """Each atom's infinite projection in its slice, at its exact place in the plane."""
        specimen, points = self.specimen, grid_points(Multislice(), self.specimen.box)
        count, thickness, _ = reference.slice_positions(specimen.thickness, step)
        slices = ((specimen.positions[:, 2] + reference.ABOVE) / thickness).astype(int)
        k = [
            transform(points, specimen.box / points)
            for transform in (np.fft.fftfreq, np.fft.rfftfreq)
        ]
        k_squared = k[0][:, None] ** 2 + k[1] ** 2
        scale = reference.phase_per_scattering_factor(50.0) * (points / specimen.box) ** 2

        def phases() -> Iterator[np.ndarray]:
            for index in range(count):
                spectrum = np.zeros(k_squared.shape, dtype=complex)
                for number in np.unique(specimen.numbers[slices == index]):
                    chosen = (slices == index) & (specimen.numbers == number)
                    x, y, _ = specimen.positions[chosen].T
                    wave_y = np.exp(-2j * np.pi * k[0][:, None] * y)
                    structure = wave_y @ np.exp(-2j * np.pi * x[:, None] * k[1])
                    spectrum += structure * reference.scattering_factor(number, k_squared)
                spectrum *= scale * reference.debye_waller(k_squared, WIDTH)
                yield scipy.fft.irfft2(spectrum, s=(points, points))

        wave = reference.multislice(phases(), thickness, specimen.box)
        return reference.resampled(wave, self.size)

    def row(self, label: str, make: Callable[..., np.ndarray], *values, **keys) -> None:
        start = time.perf_counter()
        error = reference.relative_error(make(*values, **keys), self.truth)
        print(f"| {label} | {error:.1e} | {time.perf_counter() - start:.1f} |", flush=True)


def volts_per_scattering_factor() -> float:
    """h² / (2 pi m0 e): a scattering factor [Å] times this is the transform of V [V Å³]."""
    constants = reference.constants
    return 1e20 * constants.h**2 / (2 * np.pi * constants.m_e * constants.e)


def padded(wave: np.ndarray, size: int) -> np.ndarray:
    """The wave on more points; its spectrum is filled up with zeros."""
    margin = (size - len(wave)) // 2
    spectrum = np.pad(scipy.fft.fftshift(scipy.fft.fft2(wave)), margin)
    return scipy.fft.ifft2(scipy.fft.ifftshift(spectrum)) * (size / len(wave)) ** 2


def finite_slices(
    specimen: Specimen, points: int, step: float, width: float, keys: dict[str, float]
) -> tuple[float, Iterator[np.ndarray]]:
    """Thickness [Å] and projected potentials [V Å] of the slices that the reference has.

    Far more vacuum follows below than abTEM's cut-off radii, so that no periodic image is seen.
    """
    count, thickness, _ = reference.slice_positions(specimen.thickness, step)
    total = count + int(np.ceil(15.0 / thickness))
    sigmas = dict.fromkeys(chemical_symbols[1:], width) if width else {}
    potential = abtem.Potential(
        Atoms(
            specimen.numbers,
            specimen.positions + np.array([0.0, 0.0, reference.ABOVE]),
            cell=[specimen.box, specimen.box, total * thickness],
            pbc=True,
        ),
        gpts=points,
        slice_thickness=(thickness,) * total,
        projection="finite",
        integrator=QuadratureProjectionIntegrals(LobatoParametrization(sigmas=sigmas), **keys),
    )
    return thickness, (
        potential.build(index, index + 1, lazy=False).array[0].T for index in range(count)
    )


def print_tables(specimen: Specimen) -> None:
    print(
        f"MoS2 flake of {len(specimen.numbers)} atoms in a box of {specimen.box:g} Å, "
        f"{specimen.thickness:.1f} Å high; 50 keV"
    )
    comparison = Comparison(specimen, 0.05, 0.05)
    heading = "\n| {} | Eq. (A.1) | s |\n|---|---|---|"
    print(heading.format("reference, compared with itself at 0.05 Å and slices of 0.05 Å"))
    print(f"| 0.05 Å, slices 0.05 Å | - | {comparison.seconds:.1f} |", flush=True)
    for sampling, step in ((0.05, 0.1), (0.05, 0.2), (0.05, 0.4), (0.04, 0.1), (0.0625, 0.1)):
        comparison.row(f"{sampling:g} Å, slices {step:g} Å", comparison.reference, sampling, step)
    print(heading.format("production"))
    comparison.row("the defaults: finite, 0.05 Å, slices 0.2 Å", comparison.production)
    comparison.row("the demo's: infinite, 0.08 Å, slices 0.5 Å", comparison.production, **DEMO)
    for projection, step, sampling in (
        ("finite", 0.4, 0.05),
        ("finite", 0.1, 0.05),
        ("finite", 0.05, 0.05),
        ("finite", 0.2, 0.025),
        ("infinite", 0.4, 0.05),
        ("infinite", 0.2, 0.05),
        ("infinite", 0.05, 0.05),
        ("infinite", 0.05, 0.025),
    ):
        comparison.row(
            f"{projection}, {sampling:g} Å, slices {step:g} Å",
            comparison.production,
            projection=projection,
            slice_thickness_angstrom=step,
            sampling_angstrom=sampling,
        )
    print(heading.format("infinite projections with exact positions, at the centres of slices"))
    for step in (0.05, 0.2):
        comparison.row(f"0.05 Å, slices {step:g} Å", comparison.whole_atoms, step)
    print(heading.format("abTEM's finite slices of 0.1 Å in the reference's multislice"))
    comparison.row("as they are, 0.05 Å", comparison.finite, 1, 0.1)
    comparison.row(
        "cut-off at 1e-7 V in place of 1e-4", comparison.finite, 1, 0.1, cutoff_tolerance=1e-7
    )
    comparison.row("smeared by the exact Gaussian", comparison.finite, 1, 0.1, cleared=True)
    comparison.row(
        "tables from 1/40 pixel in place of 1/2",
        comparison.finite,
        1,
        0.1,
        inner_cutoff_factor=40.0,
    )
    # The finest grid is for small flakes: 3072 points a side take an hour.
    for refinement in (2, 4) if specimen.box < 20 else (2,):
        label = f"built at {0.05 / refinement:g} Å, then band-limited"
        comparison.row(label, comparison.finite, refinement, 0.1)
        comparison.row(
            f"{label}; tables from 1/40 pixel",
            comparison.finite,
            refinement,
            0.1,
            inner_cutoff_factor=40.0,
        )


def print_on_pixels(specimen: Specimen) -> None:
    """The same flake with every atom moved in the plane to the nearest of the wave's points."""
    pixel = specimen.box / grid_points(Multislice(), specimen.box)
    positions = specimen.positions.copy()
    positions[:, :2] = np.round(positions[:, :2] / pixel) * pixel
    comparison = Comparison(dataclasses.replace(specimen, positions=positions), 0.05, 0.1)
    print("\n| slices of 0.05 Å, atoms moved onto pixels | Eq. (A.1) | s |\n|---|---|---|")
    keys = {"slice_thickness_angstrom": 0.05}
    for projection in ("finite", "infinite"):
        comparison.row(
            f"production, {projection}", comparison.production, projection=projection, **keys
        )
    comparison.row("infinite with exact positions", comparison.whole_atoms, 0.05)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--box", type=float, default=38.4, help="side of the box [Å]")
    parser.add_argument("--sample", type=int, default=0, help="which flake")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    with abtem.config.set({"precision": "float64", "diagnostics.progress_bar": False}):
        specimen = flake(arguments.box, arguments.sample)
        print_tables(specimen)
        print_on_pixels(specimen)


if __name__ == "__main__":
    main()
