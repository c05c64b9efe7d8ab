"""Checks of `exitwave doctor` on GPUs: the packages for one, its driver, Keras, CuPy.

>>> check_gpu_packages().sentence
'none: networks train on the processor'
"""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from exitwave.doctor import CHECKOUT
from exitwave.doctor.children import CHILD_SECONDS, last_line, start_python
from exitwave.doctor.finding import Finding, good, problem, warning
from exitwave.doctor.packages import difference, installed_version, named, pins

if TYPE_CHECKING:
    from exitwave.doctor.cluster import Profile

GPU_LOCKS: Mapping[str, Path] = MappingProxyType(
    {name: CHECKOUT / f"envs/lock-gpu-{name}.txt" for name in ("jax", "tensorflow")}
)
"""Lock of what each backend needs on a GPU, beside envs/lock.txt."""

CUDA = 12
"""The CUDA of the packages in these locks."""

# The oldest that runs programs of any CUDA 12; NVIDIA's table of minor version compatibility has
# 525.
_OLDEST_DRIVER = (525, 60, 13)

# All that TensorFlow needs JAX needs, too; only the latter's lock has these.
_TELLING = {"jax": "jax-cuda12-plugin", "tensorflow": "nvidia-cudnn-cu12"}

_INSTALL = "`make setup GPU=jax` (and `export KERAS_BACKEND=jax`) or `make setup GPU=tensorflow`"

# The first step on a GPU compiles for half a minute or more.
_TRIAL_SECONDS = 600


def installed_gpu_packages() -> str:
    """Return the backend whose GPU packages are installed: jax, tensorflow or none."""
    present = (name for name, package in _TELLING.items() if installed_version(package) is not None)
    return next(present, "none")


def check_gpu_packages(locks: Mapping[str, Path] = GPU_LOCKS) -> Finding:
    """Say which GPU packages are installed, and whether the driver is new enough for them."""
    subject = "GPU packages"
    installed = installed_gpu_packages()
    driver = _driver_version()
    if installed == "none":
        if not driver:
            return good(subject, "none: networks train on the processor")
        return warning(
            subject,
            f"None is installed, but there is a GPU here with NVIDIA's driver {driver}.",
            f"Install those of one backend, {_INSTALL}.",
        )
    oldest = ".".join(map(str, _OLDEST_DRIVER))
    needed = f"CUDA {CUDA} needs NVIDIA's driver {oldest} or later"
    if driver and _numbers(driver) < _OLDEST_DRIVER:
        return problem(
            subject,
            f"Those for {installed} are installed, but {needed}, and here it is {driver}.",
            "Ask for a newer driver, or train on other nodes or on the processor.",
        )
    sentence = f"{needed}, here it is {driver}" if driver else f"{needed}, and here is none"
    lock = locks[installed]
    listed = list(pins(lock)) if lock.exists() else []
    different = [text for pin in listed if (text := difference(pin))]
    if different or not listed:
        what = (
            f"{len(different)} of {len(listed)} are not those of {lock.name}: {named(different)}"
            if listed
            else f"there is no {lock} to compare them with"
        )
        return warning(
            subject,
            f"Those for {installed} are installed, but {what}; {sentence}.",
            f"Install what the lock names, `make setup GPU={installed}`.",
        )
    return good(subject, f"{installed}, all {len(listed)} as in {lock.name}; {sentence}")


def check_gpu(profile: Profile | None) -> Finding:
    """Say whether Keras sees a GPU and can train on it, and whether one is asked for."""
    sees = _run(
        "from exitwave.networks import backend; "
        "backend.prepare_environment(); backend.require_gpu(); "
        "print(backend.device_name())",
        CHILD_SECONDS,
    )
    if not sees.returncode:
        return _try_step(last_line(sees.stdout))
    rules = profile.gpu_rules() if profile else []
    if driver := _driver_sees():
        report = problem if rules and profile and not profile.submits else warning
        return report(
            "GPU",
            f"The driver shows {driver}, but Keras sees none: {last_line(sees.stderr)}",
            _remedy(installed_gpu_packages(), os.environ.get("KERAS_BACKEND", "tensorflow")),
        )
    if rules and profile and not profile.submits:
        return problem(
            "GPU",
            f"The profile asks for one for {', '.join(rules)}, but there is none on this machine.",
            "Set gpu=0 in the profile, or run on a machine with one.",
        )
    if rules:
        return good(
            "GPU",
            f"none on this machine; {', '.join(rules)} gets one from Slurm. Whether Keras sees it "
            "there, `srun --gres=gpu:1 exitwave doctor` says on such a node",
        )
    return good("GPU", "none, and none is asked for: networks train on the processor")


