"""Electron scattering factors of neutral atoms at rest, from their published parameters.

>>> scattering_factor(42, "lobato", np.array([0.0, 1.0]))     # Mo at q = 0 and 1 1/Å
"""

from __future__ import annotations

import functools
import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray

from exitwave.errors import ExitwaveError, SpecimenError

Floats = NDArray[np.float64]
# NumPy's or CuPy's, in float64.
Array = Any

_FILES = {"lobato": "lobato.json", "kirkland": "kirkland.json", "peng": "peng_high.json"}


def scattering_factor(number: int, parametrization: str, q_squared: Array) -> Array:
    """Return the electron scattering factor [Å] of an element, in float64.

    Parameters
    ----------
    number : int
        Atomic number.
    parametrization : {'lobato', 'kirkland', 'peng'}
        I. Lobato and D. Van Dyck, Acta Cryst. A 70 (2014) 636; E. J. Kirkland, Advanced Computing
        in Electron Microscopy, appendix C; L.-M. Peng, Micron 30 (1999) 625. abTEM brings the
        numbers.
    q_squared : array
        Square of the spatial frequency, the inverse of a lattice spacing [1/Å²]; of NumPy, or of
        CuPy, which NumPy's functions accept.

    Raises
    ------
    SpecimenError
        Where the parametrisation has no values for the element.
    """
    symbol = chemical_symbols[number]
    parameters = published_parameters(parametrization)
    if symbol not in parameters:
        raise SpecimenError(
            f"multislice.parametrization {parametrization} has no values for {symbol}; "
            "take another parametrisation or leave out what contains this element"
        )
    return _SHAPES[parametrization](np.asarray(parameters[symbol], dtype=float), q_squared)


@functools.cache
def published_parameters(parametrization: str) -> dict[str, list[list[float]]]:
    """Return the parameters of all elements by their symbols, a list for each letter."""
    # abTEM's file and not its class: importing abTEM takes each process seconds and 200 MB.
    package = importlib.util.find_spec("abtem")
    if package is None or package.origin is None:
        raise ExitwaveError("abTEM is not installed, whose atomic parameters are needed.")
    folder = Path(package.origin).parent / "parametrizations" / "data"
    return dict(json.loads((folder / _FILES[parametrization]).read_text()))


def known_elements(parametrization: str) -> frozenset[int]:
    """Return the atomic numbers for which a parametrisation has values."""
    parameters = published_parameters(parametrization)
    return frozenset(chemical_symbols.index(symbol) for symbol in parameters)


def parametrization_class(parametrization: str) -> Any:
    """Return abTEM's class of a parametrisation."""
    from abtem import parametrizations

    classes = {
        "lobato": parametrizations.LobatoParametrization,
        "kirkland": parametrizations.KirklandParametrization,
        "peng": parametrizations.PengParametrization,
    }
    return classes[parametrization]


def _lobato(parameters: Floats, q_squared: Array) -> Array:
    total = 0.0
    for a, b in parameters.T.tolist():
        reduced = 1 + b * q_squared
        total += a * (1 + reduced) / reduced**2
    return total


def _kirkland(parameters: Floats, q_squared: Array) -> Array:
    total = 0.0
    for a, b, c, d in parameters.T.tolist():
        total += a / (q_squared + b) + c * np.exp(-d * q_squared)
    return total


def _peng(parameters: Floats, q_squared: Array) -> Array:
    total = 0.0
    for a, b in parameters.T.tolist():
        # b belongs to s = q / 2.
        total += a * np.exp(-b * q_squared / 4)
    return total


_SHAPES = {"lobato": _lobato, "kirkland": _kirkland, "peng": _peng}
