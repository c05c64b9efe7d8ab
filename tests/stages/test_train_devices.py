"""Training on several devices that share each batch, here virtual ones of a processor."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

SCRIPT = Path(__file__).parents[1] / "support" / "shared_trainings.py"

# Of the sums of gradients, which are rounded in another order. Adam divides small gradients by
# their own size.
LOSS_TOLERANCE, WEIGHT_TOLERANCE = 1e-4, 2e-3


# One process does the jobs of one list. TensorFlow's devices form only one group in a process.
JOBS = {
    "jax": [["1:1", "errors", "2:2", "again:2:2", "again:2", "4:4"]],
    "tensorflow": [["1:1", "errors", "2:2", "again:2:2", "again:2"], ["4:4"]],
}


@pytest.fixture(scope="module", params=["jax", "tensorflow"])
def shared(request, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    environment = os.environ | {"KERAS_BACKEND": request.param}
    for jobs in JOBS[request.param]:
        done = subprocess.run(
            [sys.executable, SCRIPT, folder, *jobs], env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr[-3000:]
    return folder


def losses(folder: Path, name: str) -> list[float]:
    with (folder / "history.csv").open() as file:
        return [float(row[name]) for row in csv.DictReader(file)]


def weights(folder: Path) -> list[np.ndarray]:
    return keras.saving.load_model(folder / "model.keras").get_weights()


@pytest.mark.parametrize("devices", ["2", "4"])
def test_the_network_and_its_losses_are_those_of_one_device(shared, devices):
    for name in ("loss", "val_loss"):
        # Four of TensorFlow share the last two series by repeating them, which the mean counts.
        repeated = name == "loss" and devices == "4" and shared.name.startswith("tensorflow")
        tolerance = 0.2 if repeated else LOSS_TOLERANCE
        alone = losses(shared / "1", name)
        assert losses(shared / devices, name) == pytest.approx(alone, rel=tolerance)
    for mine, alone in zip(weights(shared / devices), weights(shared / "1"), strict=True):
        assert np.abs(mine - alone).max() <= WEIGHT_TOLERANCE * np.abs(alone).max()


def test_a_killed_training_goes_on_exactly(shared):
    for name in ("loss", "val_loss"):
        assert losses(shared / "again", name) == losses(shared / "2", name)
    for mine, whole in zip(weights(shared / "again"), weights(shared / "2"), strict=True):
        assert np.array_equal(mine, whole)


def test_how_many_they_were_stands_in_the_summary(shared):
    names = [
        json.loads((shared / folder / "training.json").read_text())["device"]
        for folder in ("1", "2", "4")
    ]
    assert names[1:] == [f"2 × {names[0]}", f"4 × {names[0]}"]


def test_devices_that_are_missing_or_cannot_share_are_told(shared):
    missing, uneven = json.loads((shared / "errors.json").read_text())
    assert "5 devices (cpu) are asked for, but" in missing
    assert "sees 4 on" in missing
    assert "A batch of 4 series cannot be shared equally by 3 GPUs; ask for 1, 2, 4" in uneven
