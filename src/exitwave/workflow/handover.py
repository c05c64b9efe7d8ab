"""What Snakemake and the system do not carry as it is: long arguments, and braces in text.

Linux takes at most 128 KiB as one argument of a command. Snakemake takes ``{name}`` in a path for a
wildcard and ``<name>`` for one of its path variables, and has no way to write the characters alone.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from pathlib import Path

from exitwave.errors import ExitwaveError
from exitwave.files.atomic import write_text

LONGEST_ARGUMENT = 64_000
"""Bytes of a text that is handed over as an argument; a longer one goes through a file."""

_IN_FILE = "@"
_WILDCARD = re.compile(r"\{\s*([.\w]+)\s*(,.*)?\}")
_PATH_VARIABLE = re.compile(r"<[a-z][a-z0-9_]*>")


def argument(text: str, folder: Path) -> str:
    """Return a text as one argument of a command.

    Parameters
    ----------
    text : str
        A spec or a configuration, JSON.
    folder : Path
        Where a file is written for a long text, named by its content.

    Returns
    -------
    str
        The text itself or, where it is long, ``@`` and the path of the file that holds it.

    Raises
    ------
    ExitwaveError
        Where the file cannot be written.
    """
    content = text.encode()
    if len(content) <= LONGEST_ARGUMENT:
        return text
    path = folder / f"{_digest(content)}.json"
    # Each dry run asks, and each job of a cluster, while others read the file.
    if not path.exists():
        write_text(path, text)
    return f"{_IN_FILE}{path}"


def argument_text(given: str) -> str:
    """Return the text that was handed over, see `argument`.

    Raises
    ------
    ExitwaveError
        Where it is in a file that cannot be read.
    """
    if not given.startswith(_IN_FILE):
        return given
    path = Path(given.removeprefix(_IN_FILE))
    try:
        # Results hold their spec: the end of the file's last line does not belong to it.
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise ExitwaveError(
            f"'{given}' names a file that cannot be read ({reason}; looked for "
            f"{path.absolute()}); give the JSON itself, or @ and the path of a file that holds it."
        ) from None


def input_path(path: str, folder: Path) -> str:
    """Return a path that Snakemake takes for no pattern.

    Parameters
    ----------
    path : str
        An existing file.
    folder : Path
        Where a link to the file is made if its own path looks like a pattern.
    """
    if not (_WILDCARD.search(path) or _PATH_VARIABLE.search(path)):
        return path
    target = Path(path).absolute()
    link = folder / _digest(path.encode())
    try:
        if not link.is_symlink() or link.readlink() != target:
            folder.mkdir(parents=True, exist_ok=True)
            link.unlink(missing_ok=True)
            link.symlink_to(target)
    except FileExistsError:
        pass  # another job has just made it
    except OSError as error:
        raise ExitwaveError(
            f"No link to '{path}', in whose path Snakemake would take the braces for its own, can "
            f"be made in {folder} ({error.strerror}); rename the file."
        ) from error
    return str(link)


def literal(text: str) -> str:
    """Return a text that is the given one after Snakemake has formatted it."""
    return text.replace("{", "{{").replace("}", "}}")


def shell_prefix(python: str) -> str:
    """Return what each rule's command begins with, for Snakemake to format.

    The rules call `exitwave`; the one beside the Python that runs Snakemake is meant, whatever
    else is on the path. A prefix takes the place of Snakemake's own, without which a stage that
    fails into ``tee`` would pass.
    """
    folder = shlex.quote(str(Path(python).parent))
    return literal(f"set -euo pipefail; PATH={folder}:$PATH; ")


def require_working_folder(folder: Path) -> None:
    """Say which working folder Snakemake cannot run in, before it does in a traceback.

    Raises
    ------
    ExitwaveError
        Where the path holds braces that Snakemake takes for a wildcard without a proper name.
    """
    for found in _WILDCARD.finditer(str(folder)):
        if not found[1].isidentifier():
            raise ExitwaveError(
                f"Snakemake cannot run in the folder {folder}, because it takes '{found[0]}' for "
                "a wildcard; rename the folder, or name another one with --directory."
            )


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()
