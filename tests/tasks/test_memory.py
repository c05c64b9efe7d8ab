"""Memory that is needed again stays with the process."""

import os
import subprocess
import sys

import pytest

# Arrays as large as a step's, again and again, as a thread of a backend makes them. What is
# printed is how many of their pages had to be fetched.
ARRAYS = """
import resource, sys, threading
from exitwave.tasks.memory import keep_freed_memory

if sys.argv[1] == "keep":
    keep_freed_memory()

def work():
    for _ in range(20):
        # Not NumPy's: it asks for large pages.
        first = b"a" * 2**24
        second = b"b" * (2**25 + 1)
        del first, second

def fetched():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

fetched()
print(fetched() * resource.getpagesize())
"""
ONCE = 2**24 + 2**25

pytestmark = pytest.mark.skipif(
    "glibc" not in os.confstr("CS_GNU_LIBC_VERSION"), reason="a C library other than glibc"
)


def fetched_bytes(how: str, **environment: str) -> int:
    clean = {name: value for name, value in os.environ.items() if "MALLOC" not in name}
    done = subprocess.run(
        [sys.executable, "-c", ARRAYS, how],
        env=clean | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout)


def test_pages_are_fetched_once():
    assert fetched_bytes("leave") > 10 * ONCE
    assert fetched_bytes("keep") < ONCE


def test_the_environment_of_a_process_says_the_same():
    from exitwave.tasks.memory import ENVIRONMENT

    environment = {name: str(value) for name, value in ENVIRONMENT.items()}
    assert fetched_bytes("leave", **environment) < ONCE


def test_the_users_own_limits_stay():
    assert fetched_bytes("keep", MALLOC_MMAP_THRESHOLD_="1000000") > 10 * ONCE
