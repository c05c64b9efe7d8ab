"""Checks of `exitwave doctor` on this machine: Python, FFT, Dask, host name."""

from __future__ import annotations

import hashlib
import importlib.metadata
import logging
import platform
import socket
import sys
from typing import Any

from exitwave.doctor.children import CHILD_SECONDS, last_line, start_python
from exitwave.doctor.finding import Finding, good, problem, warning
from exitwave.doctor.packages import installed_version


def check_python(version: str = platform.python_version()) -> Finding:
    """Compare the version of Python with what the package asks for."""
    from packaging.specifiers import SpecifierSet

    asked = importlib.metadata.metadata("exitwave")["Requires-Python"]
    if SpecifierSet(asked).contains(version):
        return good("Python", f"{version} ({sys.executable})")
    return problem(
        "Python",
        f"{version}, but exitwave needs {asked}.",
        "Name another one: make PYTHON=python3.12 setup.",
    )


def check_fft() -> Finding:
    """Transform the same wave in three processes and compare all bits."""
    code = "from exitwave.doctor.machine import fft_digests; print(fft_digests())"
    # Side by side: another number of threads, or other addresses, must not show.
    children = [start_python(code, OMP_NUM_THREADS=str(threads)) for threads in (1, 2, 4)]
    answers = [child.communicate(timeout=CHILD_SECONDS) for child in children]
    for child, (_, said) in zip(children, answers, strict=True):
        if child.returncode:
            return problem(
                "FFT",
                f"The transforms fail: {last_line(said)}",
                "Install the locked packages again, `make setup`.",
            )
    digests = [dict(entry.split("=") for entry in said.split()) for said, _ in answers]
    unlike = [name for name in digests[0] if len({digest[name] for digest in digests}) > 1]
    if unlike:
        return problem(
            "FFT",
            f"{' and '.join(unlike)} gave different bits in another process, so no result could be "
            "made again exactly.",
            "Install the locked packages again, `make setup`; look for settings that change the "
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
    if installed_version("pyfftw") is not None:
        import pyfftw

        out = pyfftw.empty_aligned(wave.shape, "complex64")
        plan = pyfftw.FFTW(wave.copy(), out, axes=(0, 1), flags=("FFTW_ESTIMATE",))
        transforms["fftw"] = [plan(wave, out)]
    return " ".join(f"{name}={_digest(arrays)}" for name, arrays in transforms.items())


def _digest(arrays: list[Any]) -> str:
    content = b"".join(array.tobytes() for array in arrays)
    return hashlib.blake2b(content, digest_size=4).hexdigest()


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
