"""What simulating, rendering and training cost: core-hours, gigabytes, from measured rates.

A rate is taken from existing results, if they were made by the same settings, otherwise from
`docs/benchmarks.md`, scaled by the numbers of points and planes. Training has no such figure: it
depends on the processor or GPU too much, so without a measured epoch its cost is not known.

>>> wave_seconds(Multislice(), box=38.4)
0.18
"""

from __future__ import annotations

from exitwave.config import Multislice
from exitwave.multislice.exit_wave import grid_points, stored_points

# docs/benchmarks.md: core-seconds of an exit wave of 768 points and 0.2 Å, by method, and of a
# three-image series of 352 px, whose padding and Poisson draws are counted in.
_WAVE_SECONDS = {"fourier": 0.18, "abtem": 4.9}
_SERIES_SECONDS = 0.14
_BENCHMARK_POINTS = 768
_BENCHMARK_IMAGE_PX = 352
# Planes closer than this are not made (docs/physics.md).
_CLOSEST_PLANES = 0.23


def wave_seconds(settings: Multislice, box: float) -> float:
    """Return the core-seconds of an exit wave by the benchmark's rate.

    Parameters
    ----------
    settings : Multislice
        Method, sampling, slices, frozen phonons.
    box : float
        Side of the box [Å].
    """
    closest = _CLOSEST_PLANES if settings.method == "fourier" else 0.0
    planes = max(0.2, closest) / max(settings.slice_thickness_angstrom, closest)
    points = (grid_points(settings, box) / _BENCHMARK_POINTS) ** 2
    passes = settings.frozen_phonon_configurations if settings.thermal == "frozen_phonons" else 1
    return _WAVE_SECONDS[settings.method] * planes * points * passes


def series_seconds(images: int, image_size_px: int) -> float:
    """Return the core-seconds of a focal series by the benchmark's rate."""
    return _SERIES_SECONDS * images / 3 * (image_size_px / _BENCHMARK_IMAGE_PX) ** 2


def wave_bytes(settings: Multislice, box: float) -> int:
    """Return the bytes of a stored exit wave: two float32 a point."""
    return 8 * stored_points(settings, box) ** 2


def series_bytes(images: int, image_size_px: int) -> int:
    """Return the bytes of a focal series with its exit wave."""
    return (4 * images + 8) * image_size_px**2
