"""Images of any size in tiles: the wave of the whole image, whatever the tiles."""

import math

import numpy as np
import pytest

from exitwave.config import NetworkSettings
from exitwave.errors import ExitwaveError
from exitwave.networks.architectures import ARCHITECTURES, build_network
from exitwave.networks.tiles import predict_in_tiles
from exitwave.networks.trained import TrainedNetwork, predict_waves

SETTINGS = NetworkSettings(channels=(4, 6, 8), convolutions=3, target_scale=2, image_scale=5)


@pytest.fixture(scope="module")
def network():
    return TrainedNetwork(build_network(SETTINGS, SETTINGS.images), SETTINGS)


def series(height, width, seed=1):
    return np.random.default_rng(seed).poisson(50, (height, width, 3)).astype(np.float32)


def test_the_reach_is_that_of_the_weights(network):
    """A pixel of the images changes the wave as far as is said and no farther."""
    reach = ARCHITECTURES["unet"].reach_px(SETTINGS)
    size = 4 * math.ceil((2 * reach + 44) / 4)
    middle = size // 2
    image = np.ones((1, size, size, 3), np.float32)
    changed = image.copy()
    changed[0, middle, middle] = 50.0
    difference = np.abs(network.apply(changed) - network.apply(image))[0]
    rows, columns = np.nonzero(difference)
    farthest = max(np.abs(rows - middle).max(), np.abs(columns - middle).max())
    # Of the poolings, a pixel uses only the part on its own side.
    assert 0.6 * reach < farthest <= reach


@pytest.mark.parametrize("tile", [1, 96, 132])
def test_the_wave_does_not_depend_on_the_tiles(network, tile):
    image = series(200, 264)
    whole = predict_in_tiles(network, image, 0.1, tile_px=10_000)
    assert whole.shape == (200, 264)
    np.testing.assert_allclose(whole, predict_waves(network, image[np.newaxis], 0.1)[0], atol=1e-6)
    assert np.abs(predict_in_tiles(network, image, 0.1, tile_px=tile) - whole).max() < 1e-5


def test_local_normalisation_is_that_of_the_whole_image(network):
    local = SETTINGS.model_copy(update={"normalization": "local"})
    own = TrainedNetwork(build_network(local, local.images), local)
    image = series(160, 160) * np.linspace(1, 2, 160, dtype=np.float32)[:, None, None]
    whole = predict_in_tiles(own, image, 0.1, tile_px=10_000)
    assert np.abs(predict_in_tiles(own, image, 0.1, tile_px=96) - whole).max() < 1e-5


def test_sides_need_be_no_multiples(network):
    image = series(101, 99)
    wave = predict_in_tiles(network, image, 0.1)
    assert wave.shape == (101, 99)
    reach = ARCHITECTURES["unet"].reach_px(SETTINGS)
    cut = predict_waves(network, image[np.newaxis, :100, :96] / image.mean(), 0.1)[0]
    # Far from the borders, but for the mean of the series.
    assert np.abs(wave - 1)[: 100 - reach, : 96 - reach].mean() == pytest.approx(
        np.abs(cut - 1)[: 100 - reach, : 96 - reach].mean(), rel=0.05
    )


def test_several_sizes_in_one_process(network):
    first = predict_waves(network, series(64, 64)[np.newaxis], 0.1)
    predict_waves(network, series(96, 48)[np.newaxis], 0.1)
    np.testing.assert_array_equal(predict_waves(network, series(64, 64)[np.newaxis], 0.1), first)


def test_another_number_of_images_is_refused(network):
    with pytest.raises(ExitwaveError, match="takes \\(y, x, 3\\); give a series of 3 images"):
        predict_in_tiles(network, series(64, 64)[..., :2], 0.1)
