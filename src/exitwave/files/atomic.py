"""Write files so that a file under its final name is always complete."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from exitwave.files.disk_errors import write_error


@contextlib.contextmanager
def replacing(path: Path, durable: bool = True) -> Iterator[Path]:
    """Give a temporary name to write to; afterwards it takes the place of ``path``.

    Parameters
    ----------
    path : Path
        The final name.
    durable : bool
        Wait until the content is on the disk, so that it outlives a crash of the machine.

    Raises
    ------
    ExitwaveError
        Where the file cannot be written; what lay under the name before is then untouched.
    """
    # The ending stays last, since Keras goes by it.
    temporary = path.with_name(f".tmp_{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        if durable:
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise write_error(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def require_writable(folder: Path) -> None:
    """Make a folder where there is none, and raise `ExitwaveError` where nothing can be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise write_error(folder / "a result", error) from error


@contextlib.contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Give an empty folder to fill; afterwards it takes the place of ``path``.

    Raises
    ------
    ExitwaveError
        Where it cannot be written; what lay under the name before is then untouched.
    """
    temporary, old = (path.with_name(f".{kind}_{path.name}") for kind in ("tmp", "old"))
    try:
        for left in (temporary, old):  # by a kill
            if left.exists():
                shutil.rmtree(left)
        temporary.mkdir(parents=True)
        yield temporary
        for file in temporary.rglob("*"):
            if file.is_file():
                with file.open("rb") as opened:
                    os.fsync(opened.fileno())
        if path.exists():
            path.rename(old)
        temporary.rename(path)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise write_error(path, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_text(path: Path, text: str, durable: bool = True) -> None:
    """Replace the content of a text file; see `replacing`."""
    with replacing(path, durable) as temporary:
        temporary.write_text(text, encoding="utf-8")
