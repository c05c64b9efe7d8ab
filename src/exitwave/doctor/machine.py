"""Checks of `exitwave doctor` on this machine: Python, packages, FFT, GPU, Dask, host name."""

from __future__ import annotations

import hashlib
import importlib.metadata
import logging
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from exitwave.doctor import CHECKOUT
from exitwave.doctor.finding import Finding, good, problem, warning

if TYPE_CHECKING:
    from packaging.requirements import Requirement

    from exitwave.doctor.cluster import Profile

LOCK = CHECKOUT / "envs/lock.txt"

_MOST_NAMED = 12
_CHILD_SECONDS = 120
_PIN = re.compile(r"^([A-Za-z0-9_.\-]+==[^\\]+?)\s*\\?$")


def check_python(version: str = platform.python_version()) -> Finding:
    """Hold the version of Python against what the package asks for."""
    from packaging.specifiers import SpecifierSet

    asked = importlib.metadata.metadata("exitwave")["Requires-Python"]
    if SpecifierSet(asked).contains(version):
        return good("Python", f"{version} ({sys.executable})")
    return problem(
        "Python",
        f"{version}, but exitwave needs {asked}.",
        "Name another one: make PYTHON=python3.12 setup.",
    )


def check_packages(lock: Path = LOCK) -> Finding:
    """Hold the installed packages against the lock, and name each difference."""
    if not lock.exists():
        return warning(
            "packages",
            f"There is no {lock} to hold the installed packages against.",
            "Run from a checkout that was set up with `make setup`.",
        )
    pins = list(_pins(lock))
    different = [text for pin in pins if (text := _difference(pin))]
    asked = importlib.metadata.requires("exitwave") or []
    unusable = [text for entry in asked if (text := _unusable(entry))]
    remedy = (
        f"Install what the lock names, `make setup`, or `python -m pip install --require-hashes -r "
        f"{lock}`."
    )
    if unusable:
        return problem("packages", f"exitwave cannot use {_named(unusable)}.", remedy)
    if different:
        return warning(
            "packages",
            f"{len(different)} of {len(pins)} are not those of the lock: {_named(different)}. "
            "Results may differ in the last digits.",
            remedy,
        )
    return good("packages", f"all {len(pins)} as in {lock.name}")


def _pins(lock: Path) -> Iterator[Requirement]:
    """The packages of the lock that this machine needs."""
    from packaging.requirements import Requirement

    for line in lock.read_text(encoding="utf-8").splitlines():
        if pin := _PIN.match(line):
            requirement = Requirement(pin[1])
            if requirement.marker is None or requirement.marker.evaluate():
                yield requirement


def _difference(pin: Requirement) -> str:
    locked = str(pin.specifier).removeprefix("==")
    installed = _installed(pin.name)
    if installed == locked:
        return ""
    return f"{pin.name} {installed or 'absent'} (lock: {locked})"


def _unusable(text: str) -> str:
    """What is wrong with a package that exitwave itself asks for."""
    from packaging.requirements import Requirement

    requirement = Requirement(text)
    if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
        return ""
    installed = _installed(requirement.name)
    if installed is None:
        return f"{requirement.name}, which is absent"
    if requirement.specifier.contains(installed, prereleases=True):
        return ""
    return f"{requirement.name} {installed} (needed: {requirement.specifier})"


