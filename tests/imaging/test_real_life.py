"""What real series have and the paper's have not: misregistration, brightness, C23, no vacuum."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from imaging_cases import BOX, IMAGE_PX, MEDIAN, WAVE_SAMPLING, WHOLE_BAND, flake, render
from scipy import stats

from exitwave.config import Microscope
from exitwave.imaging.focal_series import form_intensities
from exitwave.imaging.grids import Grid
from exitwave.imaging.microscope import MicroscopeDraw, draw_microscope, optional_parameters
from exitwave.imaging.transfer import aberration_phase, displacement

REAL = Microscope(
    trefoil_angstrom=(100.0, 300.0), misregistration_angstrom=0.2, intensity_error_share=0.05
)


def draws(limits: Microscope, images: int, count: int = 3000) -> list[MicroscopeDraw]:
    rng = np.random.default_rng(7)
    return [draw_microscope(limits, 50.0, images, rng) for _ in range(count)]


def test_without_them_the_draws_are_the_papers() -> None:
    for plain, real in zip(draws(Microscope(), 3, 20), draws(REAL, 3, 20), strict=True):
        assert (plain.trefoil, plain.shift_x, plain.intensity) == (0.0, (), ())
        extras = {
            name: getattr(plain, name)
            for name in ("trefoil", "trefoil_angle", "shift_x", "shift_y", "intensity")
        }
        assert replace(real, **extras) == plain
    assert optional_parameters(Microscope()) == frozenset()
    assert optional_parameters(REAL) == {
        "trefoil",
        "trefoil_angle",
        "shift_x",
        "shift_y",
        "intensity",
    }


@pytest.mark.parametrize(("images", "middle"), [(1, 0), (2, 1), (3, 1), (4, 2)])
def test_all_images_but_the_middle_one_are_shifted(images: int, middle: int) -> None:
    drawn = draws(REAL, images)
    shifts = np.array([[draw.shift_x, draw.shift_y] for draw in drawn])
    assert np.all(shifts[..., middle] == 0)
    others = np.delete(shifts, middle, axis=2).ravel()
    if images > 1:
        assert stats.kstest(others / 0.2, "norm").pvalue > 1e-3


def test_trefoil_and_intensities_are_uniform_and_independent() -> None:
    drawn = draws(REAL, 3)
    trefoil = np.array([draw.trefoil for draw in drawn])
    assert stats.kstest((trefoil - 100) / 200, "uniform").pvalue > 1e-3
    angles = np.array([draw.trefoil_angle for draw in drawn]) / (2 * np.pi)
    assert stats.kstest(angles, "uniform").pvalue > 1e-3
    factors = np.array([draw.intensity for draw in drawn])
    assert stats.kstest((factors.ravel() - 0.95) / 0.1, "uniform").pvalue > 1e-3
    columns = np.column_stack([trefoil, angles, factors, [draw.shift_x[0] for draw in drawn]])
    correlations = np.corrcoef(columns.T) - np.eye(columns.shape[1])
    assert np.abs(correlations).max() < 0.08


def test_fringes_move_along_the_gradient_of_the_phase() -> None:
    draw = replace(MEDIAN, trefoil=400.0, trefoil_angle=0.9)
    k = np.linspace(-1.5, 1.5, 7)
    kx, ky = k[np.newaxis, :] + 0.013, k[:, np.newaxis]
    step = 1e-5

    def phase(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return aberration_phase(draw, 30.0, x, y)

    expected = (
        (phase(kx + step, ky) - phase(kx - step, ky)) / (4 * np.pi * step),
        (phase(kx, ky + step) - phase(kx, ky - step)) / (4 * np.pi * step),
    )
    for along, gradient in zip(displacement(draw, 30.0, kx, ky), expected, strict=True):
        np.testing.assert_allclose(along, gradient, atol=1e-5)


@pytest.mark.parametrize("model", ["quasi_coherent", "incoherent"])
def test_a_shifted_image_is_the_image_rolled(model: str) -> None:
    # 2.1 Å are 21 points of the wave and 20 pixels.
    grid = Grid(840, 800, 84.0)
    moved = replace(
        MEDIAN, focal_spread_model=model, shift_x=(2.1, 0.0, -2.1), shift_y=(0.0, 0.0, 4.2)
    )
    still = replace(moved, shift_x=(), shift_y=())
    ours, plain = (
        form_intensities(flake(), draw, grid, WHOLE_BAND, 0.4, IMAGE_PX) for draw in (moved, still)
    )
    np.testing.assert_allclose(ours[0][:, 20:], plain[0][:, :-20], atol=2e-5)
    np.testing.assert_array_equal(ours[1], plain[1])
    np.testing.assert_allclose(ours[2][40:, :-20], plain[2][:-40, 20:], atol=2e-5)


def test_an_image_has_the_electrons_of_its_intensity() -> None:
    empty = np.zeros((round(BOX / WAVE_SAMPLING),) * 2, dtype=np.complex64)
    draw = replace(MEDIAN, intensity=(0.8, 1.0, 1.25), dose=1e4)
    image = render(empty, draw, size=128).image
    electrons = 1e4 * 0.105**2
    for frame, factor in enumerate(draw.intensity):
        recorded = image[..., frame]
        assert recorded.mean() == pytest.approx(factor, abs=4 * (factor / electrons) ** 0.5 / 128)
        # Counts relative to those of vacuum: the variance is that of Poisson's law.
        assert recorded.var() == pytest.approx(factor / electrons, rel=0.05)


def test_the_target_lies_as_the_middle_image() -> None:
    wave = flake()
    moved = replace(MEDIAN, shift_x=(0.9, 0.0, -0.7), shift_y=(-0.4, 0.0, 1.1))
    still = replace(moved, shift_x=(), shift_y=())
    ours, plain = (render(wave, draw, size=128) for draw in (moved, still))
    np.testing.assert_allclose(ours.exit_wave, plain.exit_wave, atol=2e-4)


def test_some_images_of_a_series_keep_what_is_theirs() -> None:
    draw = replace(MEDIAN, shift_x=(1.0, 0.0, 2.0), shift_y=(3.0, 0.0, 4.0), intensity=(1, 2, 3))
    chosen = draw.of_frames((0, 2))
    assert chosen.defocus == (0.0, 100.0)
    assert (chosen.shift_x, chosen.shift_y, chosen.intensity) == ((1.0, 2.0), (3.0, 4.0), (1, 3))
    assert MEDIAN.of_frames((1,)).shift_x == ()
