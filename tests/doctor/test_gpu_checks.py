"""What `exitwave doctor` says about GPUs: packages, driver, Keras and CuPy."""

import os
import shutil
from pathlib import Path

import pytest

from exitwave.doctor.cluster import Profile
from exitwave.doctor.gpu import (
    GPU_LOCKS,
    _remedy,
    check_cupy,
    check_gpu,
    check_gpu_packages,
    installed_gpu_packages,
)
from exitwave.doctor.packages import pins

LOCAL_WITH_GPU = Profile(
    Path("profiles/mine/profile.yaml"),
    {"set-resources": ["train_network:gpu=1", "simulate_exit_waves:gpu=1"]},
)


# Where there is a GPU, its packages are there, too.
without_gpu = pytest.mark.skipif(
    shutil.which("nvidia-smi") is not None or installed_gpu_packages() != "none",
    reason="there may be a GPU on this machine",
)


@pytest.fixture(autouse=True)
def quick_backend(monkeypatch):
    """JAX is there sooner than TensorFlow."""
    monkeypatch.setenv("KERAS_BACKEND", "jax")


@pytest.fixture
def add_driver(tmp_path, monkeypatch):
    """Put an nvidia-smi in front that says one line."""

    def add(line):
        command = tmp_path / "bin/nvidia-smi"
        command.parent.mkdir(exist_ok=True)
        command.write_text(f"#!/bin/sh\necho '{line}'\n")
        command.chmod(0o755)
        monkeypatch.setenv("PATH", str(command.parent), prepend=os.pathsep)

    return add


@pytest.fixture
def add_packages(tmp_path, monkeypatch):
    """Let packages seem to be installed, as their metadata says."""

    def add(**versions):
        for name, version in versions.items():
            metadata = tmp_path / f"site/{name}-{version}.dist-info/METADATA"
            metadata.parent.mkdir(parents=True)
            metadata.write_text(f"Name: {name.replace('_', '-')}\nVersion: {version}\n")
        monkeypatch.syspath_prepend(str(tmp_path / "site"))

    return add


def locked(name):
    return {
        pin.name.replace("-", "_"): str(pin.specifier).removeprefix("==")
        for pin in pins(GPU_LOCKS[name])
    }


@pytest.fixture
def fake_gpu(tmp_path, monkeypatch):
    """Let Keras take the processor for a GPU, in processes that start from now on."""

    def fake(*patches):
        lines = ["from exitwave.networks import backend", "backend.require_gpu = lambda: None"]
        (tmp_path / "sitecustomize.py").write_text("\n".join([*lines, *patches]))
        monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)

    return fake


def test_a_gpu_that_is_asked_for_and_not_there(add_driver):
    if shutil.which("nvidia-smi"):
        pytest.skip("there is a GPU on this machine")
    finding = check_gpu(LOCAL_WITH_GPU)
    assert finding.verdict == "problem"
    assert "asks for one for simulate_exit_waves, train_network" in finding.sentence
    # A driver alone is not enough.
    add_driver("GPU 0: NVIDIA H100")
    finding = check_gpu(None)
    assert finding.verdict == "warning"
    assert "The driver shows GPU 0: NVIDIA H100, but Keras sees none" in finding.sentence


def test_exit_waves_on_a_gpu_without_cupy():
    if shutil.which("nvidia-smi"):
        pytest.skip("there may be CuPy on this machine")
    (finding,) = check_cupy(LOCAL_WITH_GPU)
    assert finding.verdict == "problem"
    assert "No module named 'cupy'" in finding.sentence
    assert list(check_cupy(None)) == []


@without_gpu
def test_no_gpu_packages_and_no_gpu():
    finding = check_gpu_packages()
    assert finding.verdict == "good"
    assert finding.sentence == "none: networks train on the processor"


@without_gpu
def test_a_gpu_for_which_no_packages_are_installed(add_driver):
    add_driver("550.54.15")
    finding = check_gpu_packages()
    assert finding.verdict == "warning"
    assert "NVIDIA's driver 550.54.15" in finding.sentence
    assert "make setup GPU=jax" in finding.remedy
    # What it says where the driver itself is broken is not a version.
    add_driver("Failed to initialize NVML: Driver/library version mismatch")
    assert check_gpu_packages().verdict == "good"


@pytest.mark.parametrize("name", GPU_LOCKS)
@without_gpu
def test_the_gpu_packages_of_a_lock(name, add_packages, add_driver):
    add_packages(**locked(name))
    add_driver("525.60.13")
    assert installed_gpu_packages() == name
    finding = check_gpu_packages()
    assert finding.verdict == "good"
    assert f"{name}, all {len(locked(name))} as in lock-gpu-{name}.txt" in finding.sentence
    assert "needs NVIDIA's driver 525.60.13 or later, here it is 525.60.13" in finding.sentence


@without_gpu
def test_a_driver_that_is_too_old(add_packages, add_driver):
    add_packages(**locked("jax"))
    add_driver("470.82.01")
    finding = check_gpu_packages()
    assert finding.verdict == "problem"
    assert "driver 525.60.13 or later, and here it is 470.82.01" in finding.sentence
    assert "newer driver" in finding.remedy


@without_gpu
def test_gpu_packages_that_differ_from_their_lock(add_packages, tmp_path):
    add_packages(**{**locked("tensorflow"), "nvidia_cufft_cu12": "1.0"})
    finding = check_gpu_packages()
    assert finding.verdict == "warning"
    assert "nvidia-cufft-cu12 1.0 (lock: " in finding.sentence
    assert "and here is none" in finding.sentence
    assert "make setup GPU=tensorflow" in finding.remedy
    finding = check_gpu_packages({"tensorflow": tmp_path / "absent.txt"})
    assert "there is no" in finding.sentence


def test_packages_for_the_other_backend_are_named():
    assert "export KERAS_BACKEND=jax" in _remedy("jax", "tensorflow")
    assert "make setup GPU=tensorflow" in _remedy("jax", "tensorflow")
    assert "make setup GPU=jax" in _remedy("none", "jax")
    assert "make setup GPU=jax" in _remedy("jax", "jax")


def test_a_training_step_runs_on_the_gpu(fake_gpu):
    """Here the processor stands for it."""
    fake_gpu()
    finding = check_gpu(None)
    assert finding.verdict == "good"
    assert finding.sentence.startswith("Keras trains on ")
    assert "(jax): a training step took" in finding.sentence


def test_a_gpu_on_which_a_training_step_fails(fake_gpu):
    fake_gpu(
        "def compiles_steps(jit_compile): raise RuntimeError('no kernel image is available')",
        "backend.compiles_steps = compiles_steps",
    )
    finding = check_gpu(None)
    assert finding.verdict == "problem"
    assert "but a training step fails: RuntimeError: no kernel image" in finding.sentence
    assert "nvidia-smi" in finding.remedy
