"""Kills at random moments: what is run again ends with the content of an undisturbed run.

And it computes again only what was in flight: no sample that was on the disk at the kill, no epoch
of a training that its checkpoint holds.

The short version is a part of `make test`; `make chaos` makes many kills. The numbers that are
drawn, though not what runs at a given moment, follow from EXITWAVE_CHAOS_SEED.
"""

import contextlib
import copy
import hashlib
import json
import math
import os
import random
import re
import signal
import time
from collections import Counter

import psutil
import pytest
from factory import TINY, Factory, executed

from exitwave.files.checks import content_digest
from exitwave.files.journal import Journal
from exitwave.files.reader import StoreReader

KILLS = int(os.environ.get("EXITWAVE_CHAOS_KILLS", "3"))
SEED = int(os.environ.get("EXITWAVE_CHAOS_SEED", "1"))
# And how long after its start a stage is killed at the latest [s].
STAGES = {"catalog": 0.8, "simulate": 4.0, "render": 0.8, "train": 6.0, "evaluate": 3.0}
VICTIMS = ("snakemake", "stage")
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


def at_hand(factory):
    """Return the finished samples on the disk, in journals and stores, and the epochs trained."""
    kept = factory.results / "tiny/exit_waves/.kept"
    samples = set()
    for path in kept.glob("*.journal"):
        samples |= {str(sample["sample_key"]) for sample in Journal(path).read()}
    for path in kept.glob("*.nc"):
        with StoreReader(path) as reader:
            samples |= set(reader.column("sample_key"))
    state = factory.results / "networks/unet/checkpoints/state.json"
    epochs = len(json.loads(state.read_text())["records"]) if state.exists() else 0
    return len(samples), epochs


def require_nothing_lost(said, before):
    """Hold what a run took over, where it came so far as to say it, against what there was."""
    samples, epochs = before
    for taken in re.findall(r"(\d+) already there", said):
        assert int(taken) >= samples
    if re.search(r"epoch \d+/\d+: loss", said) and epochs:
        assert f"Going on after epoch {epochs}." in said


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    factory = Factory(tmp_path_factory.mktemp("undisturbed"), configuration())
    factory.must_run(*OPTIONS)
    return contents(factory)


def processes(run):
    """Return the process of the stage that runs, its name, and a Dask worker, where there are."""
    stage = name = worker = None
    with contextlib.suppress(psutil.Error):
        for process in psutil.Process(run.pid).children(recursive=True):
            words = process.cmdline()
            # Workers are copies of Python's fork server, which is a child of the stage.
            if "forkserver" in " ".join(process.parent().cmdline()):
                worker = process
            elif words[1:2] and words[1].endswith("/exitwave"):
                stage, name = process, words[2]
    return stage, name, worker


def kill(run, victim, wanted, delay):
    """Wait for a stage, then some time, kill, and return the stage that was hit.

    Nothing is returned where the run was over before.
    """
    moment = math.inf
    while run.poll() is None:
        stage, name, worker = processes(run)
        if name == wanted and moment == math.inf:
            moment = time.monotonic() + delay
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
    draw = random.Random(SEED)
    hits: Counter[str] = Counter()
    while hits.total() < KILLS:
        factory = Factory(tmp_path_factory.mktemp("chaos"), configuration())
        before = 0, 0
        while hits.total() < KILLS:
            # One stage after the other, and each kind of victim in its turn; workers has only one.
            wanted, delay = list(STAGES.items())[hits.total() % len(STAGES)]
            victims = ("worker", "snakemake", "stage") if wanted == "simulate" else VICTIMS
            victim = victims[hits.total() // len(STAGES) % len(victims)]
            run = factory.start(*OPTIONS)
            stage = kill(run, victim, wanted, draw.uniform(0, delay))
            run.wait()
            require_nothing_lost(factory.said_by_the_started.read_text(), before)
            if stage is None:
                assert run.returncode == 0
                break
            hits[f"{victim} in {stage}"] += 1
            before = at_hand(factory)
            factory.must_run("--unlock")
        require_nothing_lost(factory.must_run(*OPTIONS), before)
        assert contents(factory) == undisturbed
        assert executed(factory.must_run(*OPTIONS)) == {}
    print(dict(sorted(hits.items())))
    if KILLS >= 30:
        assert {name.split()[-1] for name in hits} == STAGES.keys()
