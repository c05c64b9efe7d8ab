"""Event files, read back with TensorFlow."""

from __future__ import annotations

import pytest

from exitwave.event_files import EventFile


def read_events(path):
    import tensorflow as tf
    from tensorflow.core.util import event_pb2

    return [event_pb2.Event.FromString(record.numpy()) for record in tf.data.TFRecordDataset(path)]


def test_tensorflow_reads_what_was_written(tmp_path):
    with EventFile(tmp_path) as events:
        events.write(1, {"loss": 0.25, "val_loss": 1e-9})
        events.write(300, {"loss": 0.125})
        header, first, second = read_events(str(events.path))
    assert header.file_version == "brain.Event:2"
    assert (first.step, second.step) == (1, 300)
    assert {v.tag: v.simple_value for v in first.summary.value} == pytest.approx(
        {"loss": 0.25, "val_loss": 1e-9}
    )
    assert second.wall_time >= first.wall_time > 1e9


def test_a_new_file_takes_the_place_of_older_ones(tmp_path):
    (tmp_path / "events.out.tfevents.1.exitwave").write_bytes(b"old")
    with EventFile(tmp_path) as events:
        pass
    assert list(tmp_path.iterdir()) == [events.path]
