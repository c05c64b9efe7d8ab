"""Checkpoints: what is kept, when it is written, and what is taken up again."""

from __future__ import annotations

import json
from pathlib import Path

import keras
import numpy as np
import pytest

from exitwave.errors import ExitwaveError
from exitwave.networks.training import checkpoints as checkpoints_module
from exitwave.networks.training.checkpoints import Checkpoints, EpochRecord, best_record


def small_model(value: float = 0.0) -> keras.Model:
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(optimizer="adam", loss="mse")
    model.optimizer.build(model.trainable_variables)
    fill(model, value)
    return model


def fill(model: keras.Model, value: float) -> None:
    model.set_weights([np.full(w.shape, value, w.dtype) for w in model.get_weights()])


def values(model: keras.Model) -> list[np.ndarray]:
    variables = (*model.weights, *model.optimizer.variables)
    return [keras.ops.convert_to_numpy(variable) for variable in variables]


def record(epoch: int, val_loss: float | None = 1.0) -> EpochRecord:
    return EpochRecord(epoch, 1.0, val_loss, 0.1, 1.0)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def saved_epochs(folder: Path) -> int:
    return len(json.loads((folder / "state.json").read_text())["records"])


@pytest.fixture
def checkpoints(tmp_path) -> Checkpoints:
    return Checkpoints(tmp_path, {"spec": "a"})


@pytest.fixture
def first_and_last_only(monkeypatch) -> None:
    monkeypatch.setattr(checkpoints_module, "SAVING_SHARE", 1e9)
    monkeypatch.setattr(checkpoints_module, "LONGEST_SECONDS", 1e9)


def test_network_and_optimizer_come_back(checkpoints, tmp_path):
    model = small_model(1.0)
    model.fit(np.ones((4, 1)), np.zeros((4, 1)), epochs=2, verbose=0)
    checkpoints.save(model, [record(1), record(2)])
    other = small_model()
    assert Checkpoints(tmp_path, {"spec": "a"}).load(other) == (record(1), record(2))
    for mine, its in zip(values(other), values(model), strict=True):
        assert np.array_equal(mine, its)


def test_the_last_and_the_best_are_kept(checkpoints, tmp_path):
    model, records = small_model(), []
    for epoch, loss in enumerate([3.0, 1.0, 2.0, 1.0], start=1):
        records.append(record(epoch, loss))
        checkpoints.save(model, records)
    assert names(tmp_path) == {"state.json", "last_0004.npz", "best_0002.npz"}


@pytest.mark.parametrize(("share", "longest", "saved"), [(1e9, 60, 1), (0, 60, 2), (1e9, 0, 2)])
def test_a_save_waits_until_it_is_cheap_but_not_too_long(
    share, longest, saved, checkpoints, tmp_path, monkeypatch
):
    monkeypatch.setattr(checkpoints_module, "SAVING_SHARE", share)
    monkeypatch.setattr(checkpoints_module, "LONGEST_SECONDS", longest)
    model, records = small_model(), [record(epoch) for epoch in (1, 2, 3)]
    checkpoints.update(model, records[:1], last=False)
    checkpoints.update(model, records[:2], last=False)
    checkpoints.wait()
    assert saved_epochs(tmp_path) == saved
    checkpoints.update(model, records, last=True)
    assert saved_epochs(tmp_path) == 3


@pytest.mark.usefixtures("first_and_last_only")
def test_the_best_network_waits_for_the_next_save(checkpoints, tmp_path):
    model, records = small_model(), []
    for epoch, loss in enumerate([None, 3.0, 1.0, None, 1.0, 2.0], start=1):
        fill(model, epoch)
        records.append(record(epoch, loss))
        checkpoints.update(model, records, last=epoch == 6)
        checkpoints.wait()
        assert saved_epochs(tmp_path) == (6 if epoch == 6 else 1)
        assert epoch == 6 or names(tmp_path) == {"state.json", "last_0001.npz"}
    assert best_record(records[:1]) is None
    assert names(tmp_path) == {"state.json", "last_0006.npz", "best_0003.keras"}
    best = keras.saving.load_model(tmp_path / "best_0003.keras")
    assert all((weights == 3).all() for weights in best.get_weights())
    other = small_model()
    checkpoints.load(other)
    assert all((weights == 6).all() for weights in other.get_weights())