def _installed(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _named(texts: list[str]) -> str:
    more = len(texts) - _MOST_NAMED
    return ", ".join(texts[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def check_fft() -> Finding:
    """Transform the same wave in three processes and compare all bits."""
    code = "from exitwave.doctor.machine import fft_digests; print(fft_digests())"
    # Side by side: another number of threads, or other addresses, must not show.
    children = [_child(code, OMP_NUM_THREADS=str(threads)) for threads in (1, 2, 4)]
    answers = [child.communicate(timeout=_CHILD_SECONDS) for child in children]
    for child, (_, said) in zip(children, answers, strict=True):
        if child.returncode:
            return problem(
                "FFT",
                f"The transforms fail: {_last_line(said)}",
                "Install the locked packages anew, `make setup`.",
            )
    digests = [dict(entry.split("=") for entry in said.split()) for said, _ in answers]
    unlike = [name for name in digests[0] if len({digest[name] for digest in digests}) > 1]
    if unlike:
        return problem(
            "FFT",
            f"{' and '.join(unlike)} gave other bits in another process, so no result could be "
            "made again exactly.",
            "Install the locked packages anew, `make setup`; look for settings that change the "
            "FFT, such as LD_PRELOAD or a plugin of SciPy.",
        )
    told = ", ".join(f"{name} {digest}" for name, digest in digests[0].items())
    return good("FFT", f"the same bits in three processes ({told}; machines may be compared)")


def fft_digests() -> str:
    """Return ``library=digest`` of the same transforms by each library that the stages use."""
    import numpy as np
    import scipy.fft

    rng = np.random.default_rng(1)
    wave = (rng.normal(size=(480, 480)) + 1j * rng.normal(size=(480, 480))).astype(np.complex64)
    # abTEM takes NumPy's or, by multislice.fft, FFTW's; all other transforms are SciPy's.
    transforms = {
        "scipy": [scipy.fft.fft2(wave, workers=1), scipy.fft.irfft(wave, axis=0, workers=1)],
        "numpy": [np.fft.fft2(wave)],
    }
    if _installed("pyfftw") is not None:
        import pyfftw

        out = pyfftw.empty_aligned(wave.shape, "complex64")
        plan = pyfftw.FFTW(wave.copy(), out, axes=(0, 1), flags=("FFTW_ESTIMATE",))
        transforms["fftw"] = [plan(wave, out)]
    return " ".join(f"{name}={_digest(arrays)}" for name, arrays in transforms.items())


def _digest(arrays: list[Any]) -> str:
    content = b"".join(array.tobytes() for array in arrays)
    return hashlib.blake2b(content, digest_size=4).hexdigest()


def check_gpu(profile: Profile | None) -> Finding:
    """Say whether Keras sees a GPU, and whether one is asked for."""
    code = (
        "from exitwave.networks import backend; "
        "backend.prepare_environment(); backend.require_gpu(); "
        "print(backend.device_name())"
    )
    child = _child(code)
    seen, said = child.communicate(timeout=_CHILD_SECONDS)
    if not child.returncode:
        return good("GPU", f"Keras sees {_last_line(seen)}")
    rules = profile.gpu_rules() if profile else []
    install = "Install the backend's GPU packages, `pip install tensorflow[and-cuda]` of the same "
    if driver := _driver_sees():
        report = problem if rules and profile and not profile.submits else warning
        return report(
            "GPU",
            f"The driver shows {driver}, but Keras sees none: {_last_line(said)}",
            f"{install}version, or train on the processor.",
        )
    if rules and profile and not profile.submits:
        return problem(
            "GPU",
            f"The profile asks for one for {', '.join(rules)}, but there is none on this machine.",
            "Set gpu=0 in the profile, or run where there is one.",
        )
    if rules:
        return good(
            "GPU",
            f"none on this machine; {', '.join(rules)} gets one from Slurm. Whether Keras sees it "
            "there, `srun --gres=gpu:1 exitwave doctor` tells on such a node",
        )
    return good("GPU", "none, and none is asked for: networks train on the processor")


def _driver_sees() -> str:
    if shutil.which("nvidia-smi") is None:
        return ""
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=60)
    return listed.stdout.strip().splitlines()[0] if listed.stdout.strip() else ""


def check_cupy(profile: Profile | None) -> Iterator[Finding]:
    """Say whether CuPy works, where the profile asks for a GPU for the exit waves."""
    rules = [rule for rule in profile.gpu_rules() if _needs_cupy(rule)] if profile else []
    if not rules or profile is None:
        return
    code = "import cupy; print(cupy.cuda.runtime.getDeviceCount(), 'GPU')"
    child = _child(code)
    seen, said = child.communicate(timeout=_CHILD_SECONDS)
    if not child.returncode:
        yield good("CuPy", _last_line(seen))
    elif profile.submits and _installed_cupy():
        yield good("CuPy", "installed; there is no GPU on this machine to try it on")
    else:
        yield problem(
            "CuPy",
            f"The profile asks for a GPU for {', '.join(rules)}, but CuPy fails: "
            f"{_last_line(said)}",
            "Install CuPy for the CUDA of the GPU nodes, such as `pip install cupy-cuda12x`, or "
            "set gpu=0 there.",
        )


def _needs_cupy(rule: str) -> bool:
    return rule in ("simulate_exit_waves", "measure_convergence")


def _installed_cupy() -> bool:
    return any(name.startswith("cupy") for name in importlib.metadata.packages_distributions())


def check_dask() -> Finding:
    """Compute two sums on a cluster of two workers, as the stages do it."""
    fault = _loopback_fault() or _dask_fault()
    if not fault:
        return good("Dask", "scheduler and workers talk over TLS on 127.0.0.1")
    return problem(
        "Dask",
        f"A scheduler and workers on this machine cannot talk over 127.0.0.1: {fault}",
        "See that the loopback interface is up (`ip addr show lo`) and that no firewall and no "
        "limit (`ulimit -n`, `ulimit -u`) stands between.",
    )


def _loopback_fault() -> str:
    """What hinders a plain connection; Dask would try for a minute."""
    try:
        with (
            socket.create_server(("127.0.0.1", 0)) as server,
            socket.create_connection(server.getsockname(), timeout=10),
        ):
            return ""
    except OSError as error:
        return str(error)


def _dask_fault() -> str:
    from exitwave.tasks.parallel import map_tasks

    logger = logging.getLogger("exitwave.tasks.parallel")
    level = logger.level
    # Two sums need no lines of progress.
    logger.setLevel(logging.ERROR)
    try:
        sums = dict(map_tasks(_one_more, [0, 1], 2, "doctor"))
    except Exception as error:
        return " ".join(f"{type(error).__name__}: {error}".split())
    finally:
        logger.setLevel(level)
    return "" if sums == {0: 1, 1: 2} else " ".join(str(sums).split())


def _one_more(number: int) -> int:
    return number + 1


def check_host_name(name: str | None = None) -> Finding:
    """Say whether other machines can reach this one by its name."""
    name = name or socket.gethostname()
    remedy = (
        "Only worker jobs on other nodes need it: then name the interface that nodes share in the "
        "profile (docs/hpc.md)."
    )
    try:
        address = socket.gethostbyname(name)
    except OSError as error:
        return warning("host name", f"{name} has no address ({error}).", remedy)
    if address.startswith("127."):
        text = f"{name} is {address}, which means nothing on other machines."
        return warning("host name", text, remedy)
    return good("host name", f"{name} is {address}")


def _child(code: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **environment},
    )


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1].partition("ExitwaveError: ")[2] or lines[-1] if lines else "nothing was said."
