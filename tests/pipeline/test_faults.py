"""Faults of disks, clocks and users: a clear message or a finished run, never a wrong file."""

import copy
import json
import os
import shutil
import signal
import subprocess
import time

import pytest
from factory import EXITWAVE, ROOT, TINY, Factory, executed, exitwave, write_database

from exitwave.config import parse_config
from exitwave.files.checks import content_digest
from exitwave.files.reader import StoreReader
from exitwave.materials.monolayers import monolayers
from exitwave.samples import EXIT_WAVES
from exitwave.workflow import specs

EPOCH = "results/tiny/epochs/2_images/training/00.nc"
THREADS = ("--set-threads", "simulate_exit_waves=1", "render_epoch=1")


def configuration():
    config = copy.deepcopy(TINY)
    config["datasets"]["tiny"]["materials"]["source"] = "rows.db"
    return config


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Exit waves and one epoch."""
    made = Factory(tmp_path_factory.mktemp("faults"), configuration())
    write_database(made.folder / "rows.db", monolayers())
    made.must_run(EPOCH, *THREADS)
    return made


@pytest.fixture
def factory(finished, tmp_path):
    subprocess.run(["cp", "-a", f"{finished.folder}/.", tmp_path], check=True)
    return Factory(tmp_path, configuration())


def stores(factory):
    return sorted(factory.results.glob("tiny/exit_waves/0*.nc"))


def trained(store):
    with StoreReader(store, EXIT_WAVES) as reader:
        return "training" in reader.column("split")


def flip_a_byte_of_a_wave(store):
    """Damage the wave of a sample that the epoch shows, as a bad disk does."""
    with StoreReader(store, EXIT_WAVES) as reader:
        place = list(reader.column("split")).index("training")
        wave = reader.read(place)["exit_wave"].tobytes()
    content = bytearray(store.read_bytes())
    place = content.find(wave[:64])
    assert place > 0
    content[place + 32] ^= 1
    with store.open("r+b") as file:  # the same file under both of its names
        file.write(content)


@pytest.mark.parametrize("damage", ["flipped", "cut short"])
def test_a_damaged_store_is_named_before_it_is_used_and_made_anew(factory, finished, damage):
    store = next(path for path in stores(factory) if trained(path))
    if damage == "flipped":
        flip_a_byte_of_a_wave(store)
    else:
        os.truncate(store, store.stat().st_size // 2)
    (factory.folder / EPOCH).unlink()
    done = factory.run(EPOCH, *THREADS)
    assert done.returncode != 0
    assert f"{store.name} is damaged" in done.stdout
    assert "remove this file and run snakemake again" in done.stdout
    assert not (factory.folder / EPOCH).exists()
    # As the message says.
    store.unlink()
    factory.must_run(EPOCH, *THREADS)
    assert content_digest(factory.folder / EPOCH) == content_digest(finished.folder / EPOCH)
    summary = json.loads(store.with_suffix(".json").read_text())
    if damage == "flipped":
        assert summary["computed"] == 1
        assert summary["copied"] == summary["samples"] - 1


@pytest.mark.parametrize("year", [1980, 2040])
def test_a_clock_that_jumps_changes_no_content(factory, finished, year):
    """Times of results and inputs alike are off; what is made again is the same."""
    moment = time.mktime((year, 1, 1, 0, 0, 0, 0, 0, 0))
    for path in factory.results.rglob("*.nc"):
        os.utime(path, (moment, moment))
    factory.must_run(EPOCH, *THREADS)
    assert content_digest(factory.folder / EPOCH) == content_digest(finished.folder / EPOCH)
    for path in factory.results.glob("tiny/exit_waves/*.nc"):
        same = finished.folder / path.relative_to(factory.folder)
        assert content_digest(path) == content_digest(same)


def test_a_database_that_is_replaced_after_its_catalog_mixes_nothing(factory):
    """Jobs take their materials from the catalog; the next run makes it of the new database."""
    store = stores(factory)[0]
    before = content_digest(store)
    write_database(factory.folder / "rows.db", monolayers()[:30])
    # What a job does that was already submitted:
    store.unlink()
    with StoreReader(finished_name(factory, store)) as reader:
        spec = str(reader.attributes["spec"])
    shutil.rmtree(store.parent / ".kept")
    command = [str(EXITWAVE), "simulate", "--spec", spec, "--output", str(store), "--workers", "1"]
    command += ["--manifest", str(factory.results / f"tiny/catalog/shards/{store.stem}.json")]
    subprocess.run(command, check=True, env=factory.environment(ROOT))
    assert content_digest(store) == before
    jobs = executed(factory.must_run(EPOCH, *THREADS))
    assert jobs["build_catalog"] == 1


def finished_name(factory, store):
    return next((store.parent / ".kept").glob(f"{store.stem}.*.nc"))


def test_a_second_snakemake_is_refused_and_the_first_goes_on(factory):
    factory.config["datasets"]["tiny"]["structure"]["flake_radius_angstrom"] = [3.0, 4.1]
    locks = factory.folder / ".snakemake/locks"
    with factory.start(EPOCH, *THREADS) as first:
        while not any(locks.glob("*")):
            assert first.poll() is None
            time.sleep(0.05)
        # The first one holds still, so that it cannot be done before the second one has begun.
        os.killpg(first.pid, signal.SIGSTOP)
        second = factory.run(EPOCH, *THREADS)
        os.killpg(first.pid, signal.SIGCONT)
        assert first.wait(timeout=300) == 0
    assert second.returncode != 0
    assert "cannot be locked" in second.stdout
    assert "Nothing to be done" in factory.must_run(EPOCH, *THREADS)


def test_results_that_may_not_be_written_are_told(factory, tmp_path):
    results = tmp_path / "results"
    spec = specs.catalog_spec(parse_config(TINY), "tiny")
    mounted = subprocess.run(
        ["mount", "--bind", "-o", "ro", results, results], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"nothing can be mounted here: {mounted.stderr.strip()}")
    try:
        remounted = subprocess.run(["mount", "-o", "remount,bind,ro", results])
        assert remounted.returncode == 0
        factory.config["seed"] = 2
        done = factory.run(EPOCH, *THREADS)
        stage = exitwave("catalog", "--spec", spec, "--output", str(results / "other"))
    finally:
        subprocess.run(["umount", results], check=True)
    assert done.returncode != 0
    assert "Write-protected output files" in done.stdout
    assert stage.returncode == 2
    assert "the folder may not be written to" in stage.stderr
    assert "Traceback" not in done.stdout + stage.stderr
