"""One process at a time makes a result, also where a killed Snakemake has left jobs behind.

>>> with one_writer(Path("results/mos2/exit_waves/000.nc")):
...     ...                                     # another process that wants to make it waits here
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
from collections.abc import Iterator
from pathlib import Path

from exitwave.files.disk_errors import write_error

logger = logging.getLogger(__name__)


@contextlib.contextmanager
def one_writer(output: Path) -> Iterator[None]:
    """Hold the lock of a result; wait for it where another process makes the same.

    Two jobs make one result where the Snakemake that submitted the first was killed: its jobs go
    on, and the next Snakemake submits them again. The second then finds what the first has
    finished. The lock ends with its process, on whatever node that was, and no file stays. Where
    the file system knows no locks, all go on side by side: stores have temporary files of their
    own, and the last one's result, which is the same, stays.

    Parameters
    ----------
    output : Path
        The file or folder that is made.

    Raises
    ------
    ExitwaveError
        Where its folder cannot be written to.
    """
    path = output.with_name(f".{output.name}.lock")
    lock = _locked(path)
    if lock is not None:
        for left in output.parent.glob(f".{output.name}.*.tmp"):  # by a kill
            left.unlink(missing_ok=True)
    try:
        yield
    finally:
        if lock is not None:
            path.unlink(missing_ok=True)
            os.close(lock)


def _locked(path: Path) -> int | None:
    """Return the open file whose lock is held; none where there are no locks."""
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise write_error(path.with_name(path.name[1:].removesuffix(".lock")), error) from error
        try:
            _wait(file, path)
        except OSError:
            os.close(file)
            path.unlink(missing_ok=True)
            return None
        # Who held it before has removed the name; the lock of a file without one keeps nobody out.
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file), path.stat()):
                return file
        os.close(file)


def _wait(file: int, path: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        logger.warning(
            "Another process makes %s, perhaps the job of a snakemake that was killed; waiting for "
            "it to end.",
            path.name[1:].removesuffix(".lock"),
        )
        fcntl.flock(file, fcntl.LOCK_EX)
