"""What is counted and not timed in jobs: bytes, files, tasks, samples in memory, open stores.

Each number follows from what an algorithm needs, so one more transform of a wave or one more copy
of a sample is found at once, and on any machine.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import weakref
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import distributed
import netCDF4
import numpy as np
import pytest
import yaml
from numpy.typing import NDArray
from small_dataset import RAW, configuration, make_catalog, make_exit_waves

from exitwave.config import Config
from exitwave.files.journal import Journal
from exitwave.files.reader import StoreReader
from exitwave.files.shard_files import ShardFiles
from exitwave.files.writer import StoreWriter
from exitwave.provenance import attributes as provenance
from exitwave.runs.plan import plan
from exitwave.samples import EPOCH
from exitwave.stages import render, simulate
from exitwave.stages.simulate import simulate_exit_waves
from exitwave.tasks import parallel
from exitwave.tasks.parallel import map_tasks
from exitwave.workflow import layout, specs

STEP = 0.4
SAMPLES = 10
WAVE_BYTES = 8 * 64**2


def raw_bytes(path: Path) -> int:
    """Return the bytes of the numbers and texts of all samples of a store."""
    with StoreReader(path) as reader:
        return sum(
            len(value) if isinstance(value, str) else np.asarray(value).nbytes
            for sample in reader
            for value in sample.values()
        )


def with_samples(count: int, shards: int = 1) -> Config:
    """Five materials with so many samples of each."""
    split = {"by": "elements", "samples_per_material": count, "training_share": 0.5}
    return configuration(split=split, shards=shards)


def make_shards(folder: Path, config: Config, workers: int = 1) -> list[Path]:
    """Make the exit waves of all shards."""
    make_catalog(folder, config)
    stores: list[Path] = []
    for manifest in sorted((folder / "catalog/shards").glob("*.json")):
        store = folder / "exit_waves" / f"{manifest.stem}.nc"
        simulate_exit_waves(specs.simulate_spec(config, "small"), manifest, store, workers)
        stores.append(store)
    return stores


def render_training(store: Path, output: Path, images: int, workers: int = 1) -> Path:
    spec = specs.render_spec(configuration(), "small", images, "training", 0)
    render.render_epoch(spec, [store], output, workers)
    return output


@pytest.fixture(scope="module")
def waves(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of ten samples; in the folder of a data set beside its catalog."""
    return make_exit_waves(tmp_path_factory.mktemp("results") / "small", configuration())[0]


# Names and units of the variables and the spec; texts and digest of a sample.
FILE_BYTES, SAMPLE_BYTES = {"exit_waves": 70_000, "epoch": 105_000}, 700


def test_a_store_of_exit_waves_is_little_larger_than_its_arrays(tmp_path: Path) -> None:
    few, many = (make_exit_waves(tmp_path / str(n), with_samples(n))[0] for n in (1, 6))
    more = many.stat().st_size - few.stat().st_size
    samples = 5 * (6 - 1)
    raw = raw_bytes(many) - raw_bytes(few)
    assert WAVE_BYTES * samples < raw < more < 1.02 * raw + SAMPLE_BYTES * samples
    assert few.stat().st_size < 1.02 * raw_bytes(few) + FILE_BYTES["exit_waves"] + 5 * SAMPLE_BYTES


@pytest.mark.parametrize("images", [1, 3])
def test_an_epoch_is_little_larger_than_its_arrays(
    waves: Path, tmp_path: Path, images: int
) -> None:
    epoch = render_training(waves, tmp_path / "00.nc", images)
    with StoreReader(epoch) as reader:
        samples = len(reader)
    raw = raw_bytes(epoch)
    assert (
        raw > samples * (4 * images + 8) * RAW["datasets"]["small"]["epochs"]["image_size_px"] ** 2
    )
    assert epoch.stat().st_size < 1.02 * raw + FILE_BYTES["epoch"] + SAMPLE_BYTES * samples


def test_a_sample_in_the_journal_is_little_larger_than_its_arrays(
    waves: Path, tmp_path: Path
) -> None:
    journal = Journal(tmp_path / "000.journal")
    with StoreReader(waves) as reader:
        for sample in reader:
            journal.append(sample)
    # NumPy's headers of some twenty arrays.
    assert journal.path.stat().st_size < 1.02 * raw_bytes(waves) + 7_000 * SAMPLES


def test_a_data_set_has_some_files_a_shard_and_none_a_sample(tmp_path: Path) -> None:
    for count in (1, 4):
        folder = tmp_path / str(count)
        stores = make_shards(folder, with_samples(count, shards=2))
        render_training(stores[0], folder / "epochs/3_images/training/00.nc", 3)
        files = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
        kept = sorted(path for path in files if path.parent.name == ".kept")
        # Second names take no space.
        assert all((folder / path).samefile(s) for path, s in zip(kept, stores, strict=True))
        catalog = ("materials.csv", "rejected.csv", "samples.csv", "summary.json")
        assert sorted(str(path) for path in files if path not in kept) == [
            *sorted(
                [f"catalog/{name}" for name in catalog]
                + [f"catalog/shards/{n}.json" for n in ("000", "001")]
            ),
            "epochs/3_images/training/00.nc",
            *(f"exit_waves/{shard}.{kind}" for shard in ("000", "001") for kind in ("json", "nc")),
        ]


