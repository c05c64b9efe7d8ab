"""The camera: its formula by hand, its noise by its statistics."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.fft
from imaging_cases import PERFECT
from numpy.typing import NDArray

from exitwave.config.mtf_curve import MtfCurve
from exitwave.imaging.detector import (
    GUARD_PX,
    detect,
    detector_window,
    measured_mtf,
    mtf,
    window_mtf,
)
from exitwave.imaging.microscope import FrequencyUnit, MicroscopeDraw

SAMPLING = 0.105
CURVE = ((0.0, 1.0), (0.25, 0.8), (0.6, 0.45), (1.0, 0.2))


def camera(
    c1: float = 1.0,
    c2: float = 0.1,
    c3: float = 1.0,
    unit: FrequencyUnit = "nyquist",
    curve: MtfCurve | None = None,
) -> MicroscopeDraw:
    """A microscope of which only the camera matters; c1 = 1 is one without blur."""
    return replace(
        PERFECT,
        dose=1e3,
        sampling=SAMPLING,
        mtf_c1=c1,
        mtf_c2=c2,
        mtf_c3=c3,
        mtf_frequency_unit=unit,
        mtf_curve=curve,
    )


@pytest.mark.parametrize(
    ("unit", "k"),
    [
        ("nyquist", 2.0 * 2 * SAMPLING),
        ("per_angstrom", 2.0),
        ("cycles_per_pixel", 2.0 * SAMPLING),
    ],
)
def test_mtf_by_hand(unit: FrequencyUnit, k: float) -> None:
    expected = (1 - 0.15) / (1 + (k / (2 * 0.12)) ** 1.4) + 0.15
    assert float(mtf(2.0, SAMPLING, 0.15, 0.12, 1.4, unit)) == pytest.approx(expected)
    assert float(mtf(2.0, SAMPLING, 0.15, 0.12, -1.4, unit)) == pytest.approx(expected)


def test_the_nyquist_frequency_is_one() -> None:
    nyquist = 1 / (2 * SAMPLING)
    assert float(mtf(nyquist, SAMPLING, 0.0, 0.5, 1.7, "nyquist")) == pytest.approx(0.5)


def test_only_in_units_of_nyquist_negative_values_are_cut() -> None:
    nyquist = 1 / (2 * SAMPLING)
    assert float(mtf(nyquist, SAMPLING, -0.6, 0.1, 1.8, "nyquist")) == 0.0
    assert float(mtf(nyquist, SAMPLING, -0.6, 0.1, 1.8, "per_angstrom")) < 0.0
    assert float(mtf(4 * nyquist, SAMPLING, -0.6, 0.1, 1.8, "cycles_per_pixel")) < 0.0


def test_a_measured_curve_is_interpolated_and_held_beyond_its_end() -> None:
    nyquist = 1 / (2 * SAMPLING)
    k = nyquist * np.array([0.0, 0.125, 0.25, -0.425, 1.0, 1.2, np.sqrt(2)])
    expected = [1.0, 0.9, 0.8, 0.625, 0.2, 0.2, 0.2]
    np.testing.assert_allclose(measured_mtf(k, SAMPLING, CURVE), expected, atol=1e-12)
    transfer = window_mtf(camera(curve=CURVE), 64, SAMPLING)
    # Nyquist along an axis, and the corner of the spectrum; c1, c2 and c3 play no part.
    assert transfer[0, 32] == pytest.approx(0.2)
    assert transfer[32, 32] == pytest.approx(0.2)
    np.testing.assert_array_equal(
        transfer, window_mtf(camera(-0.4, 0.2, 0.7, curve=CURVE), 64, SAMPLING)
    )


@pytest.mark.parametrize("unit", ["nyquist", "per_angstrom", "cycles_per_pixel"])
def test_the_mean_passes_unchanged(unit: FrequencyUnit) -> None:
    assert window_mtf(camera(-0.4, 0.15, 0.9, unit), 64, SAMPLING)[0, 0] == 1.0


@pytest.mark.parametrize("size", [16, 64, 350, 352, 353])
def test_the_window_has_its_guard_band(size: int) -> None:
    window = detector_window(size)
    assert window.margin >= GUARD_PX
    assert window.size - window.margin - window.image >= GUARD_PX
    assert window.image == size
    assert window.size < 1.1 * size + 2 * GUARD_PX + 2


@pytest.mark.parametrize("dose", [10**2.5, 10**3.5, 10**5.0])
@pytest.mark.parametrize("level", [0.4, 1.0, 1.7])
def test_noise_is_that_of_counting(dose: float, level: float) -> None:
    window = detector_window(224)
    intensity = np.full((window.size, window.size), level, dtype=np.float32)
    electrons = dose * SAMPLING**2
    image = detect(
        intensity,
        electrons,
        window_mtf(camera(), window.size, SAMPLING),
        window,
        np.random.default_rng(7),
    ).astype(np.float64)
    assert image.shape == (224, 224)
    variance = level / electrons
    pixels = image.size
    assert abs(image.mean() - level) < 4 * np.sqrt(variance / pixels)
    # The variance of a Poisson variance: kurtosis 3 + 1/mean.
    spread = variance * np.sqrt((2 + 1 / (level * electrons)) / pixels)
    assert abs(image.var() - variance) < 4 * spread


def noise_spectrum(images: list[NDArray[np.float32]]) -> NDArray[np.float64]:
    return np.mean([np.abs(scipy.fft.rfft2(image - 1.0)) ** 2 for image in images], axis=0)


@pytest.mark.parametrize(
    "draw", [camera(-0.1, 0.15, 1.2), camera(curve=CURVE)], ids=["formula", "measured"]
)
def test_the_mtf_colours_the_noise(draw: MicroscopeDraw) -> None:
    """Its power is MTF²: the counts are folded, not their expectation."""
    electrons, size, repeats = 25.0, 128, 60
    window = detector_window(size)
    # The whole window, so that the spectrum is that of a periodic image.
    whole = type(window)(size=size, margin=0, image=size)
    transfer = window_mtf(draw, size, SAMPLING)
    rng = np.random.default_rng(8)
    vacuum = np.ones((size, size), dtype=np.float32)
    power = noise_spectrum(
        [detect(vacuum, electrons, transfer, whole, rng) for _ in range(repeats)]
    )
    expected = transfer.astype(np.float64) ** 2 * size**2 / electrons
    ky = np.fft.fftfreq(size)[:, np.newaxis]
    radius = np.hypot(ky, np.fft.rfftfreq(size)[np.newaxis, :])
    for low in np.arange(0.02, 0.68, 0.04):
        ring = (radius >= low) & (radius < low + 0.04)
        # Each component's power is exponentially distributed.
        scatter = np.sqrt((expected[ring] ** 2).sum() / repeats)
        assert abs(power[ring].sum() - expected[ring].sum()) <= 4 * scatter + 1e-6


def test_the_image_does_not_feel_the_opposite_border() -> None:
    window = detector_window(96)
    intensity = np.ones((window.size, window.size), dtype=np.float32)
    intensity[:, : window.margin + 8] = 1.5
    transfer = window_mtf(camera(0.0, 0.15, 1.6), window.size, SAMPLING)
    electrons = 1e9
    image = detect(intensity, electrons, transfer, window, np.random.default_rng(9))
    assert np.abs(image[:, -1] - 1).max() < 0.02


def test_rounding_below_zero_counts_as_zero() -> None:
    window = detector_window(32)
    intensity = np.full((window.size, window.size), -1e-7, dtype=np.float32)
    image = detect(
        intensity,
        10.0,
        window_mtf(camera(), window.size, SAMPLING),
        window,
        np.random.default_rng(0),
    )
    assert not image.any()
