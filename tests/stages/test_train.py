"""Training: what it writes, and that it goes on where it was killed."""

from __future__ import annotations

import csv
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest
from epoch_files import SAMPLING, flip_a_bit_of_an_image, make_series, write_epoch
from tiny_training import training_data, training_spec

from exitwave.errors import ExitwaveError
from exitwave.networks.trained import load_network, predict_waves
from exitwave.networks.training import checkpoints as checkpoints_module
from exitwave.stages import train
from exitwave.stages.train import train_network
from exitwave.tasks.progress import Progress, read_progress

# Each epoch is saved, however short it is.
RUN = """
import sys, exitwave.cli, exitwave.networks.training.checkpoints
exitwave.networks.training.checkpoints.SAVING_SHARE = 0
sys.exit(exitwave.cli.main(sys.argv[1:]))
"""


def make_spec(**values) -> str:
    scaled = {"target_scale": 3, "image_scale": 3, "schedule": "cosine", "augment": True}
    return training_spec(**(scaled | values))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return training_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def trained(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("trained") / "tiny"
    train_network(make_spec(), **data, output=folder)
    return folder


def history(folder: Path) -> list[dict[str, str]]:
    with (folder / "history.csv").open() as file:
        return list(csv.DictReader(file))


def without_seconds(folder: Path) -> list[dict[str, str]]:
    return [{k: v for k, v in row.items() if "seconds" not in k} for row in history(folder)]


def assert_same_result(folder: Path, other: Path) -> None:
    assert (folder / "model.keras").read_bytes() == (other / "model.keras").read_bytes()
    assert without_seconds(folder) == without_seconds(other)


class Killed(BaseException):
    """Stands for the death of the process."""


def stop_after(monkeypatch, epoch: int) -> None:
    """Let the training die when it begins another epoch."""
    begin = train._Recorder.begin_epoch

    def begin_or_die(self, number, logs=None):
        if number == epoch:
            raise Killed
        begin(self, number, logs)

    monkeypatch.setattr(train._Recorder, "begin_epoch", begin_or_die)


# What is written


def test_history_has_a_row_an_epoch_and_the_loss_falls(trained):
    rows = history(trained)
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4"]
    times = {"seconds", "seconds_waiting"}
    assert set(rows[0]) == {"epoch", "loss", "val_loss", "learning_rate", *times}
    assert float(rows[-1]["loss"]) < 0.7 * float(rows[0]["loss"])
    rates = [float(row["learning_rate"]) for row in rows]
    assert rates == pytest.approx(
        [1e-2 * 0.5 * (1 + np.cos(np.pi * e / 4)) for e in range(4)], rel=1e-4
    )


def test_the_loss_is_the_mean_square_error_of_the_wave_whatever_the_scales(trained, data):
    network = load_network(trained)
    series = [make_series(key, 16, 3, noise=9) for key in range(4)]
    images = np.stack([image for image, _ in series])
    waves = np.stack([wave[..., 0] + 1j * wave[..., 1] for _, wave in series])
    error = np.abs(predict_waves(network, images, SAMPLING) - waves) ** 2 / 2
    assert float(history(trained)[-1]["val_loss"]) == pytest.approx(error.mean(), rel=1e-4)


def test_the_summary_says_what_it_cost_and_where_it_comes_from(trained):
    summary = json.loads((trained / "training.json").read_text())
    assert summary["spec"] == make_spec()
    assert summary["parameters"] == load_network(trained).model.count_params()
    assert summary["training_samples"] == 6
    assert summary["backend"] == keras.backend.backend()
    assert summary["device"]
    assert summary["peak_memory_bytes"] > 1e8
    assert summary["samples_per_second"] > 0
    assert 0 < summary["waiting_share"] < 1
    assert summary["best_epoch"] == 1 + np.argmin([float(r["val_loss"]) for r in history(trained)])


def test_tensorboard_sees_the_history(trained):
    import tensorflow as tf
    from tensorflow.core.util import event_pb2

    (path,) = (trained / "logs").iterdir()
    records = tf.data.TFRecordDataset(str(path))
    events = [event_pb2.Event.FromString(record.numpy()) for record in records][1:]
    assert [event.step for event in events] == [1, 2, 3, 4]
    value = {v.tag: v.simple_value for v in events[2].summary.value}["val_loss"]
    assert value == pytest.approx(float(history(trained)[2]["val_loss"]), rel=1e-6)


def test_progress_is_a_line_an_epoch(data, tmp_path, caplog, capfd):
    caplog.set_level(logging.INFO)
    train_network(make_spec(epochs=2, convolutions=3), **data, output=tmp_path)
    lines = [record.message for record in caplog.records if "epoch" in record.message]
    assert len(lines) == 2
    assert lines[0].startswith("epoch 1/2: loss ")
    assert "samples/s, waiting for data" in lines[0]
    assert "left" in lines[0]
    assert capfd.readouterr().out == ""


def test_a_training_says_how_far_it_is_also_when_it_goes_on(data, tmp_path, monkeypatch):
    path, output = tmp_path / "tiny.json", tmp_path / "tiny"
    stop_after(monkeypatch, 2)
    with pytest.raises(Killed), Progress(path, "train", "tiny"):
        train_network(make_spec(), **data, output=output)
    monkeypatch.undo()
    found = read_progress(path)
    assert (found.state, found.error) == ("failed", "Killed: ")
    assert (found.done, found.total) == (2, 4)
    with Progress(path, "train", "tiny"):
        train_network(make_spec(), **data, output=output)
    found = read_progress(path)
    assert (found.state, found.done, found.total, found.error) == ("done", 4, 4, "")
    last = history(output)[-1]
    assert found.training.epoch == found.training.epochs == 4
    assert found.training.loss == float(last["loss"])
    assert found.training.val_loss == float(last["val_loss"])
    seconds = [float(row["seconds"]) for row in history(output)]
    assert found.training.seconds_per_epoch == pytest.approx(np.median(seconds))
    assert found.samples_per_second > 0


@pytest.mark.parametrize(
    "values",
    [
        {"precision": "mixed_bfloat16", "optimizer": "amsgrad", "normalization": "local"},
        {"precision": "mixed_float16", "optimizer": "rmsprop", "jit_compile": True},
    ],
)
def test_other_settings_train_too(values, data, tmp_path):
    train_network(make_spec(epochs=2, **values), **data, output=tmp_path)
    waves = predict_waves(load_network(tmp_path), make_series(1, 16, 3)[0][None], SAMPLING)
    assert np.all(np.isfinite(waves))


# Going on


def test_two_epochs_and_two_more_equal_four(data, tmp_path, monkeypatch):
    spec = make_spec(optimizer="rmsprop", schedule="constant", batch_normalization=True)
    train_network(spec, **data, output=tmp_path / "whole")
    with monkeypatch.context() as patch:
        stop_after(patch, 2)
        with pytest.raises(Killed):
            train_network(spec, **data, output=tmp_path / "parts")
    assert len(history(tmp_path / "parts")) == 2
    train_network(spec, **data, output=tmp_path / "parts")
    assert_same_result(tmp_path / "parts", tmp_path / "whole")


def test_a_kill_while_saving_leaves_the_checkpoint_before(data, tmp_path, monkeypatch, trained):
    calls = []

    def die(path, text):
        calls.append(path)
        if len(calls) == 3:
            raise Killed
        write_text(path, text)

    write_text = checkpoints_module.write_text
    with monkeypatch.context() as patch:
        patch.setattr(checkpoints_module, "SAVING_SHARE", 0)
        patch.setattr(checkpoints_module, "write_text", die)
        with pytest.raises(Killed):
            train_network(make_spec(), **data, output=tmp_path)
    assert (tmp_path / "checkpoints" / "last_0003.npz").exists()
    assert len(json.loads((tmp_path / "checkpoints" / "state.json").read_text())["records"]) == 2
    train_network(make_spec(), **data, output=tmp_path)
    assert_same_result(tmp_path, trained)
    names = {path.name for path in (tmp_path / "checkpoints").iterdir()}
    assert "last_0004.npz" in names
    assert len(names) <= 3


def test_a_real_kill_changes_nothing(data, tmp_path):
    spec = make_spec(epochs=12)
    arguments = ["train", "--spec", spec, "--output", str(tmp_path / "killed")]
    for name, paths in data.items():
        arguments += [f"--{name}", *map(str, paths)]
    state = tmp_path / "killed" / "checkpoints" / "state.json"
    process = subprocess.Popen([sys.executable, "-c", RUN, *arguments], stderr=subprocess.DEVNULL)
    while process.poll() is None and not (state.exists() and '"epoch": 2' in state.read_text()):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (tmp_path / "killed" / "model.keras").exists()
    assert 2 <= len(json.loads(state.read_text())["records"]) < 12
    train_network(spec, **data, output=tmp_path / "killed")
    train_network(spec, **data, output=tmp_path / "whole")
    assert_same_result(tmp_path / "killed", tmp_path / "whole")


def test_a_finished_training_only_writes_its_results_again(trained, data, tmp_path, monkeypatch):
    folder = shutil.copytree(trained, tmp_path / "tiny")
    for name in ("model.keras", "network.json", "history.csv", "training.json"):
        (folder / name).unlink()
    stop_after(monkeypatch, 0)
    train_network(make_spec(), **data, output=folder)
    assert_same_result(folder, trained)


def test_a_checkpoint_of_another_spec_or_other_data_is_ignored(trained, data, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    folder = shutil.copytree(trained, tmp_path / "tiny")
    train_network(make_spec(epochs=1), **data, output=folder)
    assert "belongs to another spec and is ignored" in caplog.text
    assert len(history(folder)) == 1
    other = data | {"training": data["training"][:1]}
    before = (folder / "model.keras").read_bytes()
    train_network(make_spec(epochs=1), **other, output=folder)
    assert "belongs to another training data and is ignored" in caplog.text
    assert (folder / "model.keras").read_bytes() == before  # the first epoch uses this file only


# What can go wrong


def test_a_missing_gpu_is_told_at_once(data, tmp_path):
    started = time.monotonic()
    with pytest.raises(ExitwaveError, match=r"A GPU is required, but \w+ sees none on"):
        train_network(make_spec(), **data, output=tmp_path, gpus=1)
    assert time.monotonic() - started < 5
    assert not list(tmp_path.iterdir())


def test_a_diverging_training_is_stopped(data, tmp_path):
    with pytest.raises(ExitwaveError, match="the training diverged; lower learning_rate"):
        train_network(make_spec(learning_rate=1e30, schedule="constant"), **data, output=tmp_path)
    assert not (tmp_path / "checkpoints").exists()
    assert not (tmp_path / "model.keras").exists()


def test_damage_found_while_training_is_told_in_one_sentence(data, tmp_path):
    damaged = write_epoch(tmp_path / "damaged.nc", samples=6)
    flip_a_bit_of_an_image(damaged, 4)
    with pytest.raises(ExitwaveError, match=r"damaged.nc is damaged: sample 4"):
        train_network(
            make_spec(), training=[damaged], validation=data["validation"], output=tmp_path / "n"
        )


def test_files_are_checked_before_anything_is_written(data, tmp_path):
    with pytest.raises(ExitwaveError, match="the network takes 2 images"):
        train_network(make_spec(images=2), **data, output=tmp_path / "n")
    with pytest.raises(ExitwaveError, match="does not exist"):
        train_network(make_spec(), [tmp_path / "no.nc"], data["validation"], tmp_path / "n")
    assert not (tmp_path / "n").exists()


# Using the network


def test_predictions_do_not_depend_on_the_batches_nor_on_the_unit(trained):
    network = load_network(trained / "model.keras")
    images = np.stack([make_series(key, 32, 3)[0] for key in range(3)])
    waves = predict_waves(network, images, SAMPLING)
    assert waves.shape == (3, 32, 32)
    assert waves.dtype == np.complex64
    assert predict_waves(network, images, [SAMPLING] * 3, 1) == pytest.approx(waves, abs=1e-5)
    assert predict_waves(network, 1e4 * images, SAMPLING) == pytest.approx(waves, abs=1e-5)


def test_images_that_do_not_fit_are_refused(trained):
    network = load_network(trained)
    with pytest.raises(ExitwaveError, match="give series of 3 images"):
        predict_waves(network, np.ones((1, 16, 16, 2)), SAMPLING)
    with pytest.raises(ExitwaveError, match="crop them to 16 x 14 px"):
        predict_waves(network, np.ones((1, 17, 15, 3)), SAMPLING)


@pytest.mark.parametrize("name", ["model.keras", "network.json"])
def test_a_broken_network_is_named(name, trained, tmp_path):
    for path in trained.glob("*.*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / name).write_bytes((trained / name).read_bytes()[:300])
    with pytest.raises(ExitwaveError, match=f"{name} is damaged"):
        load_network(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(ExitwaveError, match=f"since {name} is missing"):
        load_network(tmp_path)


# The other backend

JAX = """
import json, sys
from pathlib import Path
from exitwave.stages.train import train_network
from exitwave.networks.trained import load_network, predict_waves
from epoch_files import make_series
spec, training, validation, output = sys.argv[1:]
train_network(spec, json.loads(training), [validation], Path(output))
waves = predict_waves(load_network(Path(output)), make_series(1, 16, 3)[0][None], 0.2)
assert waves.shape == (1, 16, 16)
"""


def test_jax_trains_too(data, tmp_path, trained):
    training = json.dumps([str(path) for path in data["training"]])
    subprocess.run(
        [sys.executable, "-c", JAX, make_spec(), training, data["validation"][0], tmp_path],
        env={
            **os.environ,
            "KERAS_BACKEND": "jax",
            "PYTHONPATH": str(Path(__file__).parents[1] / "support"),
        },
        check=True,
        capture_output=True,
    )
    assert json.loads((tmp_path / "training.json").read_text())["backend"] == "jax"
    losses = [[float(row["val_loss"]) for row in history(f)] for f in (tmp_path, trained)]
    assert losses[0][-1] < 0.7 * losses[0][0]
    # From the same initial weights and the same order, but other sums are rounded.
    assert losses[0] == pytest.approx(losses[1], rel=1e-2)
