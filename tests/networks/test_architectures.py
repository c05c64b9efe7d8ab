"""The architecture of a network: named by the configuration, and unknown to earlier results."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from exitwave.config import Network, NetworkSettings, parse_config
from exitwave.errors import ExitwaveError
from exitwave.networks.architectures import build_network, unet
from exitwave.networks.trained import load_network, save_network
from exitwave.workflow import specs

RAW = {"datasets": {"flakes": {}}, "networks": {"net": {"dataset": "flakes"}}}

# As version 0.1 wrote it, which knew no other architecture.
EARLIER_SPEC = (
    '{"network":{"augment":false,"batch_normalization":false,"batch_size":8,'
    '"channels":[32,64,128,256],"convolutions":5,"epochs":200,"image_scale":1.0,"images":3,'
    '"jit_compile":false,"kernel_px":3,"learning_rate":0.0005,"normalization":"mean",'
    '"optimizer":"rmsprop","precision":"float32","replica":0,"schedule":"constant",'
    '"target_scale":1.0,"training_share":1.0},"seed":1,"stage":"train","version":1}'
)


def test_no_finished_network_is_trained_anew() -> None:
    assert specs.train_spec(parse_config(RAW), "net") == EARLIER_SPEC
    network = {"dataset": "flakes", "architecture": "unet"}
    named = parse_config({**RAW, "networks": {"net": network}})
    assert specs.train_spec(named, "net") == EARLIER_SPEC
    assert specs.report_spec(named) == specs.report_spec(parse_config(RAW))
    assert specs.read_spec(EARLIER_SPEC, specs.TrainSpec).network.architecture == "unet"


def test_an_unknown_architecture_is_told_with_a_hint() -> None:
    network = {"dataset": "flakes", "architecture": "u_net"}
    with pytest.raises(ExitwaveError, match=r"architecture: 'u_net' is not known here; did you"):
        parse_config({**RAW, "networks": {"net": network}})


def test_the_architecture_is_the_one_that_is_named() -> None:
    settings = NetworkSettings(channels=(2, 4), convolutions=2)
    named = build_network(settings, 3, seed=5)
    directly = unet.build_network(settings, 3, seed=5)
    assert named.to_json() == directly.to_json()
    for one, other in zip(named.get_weights(), directly.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_network_of_an_earlier_version_is_loaded(tmp_path: Path) -> None:
    settings = Network(dataset="flakes", channels=(2, 4), convolutions=2)
    save_network(tmp_path, build_network(settings, 3), settings, {})
    stored = json.loads((tmp_path / "network.json").read_text())["network"]
    assert set(stored) == set(json.loads(EARLIER_SPEC)["network"])
    assert load_network(tmp_path).settings.architecture == "unet"
