"""Seams: folders of modules, one for each kind that the configuration can name.

A registry imports the module of a name when it is asked for it, so that a new kind is one file in
one folder. ``docs/extending.md`` shows one for each registry.

>>> SUPPORTS["graphite"].height(structure, draws)
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import Generic, TypeVar, cast

from exitwave.errors import ExitwaveError

Kind = TypeVar("Kind")


class Registry(Generic[Kind]):
    """The kinds that lie in one folder, by the names of their modules.

    Parameters
    ----------
    package : str
        The folder, as the dotted name of its package. Modules whose names begin with an underscore
        are no kinds.
    what : str
        What one of them is, for messages.
    protocol : type
        What each module has to define: the public members of this `typing.Protocol`.
    """

    def __init__(self, package: str, what: str, protocol: type) -> None:
        self._package = package
        self._what = what
        self._members = sorted(
            name
            for name in {*vars(protocol), *protocol.__annotations__}
            if not name.startswith("_")
        )

    def __getitem__(self, name: str) -> Kind:
        """Return the module of a kind.

        Raises
        ------
        ExitwaveError
            Where there is no such module, or it lacks something.
        """
        folder = self._package.replace(".", "/")
        if name not in self.names():
            raise ExitwaveError(
                f"There is no {self._what} '{name}' in {folder}/; choose one of "
                f"{', '.join(self.names())}, or add {name}.py there as docs/extending.md shows."
            )
        module = importlib.import_module(f"{self._package}.{name}")
        if missing := [member for member in self._members if not hasattr(module, member)]:
            raise ExitwaveError(
                f"{folder}/{name}.py does not define {', '.join(missing)}, but a {self._what} "
                f"needs {', '.join(self._members)}; add it as docs/extending.md shows."
            )
        return cast(Kind, module)

    def names(self) -> tuple[str, ...]:
        """Return the names of all kinds, without importing them."""
        found = pkgutil.iter_modules(importlib.import_module(self._package).__path__)
        return tuple(sorted(entry.name for entry in found if not entry.name.startswith("_")))
