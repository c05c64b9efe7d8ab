"""The cluster that all tests in this folder share."""

import fcntl
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from cluster import Cluster, missing


@pytest.fixture(scope="session")
def cluster():
    """A running Slurm; CI sets EXITWAVE_REQUIRE_SLURM, so that nothing is skipped there."""
    if reason := missing():
        if os.environ.get("EXITWAVE_REQUIRE_SLURM"):
            pytest.fail(f"Slurm cannot be started: {reason}.")
        pytest.skip(f"Slurm cannot be started: {reason}.")
    # Short, because sockets stand in it.
    folder = Path(tempfile.mkdtemp(prefix="slurm_"))
    folder.chmod(0o755)
    with Path(tempfile.gettempdir(), "exitwave-slurm-tests.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        running = Cluster(folder)
        try:
            running.start()
            yield running
        finally:
            running.stop()
            shutil.rmtree(folder, ignore_errors=True)
