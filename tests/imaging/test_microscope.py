"""The draws of Table 1, row by row, and the focal series between their limits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from exitwave.config import Microscope
from exitwave.errors import ExitwaveError
from exitwave.imaging.microscope import MicroscopeDraw, draw_microscope

DRAWS = 10_000


@pytest.fixture(scope="module")
def draws() -> list[MicroscopeDraw]:
    rng = np.random.default_rng(2021)
    return [draw_microscope(Microscope(), 50.0, 3, rng) for _ in range(DRAWS)]


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("spherical_aberration", -15e4, 15e4),
        ("astigmatism", 0, 25),
        ("astigmatism_angle", 0, 2 * np.pi),
        ("coma", 0, 600),
        ("coma_angle", 0, 2 * np.pi),
        ("focal_spread", 5, 20),
        ("blur", 0.5, 1.5),
        ("sampling", 0.10, 0.11),
        ("mtf_c1", -0.6, 0.2),
        ("mtf_c2", 0.1, 0.2),
        ("mtf_c3", 0.6, 1.8),
    ],
)
def test_rows_of_table_1_are_uniform(
    draws: list[MicroscopeDraw], name: str, low: float, high: float
) -> None:
    values = np.array([getattr(draw, name) for draw in draws])
    assert low <= values.min()
    assert values.max() <= high
    assert stats.kstest((values - low) / (high - low), "uniform").pvalue > 1e-3


def test_the_dose_is_log_uniform(draws: list[MicroscopeDraw]) -> None:
    decades = np.log10([draw.dose for draw in draws])
    assert decades.min() >= 2.5
    assert decades.max() <= 5.0
    assert stats.kstest((decades - 2.5) / 2.5, "uniform").pvalue > 1e-3


def test_the_parameters_are_independent(draws: list[MicroscopeDraw]) -> None:
    columns = np.array(
        [
            [
                np.log(draw.dose),
                draw.defocus[0],
                draw.spherical_aberration,
                draw.astigmatism,
                draw.astigmatism_angle,
                draw.coma,
                draw.coma_angle,
                draw.focal_spread,
                draw.blur,
                draw.sampling,
                draw.mtf_c1,
                draw.mtf_c2,
                draw.mtf_c3,
            ]
            for draw in draws
        ]
    )
    correlation = np.corrcoef(columns, rowvar=False) - np.eye(columns.shape[1])
    assert np.abs(correlation).max() < 5 / np.sqrt(DRAWS)


def test_the_series_spans_its_range_in_equal_steps(draws: list[MicroscopeDraw]) -> None:
    defocus = np.array([draw.defocus for draw in draws])
    assert defocus.min() >= -150
    assert defocus.max() <= 150
    steps = np.diff(defocus, axis=1)
    assert stats.kstest((steps.ravel() - 49) / 2, "uniform").pvalue > 1e-3
    # The first defocus is uniform over the room that its own series leaves.
    room = 300 - (defocus[:, -1] - defocus[:, 0])
    assert stats.kstest((defocus[:, 0] + 150) / room, "uniform").pvalue > 1e-3


@pytest.mark.parametrize("images", [1, 2, 3, 4, 11])
def test_the_number_of_images_changes_the_defoci_only(images: int) -> None:
    single, series = (
        draw_microscope(Microscope(), 50.0, count, np.random.default_rng(3))
        for count in (1, images)
    )
    assert replace(series, defocus=single.defocus) == single
    assert len(series.defocus) == images


@pytest.mark.parametrize("images", [2, 3, 4])
def test_the_total_range_does_not_depend_on_the_number_of_images(images: int) -> None:
    rng = np.random.default_rng(6)
    series = (draw_microscope(Microscope(), 50.0, images, rng) for _ in range(DRAWS))
    defocus = np.array([draw.defocus for draw in series])
    assert np.abs(defocus).max() <= 150
    # Each of the equal steps is off by up to 1 Å.
    errors = np.diff(defocus, axis=1) - 100 / (images - 1)
    assert stats.kstest((errors.ravel() + 1) / 2, "uniform").pvalue > 1e-3
    total = defocus[:, -1] - defocus[:, 0]
    assert np.abs(total - 100).max() <= images - 1
    assert abs(total.mean() - 100) < 5 * np.sqrt((images - 1) / 3 / DRAWS)


def test_neither_model_of_the_microscope_changes_a_draw() -> None:
    plain, other = (
        draw_microscope(limits, 50.0, 3, np.random.default_rng(7))
        for limits in (
            Microscope(),
            Microscope(focal_spread_model="incoherent", mtf_curve=((0, 1), (1, 0.2))),
        )
    )
    assert other.focal_spread_model == "incoherent"
    assert other.mtf_curve == ((0.0, 1.0), (1.0, 0.2))
    assert replace(other, focal_spread_model="quasi_coherent", mtf_curve=None) == plain


def test_a_single_image_may_have_any_defocus() -> None:
    rng = np.random.default_rng(4)
    defocus = [draw_microscope(Microscope(), 50.0, 1, rng).defocus[0] for _ in range(2000)]
    assert stats.kstest((np.array(defocus) + 150) / 300, "uniform").pvalue > 1e-3


def test_a_range_of_one_value_is_that_value() -> None:
    limits = Microscope(blur_angstrom=(0.7, 0.7), defocus_step_error_angstrom=0.0)
    draw = draw_microscope(limits, 80.0, 5, np.random.default_rng(0))
    assert draw.blur == 0.7
    assert draw.energy_kev == 80.0
    assert np.diff(draw.defocus) == pytest.approx(25.0)


def test_steps_that_may_run_backwards_stay_between_the_limits() -> None:
    limits = Microscope(
        defocus_angstrom=(-30.0, 30.0),
        defocus_range_angstrom=10.0,
        defocus_step_error_angstrom=20.0,
    )
    rng = np.random.default_rng(5)
    defocus = np.array([draw_microscope(limits, 50.0, 3, rng).defocus for _ in range(500)])
    assert np.diff(defocus).min() < 0
    assert defocus.min() >= -30
    assert defocus.max() <= 30


def test_a_series_that_does_not_fit_is_refused() -> None:
    fits = Microscope(defocus_angstrom=(-51.0, 51.0))
    draw_microscope(fits, 50.0, 3, np.random.default_rng(0))
    with pytest.raises(ExitwaveError, match=r"4 images over 100 Å.*between.*-51 and 51 Å"):
        draw_microscope(fits, 50.0, 4, np.random.default_rng(0))
    with pytest.raises(ExitwaveError, match="0 images"):
        draw_microscope(fits, 50.0, 0, np.random.default_rng(0))