@pytest.mark.parametrize("losses", [(1.0, 2.0), (2.0, 1.0)])
def test_a_kill_at_the_end_loses_no_network(losses, checkpoints, tmp_path, monkeypatch):
    model, records = small_model(1.0), [record(1, losses[0]), record(2, losses[1])]
    checkpoints.update(model, records[:1], last=False)
    fill(model, 2.0)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(keras.models, "clone_model", interrupted)
        checkpoints.update(model, records, last=True)
    again = Checkpoints(tmp_path, {"spec": "a"})
    assert again.load(small_model()) == tuple(records[:1])
    again.update(model, records, last=True)
    best = 1 + losses.index(1.0)
    assert names(tmp_path) == {"state.json", "last_0002.npz", f"best_000{best}.keras"}
    found = keras.saving.load_model(tmp_path / f"best_000{best}.keras").get_weights()
    assert all((weights == best).all() for weights in found)


def interrupted(model: keras.Model) -> keras.Model:
    raise KeyboardInterrupt


def test_what_is_being_written_does_not_change_with_the_network(checkpoints, tmp_path, monkeypatch):
    model = small_model(1.0)
    write = checkpoints_module._save

    def write_late(path, arrays):
        fill(model, 2.0)
        write(path, arrays)

    monkeypatch.setattr(checkpoints_module, "_save", write_late)
    checkpoints.save(model, [record(1)])
    with np.load(tmp_path / "last_0001.npz") as file:
        assert file["arr_0"] == 1


def test_a_failure_to_write_is_told_at_the_next_epoch(checkpoints, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints_module, "SAVING_SHARE", 0)
    model, records = small_model(), [record(1), record(2)]
    checkpoints.update(model, records[:1], last=False)
    checkpoints.wait()
    (tmp_path / ".tmp_last_0002.npz").mkdir()
    checkpoints.update(model, records, last=False)
    with pytest.raises(ExitwaveError, match="last_0002"):
        checkpoints.update(model, [*records, record(3)], last=False)
    assert saved_epochs(tmp_path) == 1
    assert len(checkpoints.load(small_model())) == 1


@pytest.mark.parametrize("name", ["state.json", "last_0001.npz"])
def test_a_damaged_checkpoint_is_ignored(name, checkpoints, tmp_path, caplog):
    checkpoints.save(small_model(1.0), [record(1)])
    whole = (tmp_path / name).read_bytes()
    middle = len(whole) // 2
    for damaged in (whole[:100], whole[:middle] + b"?" + whole[middle + 1 :], b""):
        (tmp_path / name).write_bytes(damaged)
        model = small_model()
        assert checkpoints.load(model) == ()
        assert all((weights == 0).all() for weights in model.get_weights())
        assert "cannot be read" in caplog.text


def test_a_checkpoint_of_another_network_is_ignored(checkpoints, caplog):
    checkpoints.save(small_model(), [record(1)])
    other = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    other.compile(optimizer="adam", loss="mse")
    assert checkpoints.load(other) == ()
    assert "its variables are not this network's" in caplog.text


def test_a_checkpoint_of_version_0_1_is_taken_up(checkpoints, tmp_path):
    model = small_model(1.0)
    model.fit(np.ones((4, 1)), np.zeros((4, 1)), epochs=2, verbose=0)
    model.save(tmp_path / "last_0002.keras")
    best = small_model(7.0)
    clone = keras.models.clone_model(best)
    clone.set_weights(best.get_weights())
    clone.save(tmp_path / "best_0001.keras")
    records = [record(1, 1.0), record(2, 2.0)]
    state = {
        "spec": "a",
        "last": "last_0002.keras",
        "best": "best_0001.keras",
        "records": [vars(each) for each in records],
    }
    (tmp_path / "state.json").write_text(json.dumps(state))
    other = small_model()
    assert checkpoints.load(other) == tuple(records)
    for mine, its in zip(values(other), values(model), strict=True):
        assert np.array_equal(mine, its)
    checkpoints.update(other, [*records, record(3, 3.0)], last=True)
    assert names(tmp_path) == {"state.json", "last_0003.npz", "best_0001.keras"}
    found = keras.saving.load_model(tmp_path / "best_0001.keras").get_weights()
    assert all((weights == 7).all() for weights in found)