# Tasks, and samples in memory.


@dataclass
class Future:
    """Stands for Dask's: done at once, and known by a key."""

    key: str
    value: Any
    client: Client

    def result(self) -> Any:
        if isinstance(self.value, Exception):
            raise self.value
        return self.value

    def release(self) -> None:
        self.client.held -= 1


class Client:
    """Stands for Dask's: does a task in this process when it is submitted, and counts."""

    def __init__(self) -> None:
        self.submitted: list[Any] = []
        self.held = self.most_held = 0

    def submit(self, function: Callable[[Any], Any], task: Any, **_: Any) -> Future:
        self.submitted.append(task)
        self.held += 1
        self.most_held = max(self.held, self.most_held)
        try:
            value = function(task)
        except Exception as error:
            value = error
        return Future(str(len(self.submitted)), value, self)


class Completed:
    """Stands for `distributed.as_completed`: futures in the order in which they were submitted."""

    def __init__(self, futures: list[Future]) -> None:
        self.waiting = deque(futures)

    def add(self, future: Future) -> None:
        self.waiting.append(future)

    def __iter__(self) -> Iterator[Future]:
        while self.waiting:
            yield self.waiting.popleft()


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> list[Client]:
    """The clients that were asked for, none of which is followed by a cluster."""
    started: list[Client] = []

    @contextmanager
    def cluster(workers: int, worker_jobs: int) -> Iterator[Client]:
        started.append(Client())
        yield started[-1]

    monkeypatch.setattr(parallel, "_cluster", cluster)
    monkeypatch.setattr(distributed, "as_completed", Completed)
    return started


def submitted(clients: list[Client]) -> list[int]:
    """Return how many tasks each client got, and forget the clients."""
    numbers = [len(client.submitted) for client in clients]
    clients.clear()
    return numbers


def test_each_sample_that_is_not_at_hand_is_one_task(clients: list[Client], tmp_path: Path) -> None:
    make_shards(tmp_path, with_samples(2), workers=2)
    assert submitted(clients) == [SAMPLES]
    # What is there is copied without a cluster.
    make_shards(tmp_path, with_samples(2), workers=2)
    assert submitted(clients) == []
    make_shards(tmp_path, with_samples(3), workers=2)
    assert submitted(clients) == [5]
    # Other shards get their samples from the former one.
    make_shards(tmp_path, with_samples(3, shards=2), workers=2)
    assert submitted(clients) == []


def test_what_a_killed_run_has_in_its_journal_is_no_task(
    clients: list[Client], waves: Path, tmp_path: Path
) -> None:
    manifest, store = make_catalog(tmp_path, configuration()), tmp_path / "exit_waves/000.nc"
    spec = specs.simulate_spec(configuration(), "small")
    journal = ShardFiles(spec, manifest, store).journal
    with StoreReader(waves) as reader:
        for index in range(7):
            journal.append({**reader.read(index), "seconds": 1.0})
    simulate_exit_waves(spec, manifest, store, workers=2)
    assert submitted(clients) == [SAMPLES - 7]


def test_each_series_of_an_epoch_is_one_task(
    clients: list[Client], waves: Path, tmp_path: Path
) -> None:
    epoch = render_training(waves, tmp_path / "00.nc", 3, workers=2)
    with StoreReader(epoch) as reader:
        assert submitted(clients) == [len(reader)]


@pytest.mark.parametrize(("workers", "jobs"), [(2, 0), (3, 1)])
def test_two_results_a_worker_are_in_memory(clients: list[Client], workers: int, jobs: int) -> None:
    results = map_tasks(abs, range(-50, 0), workers, "test", jobs)
    assert len(dict(results)) == 50
    (client,) = clients
    assert (client.most_held, client.held) == (2 * workers * (1 + jobs), 0)


class Living:
    """Counts the arrays that are in memory at once, among those that pass through a function."""

    def __init__(self) -> None:
        self.arrays: list[weakref.ref[Any]] = []
        self.most = 0

    def watch(self, array: NDArray[Any]) -> None:
        self.arrays.append(weakref.ref(array))
        self.most = max(self.most, sum(one() is not None for one in self.arrays))


