"""Counts the Fourier transforms of a computation: which, how many, of how many points.

>>> transforms = count_transforms(monkeypatch)
>>> scipy.fft.rfft(np.zeros((4, 8)))
>>> transforms
[Transform(name='rfft', axes=(1,), count=4, shape=(8,))]
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import scipy.fft

# Those of two and more axes do not call the others by their public names: none is counted twice.
_FORWARD = ("fft", "rfft", "fft2", "rfft2", "fftn", "rfftn")
NAMES = (*_FORWARD, *(f"i{name}" for name in _FORWARD))


@dataclass(frozen=True)
class Transform:
    """One call: as many transforms at once as the array has lines, or planes."""

    name: str
    axes: tuple[int, ...]
    """The transformed axes of the array, counted from its first."""
    count: int
    """Transforms along these axes."""
    shape: tuple[int, ...]
    """Points of one transform along each axis, on the side of the values where those are real."""

    @property
    def points(self) -> float:
        """Points that pass through transforms along one axis; of real numbers the half."""
        total = self.count * math.prod(self.shape) * len(self.axes)
        return total / 2 if "r" in self.name else float(total)


def count_transforms(monkeypatch: pytest.MonkeyPatch) -> list[Transform]:
    """Return a list that grows by each call of a transform of SciPy or NumPy."""
    transforms: list[Transform] = []
    for module in (scipy.fft, np.fft):
        for name in NAMES:
            monkeypatch.setattr(module, name, _counted(getattr(module, name), transforms))
    return transforms


def points(transforms: list[Transform]) -> float:
    """Return the sum of the points of transforms."""
    return sum(transform.points for transform in transforms)


def _counted(function: Callable[..., Any], transforms: list[Transform]) -> Callable[..., Any]:
    signature = inspect.signature(function)

    def counted(*arguments: Any, **keys: Any) -> Any:
        call = signature.bind(*arguments, **keys)
        call.apply_defaults()
        transforms.append(_described(function.__name__, call.arguments))
        return function(*arguments, **keys)

    return counted


def _described(name: str, arguments: dict[str, Any]) -> Transform:
    array = np.asarray(next(iter(arguments.values())))
    axes, wanted = arguments.get("axes", (arguments.get("axis"),)), arguments.get("s")
    if "n" in arguments and arguments["n"] is not None:
        wanted = (arguments["n"],)
    axes = tuple(axis % array.ndim for axis in (range(array.ndim) if axes is None else axes))
    held = [array.shape[axis] for axis in axes]
    count = array.size // math.prod(held)
    if name.startswith("ir"):
        held[-1] = 2 * (held[-1] - 1)
    return Transform(name, axes, count, tuple(held if wanted is None else wanted))


def factors_up_to(number: int, largest: int) -> bool:
    """Say whether a number has no prime factor above the largest."""
    for factor in range(2, largest + 1):
        while number % factor == 0:
            number //= factor
    return number == 1
