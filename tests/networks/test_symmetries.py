"""Turning and flipping of training samples, by NumPy and in the training step."""

import keras
import numpy as np
import pytest

from exitwave.networks.training.symmetries import SYMMETRIES, transform, turn_in_step


def test_symmetries_are_the_eight_of_the_square_and_move_all_channels_alike():
    array = np.random.default_rng(0).random((6, 6, 5)).astype(np.float32)
    turned = [transform(array, symmetry) for symmetry in range(SYMMETRIES)]
    assert len({image.tobytes() for image in turned}) == SYMMETRIES
    for symmetry, image in enumerate(turned):
        assert np.array_equal(transform(array[..., 3], symmetry), image[..., 3])
        assert sorted(image[..., 0].ravel()) == sorted(array[..., 0].ravel())


@pytest.fixture
def network() -> keras.Model:
    inputs = keras.Input((6, 6, 3))
    model = keras.Model(inputs, keras.layers.Conv2D(2, 3, padding="same")(inputs))
    model.compile(optimizer=keras.optimizers.SGD(0.1), loss="mse", jit_compile=False)
    return model


def test_the_step_turns_images_and_targets_as_numpy_does(network):
    rng = np.random.default_rng(1)
    images = rng.random((SYMMETRIES, 6, 6, 3)).astype(np.float32)
    targets = rng.random((SYMMETRIES, 6, 6, 2)).astype(np.float32)
    symmetries = rng.permutation(SYMMETRIES).astype(np.int32)
    start = network.get_weights()

    def trained(*batch: np.ndarray) -> list[np.ndarray]:
        network.set_weights(start)
        network.fit(_One(batch), shuffle=False, verbose=0)
        return network.get_weights()

    expected = trained(
        *(
            np.stack([transform(each, s) for each, s in zip(batch, symmetries, strict=True)])
            for batch in (images, targets)
        )
    )
    untouched = trained(images, targets)
    network.compile(optimizer=keras.optimizers.SGD(0.1), loss="mse", jit_compile=False)
    turn_in_step(network)
    for mine, wanted, other in zip(
        trained(images, targets, symmetries[:, None, None]), expected, untouched, strict=True
    ):
        assert np.array_equal(mine, wanted)
        assert np.abs(mine - other).max() > 1e-4 or mine.shape == (2,)


class _One(keras.utils.PyDataset):
    """One batch."""

    def __init__(self, batch: tuple[np.ndarray, ...]) -> None:
        super().__init__()
        self.batch = batch

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> tuple[np.ndarray, ...]:
        return self.batch
