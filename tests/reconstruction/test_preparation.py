"""Images for a network from the frames of a microscope."""

import numpy as np
import pytest

from exitwave.networks.domain import TrainingDomain
from exitwave.reconstruction.camera import without_hot_pixels
from exitwave.reconstruction.preparation import choose_images, resample, resampled_size

STEPS_OF_50 = TrainingDomain(images=3, defocus_step_angstrom=(49.0, 51.0))


@pytest.mark.parametrize(
    ("defocus", "images", "chosen"),
    [
        ([0, 50, 100], 3, (0, 1, 2)),
        ([100, 50, 0], 3, (2, 1, 0)),
        # The middle one of three choices.
        ([0, 50, 100, 150, 200], 3, (1, 2, 3)),
        (list(range(0, 201, 10)), 3, (5, 10, 15)),
        (list(range(300, 0, -25)), 3, (7, 5, 3)),
        # No stride fits: the nearest.
        ([0, 40, 80, 120, 160], 3, (1, 2, 3)),
        ([0, 50, 100], 1, (1,)),
    ],
)
def test_the_images_are_those_of_the_training(defocus, images, chosen):
    assert choose_images(defocus, images, STEPS_OF_50) == chosen


def test_without_a_known_step_the_whole_range_is_taken_and_rises():
    assert choose_images([0.0] * 9, 3, None) == (0, 4, 8)
    assert choose_images([20.0, 10.0, 0.0, -10.0, -20.0], 3, None) == (4, 2, 0)


@pytest.mark.parametrize(("pixel", "wanted"), [(0.2, 0.105), (0.07, 0.105), (0.12, 0.1)])
def test_resampling_keeps_what_a_band_limited_image_is(pixel, wanted):
    """Waves that fit the mirrored field are known between the pixels."""
    rows, columns = 80, 96

    def field(y, x):
        height, width = rows * pixel, columns * pixel
        return (
            3
            + np.cos(np.pi * 6 * x / width)
            + 0.5 * np.cos(np.pi * 4 * y / height) * np.cos(np.pi * 10 * x / width)
        )

    y, x = ((np.arange(side) + 0.5) * pixel for side in (rows, columns))
    found = resample(field(y[:, None], x).astype(np.float32), pixel, wanted)
    assert found.mean() == pytest.approx(3, rel=1e-4)
    new_y, new_x = (
        (np.arange(new) + 0.5) * side * pixel / new
        for new, side in zip(found.shape, (rows, columns), strict=True)
    )
    np.testing.assert_allclose(found, field(new_y[:, None], new_x), atol=1e-4)


def test_noise_keeps_its_mean_and_loses_what_the_new_pixels_do_not_hold():
    noise = np.random.default_rng(1).poisson(100, (256, 256)).astype(np.float32)
    coarse = resample(noise, 0.1, 0.2)
    assert coarse.shape == (128, 128)
    assert coarse.mean() == pytest.approx(noise.mean(), rel=1e-4)
    # White noise in a quarter of the band.
    assert coarse.std() == pytest.approx(5, rel=0.05)


def test_pixels_of_the_training_stay_as_they_are():
    assert resampled_size((512, 512), 0.105, (0.10, 0.11)) == 0.105
    pixel = resampled_size((500, 400), 0.2, (0.10, 0.11))
    assert pixel == pytest.approx(0.105, rel=1e-3)
    assert 500 * 0.2 / pixel == pytest.approx(round(500 * 0.2 / pixel))


def test_atoms_and_poisson_noise_are_no_hot_pixels():
    y, x = np.mgrid[:128, :128]
    lattice = 20 + 18 * np.cos(2 * np.pi * x / 12) * np.cos(2 * np.pi * y / 10)
    for mean in (0.02, 1.0, 50.0):
        image = np.random.default_rng(2).poisson(mean * lattice).astype(np.float32)
        assert without_hot_pixels(image)[1] == 0
        hot = image.copy()
        hot[40, 50] += 100 + 30 * mean * lattice.mean()
        clean, count = without_hot_pixels(hot)
        assert count == 1
        clean[40, 50] = image[40, 50]
        np.testing.assert_array_equal(clean, image)