def watched(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, variable: str) -> Living:
    """Watch one variable of the samples that a function returns."""
    function, living = getattr(owner, name), Living()

    def watching(*arguments: Any) -> Any:
        given = function(*arguments)
        sample = given[0] if isinstance(given, tuple) else getattr(given, "sample", given)
        living.watch(sample[variable] if isinstance(sample, dict) else getattr(sample, variable))
        return given

    monkeypatch.setattr(owner, name, watching)
    return living


def test_rendering_holds_two_series_and_reads_each_wave_once(
    monkeypatch: pytest.MonkeyPatch, waves: Path, tmp_path: Path
) -> None:
    """The one that is rendered beside the one that was just written."""
    images = watched(monkeypatch, render, "render_sample", "image")
    read = watched(monkeypatch, StoreReader, "_stored", "exit_wave")
    render_training(waves, tmp_path / "00.nc", 3)
    samples = len(images.arrays)
    assert samples > 5
    assert images.most <= 2
    # In use, being compared with its digest, being read.
    assert read.most <= 3
    # Once to be rendered, and once to be checked in the epoch.
    assert len(read.arrays) == 2 * samples


def test_simulating_holds_two_waves_and_reads_each_of_them_twice(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """From the journal into the store, and there to be checked."""
    computed = watched(monkeypatch, simulate, "simulate_sample", "exit_wave")
    read = watched(monkeypatch, StoreReader, "_stored", "exit_wave")
    written = Living()
    write = StoreWriter.write

    def watching(store: StoreWriter, index: int, **sample: Any) -> None:
        written.watch(sample["exit_wave"])
        write(store, index, **sample)

    monkeypatch.setattr(StoreWriter, "write", watching)
    make_exit_waves(tmp_path, configuration())
    assert len(computed.arrays) == len(written.arrays) == len(read.arrays) == SAMPLES
    assert max(computed.most, written.most) <= 2
    assert read.most <= 3


# Stores that are opened.


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the stores in the order in which they were opened for reading."""
    names: list[str] = []
    open_store = netCDF4.Dataset

    def open_and_remember(path: Path, mode: Any = "r", **keys: Any) -> Any:
        if mode == "r":
            names.append(path.name)
        return open_store(path, mode, **keys)

    monkeypatch.setattr(netCDF4, "Dataset", open_and_remember)
    return names


def test_an_epoch_opens_each_store_once_for_all_series(
    waves: Path, tmp_path: Path, opened: list[str]
) -> None:
    render_training(waves, tmp_path / "00.nc", 1)
    counts = Counter(opened)
    # Beside that, its failures, samples, digest and inputs are looked up once each.
    assert counts.pop("000.nc") == 1 + 4
    # The epoch is checked under its temporary name: its head, then its samples.
    assert list(counts.values()) == [2]


NO_SERIES = {"sample": 0, "y": 0, "x": 0, "frame": 3}


def test_a_plan_opens_each_store_and_reads_no_sample(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, opened: list[str]
) -> None:
    config = with_samples(2, shards=2)
    folder = tmp_path / "small"
    stores = make_shards(folder, config)
    epochs = layout.all_epochs(config, "small")
    for path in epochs:
        spec = specs.render_spec(config, "small", 3, path.parent.name, int(path.stem))
        with StoreWriter(tmp_path / path, EPOCH, NO_SERIES, provenance.attributes(spec)):
            pass
    read = watched(monkeypatch, StoreReader, "read", "exit_wave")
    opened.clear()
    assert not any(step.jobs for step in plan(config, tmp_path))
    # Each store under both of its names, for the keys of its samples; each epoch for its spec.
    assert len(opened) == 2 * len(stores) + len(epochs)
    opened.clear()
    assert any(step.copied for step in plan(with_samples(3, shards=2), tmp_path))
    # Where something is to do, also for the rate, for the number of samples, and one for the spec.
    assert len(opened) <= 4 * len(stores) + 1 + len(epochs)
    assert read.arrays == []


def test_planning_the_jobs_opens_no_store(tmp_path: Path) -> None:
    """Snakemake decides by names and times alone: what cannot be read does not disturb it."""
    config = configuration()
    make_catalog(tmp_path / "results/small", config)
    folder = tmp_path / "results/small/exit_waves"
    folder.mkdir()
    for name in ("000.nc", "000.json"):
        (folder / name).write_text("no store")
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(RAW))
    root = Path(__file__).parents[2]
    command = [str(Path(sys.executable).with_name("snakemake")), "--dry-run", "--cores", "1"]
    command += ["--snakefile", str(root / "Snakefile"), "--directory", str(tmp_path)]
    command += ["--configfile", str(tmp_path / "config.yaml"), "--quiet", "rules"]
    caches = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    done = subprocess.run(
        command, cwd=root, env={**os.environ, **caches}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    jobs = dict(re.findall(r"^(\w+) +(\d+)$", done.stdout, re.MULTILINE))
    assert int(jobs["render_epoch"]) == len(layout.all_epochs(config, "small"))
    assert "simulate_exit_waves" not in jobs
