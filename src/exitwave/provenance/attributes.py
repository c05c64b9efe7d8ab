"""What every file says about how it was made."""

from __future__ import annotations

import functools
import importlib.metadata
import json
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from exitwave.provenance.inputs import Inputs

PACKAGES = (
    "abtem",
    "ase",
    "dask",
    "distributed",
    "keras",
    "netCDF4",
    "numpy",
    "pyfftw",
    "scipy",
    "snakemake",
    "tensorflow",
    "xarray",
)

CONVENTIONS = (
    "Wave: exp(+2 pi i k.r), vacuum exactly 1, beam along +z of the specimen's frame, exit plane "
    "below the lowest atom. Defocus, Cs and aberration angles: abTEM's signs (positive defocus is "
    "underfocus). Focal spread: 1/e width. Blur B: exp(-B^2 k^2 / 2). Gaussian smear: standard "
    "deviation. y runs along rows, x along columns; positions count from the "
    "centre of pixel (0, 0)."
)


@dataclass(frozen=True)
class Origin:
    """What a file says about how it was made; empty where a file of an old version says nothing.

    Attributes
    ----------
    spec : str
        The spec that it was made by (canonical JSON).
    inputs : str
        What it was made from, see `exitwave.provenance.inputs` (JSON).
    exitwave_version, git_commit, package_versions : str
        The program, and the packages that results depend on (JSON).
    processor, created : str
        Kind of the machine, and time.
    conventions : str
        Signs, widths and axes.
    """

    spec: str = ""
    inputs: str = ""
    exitwave_version: str = ""
    git_commit: str = ""
    package_versions: str = "{}"
    processor: str = ""
    created: str = ""
    conventions: str = ""

    @classmethod
    def of(cls, attributes: Mapping[str, str]) -> Self:
        """Take it from the attributes of a store."""
        names = [field.name for field in fields(cls)]
        return cls(**{name: attributes[name] for name in names if name in attributes})


@functools.cache
def git_commit() -> str:
    """Return the commit of the checkout this package lies in, or ``unknown``."""
    here = Path(__file__).resolve().parent
    try:
        commit = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            cwd=here,
            capture_output=True,
            text=True,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return commit.stdout.strip() or "unknown"


@functools.cache
def package_versions() -> dict[str, str]:
    """Return the installed versions of the packages that results depend on."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "absent"
    return versions


def attributes(spec: str, inputs: Inputs | None = None) -> dict[str, str]:
    """Return the global attributes of a file.

    Parameters
    ----------
    spec : str
        The spec that it was made by (canonical JSON).
    inputs : dict, optional
        What it was made from, see `exitwave.provenance.inputs`.
    """
    from exitwave import __version__

    origin = Origin(
        spec=spec,
        inputs=json.dumps(inputs or {}),
        exitwave_version=__version__,
        git_commit=git_commit(),
        package_versions=json.dumps(package_versions(), sort_keys=True),
        processor=platform.machine(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        conventions=CONVENTIONS,
    )
    return asdict(origin)
