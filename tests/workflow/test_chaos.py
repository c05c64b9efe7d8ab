"""Kills at random moments: what is run again ends with the content of an undisturbed run.

The short version is a part of `make test`; `make chaos` makes many kills. The numbers that are
drawn, though not what runs at a given moment, follow from EXITWAVE_CHAOS_SEED.
"""

import contextlib
import copy
import hashlib
import os
import random
import signal
import time
from collections import Counter

import psutil
import pytest
from factory import TINY, Factory, executed

from exitwave.store import content_digest

KILLS = int(os.environ.get("EXITWAVE_CHAOS_KILLS", "3"))
SEED = int(os.environ.get("EXITWAVE_CHAOS_SEED", "1"))
TARGET = "results/evaluations/unet/tiny/samples.csv"
# Rendering by one process: each pool of workers takes seconds to come up.
OPTIONS = (TARGET, "--set-threads", "render_epoch=1")

pytestmark = pytest.mark.timeout(600 + 120 * KILLS)


def configuration():
    config = copy.deepcopy(TINY)
    config["datasets"]["tiny"]["shards"] = 1
    config["datasets"]["tiny"]["split"]["samples_per_material"] = 4
    config["networks"]["unet"]["epochs"] = 6
    return config


def contents(factory):
    """Return a digest of the content of every result."""
    found = {
        str(path.relative_to(factory.results)): content_digest(path)
        for path in factory.results.rglob("[0-9]*.nc")
        if ".kept" not in path.parts
    }
    for name in ("networks/unet/model.keras", "evaluations/unet/tiny/samples.csv"):
        found[name] = hashlib.sha256((factory.results / name).read_bytes()).hexdigest()
    return found


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    factory = Factory(tmp_path_factory.mktemp("undisturbed"), configuration())
    start = time.monotonic()
    factory.must_run(*OPTIONS)
    return contents(factory), time.monotonic() - start


def processes(run):
    """Return the process of the stage that runs, its name, and a Dask worker, where there are."""
    stage = name = worker = None
    with contextlib.suppress(psutil.Error):
        for process in psutil.Process(run.pid).children(recursive=True):
            words = process.cmdline()
            if "spawn_main" in " ".join(words):
                worker = process
            elif words[1:2] and words[1].endswith("/exitwave"):
                stage, name = process, words[2]
    return stage, name, worker


def kill(run, victim, delay):
    """Wait, kill, and return the stage that was hit; nothing where the run was over before."""
    moment = time.monotonic() + delay
    while run.poll() is None:
        stage, name, worker = processes(run)
        if time.monotonic() >= moment and stage is not None:
            if victim == "snakemake":
                os.killpg(run.pid, signal.SIGKILL)
                return name
            if (process := stage if victim == "stage" else worker) is not None:
                process.kill()
                return name
        time.sleep(0.01)
    return None


@pytest.mark.slow
def test_kills_at_random_moments_change_nothing(undisturbed, tmp_path_factory):
    expected, seconds = undisturbed
    draw = random.Random(SEED)
    hits: Counter[str] = Counter()
    while hits.total() < KILLS:
        factory = Factory(tmp_path_factory.mktemp("chaos"), configuration())
        while hits.total() < KILLS:
            # Each kind of victim in its turn, the first while there are workers.
            victim = ("worker", "snakemake", "stage")[hits.total() % 3]
            delay = 0 if victim == "worker" else draw.uniform(0, seconds / 2)
            run = factory.start(*OPTIONS)
            stage = kill(run, victim, delay + draw.uniform(0, 2))
            run.wait()
            if stage is None:
                assert run.returncode == 0
                break
            hits[f"{victim} in {stage}"] += 1
            factory.must_run("--unlock")
        factory.must_run(*OPTIONS)
        assert contents(factory) == expected
        assert executed(factory.must_run(*OPTIONS)) == {}
    print(dict(sorted(hits.items())))
