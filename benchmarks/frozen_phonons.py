"""Smeared potential and frozen phonons compared for a MoS2 flake: a figure and a few numbers.

python benchmarks/frozen_phonons.py [--configurations 100] [--output docs/images]

Writes ``frozen_phonons.png`` and prints Eq. (A.1) between the waves, and what an image formed from
the coherent mean lacks. Takes about three minutes on one core.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase.data import atomic_masses
from numpy.typing import NDArray
from scipy.optimize import brentq

from exitwave.config import Multislice, Structure
from exitwave.figures.style import (
    BLACK,
    BLUE,
    colour_bar,
    drawing,
    new_figure,
    show_image,
    show_wave,
)
from exitwave.materials.material import read_materials
from exitwave.multislice.exit_wave import exit_wave, mean_square_displacement, smearing_width
from exitwave.multislice.thermal import displacement_widths, frozen_phonon_waves
from exitwave.seeds import generator
from exitwave.specimens.build import Specimen, build_specimen

STRUCTURE = Structure(box_angstrom=25.6, flake_radius_angstrom=(7.0, 9.5), tilt_degrees=(3.0, 3.0))
SMEARED = Multislice(method="abtem", projection="infinite")
BLUR = 1.0  # the middle of Table 1's range [Å]

Waves = NDArray[np.complexfloating]


@dataclass(frozen=True)
class Phonons:
    """The waves of all configurations, each indexed [y, x], and what follows from them."""

    waves: Waves

    @property
    def mean(self) -> Waves:
        return self.waves.mean(axis=0)

    @property
    def diffuse(self) -> NDArray[np.floating]:
        """Mean intensity less that of the mean wave, freed of the bias of few configurations."""
        count = len(self.waves)
        difference = np.mean(np.abs(self.waves) ** 2, axis=0) - np.abs(self.mean) ** 2
        return difference * count / (count - 1)

    def scatter(self) -> float:
        """Eq. (A.1) that the mean of one configuration is off by, on average."""
        return float(self.diffuse.sum() / np.sum(np.abs(self.mean - 1) ** 2))


def relative_error(wave: Waves, truth: Waves) -> float:
    """Eq. (A.1) of the paper."""
    return float(np.sum(np.abs(wave - truth) ** 2) / np.sum(np.abs(truth - 1) ** 2))


def filtered(waves: Waves, sampling: float, width: float) -> Waves:
    """Multiply the spectrum with exp(-width² k² / 2), k in 1/Å as in the blur of Table 1."""
    k = np.fft.fftfreq(waves.shape[-1], sampling)
    envelope = np.exp(-0.5 * width**2 * (k[:, None] ** 2 + k**2))
    return np.fft.ifft2(np.fft.fft2(waves) * envelope)


def equal_amplitude(number: int) -> float:
    """Debye temperature [K] at which an element moves as far as smeared potentials are smeared."""
    wanted = smearing_width(SMEARED) ** 2
    mass = float(atomic_masses[number])

    def excess(debye: float) -> float:
        return mean_square_displacement(mass, debye, SMEARED.temperature_kelvin) - wanted

    return float(brentq(excess, 20.0, 5000.0))


def phonons(specimen: Specimen, count: int, debye: dict[str, float]) -> Phonons:
    settings = SMEARED.model_copy(
        update={
            "thermal": "frozen_phonons",
            "frozen_phonon_configurations": count,
            "debye_temperatures_kelvin": debye,
        }
    )
    widths = displacement_widths(specimen.numbers, settings)
    of_each = {
        int(n): round(float(widths[specimen.numbers == n][0]), 4)
        for n in np.unique(specimen.numbers)
    }
    print("displacements [Å]:", of_each)
    waves = frozen_phonon_waves(specimen, settings, lambda n: generator(1, "benchmark", n))
    return Phonons(np.array(list(waves), dtype=np.complex128))


def report(name: str, found: Phonons, smeared: Waves, sampling: float) -> None:
    count = len(found.waves)
    error = relative_error(found.mean, smeared)
    chance = found.scatter() / count
    print(f"{name}: Eq. (A.1) of the mean of {count} against the smeared wave {error:.2e},")
    print(f"  of which chance {chance:.2e}; one configuration {found.scatter():.2e}")
    for label, width in (("target's smear of 0.15 Å", 2 * np.pi * 0.15), ("blur of 1 Å", BLUR)):
        seen = Phonons(filtered(found.waves, sampling, width))
        error = relative_error(seen.mean, filtered(smeared, sampling, width))
        print(f"  after the {label}: {error:.2e}, chance {seen.scatter() / count:.2e}")
    seen = Phonons(filtered(found.waves, sampling, BLUR))
    contrast = (np.abs(seen.mean) ** 2).std()
    print(f"  diffuse intensity, mean over the box: {found.diffuse.mean():.2e} of the beam;")
    print(f"  in an image with that blur its rms is {seen.diffuse.std() / contrast:.2%} of the")
    print(f"  contrast's, its mean {seen.diffuse.mean():.2e} of the beam")


def draw(smeared: Waves, own: Phonons, equal: Phonons, sampling: float, path: Path) -> None:
    with drawing():
        figure = new_figure(7.2, 5.4)
        width, height, top = 0.21, 0.28, 0.66
        lefts = (0.03, 0.27, 0.51, 0.77)
        phase_limit = float(np.percentile(np.abs(smeared.imag), 99.9))
        difference = own.mean - smeared
        small = float(np.percentile(np.abs(difference), 99.9))
        waves = (
            ("smeared potential", smeared.imag, phase_limit, "Im Ψ"),
            ("frozen phonons, mean", own.mean.imag, phase_limit, "Im Ψ"),
            ("difference", difference.imag, small, "Δ Im Ψ"),
        )
        for left, (title, part, limit, label) in zip(lefts, waves, strict=False):
            axes = figure.add_axes((left, top, width, height))
            drawn = show_wave(axes, part, sampling, limit)
            axes.set_title(title, fontsize=8)
            colour_bar(figure, drawn, (left, top - 0.035, width, 0.015), label)
        axes = figure.add_axes((lefts[3], top, width, height))
        limits = (0.0, float(np.percentile(own.diffuse, 99.9)))
        drawn = show_image(axes, own.diffuse, sampling, limits)
        axes.set_title("diffuse intensity", fontsize=8)
        colour_bar(
            figure, drawn, (lefts[3], top - 0.035, width, 0.015), "⟨|Ψ|²⟩ − |⟨Ψ⟩|²  (beam = 1)"
        )
        axes = figure.add_axes((0.1, 0.1, 0.86, 0.35))
        counts = np.unique(np.geomspace(1, len(own.waves), 24).astype(int))
        for found, colour, label in (
            (own, BLUE, "each element with its own mass"),
            (equal, BLACK, "all atoms with the smeared potential's ⟨u²⟩"),
        ):
            errors = [relative_error(found.waves[:count].mean(axis=0), smeared) for count in counts]
            axes.loglog(counts, errors, "o", ms=3, color=colour, label=label)
            axes.loglog(counts, found.scatter() / counts, "-", lw=0.8, color=colour)
        axes.set_xlabel("configurations averaged")
        axes.set_ylabel("Eq. (A.1) against the smeared wave")
        axes.legend(title="points: frozen phonons; lines: chance alone, 1/n")
        figure.savefig(path, dpi=110, metadata={"Software": "exitwave"})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--configurations", type=int, default=100)
    parser.add_argument("--output", type=Path, default=Path("docs/images"))
    options = parser.parse_args()
    material = read_materials("monolayers", "name=2H-MoS2", 8)[0][0]
    specimen = build_specimen(material, STRUCTURE, 1, "benchmark", 0)
    print(f"{len(specimen.numbers)} atoms, seed 1, 50 keV, 300 K")
    start = time.perf_counter()
    smeared = exit_wave(specimen, SMEARED).astype(np.complex128)
    print(f"smeared potential: {time.perf_counter() - start:.1f} s")
    sampling = specimen.box / len(smeared)
    start = time.perf_counter()
    own = phonons(specimen, options.configurations, {})
    print(f"frozen phonons: {time.perf_counter() - start:.1f} s")
    equal = phonons(specimen, options.configurations, {"Mo": equal_amplitude(42)})
    report("own masses", own, smeared, sampling)
    report("equal amplitudes", equal, smeared, sampling)
    options.output.mkdir(parents=True, exist_ok=True)
    draw(smeared, own, equal, sampling, options.output / "frozen_phonons.png")


if __name__ == "__main__":
    main()
