"""The training step that says whether a backend can train on this machine."""

import math

import keras
import numpy as np
import pytest

from exitwave.errors import ExitwaveError
from exitwave.networks import backend, trial


def test_a_step_runs_on_the_processor():
    done = trial.run_trial_step()
    assert done.backend == keras.backend.backend()
    assert done.device == backend.device_name()
    # That of noise with a spread of 0.1, and of what a fresh network gives.
    assert 0 < done.loss < 1
    assert done.seconds > 0


def test_a_step_that_changes_nothing_is_an_error(monkeypatch):
    monkeypatch.setattr(keras.Model, "train_on_batch", lambda *batch: np.float32(0.01))
    with pytest.raises(ExitwaveError, match=r"the loss 0\.01 and did not change the weights"):
        trial.run_trial_step()


def test_a_loss_that_is_no_number_is_an_error(monkeypatch):
    monkeypatch.setattr(keras.Model, "train_on_batch", lambda *batch: math.nan)
    with pytest.raises(ExitwaveError, match="the loss nan"):
        trial.run_trial_step()
