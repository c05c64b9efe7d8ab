"""Architecture of the network."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from epoch_files import make_series

from exitwave.config import Network
from exitwave.config.constraints import size_factor
from exitwave.networks.architectures.unet import build_network
from exitwave.networks.normalization import normalize_series


def settings(**values) -> Network:
    return Network(**{"dataset": "any", "channels": (4, 8, 16), **values})


def output(network: keras.Model, series: np.ndarray) -> np.ndarray:
    return np.asarray(network(series[None]))[0]


@pytest.fixture(scope="module")
def noise() -> np.ndarray:
    return np.random.default_rng(0).uniform(0.5, 1.5, (64, 64, 3)).astype(np.float32)


def block_parameters(inputs: int, channels: int) -> int:
    """Count five 3 x 3 convolutions with biases, each with a PReLU of one slope a channel."""
    return (9 * inputs * channels + 2 * channels) + 4 * (9 * channels**2 + 2 * channels)


def test_parameters_agree_with_a_count_by_hand():
    expected = (
        block_parameters(3, 4)
        + block_parameters(4, 8)
        + block_parameters(8, 16)
        + block_parameters(16 + 8, 8)
        + block_parameters(8 + 4, 4)
        + (4 * 2 + 2)
    )
    assert build_network(settings(), images=3).count_params() == expected


def test_the_papers_network_can_be_built():
    network = build_network(settings(channels=(32, 64, 128, 256)), images=3)
    pairs = [(3, 32), (32, 64), (64, 128), (128, 256), (256 + 128, 128), (128 + 64, 64)]
    pairs.append((64 + 32, 32))
    assert network.count_params() == sum(block_parameters(*pair) for pair in pairs) + 66


@pytest.mark.parametrize("images", [1, 2, 4])
@pytest.mark.parametrize("size", [(16, 16), (24, 40)])
def test_any_number_of_images_and_any_size_gives_two_channels(images, size):
    network = build_network(settings(), images)
    assert np.shape(network(np.ones((2, *size, images)))) == (2, *size, 2)


def test_size_factor_is_that_of_the_pooling():
    assert size_factor(settings().channels) == 4
    assert size_factor((4, 8, 16, 32)) == 8


def producers(network: keras.Model, name: str) -> set[str]:
    inputs = network.get_layer(name).input
    return {tensor._keras_history.operation.name for tensor in inputs}


def test_short_skips_run_from_the_first_to_the_last_convolution():
    network = build_network(settings(), images=3)
    for block in ("down_0", "down_1", "bridge", "up_1", "up_0"):
        assert producers(network, f"{block}_short_skip") == {f"{block}_1_prelu", f"{block}_4_prelu"}
        last = network.get_layer(f"{block}_5_convolution").input
        assert last._keras_history.operation.name == f"{block}_short_skip"


def test_long_skips_concatenate_levels_of_the_same_resolution():
    network = build_network(settings(), images=3)
    for level in (0, 1):
        assert producers(network, f"long_skip_{level}") == {
            f"upsample_{level}",
            f"down_{level}_5_prelu",
        }


def test_a_block_of_two_convolutions_has_no_short_skip():
    names = [layer.name for layer in build_network(settings(convolutions=2), 3).layers]
    assert not [name for name in names if "short_skip" in name]
    assert "bridge_2_convolution" in names


def test_batch_normalization_takes_the_place_of_the_biases():
    network = build_network(settings(batch_normalization=True), images=3)
    assert not network.get_layer("bridge_3_convolution").use_bias
    assert network.get_layer("bridge_3_normalization").count_params() == 4 * 16


def test_weights_depend_on_seed_and_replica_only():
    first = build_network(settings(), 3, seed=1).get_weights()
    np.random.default_rng().random()
    keras.utils.set_random_seed(77)
    again = build_network(settings(), 3, seed=1).get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    for other in (build_network(settings(), 3, seed=2), build_network(settings(replica=1), 3)):
        kernels = [(a, b) for a, b in zip(first, other.get_weights(), strict=True) if a.ndim == 4]
        assert not any(np.array_equal(a, b) for a, b in kernels)


def test_no_two_convolutions_start_alike():
    network = build_network(settings(), 3)
    names = [f"bridge_{number}_convolution" for number in (2, 3, 4)]
    kernels = [np.asarray(network.get_layer(name).kernel) for name in names]
    assert not np.allclose(kernels[0], kernels[1])
    assert not np.allclose(kernels[1], kernels[2])


def test_the_output_moves_with_the_images():
    network = build_network(settings(channels=(4, 8)), images=3)
    wide = np.random.default_rng(0).uniform(0.5, 1.5, (128, 128, 3)).astype(np.float32)
    moved = output(network, np.roll(wide, (8, -8), axis=(0, 1)))
    # Away from the border, whose zero padding does not move, and from where the roll closes.
    inner = slice(48, 80)
    expected = np.roll(output(network, wide), (8, -8), axis=(0, 1))
    assert moved[inner, inner] == pytest.approx(expected[inner, inner], abs=1e-5)
    assert expected[inner, inner].std() > 1e-3


def test_a_pixel_acts_as_far_as_the_convolutions_reach():
    network = build_network(settings(channels=(4, 8)), images=3)
    wide = np.random.default_rng(0).uniform(0.5, 1.5, (128, 128, 3)).astype(np.float32)
    changed = wide.copy()
    changed[64, 64, 1] += 10
    difference = np.abs(output(network, changed) - output(network, wide)).max(axis=-1)
    rows = np.flatnonzero(difference.max(axis=1) > 0) - 64
    # Five convolutions down, five of twice the reach in the bridge, the upsampling, five up.
    reach = 5 + 2 * 5 + 2 + 5
    assert rows.min() >= -reach
    assert rows.max() <= reach
    assert max(-rows.min(), rows.max()) > 5 + 5


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_gives_float32_close_to_that_of_float32(precision, noise):
    plain = output(build_network(settings(), 3), noise)
    network = build_network(settings(precision=precision), 3)
    mixed = output(network, noise)
    assert mixed.dtype == np.float32
    assert network.get_layer("bridge_1_convolution").compute_dtype == precision[len("mixed_") :]
    assert network.get_layer("image_scale").compute_dtype == "float32"
    assert np.std(mixed - plain) < 0.05 * plain.std()


def test_the_scales_are_inside(noise):
    plain = output(build_network(settings(), 3), noise)
    scaled = output(build_network(settings(target_scale=10), 3), noise)
    assert scaled == pytest.approx(plain / 10, rel=1e-5, abs=1e-7)
    twice = output(build_network(settings(image_scale=2), 3), noise)
    assert twice == pytest.approx(output(build_network(settings(), 3), 2 * noise - 1), abs=1e-4)


def test_only_images_divided_by_their_mean_are_shifted(noise):
    local = output(build_network(settings(normalization="local"), 3), noise - 1)
    assert local == pytest.approx(output(build_network(settings(), 3), noise), abs=1e-4)


def test_it_learns_one_sample_by_heart():
    image, wave = make_series(3, 16, 3)
    series = normalize_series(image, "mean", 0.1)[None]
    target = (wave - [1, 0]).astype(np.float32)[None]
    network = build_network(settings(channels=(8, 16)), 3)
    network.compile(optimizer=keras.optimizers.Adam(3e-3), loss="mse")
    for _ in range(100):
        loss = float(network.train_on_batch(series, target))
    assert loss < 0.01 * np.mean(target**2)
