"""Checks of `exitwave doctor` on packages: what is installed, and what the locks name.

>>> check_packages().verdict
'good'
"""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from exitwave.doctor import CHECKOUT
from exitwave.doctor.finding import Finding, good, problem, warning

if TYPE_CHECKING:
    from packaging.requirements import Requirement

LOCK = CHECKOUT / "envs/lock.txt"

_MOST_NAMED = 12
_PIN = re.compile(r"^([A-Za-z0-9_.\-]+==[^\\]+?)\s*\\?$")


def check_packages(lock: Path = LOCK) -> Finding:
    """Compare the installed packages with the lock, and name each difference."""
    if not lock.exists():
        return warning(
            "packages",
            f"There is no {lock} to compare the installed packages with.",
            "Run from a checkout that was set up with `make setup`.",
        )
    locked = list(pins(lock))
    different = [text for pin in locked if (text := difference(pin))]
    asked = importlib.metadata.requires("exitwave") or []
    unusable = [text for entry in asked if (text := _unusable(entry))]
    remedy = (
        f"Install what the lock names, `make setup`, or `python -m pip install --require-hashes -r "
        f"{lock}`."
    )
    if unusable:
        return problem("packages", f"exitwave cannot use {named(unusable)}.", remedy)
    if different:
        return warning(
            "packages",
            f"{len(different)} of {len(locked)} are not those of the lock: {named(different)}. "
            "Results may differ in the last digits.",
            remedy,
        )
    return good("packages", f"all {len(locked)} as in {lock.name}")


def pins(lock: Path) -> Iterator[Requirement]:
    """Yield the packages of a lock that this machine needs, each with its version."""
    from packaging.requirements import Requirement

    for line in lock.read_text(encoding="utf-8").splitlines():
        if pin := _PIN.match(line):
            requirement = Requirement(pin[1])
            if requirement.marker is None or requirement.marker.evaluate():
                yield requirement


def difference(pin: Requirement) -> str:
    """Return how the installed version differs from the locked one; empty where it does not."""
    locked = str(pin.specifier).removeprefix("==")
    installed = installed_version(pin.name)
    if installed == locked:
        return ""
    return f"{pin.name} {installed or 'absent'} (lock: {locked})"


def _unusable(text: str) -> str:
    """What is wrong with a package that exitwave itself asks for."""
    from packaging.requirements import Requirement

    requirement = Requirement(text)
    if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
        return ""
    installed = installed_version(requirement.name)
    if installed is None:
        return f"{requirement.name}, which is absent"
    if requirement.specifier.contains(installed, prereleases=True):
        return ""
    return f"{requirement.name} {installed} (needed: {requirement.specifier})"


def installed_version(name: str) -> str | None:
    """Return the version of a package, or None where it is absent."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def named(texts: Sequence[str]) -> str:
    """Return a list as text, cut where it is long."""
    more = len(texts) - _MOST_NAMED
    return ", ".join(texts[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
