"""Processes for Dask's workers that begin with their imports done.

A new Python imports a stage for a second, from a cluster's file system for longer, and each worker
would do so by itself. Here one process, Python's fork server, imports it, at the same time as the
process that asks for the workers, and these are its copies.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from multiprocessing import forkserver

from exitwave.tasks.memory import ENVIRONMENT as KEPT

METHOD = "forkserver"

ENVIRONMENT = {
    **{name: str(value) for name, value in KEPT.items()},
    # As Dask sets them for its workers: one task is one thread.
    **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"),
}
"""What must be set before a process starts, and so before the one whose copies workers are."""


def begin_imports(module: str, workers: int) -> None:
    """Start the process that workers are copies of, as early as it is known what they will do.

    Parameters
    ----------
    module : str
        What holds the workers' task.
    workers : int
        Number of workers; one does its work in the process that asks.
    """
    if workers <= 1:
        return
    multiprocessing.get_context(METHOD).set_forkserver_preload(["distributed.nanny", module])
    before = dict(os.environ)
    try:
        os.environ.update(ENVIRONMENT)
        with _deaf_to_interrupts():
            forkserver.ensure_running()
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextlib.contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Let processes that begin here ignore Ctrl-C: the one that asked for them ends them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


def end() -> None:
    """End the process that workers are copies of, where there is one, when they have ended.

    It would end with this process; but the processor time of the workers is then nobody's.
    """
    # Python has no public function for it.
    forkserver._forkserver._stop()  # type: ignore[attr-defined]
