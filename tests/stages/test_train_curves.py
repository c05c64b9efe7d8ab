"""Training does less where it can: fewer validations, fewer samples of them, fewer checkpoints."""

from __future__ import annotations

import csv
import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from epoch_files import write_epoch
from tiny_training import SETTINGS, training_data, training_spec

from exitwave.config import Network, NetworkSettings
from exitwave.errors import ExitwaveError
from exitwave.networks.training import checkpoints as checkpoints_module
from exitwave.networks.training.checkpoints import EpochRecord, is_finite
from exitwave.networks.training.curves import diverged, validated_epochs, validation_text
from exitwave.networks.training.epoch_reader import EpochFiles
from exitwave.networks.training.loader import Draw, FileOrder, curve_order
from exitwave.stages import train
from exitwave.stages.train import train_network
from exitwave.tasks.progress import Progress, read_progress

# One epoch longer than a multiple of validate_every, so that the last one counts.
EPOCHS = 5


def make_spec(**values) -> str:
    return training_spec(**({"epochs": EPOCHS} | values))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return training_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def trained(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("trained") / "tiny"
    train_network(make_spec(), **data, output=folder)
    return folder


@pytest.fixture(scope="module")
def seldom(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("seldom") / "tiny"
    train_network(make_spec(validate_every=2), **data, output=folder)
    return folder


def history(folder: Path) -> list[dict[str, str]]:
    with (folder / "history.csv").open() as file:
        return [
            {key: value for key, value in row.items() if "seconds" not in key}
            for row in csv.DictReader(file)
        ]


def network_bytes(folder: Path) -> bytes:
    return (folder / "model.keras").read_bytes()


class Killed(BaseException):
    """Stands for the death of the process."""


def stop_after(monkeypatch, epoch: int, death: type[BaseException] = Killed) -> None:
    """Let the training die when it begins another epoch."""
    begin = train._Recorder.begin_epoch

    def begin_or_die(self, number, logs=None):
        if number == epoch:
            raise death
        begin(self, number, logs)

    monkeypatch.setattr(train._Recorder, "begin_epoch", begin_or_die)


def save_first_and_last(monkeypatch) -> None:
    monkeypatch.setattr(checkpoints_module, "SAVING_SHARE", 1e9)
    monkeypatch.setattr(checkpoints_module, "LONGEST_SECONDS", 1e9)


# validate_every


def test_the_keys_are_in_no_spec_at_their_defaults():
    assert "validate_every" not in make_spec(validate_every=1)
    assert "curve_samples" not in make_spec(curve_samples=None)
    assert '"validate_every":5' in make_spec(validate_every=5)
    assert '"curve_samples":7' in make_spec(curve_samples=7)


def test_the_last_epoch_is_always_validated():
    assert validated_epochs(12, 5) == [5, 10, 12]
    assert validated_epochs(3, 1) == [1, 2, 3]
    assert validated_epochs(3, 9) == [3]


def test_fewer_validations_change_nothing_else(seldom, trained):
    assert network_bytes(seldom) == network_bytes(trained)
    expected = history(trained)
    for place in (0, 2):
        expected[place]["val_loss"] = ""
    assert history(seldom) == expected


def test_the_best_epoch_is_one_that_was_validated(seldom):
    summary = json.loads((seldom / "training.json").read_text())
    losses = {row["epoch"]: float(row["val_loss"]) for row in history(seldom) if row["val_loss"]}
    assert set(losses) == {"2", "4", "5"}
    best = min(losses, key=losses.__getitem__)
    assert (summary["best_epoch"], summary["best_val_loss"]) == (int(best), losses[best])
    assert summary["val_loss"] == losses["5"]
    assert len(list((seldom / "checkpoints").glob(f"best_{int(best):04d}.keras"))) == 1


def test_tensorboard_sees_only_losses_that_there_are(seldom):
    import tensorflow as tf
    from tensorflow.core.util import event_pb2

    (path,) = (seldom / "logs").iterdir()
    records = tf.data.TFRecordDataset(str(path))
    events = [event_pb2.Event.FromString(record.numpy()) for record in records][1:]
    tags = [{value.tag for value in event.summary.value} for event in events]
    assert [("val_loss" in found, "loss" in found) for found in tags] == [
        (epoch in (2, 4, 5), True) for epoch in range(1, 6)
    ]


@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_going_on_does_not_depend_on_what_was_validated(
    epoch, data, tmp_path, seldom, monkeypatch, caplog
):
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(checkpoints_module, "SAVING_SHARE", 0)
    spec = make_spec(validate_every=2)
    path = tmp_path / "tiny.json"
    with monkeypatch.context() as patch, pytest.raises(Killed), Progress(path, "train", "tiny"):
        stop_after(patch, epoch)
        train_network(spec, **data, output=tmp_path / "tiny")
    last = history(tmp_path / "tiny")[-1]["val_loss"]
    assert read_progress(path).training.val_loss == (float(last) if last else None)
    train_network(spec, **data, output=tmp_path / "tiny")
    assert f"Going on after epoch {epoch}." in caplog.text
    assert network_bytes(tmp_path / "tiny") == network_bytes(seldom)
    assert history(tmp_path / "tiny") == history(seldom)


def test_words_about_an_epoch_without_validation():
    record = EpochRecord(3, 0.5, None, 0.1, 1.0)
    assert validation_text(record, [2, 4, 5]) == "val_loss computed next after epoch 4"
    assert validation_text(EpochRecord(4, 0.5, 0.25, 0.1, 1.0), [2, 4, 5]) == "val_loss 2.500e-01"
    assert is_finite(record)
    broken = EpochRecord(3, float("nan"), None, 0.1, 1.0)
    assert not is_finite(broken)
    with pytest.raises(ExitwaveError, match=r"^The loss is nan in epoch 3 of tiny: the training"):
        raise diverged(broken, "tiny", 0.1)


# curve_samples


def write_validation(folder: Path, **values) -> EpochFiles:
    return EpochFiles([write_epoch(folder / f"{e}.nc", noise=e, **values) for e in range(2)])


def chosen(files: EpochFiles, **values) -> list[Draw]:
    settings = Network(**(SETTINGS | values)).part(NetworkSettings)
    return curve_order(files, settings, seed=3).epoch(7)


def test_samples_of_a_curve_are_chosen_by_their_hash(tmp_path):
    with write_validation(tmp_path, samples=20) as files:
        some = chosen(files, curve_samples=9)
        assert some == sorted(some, key=lambda draw: (draw.file, draw.sample))
        assert len(set(some)) == 9
        assert some != FileOrder(files).epoch(0)[:9]
        assert chosen(files, curve_samples=9, replica=2, channels=(8, 16)) == some
        assert set(some) < set(chosen(files, curve_samples=12))
        assert chosen(files) == chosen(files, curve_samples=99) == FileOrder(files).epoch(0)


def test_most_of_the_choice_stays_when_samples_join(tmp_path):
    for name in ("few", "more"):
        (tmp_path / name).mkdir()
    with (
        write_validation(tmp_path / "few", samples=20) as few,
        write_validation(tmp_path / "more", samples=24) as more,
    ):
        assert set(more.contents[0].specimens) > set(few.contents[0].specimens)

        def specimens(files: EpochFiles, known: EpochFiles) -> set[tuple[int, str]]:
            found = {
                (draw.file, files.contents[draw.file].specimens[draw.sample])
                for draw in chosen(files, curve_samples=12)
            }
            return {(file, key) for file, key in found if key in known.contents[file].specimens}

        # Those that join take places, but do not mix up the others.
        assert specimens(more, few) <= specimens(few, few)


def test_a_curve_of_fewer_samples(data, tmp_path, trained):
    train_network(make_spec(curve_samples=2), **data, output=tmp_path)
    counts = [
        json.loads((folder / "training.json").read_text())["validation_samples"]
        for folder in (tmp_path, trained)
    ]
    assert counts == [2, 4]
    assert network_bytes(tmp_path) == network_bytes(trained)
    assert history(tmp_path)[-1]["loss"] == history(trained)[-1]["loss"]
    assert history(tmp_path)[-1]["val_loss"] != history(trained)[-1]["val_loss"]


# Checkpoints


def saved_epochs(folder: Path) -> int:
    return len(json.loads((folder / "state.json").read_text())["records"])


def test_epochs_that_were_not_saved_are_trained_again(data, tmp_path, trained, monkeypatch):
    save_first_and_last(monkeypatch)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        stop_after(patch, 4)
        train_network(make_spec(), **data, output=tmp_path)
    assert len(history(tmp_path)) == 4
    assert saved_epochs(tmp_path / "checkpoints") == 1
    train_network(make_spec(), **data, output=tmp_path)
    assert network_bytes(tmp_path) == network_bytes(trained)
    assert history(tmp_path) == history(trained)


def test_an_interrupt_between_two_epochs_loses_none(data, tmp_path, trained, monkeypatch):
    save_first_and_last(monkeypatch)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        stop_after(patch, 3, KeyboardInterrupt)
        train_network(make_spec(), **data, output=tmp_path)
    assert saved_epochs(tmp_path / "checkpoints") == 3
    train_network(make_spec(), **data, output=tmp_path)
    assert network_bytes(tmp_path) == network_bytes(trained)


JAX = """
import json, sys
from pathlib import Path
from exitwave.networks.training import checkpoints
from exitwave.stages import train
spec, training, validation, output = sys.argv[1:]
files = json.loads(training), [validation]
checkpoints.SAVING_SHARE = checkpoints.LONGEST_SECONDS = 1e9
train.train_network(spec, *files, Path(output, "whole"))
checkpoints.SAVING_SHARE = 0
begin = train._Recorder.begin_epoch
def begin_or_die(self, number, logs=None):
    if number == 3:
        raise SystemExit
    begin(self, number, logs)
train._Recorder.begin_epoch = begin_or_die
try:
    train.train_network(spec, *files, Path(output, "parts"))
except SystemExit:
    pass
train._Recorder.begin_epoch = begin
train.train_network(spec, *files, Path(output, "parts"))
"""


def test_jax_goes_on_after_an_epoch_without_validation(data, tmp_path):
    training = json.dumps([str(path) for path in data["training"]])
    spec = make_spec(validate_every=2)
    subprocess.run(
        [sys.executable, "-c", JAX, spec, training, data["validation"][0], tmp_path],
        env={
            **os.environ,
            "KERAS_BACKEND": "jax",
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        },
        check=True,
    )
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert network_bytes(whole) == network_bytes(parts)
    assert history(whole) == history(parts)
