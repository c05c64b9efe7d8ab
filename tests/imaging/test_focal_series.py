"""Images against closed forms, direct sums, abTEM and larger boxes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.fft
from imaging_cases import (
    BOX,
    CORNER,
    IMAGE_PX,
    MEDIAN,
    PERFECT,
    WAVE_SAMPLING,
    WHOLE_BAND,
    flake,
    gaussian_packet,
    positions,
    power,
    relative_difference,
    render,
    wrapping,
)
from numpy.typing import NDArray

from exitwave.config import Microscope
from exitwave.errors import ExitwaveError
from exitwave.imaging.detector import detector_window
from exitwave.imaging.focal_series import (
    form_intensities,
    smear_wave,
)
from exitwave.imaging.grids import Band, Grid, choose_band, choose_grid
from exitwave.imaging.microscope import draw_microscope
from exitwave.imaging.transfer import electron_wavelength, transfer_function


@pytest.fixture(scope="module")
def scattered() -> NDArray[np.complex64]:
    return flake()


@pytest.mark.parametrize("sampling", [0.1, 0.1037, 0.11, 0.2213])
@pytest.mark.parametrize("least", [40.0, 97.3, 260.0])
def test_grids_are_fast_wide_enough_and_near_the_wanted_sampling(
    sampling: float, least: float
) -> None:
    grid = choose_grid(WAVE_SAMPLING, sampling, least, 384 if least == 97.3 else 1)
    assert least - 1e-4 <= grid.period < 1.25 * max(least, 384 * sampling)
    assert grid.period == pytest.approx(grid.wave_points * WAVE_SAMPLING)
    assert grid.sampling == pytest.approx(sampling, rel=2e-3)
    for points in (grid.wave_points, grid.image_points):
        assert scipy.fft.next_fast_len(points) == points


def test_equal_samplings_need_no_resampling() -> None:
    grid = choose_grid(0.1, 0.1, 60.0)
    assert grid.wave_points == grid.image_points == 600


def test_resampling_is_the_band_limited_wave_at_the_new_points() -> None:
    """Against the explicit Fourier sum of the transferred wave, with all aberrations."""
    scattered = flake(radius=5.0)[152:232, 152:232]
    draw = replace(MEDIAN, defocus=(40.0,))
    grid = choose_grid(WAVE_SAMPLING, 0.105, 21.0)
    origin, window = -1.234, 96
    order = (min(grid.wave_points, grid.image_points) - 1) // 2
    k = np.arange(-order, order + 1) / grid.period
    to_spectrum = np.exp(-2j * np.pi * np.outer(k, WAVE_SAMPLING * np.arange(80)))
    spectrum = to_spectrum @ scattered @ to_spectrum.T / grid.wave_points**2
    to_pixels = np.exp(2j * np.pi * np.outer(positions(grid, origin, window), k))

    transfer = transfer_function(draw, 40.0, k[np.newaxis, :], k[:, np.newaxis])
    expected = np.abs(1 + to_pixels @ (transfer * spectrum) @ to_pixels.T) ** 2
    (image,) = form_intensities(scattered, draw, grid, WHOLE_BAND, origin, window)
    np.testing.assert_allclose(image, expected, atol=1e-5)

    smear = np.exp(-2 * np.pi**2 * 0.15**2 * k**2)
    target = 1 + to_pixels @ (np.outer(smear, smear) * spectrum) @ to_pixels.T
    np.testing.assert_allclose(smear_wave(scattered, 0.15, grid, origin, window), target, atol=1e-5)


def test_a_gaussian_packet_spreads_as_in_free_space() -> None:
    """Closed form; it also pins the place of the pixels and which axis is x."""
    width, x, y, z = 0.5, 16.3, 21.7, 60.0
    scattered = gaussian_packet(width, x, y, 0.2 + 0.3j)
    grid = choose_grid(WAVE_SAMPLING, 0.105, 80.0)
    origin = 0.777
    draw = replace(PERFECT, defocus=(0.0, -z))
    images = form_intensities(scattered, draw, grid, WHOLE_BAND, origin, IMAGE_PX)
    pixels = positions(grid, origin, IMAGE_PX)
    square = (pixels[:, np.newaxis] - y) ** 2 + (pixels[np.newaxis, :] - x) ** 2
    # The kernel exp(-iπ λ z k²) adds iλz/(2π) to the variance of a Gaussian.
    for image, distance in zip(images, (0.0, z), strict=True):
        variance = width**2 + 1j * electron_wavelength(50.0) * distance / (2 * np.pi)
        wave = 1 + (0.2 + 0.3j) * width**2 / variance * np.exp(-square / (2 * variance))
        np.testing.assert_allclose(image, np.abs(wave) ** 2, atol=2e-5)


def test_the_target_is_the_wave_folded_with_a_gaussian() -> None:
    width, smear, x, y = 0.4, 0.15, 16.3, 21.7
    grid = choose_grid(WAVE_SAMPLING, 0.105, 40.0)
    target = smear_wave(gaussian_packet(width, x, y, 0.2 + 0.3j), smear, grid, 1.1, 300)
    pixels = positions(grid, 1.1, 300)
    square = (pixels[:, np.newaxis] - y) ** 2 + (pixels[np.newaxis, :] - x) ** 2
    variance = width**2 + smear**2
    expected = 1 + (0.2 + 0.3j) * width**2 / variance * np.exp(-square / (2 * variance))
    assert target.dtype == np.complex64
    np.testing.assert_allclose(target, expected, atol=2e-6)


def test_atoms_are_dark_at_positive_defocus() -> None:
    atom = gaussian_packet(0.3, BOX / 2, BOX / 2, 0.2j)
    grid = choose_grid(WAVE_SAMPLING, 0.1, 60.0)
    under, over = form_intensities(
        atom, replace(PERFECT, defocus=(20.0, -20.0)), grid, WHOLE_BAND, BOX / 2 - 10, 200
    )
    assert under[100, 100] < 0.95
    assert over[100, 100] > 1.05


def test_astigmatism_is_turned_from_x_towards_y() -> None:
    """Astigmatism along x is a defocus of its opposite sign in x, and of its own in y."""
    point = gaussian_packet(0.4, BOX / 2, BOX / 2, 0.2j)
    grid = choose_grid(WAVE_SAMPLING, 0.1, 80.0)
    draw = replace(PERFECT, astigmatism=80.0)
    images = [
        form_intensities(
            point, replace(draw, astigmatism_angle=angle), grid, WHOLE_BAND, BOX / 2 - 12.8, 256
        )[0]
        for angle in (0.0, np.pi / 2, np.pi / 4)
    ]
    np.testing.assert_allclose(images[0], images[1].T, atol=1e-5)
    assert not np.allclose(images[0], images[1], atol=1e-3)
    # Turned by 45 degrees, the image is symmetric about both diagonals.
    np.testing.assert_allclose(images[2], images[2].T, atol=1e-5)
    # In x the wave is propagated by +80 Å, in y by -80 Å.
    axis = WAVE_SAMPLING * np.arange(256) - 12.8
    shift = 1j * electron_wavelength(50.0) * 80.0 / (2 * np.pi)
    along = [
        np.sqrt(0.16 / (0.16 + sign * shift)) * np.exp(-(axis**2) / (2 * (0.16 + sign * shift)))
        for sign in (-1, 1)
    ]
    np.testing.assert_allclose(images[0], np.abs(1 + 0.2j * np.outer(*along)) ** 2, atol=1e-5)


def test_images_are_abtems(scattered: NDArray[np.complex64]) -> None:
    import abtem

    draw = replace(MEDIAN, blur=0.0)
    points = 750
    grid = Grid(points, points, points * WAVE_SAMPLING)
    images = form_intensities(scattered, draw, grid, WHOLE_BAND, 0.0, points)
    padded = np.ones((points, points), dtype=np.complex64)
    padded[: len(scattered), : len(scattered)] += scattered
    with abtem.config.set({"fft": "numpy", "dask.lazy": False, "precision": "float64"}):
        # abTEM's first index is x.
        waves = abtem.Waves(padded.T.astype(complex), energy=50e3, sampling=WAVE_SAMPLING)
        for image, defocus in zip(images, draw.defocus, strict=True):
            ctf = abtem.CTF(
                energy=50e3,
                defocus=defocus,
                Cs=draw.spherical_aberration,
                astigmatism=draw.astigmatism,
                astigmatism_angle=draw.astigmatism_angle,
                coma=draw.coma,
                coma_angle=draw.coma_angle,
                focal_spread=draw.focal_spread,
            )
            reference = waves.apply_ctf(ctf).intensity().to_cpu().array.T
            assert relative_difference(image, reference) < 1e-5


def test_a_shift_of_the_specimen_shifts_image_and_target(
    scattered: NDArray[np.complex64],
) -> None:
    # 21 points of the wave are 20 pixels.
    grid = Grid(840, 800, 84.0)
    moved = np.roll(scattered, (21, -42), axis=(0, 1))
    pictures = [
        (
            *form_intensities(wave, MEDIAN, grid, WHOLE_BAND, 0.4, IMAGE_PX),
            smear_wave(wave, 0.15, grid, 0.4, IMAGE_PX),
        )
        for wave in (scattered, moved)
    ]
    for still, shifted in zip(*pictures, strict=True):
        np.testing.assert_allclose(shifted[20:, :-40], still[:-20, 40:], atol=2e-5)


def test_fringes_of_a_median_microscope_stay_out(scattered: NDArray[np.complex64]) -> None:
    period, difference = wrapping(scattered, MEDIAN)
    assert difference < 1e-3
    assert period < 110


@pytest.mark.parametrize("sign", [-1, 1])
def test_fringes_of_the_worst_microscope_stay_out(
    scattered: NDArray[np.complex64], sign: int
) -> None:
    draw = replace(CORNER, spherical_aberration=sign * CORNER.spherical_aberration)
    period, difference = wrapping(scattered, draw)
    assert difference < 1e-3
    # The box is not larger than it has to be.
    assert 150 < period < 260
    unpadded = choose_grid(WAVE_SAMPLING, draw.sampling, 42.0, IMAGE_PX)
    origin = (BOX - (IMAGE_PX - 1) * unpadded.sampling) / 2
    small, large = (
        form_intensities(scattered, draw, grid, Band(2.5, 1), origin, IMAGE_PX)[0]
        for grid in (
            unpadded,
            Grid(8 * unpadded.wave_points, 8 * unpadded.image_points, 8 * unpadded.period),
        )
    )
    assert relative_difference(small, large) > 0.03


def test_fringes_of_drawn_microscopes_stay_out() -> None:
    rng = np.random.default_rng(12)
    for number in range(8):
        draw = draw_microscope(Microscope(), 50.0, 3, rng)
        assert wrapping(flake(number, radius=6.0 + number, lattice=2.5 + 0.3 * number), draw)[1] < (
            1e-3
        )


def test_aberrations_that_reach_too_far_are_refused(scattered: NDArray[np.complex64]) -> None:
    draw = replace(CORNER, focal_spread=0.0, blur=0.0)
    with pytest.raises(ExitwaveError, match=r"padded to .* Å, above the limit"):
        render(scattered, draw)


@pytest.mark.parametrize("sampling", [0.105, 0.225])
def test_the_chosen_band_loses_nothing(scattered: NDArray[np.complex64], sampling: float) -> None:
    draw = replace(CORNER, spherical_aberration=0.0, defocus=(30.0,), sampling=sampling)
    grid = choose_grid(WAVE_SAMPLING, sampling, 100.0)
    band = choose_band(draw, power(scattered), BOX, grid.sampling, 1e-3)
    assert band.limit < 3.0
    assert band.oversampling == (1 if sampling < 0.2 else 2)
    # Formed on far finer pixels than needed, from all of the wave.
    wide = Band(np.inf, 4)
    (image,), (reference,) = (
        form_intensities(scattered, draw, grid, which, 3.3, 160) for which in (band, wide)
    )
    assert relative_difference(image, reference) < 2e-4


def test_a_coarse_image_is_the_low_pass_of_a_fine_one(scattered: NDArray[np.complex64]) -> None:
    """No intensity beyond the coarse Nyquist frequency folds back."""
    draw = replace(CORNER, spherical_aberration=0.0, defocus=(30.0,))
    fine = Grid(1000, 1000, 100.0)
    coarse = Grid(1000, 440, 100.0)
    (detailed,) = form_intensities(scattered, draw, fine, WHOLE_BAND, 0.0, 1000)
    k = np.arange(-219, 220) / 100.0
    to_spectrum = np.exp(-2j * np.pi * np.outer(k, 0.1 * np.arange(1000))) / 1000
    to_pixels = np.exp(2j * np.pi * np.outer(positions(coarse, 0.0, 160), k))
    expected = (to_pixels @ to_spectrum @ detailed @ to_spectrum.T @ to_pixels.T).real
    band = choose_band(draw, power(scattered), BOX, coarse.sampling, 1e-3)
    assert band.oversampling == 2
    (image,) = form_intensities(scattered, draw, coarse, band, 0.0, 160)
    assert relative_difference(image, expected) < 1e-4
    (folded,) = form_intensities(scattered, draw, coarse, Band(band.limit, 1), 0.0, 160)
    assert relative_difference(folded, expected) > 1e-3


def test_a_series_is_its_intensity_and_noise(scattered: NDArray[np.complex64]) -> None:
    series = render(scattered, MEDIAN)
    assert series.image.shape == (IMAGE_PX, IMAGE_PX, 3)
    assert series.image.dtype == np.float32
    assert series.exit_wave.shape == (IMAGE_PX, IMAGE_PX)
    assert series.exit_wave.dtype == np.complex64
    assert series.sampling == pytest.approx(MEDIAN.sampling, rel=2e-3)
    points = round(series.padded_size / WAVE_SAMPLING)
    grid = Grid(points, round(series.padded_size / series.sampling), series.padded_size)
    expected = form_intensities(scattered, MEDIAN, grid, WHOLE_BAND, series.origin, IMAGE_PX)
    electrons = MEDIAN.dose * series.sampling**2
    for frame, intensity in enumerate(expected):
        deviation = (series.image[..., frame] - intensity) / np.sqrt(intensity / electrons)
        assert abs(deviation.mean()) < 0.02
        assert deviation.std() == pytest.approx(1.0, abs=0.02)


def test_the_window_has_the_centre_of_the_box(scattered: NDArray[np.complex64]) -> None:
    for size in (96, 97, IMAGE_PX, 420):
        series = render(scattered, MEDIAN, size=size)
        assert series.origin + series.sampling * (size - 1) / 2 == pytest.approx(BOX / 2)
        expected = smear_wave(
            scattered,
            0.15,
            Grid(
                round(series.padded_size / WAVE_SAMPLING),
                round(series.padded_size / series.sampling),
                series.padded_size,
            ),
            series.origin,
            size,
        )
        np.testing.assert_allclose(series.exit_wave, expected, atol=1e-6)


def test_atoms_can_be_drawn_on_the_target() -> None:
    x, y = 15.0, 23.0
    series = render(gaussian_packet(0.3, x, y, 0.5j), MEDIAN)
    row, column = np.unravel_index(np.argmax(series.exit_wave.imag), series.exit_wave.shape)
    assert column == pytest.approx((x - series.origin) / series.sampling, abs=0.51)
    assert row == pytest.approx((y - series.origin) / series.sampling, abs=0.51)


def test_vacuum_is_one() -> None:
    draw = replace(MEDIAN, mtf_c1=-0.3, mtf_c2=0.15, mtf_c3=1.2)
    series = render(np.zeros((384, 384), dtype=np.complex64), draw)
    np.testing.assert_array_equal(series.exit_wave, 1)
    electrons = draw.dose * series.sampling**2
    window = detector_window(IMAGE_PX).size
    mean = series.image.mean(axis=(0, 1), dtype=np.float64)
    np.testing.assert_allclose(mean, 1.0, atol=5 / np.sqrt(electrons * window**2))


def test_a_window_wider_than_the_box_shows_vacuum_around_it(
    scattered: NDArray[np.complex64],
) -> None:
    draw = replace(PERFECT, dose=1e9, blur=1.0, sampling=0.225)
    series = render(scattered, draw)
    assert IMAGE_PX * series.sampling > 2 * BOX
    border = np.concatenate([series.image[:40].ravel(), series.image[:, -40:].ravel()])
    np.testing.assert_allclose(border, 1.0, atol=2e-3)
    np.testing.assert_allclose(series.exit_wave[:40], 1.0, atol=2e-4)


def test_equal_generators_give_equal_series(scattered: NDArray[np.complex64]) -> None:
    first, again, other = (render(scattered, CORNER, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.exit_wave, again.exit_wave)
    assert not np.array_equal(first.image, other.image)
    np.testing.assert_array_equal(first.exit_wave, other.exit_wave)
