"""Trains one network on some of four virtual devices of this processor.

    python tests/support/shared_trainings.py FOLDER JOB ...   # with KERAS_BACKEND set

A job is ``NAME:DEVICES``, or ``NAME:DEVICES:EPOCH`` for a training that dies when it begins that
epoch. ``errors`` writes ``errors.json``: what is said where devices are missing or cannot share. A
process of its own, since a processor has to be divided before a backend looks at it.
"""

import json
import os
import sys
from pathlib import Path

# Read when JAX is imported. What it compiles need not be fast.
os.environ["XLA_FLAGS"] = (
    "--xla_force_host_platform_device_count=4 --xla_backend_optimization_level=0"
)

from tiny_training import training_data, training_spec

from exitwave.errors import ExitwaveError
from exitwave.networks.training import checkpoints
from exitwave.stages import train

DEVICES = 4
# The last batch of six or five series cannot be shared equally.
SETTINGS = {"augment": True, "batch_size": 4, "target_scale": 3, "image_scale": 3}


class Killed(BaseException):
    """The death of the process."""


def divide_the_processor() -> None:
    if os.environ["KERAS_BACKEND"] != "tensorflow":
        return
    import tensorflow as tf

    processor = tf.config.list_physical_devices("CPU")[0]
    parts = [tf.config.LogicalDeviceConfiguration()] * DEVICES
    tf.config.set_logical_device_configuration(processor, parts)


def trained(folder: Path, name: str, devices: int, **settings) -> None:
    train.train_network(
        training_spec(**(SETTINGS | settings)),
        **training_data(folder),
        output=folder / name,
        gpus=devices,
        device_kind="cpu",
    )


def dies(folder: Path, name: str, devices: int, last: int) -> None:
    begin = train._Recorder.begin_epoch

    def begin_or_die(recorder, epoch, logs=None):
        if epoch == last:
            raise Killed
        begin(recorder, epoch, logs)

    train._Recorder.begin_epoch = begin_or_die
    try:
        trained(folder, name, devices)
    except Killed:
        train._Recorder.begin_epoch = begin


def errors(folder: Path) -> None:
    said = []
    for devices, batch_size in ((5, 5), (3, 4)):
        try:
            trained(folder, "none", devices, batch_size=batch_size)
        except ExitwaveError as error:
            said.append(str(error))
    (folder / "errors.json").write_text(json.dumps(said))


def main(folder: Path, jobs: list[str]) -> None:
    divide_the_processor()
    checkpoints.SAVING_SHARE = 0  # each epoch is saved, however short it is
    for job in jobs:
        name, *numbers = job.split(":")
        if name == "errors":
            errors(folder)
        elif len(numbers) == 1:
            trained(folder, name, int(numbers[0]))
        else:
            dies(folder, name, *map(int, numbers))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
