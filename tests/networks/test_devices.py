"""What the training step is fed with. Several devices: see tests/stages/test_train_devices.py."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from epoch_files import write_epoch

from exitwave.config import Network
from exitwave.networks.devices import Devices, sent_ahead
from exitwave.networks.training.epoch_reader import EpochFiles
from exitwave.networks.training.loader import SeriesBatches, TrainingOrder

only_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="JAX takes the batches as they are"
)


@pytest.fixture
def batches(tmp_path):
    settings = Network(dataset="any", channels=(4, 8), batch_size=4, augment=True)
    with EpochFiles([write_epoch(tmp_path / "epoch.nc", samples=10)]) as files:
        yield SeriesBatches(files, TrainingOrder(files, settings, 1), settings)


@only_tensorflow
@pytest.mark.parametrize("device", [None, "/CPU:0"])
def test_what_is_sent_ahead_are_the_loaders_batches(batches, device):
    fed = sent_ahead(batches, device)
    for epoch in (0, 1):
        batches.start_epoch(epoch)
        expected = [batches[index] for index in range(len(batches))]
        batches.start_epoch(epoch)
        given = list(fed.as_numpy_iterator())
        assert len(given) == len(expected) == 3
        for mine, theirs in zip(given, expected, strict=True):
            for array, wanted in zip(mine, theirs, strict=True):
                assert np.array_equal(array, wanted)


@only_tensorflow
def test_every_array_says_its_shape(batches):
    shapes = [tuple(spec.shape) for spec in Devices().feed(batches).element_spec]
    assert shapes == [(None, 16, 16, 3), (None, 16, 16, 2), (None, 1, 1)]
