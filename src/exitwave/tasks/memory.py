"""How a process keeps the memory that it will need again."""

from __future__ import annotations

import ctypes
import os

# From glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8
_NEVER = -1

ENVIRONMENT = {
    "MALLOC_ARENA_MAX": 1,
    "MALLOC_MMAP_MAX_": 0,
    "MALLOC_TRIM_THRESHOLD_": 2**34,
}
"""The same for a process that is yet to start."""


def keep_freed_memory() -> None:
    """Let this process keep what it frees, in one heap, where the C library is glibc.

    Waves and a network's steps ask for the same large arrays again and again. glibc gives many of
    them back to the system, which clears every page before it lends it again: in some trainings on
    a virtual machine that took as long as the computation, in others nothing, as threads and sizes
    fell (docs/benchmarks.md, "Kept memory"). Results do not depend on it.

    It has to run before the first thread begins, since threads keep the heaps that they have.
    Nothing happens where the user's environment sets limits of glibc's own.
    """
    if any(name.startswith("MALLOC_") for name in os.environ) or "GLIBC_TUNABLES" in os.environ:
        return
    adjust = getattr(ctypes.CDLL(None), "mallopt", None)
    if adjust is None:
        return
    adjust(_M_ARENA_MAX, 1)
    adjust(_M_MMAP_MAX, 0)
    adjust(_M_TRIM_THRESHOLD, _NEVER)
