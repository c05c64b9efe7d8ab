"""Where materials come from: the built-in table, or a file with their structures."""

from __future__ import annotations

from pathlib import Path

from exitwave.config.constraints import BUILT_IN
from exitwave.errors import ExitwaveError


def require_source(source: str, key: str) -> None:
    """Demand that a source is the built-in table or a file.

    Parameters
    ----------
    source : str
        ``monolayers``, or the path of an ASE database or of a .cif, .xyz or POSCAR file.
    key : str
        The key of the configuration that names it, for the message.

    Raises
    ------
    ExitwaveError
        Where there is no such file.
    """
    if source != BUILT_IN and not Path(source).is_file():
        raise missing_source(source, key)


def missing_source(source: str | Path, key: str = "materials.source") -> ExitwaveError:
    """Return the error that says that a source is not there."""
    return ExitwaveError(
        f"{key} is '{source}', but there is no such file (looked for {Path(source).absolute()}); "
        f"give the path of an ASE database or of a .cif, .xyz or POSCAR file, or '{BUILT_IN}' for "
        "the built-in table."
    )
