"""Trainings of seconds: the spec of a small network, and epochs for it."""

from epoch_files import write_epoch

from exitwave.config import Config, Network
from exitwave.workflow.specs import train_spec

SETTINGS = {
    "dataset": "any",
    "channels": (4, 8),
    "convolutions": 2,
    "epochs": 4,
    "batch_size": 4,
    "optimizer": "adam",
    "learning_rate": 1e-2,
}


def training_spec(**values) -> str:
    """The spec of a training with some other settings than `SETTINGS`."""
    network = Network(**(SETTINGS | values))
    return train_spec(Config.model_construct(seed=1, networks={"tiny": network}), "tiny")


def training_data(folder):
    """Two training epochs and one validation epoch, as arguments of `train_network`."""
    training = [write_epoch(folder / f"{e}.nc", samples=6, noise=e) for e in range(2)]
    return {"training": training, "validation": [write_epoch(folder / "v.nc", noise=9)]}
