"""A disk that is really full: a small file system of its own, where one may be mounted."""

import subprocess

import pytest
from factory import TINY, exitwave

from exitwave.config import parse_config
from exitwave.stages.catalog import build_catalog
from exitwave.workflow import specs


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 2 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_is_named_and_what_was_made_goes_on_elsewhere(small_disk, tmp_path):
    configuration = parse_config(TINY)
    build_catalog(specs.catalog_spec(configuration, "tiny"), tmp_path / "catalog")
    manifest = max((tmp_path / "catalog/shards").iterdir(), key=lambda path: path.stat().st_size)
    store = small_disk / "exit_waves/000.nc"
    command = ["simulate", "--spec", specs.simulate_spec(configuration, "tiny")]
    command += ["--manifest", str(manifest), "--output", str(store), "--workers", "1"]
    (small_disk / "ballast").write_bytes(bytes(2 * 2**20 - 60_000))
    done = exitwave(*command)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "the disk is full" in done.stderr
    assert not store.exists()
    # With room again, the samples of the first attempt are not computed anew.
    kept = any(small_disk.glob("exit_waves/.kept/*.journal"))
    (small_disk / "ballast").unlink()
    done = exitwave(*command)
    assert done.returncode == 0, done.stderr
    assert (", 0 already there" not in done.stderr) == kept
