"""What is counted and not timed in multislice: Fourier transforms of wave and potential.

Each number follows from what an algorithm needs, so one more transform of a wave or one more copy
of a sample is found at once, and on any machine.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from transform_counter import Transform, count_transforms, factors_up_to, points

from exitwave.config import Multislice
from exitwave.multislice import fourier as fourier_multislice
from exitwave.multislice.exit_wave import exit_wave, smearing_width
from exitwave.multislice.thermal import thermal_exit_wave
from exitwave.samples.parts import Atoms
from exitwave.specimens.build import Specimen

STEP = 0.4
SAMPLES = 10
WAVE_BYTES = 8 * 64**2


def fourier(**keys: Any) -> Multislice:
    return Multislice(method="fourier", slice_thickness_angstrom=STEP, **keys)


def specimen(numbers: list[int], positions: NDArray[np.float64], box: float) -> Specimen:
    return Specimen(Atoms.of(np.array(numbers), positions), box)


def column(atoms: int, box: float = 12.0) -> Specimen:
    """Molybdenum atoms above each other, one on each plane and beside the points of the grid.

    Such an atom acts on its own plane and on both neighbours, so there are `atoms` + 2 planes.
    """
    depths = STEP * np.arange(atoms)
    places = np.column_stack([np.full(atoms, 6.01), np.full(atoms, 6.02), depths])
    return specimen([42] * atoms, places, box)


def lines(transforms: list[Transform], axis: int, name: str | None = None) -> int:
    """Return how many lines along an axis are transformed, of all transforms or of one."""
    return sum(
        transform.count
        for transform in transforms
        if transform.axes == (axis,) and name in (None, transform.name)
    )


@pytest.mark.parametrize("atoms", [1, 3, 8])
@pytest.mark.parametrize(("sampling", "size"), [(0.05, 240), (0.066, 192)])
def test_a_plane_takes_two_transforms_of_the_wave_and_one_of_the_potential(
    monkeypatch: pytest.MonkeyPatch, atoms: int, sampling: float, size: int
) -> None:
    """Where every row counts: of the wave's two, and of the potential's, all are of full size."""
    monkeypatch.setattr(fourier_multislice, "_NEGLIGIBLE_SHIFT", -1.0)
    transforms = count_transforms(monkeypatch)
    stored = len(exit_wave(column(atoms), fourier(sampling_angstrom=sampling)))
    planes = atoms + 2
    # The wave is kept to two thirds of Nyquist's frequency. Of the potential, which is real, half
    # is kept, to there or to where vibration damps it to a tenth.
    damped = math.sqrt(math.log(10) / 2) / (math.pi * smearing_width(fourier())) * 12.0
    highest = (size - 1) // 3
    wave, potential = 2 * highest + 1, max(highest, math.ceil(damped)) + 1
    blocks = math.ceil(size / 32)
    assert Counter((one.name, one.axes) for one in transforms) == {
        # Of the incident wave there is none along y; one line tells how far molybdenum reaches.
        ("ifft", (0,)): planes + (planes - 1) + 1,
        ("fft", (0,)): planes,
        ("irfft", (1,)): planes * blocks,
        ("ifft", (1,)): planes * blocks,
        ("fft", (1,)): planes * blocks,
        ("ifft2", (0, 1)): 1,
    }
    assert lines(transforms, 0, "ifft") == planes * potential + (planes - 1) * wave + 1
    assert lines(transforms, 0, "fft") == planes * wave
    for name in ("irfft", "ifft", "fft"):
        assert lines(transforms, 1, name) == planes * size
    along_y = planes * potential + (2 * planes - 1) * wave + 1
    assert points(transforms) == size * (along_y + 2.5 * planes * size) + 2 * stored**2


def test_rows_and_planes_without_atoms_take_no_transform(monkeypatch: pytest.MonkeyPatch) -> None:
    transforms = count_transforms(monkeypatch)
    places = np.array([[5.0, 2.0, 0.0], [7.0, 10.0, 4.0]])
    exit_wave(specimen([42, 16], places, 12.0), fourier())
    # Three planes about each of the two atoms, and none in the gap.
    assert lines(transforms, 0, "fft") == 6 * 159
    # Molybdenum acts on a little more than half of the rows, sulphur on less.
    assert 0.3 < lines(transforms, 1, "fft") / (6 * 240) < 0.5


def test_a_wider_box_takes_no_more_transforms_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    transforms = count_transforms(monkeypatch)
    rows = []
    for box in (12.0, 24.0):
        transforms.clear()
        exit_wave(column(1, box), fourier())
        rows.append(lines(transforms, 1))
    assert rows[1] <= 1.02 * rows[0]


def test_each_configuration_of_frozen_phonons_takes_one_wave(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    transforms = count_transforms(monkeypatch)
    settings = fourier(thermal="frozen_phonons", frozen_phonon_configurations=3)
    thermal_exit_wave(column(1), settings, np.random.default_rng)
    assert Counter(one.name for one in transforms)["ifft2"] == 3


def next_even_and_fast(least: int) -> int:
    even = range(least + least % 2, 2 * least, 2)
    return next(number for number in even if factors_up_to(number, 5))


@pytest.mark.parametrize(
    ("box", "sampling", "size"), [(9.97, 0.05, 200), (12.05, 0.05, 250), (7.3, 0.0667, 120)]
)
def test_a_wave_has_the_next_fast_number_of_points(
    monkeypatch: pytest.MonkeyPatch, box: float, sampling: float, size: int
) -> None:
    transforms = count_transforms(monkeypatch)
    exit_wave(column(1, box), fourier(sampling_angstrom=sampling))
    assert size == next_even_and_fast(math.ceil(box / sampling))
    assert {one.shape for one in transforms if len(one.axes) == 1} == {(size,)}
    stored = next_even_and_fast(math.ceil(2 * fourier().max_frequency_per_angstrom * box))
    assert {one.shape for one in transforms if len(one.axes) == 2} == {(stored, stored)}
