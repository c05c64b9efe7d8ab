"""What is counted and not timed in imaging: Fourier transforms of wave and images.

Each number follows from what an algorithm needs, so one more transform of a wave or one more copy
of a sample is found at once, and on any machine.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import scipy.fft
from numpy.typing import NDArray
from transform_counter import Transform, count_transforms, factors_up_to, points

from exitwave.imaging import focal_series as imaging
from exitwave.imaging.detector import detector_window
from exitwave.imaging.focal_series import render_series
from exitwave.imaging.focal_spread import Modes
from exitwave.imaging.grids import Band, Grid, choose_grid
from exitwave.imaging.microscope import FocalSpreadModel, MicroscopeDraw

WAVE_POINTS, WAVE_SAMPLING, IMAGE_PX = 64, 0.2, 32

# How often so many transforms at once, of such a size, are asked for by a name.
Summary = Counter[tuple[str, int, tuple[int, ...]]]


def few_atoms() -> NDArray[np.complex64]:
    rng = np.random.default_rng(1)
    x = WAVE_SAMPLING * np.arange(WAVE_POINTS)
    phase = np.zeros((WAVE_POINTS, WAVE_POINTS), dtype=np.complex64)
    for row, place in rng.uniform(4, 9, (6, 2)):
        phase += 0.6 * np.exp(-((x - place) ** 2 + (x[:, np.newaxis] - row) ** 2) / 0.045)
    wave: NDArray[np.complex64] = np.exp(1j * phase)
    return wave


def microscope(images: int, model: FocalSpreadModel, sampling: float) -> MicroscopeDraw:
    """With one defocus for all images, so that a longer series needs no wider box."""
    return MicroscopeDraw(
        dose=1e3,
        defocus=(80.0,) * images,
        spherical_aberration=1e3,
        astigmatism=10.0,
        astigmatism_angle=1.0,
        coma=100.0,
        coma_angle=2.0,
        focal_spread=10.0,
        blur=0.5,
        sampling=sampling,
        mtf_c1=0.1,
        mtf_c2=0.4,
        mtf_c3=2.6,
        energy_kev=50.0,
        mtf_frequency_unit="nyquist",
        focal_spread_model=model,
    )


@dataclass
class Rendered:
    """What a series was rendered with, and by which transforms."""

    grid: Grid
    band: Band
    modes: Modes | None
    transforms: list[Transform]

    @property
    def summary(self) -> Summary:
        return Counter((one.name, one.count, one.shape) for one in self.transforms)


@pytest.fixture
def rendered(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Rendered]:
    transforms = count_transforms(monkeypatch)
    chosen: dict[str, Any] = {}

    def remember(name: str) -> None:
        choose = getattr(imaging, name)

        def choose_and_remember(*arguments: Any, **keys: Any) -> Any:
            chosen[name] = choose(*arguments, **keys)
            return chosen[name]

        monkeypatch.setattr(imaging, name, choose_and_remember)

    for name in ("choose_grid", "choose_band", "choose_modes"):
        remember(name)

    def render(images: int, model: FocalSpreadModel, sampling: float) -> Rendered:
        transforms.clear()
        draw, rng = microscope(images, model, sampling), np.random.default_rng(2)
        render_series(few_atoms(), WAVE_SAMPLING, draw, IMAGE_PX, 0.15, 1e-3, rng)
        return Rendered(
            chosen["choose_grid"], chosen["choose_band"], chosen["choose_modes"], list(transforms)
        )

    return render


def of_the_series(series: Rendered) -> Summary:
    """The transforms that do not depend on the number of images: of the wave and of the target."""
    wave, image = series.grid.wave_points, series.grid.image_points
    order = transferred_order(series)
    return Counter(
        [
            # Its power decides about box, band and modes.
            ("fft2", 1, (WAVE_POINTS, WAVE_POINTS)),
            # Padded along x, where the wave is not zero; along y, of the frequencies that are kept.
            ("fft", WAVE_POINTS, (wave,)),
            ("fft", 2 * order + 1, (wave,)),
            # The target, one axis after the other.
            ("fft", WAVE_POINTS, (wave,)),
            ("ifft", WAVE_POINTS, (image,)),
            ("fft", IMAGE_PX, (wave,)),
            ("ifft", IMAGE_PX, (image,)),
        ]
    )


def transferred_order(series: Rendered) -> int:
    """Return the highest order of the wave's frequencies that is transformed."""
    grid, fine = series.grid, series.band.oversampling * series.grid.image_points
    kept = series.band.limit * grid.period
    return math.ceil(min(kept, (grid.wave_points - 1) // 2, (fine - 1) // 2))


def of_an_image(series: Rendered) -> Summary:
    """The transforms of one image: a wave, or one for each mode and the envelope, and the camera's.

    The fine intensity of an oversampled image is decimated along one axis after the other.
    """
    window, image = detector_window(IMAGE_PX).size, series.grid.image_points
    fine = series.band.oversampling * image
    shown = window if series.band.oversampling == 1 else fine
    waves = 1 if series.modes is None else 1 + len(series.modes.tables)
    back = [("ifft", 2 * transferred_order(series) + 1, (fine,)), ("ifft", shown, (fine,))]
    decimation = [
        (name, rows, (size,))
        for rows in (fine, window)
        for name, size in (("rfft", fine), ("irfft", image))
    ]
    camera = [(name, 1, (window, window)) for name in ("rfft2", "irfft2")]
    return Counter([*(waves * back), *(decimation if shown == fine else []), *camera])


@pytest.mark.parametrize("images", [1, 3])
@pytest.mark.parametrize(
    ("model", "sampling", "oversampling"),
    [
        ("quasi_coherent", 0.15, 1),
        ("quasi_coherent", 0.4, 2),
        ("incoherent", 0.1, 1),
        ("incoherent", 0.4, 3),
    ],
)
def test_a_series_transforms_the_wave_once_and_each_image_adds_its_own(
    rendered: Callable[..., Rendered],
    model: FocalSpreadModel,
    sampling: float,
    oversampling: int,
    images: int,
) -> None:
    series = rendered(images, model, sampling)
    assert series.band.oversampling == oversampling
    assert (series.modes is None) == (model == "quasi_coherent")
    expected = of_the_series(series)
    for _ in range(images):
        expected += of_an_image(series)
    assert series.summary == expected


@pytest.mark.parametrize("model", ["quasi_coherent", "incoherent"])
def test_the_points_of_a_series_grow_by_those_of_an_image(
    rendered: Callable[..., Rendered], model: FocalSpreadModel
) -> None:
    one, two, three = (rendered(images, model, 0.15) for images in (1, 2, 3))
    assert one.grid == two.grid == three.grid
    own = points(two.transforms) - points(one.transforms)
    assert points(three.transforms) - points(two.transforms) == own > 0
    # A whole transform of the padded, oversampled box for each wave would take this.
    waves = 1 if one.modes is None else 1 + len(one.modes.tables)
    fine = one.band.oversampling * one.grid.image_points
    assert own < waves * 2 * fine**2 + 2 * detector_window(IMAGE_PX).size ** 2 + 3 * fine**2


def test_padding_to_fast_sizes_adds_little(rendered: Callable[..., Rendered]) -> None:
    for transform in rendered(1, "incoherent", 0.4).transforms:
        assert all(factors_up_to(size, 11) for size in transform.shape)
    rng = np.random.default_rng(3)
    wider = []
    for least, sampling in zip(rng.uniform(40, 200, 200), rng.uniform(0.1, 0.11, 200), strict=True):
        grid = choose_grid(0.1, sampling, least)
        assert scipy.fft.next_fast_len(grid.wave_points) == grid.wave_points
        assert scipy.fft.next_fast_len(grid.image_points) == grid.image_points
        wider.append(grid.period / least)
    # Measured: 1.028 and 1.10.
    assert np.mean(wider) < 1.04
    assert np.percentile(wider, 95) < 1.15