def _remedy(installed: str, backend: str) -> str:
    """What to do where the driver shows a GPU that Keras does not see."""
    if installed not in ("none", backend):
        return (
            f"The installed GPU packages are those for {installed}: `export "
            f"KERAS_BACKEND={installed}`, or install the others, `make setup GPU={backend}`."
        )
    if installed == "none":
        return f"Install the backend's GPU packages, {_INSTALL}, or train on the processor."
    return f"Install them again, `make setup GPU={installed}`, or train on the processor."


def _try_step(device: str) -> Finding:
    step = _run(
        "from exitwave.networks import backend; "
        "backend.prepare_environment(True); "
        "from exitwave.networks.trial import run_trial_step; "
        "trial = run_trial_step(); "
        "print(f'{trial.device} ({trial.backend}): a training step took {trial.seconds} s, "
        "compilation included')",
        _TRIAL_SECONDS,
    )
    if not step.returncode:
        return good("GPU", f"Keras trains on {last_line(step.stdout)}")
    return problem(
        "GPU",
        f"Keras sees {device}, but a training step fails: {last_line(step.stderr)}",
        "Look whether another process holds its memory (`nvidia-smi`) and whether the driver is "
        f"new enough for CUDA {CUDA}; or train on the processor.",
    )


def _run(code: str, seconds: float) -> subprocess.CompletedProcess[str]:
    child = start_python(code)
    try:
        stdout, stderr = child.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        child.kill()
        stdout, _ = child.communicate()
        stderr = f"it did not end within {seconds:g} s."
    return subprocess.CompletedProcess(code, child.returncode, stdout, stderr)


def _driver_sees() -> str:
    return _nvidia_smi("-L")


def _driver_version() -> str:
    """Return the version of NVIDIA's driver, such as 550.54.15; empty where there is none."""
    version = _nvidia_smi("--query-gpu=driver_version", "--format=csv,noheader").strip()
    return version if _numbers(version) else ""


def _numbers(version: str) -> tuple[int, ...]:
    parts = version.split(".")
    return tuple(int(part) for part in parts) if all(part.isdigit() for part in parts) else ()


def _nvidia_smi(*arguments: str) -> str:
    """Return the first line that the driver's own command says; empty where it is absent."""
    if shutil.which("nvidia-smi") is None:
        return ""
    said = subprocess.run(["nvidia-smi", *arguments], capture_output=True, text=True, timeout=60)
    return said.stdout.strip().splitlines()[0] if said.stdout.strip() else ""


def check_cupy(profile: Profile | None) -> Iterator[Finding]:
    """Say whether CuPy works, where the profile asks for a GPU for the exit waves."""
    rules = [rule for rule in profile.gpu_rules() if _needs_cupy(rule)] if profile else []
    if not rules or profile is None:
        return
    counted = _run(
        "import cupy; print(cupy.cuda.runtime.getDeviceCount(), 'GPU')",
        CHILD_SECONDS,
    )
    if not counted.returncode:
        yield good("CuPy", last_line(counted.stdout))
    elif profile.submits and _installed_cupy():
        yield good("CuPy", "installed; there is no GPU on this machine to try it on")
    else:
        yield problem(
            "CuPy",
            f"The profile asks for a GPU for {', '.join(rules)}, but CuPy fails: "
            f"{last_line(counted.stderr)}",
            f"Install it with the GPU packages of either backend, {_INSTALL}, or set gpu=0 there.",
        )


def _needs_cupy(rule: str) -> bool:
    return rule in ("simulate_exit_waves", "measure_convergence")


def _installed_cupy() -> bool:
    return any(name.startswith("cupy") for name in importlib.metadata.packages_distributions())
