"""What is counted and not timed: Fourier transforms, bytes, files, tasks, samples in memory.

Each number follows from what an algorithm needs, so that one more transform of a wave or one more
copy of a sample is found at once, and on any machine.
"""

from __future__ import annotations

import math
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
import scipy.fft
import yaml
from numpy.typing import NDArray
from small_dataset import RAW, configuration, make_catalog, make_exit_waves
from transform_counter import Transform, count_transforms, points

from exitwave.config import Config, Multislice
from exitwave.files.journal import Journal
from exitwave.files.reader import StoreReader
from exitwave.files.shard_files import ShardFiles
from exitwave.files.writer import StoreWriter
from exitwave.imaging import focal_series as imaging
from exitwave.imaging.detector import detector_window
from exitwave.imaging.focal_series import render_series
from exitwave.imaging.focal_spread import Modes
from exitwave.imaging.grids import Band, Grid, choose_grid
from exitwave.imaging.microscope import FocalSpreadModel, MicroscopeDraw
from exitwave.multislice import fourier as fourier_multislice
from exitwave.multislice.exit_wave import exit_wave, smearing_width
from exitwave.multislice.thermal import thermal_exit_wave
from exitwave.provenance import attributes as provenance
from exitwave.runs.plan import plan
from exitwave.samples import EPOCH
from exitwave.specimens.build import Specimen
from exitwave.stages import render, simulate
from exitwave.stages.simulate import simulate_exit_waves
from exitwave.tasks import parallel
from exitwave.tasks.parallel import map_tasks
from exitwave.workflow import layout, specs

STEP = 0.4
SAMPLES = 10
WAVE_BYTES = 8 * 64**2


# Exit waves.


def fourier(**keys: Any) -> Multislice:
    return Multislice(method="fourier", slice_thickness_angstrom=STEP, **keys)


def specimen(numbers: list[int], positions: NDArray[np.float64], box: float) -> Specimen:
    layers = np.zeros(len(numbers), dtype=np.int64)
    return Specimen(np.array(numbers), positions, layers, box, 0.0, 0.0)


def column(atoms: int, box: float = 12.0) -> Specimen:
    """Molybdenum atoms above each other, one on each plane and beside the points of the grid.

    Such an atom acts on its own plane and on both neighbours, so there are `atoms` + 2 planes.
    """
    depths = STEP * np.arange(atoms)
    places = np.column_stack([np.full(atoms, 6.01), np.full(atoms, 6.02), depths])
    return specimen([42] * atoms, places, box)


def lines(transforms: list[Transform], axis: int, name: str | None = None) -> int:
    """Return how many lines along an axis are transformed, of all transforms or of one."""
    return sum(
        transform.count
        for transform in transforms
        if transform.axes == (axis,) and name in (None, transform.name)
    )


@pytest.mark.parametrize("atoms", [1, 3, 8])
@pytest.mark.parametrize(("sampling", "size"), [(0.05, 240), (0.066, 192)])
def test_a_plane_takes_two_transforms_of_the_wave_and_one_of_the_potential(
    monkeypatch: pytest.MonkeyPatch, atoms: int, sampling: float, size: int
) -> None:
    """Where every row counts: of the wave's two, and of the potential's, all are of full size."""
    monkeypatch.setattr(fourier_multislice, "_NEGLIGIBLE_SHIFT", -1.0)
    transforms = count_transforms(monkeypatch)
    stored = len(exit_wave(column(atoms), fourier(sampling_angstrom=sampling)))
    planes = atoms + 2
    # The wave is kept to two thirds of Nyquist's frequency. Of the potential, which is real, half
    # is kept, to there or to where vibration damps it to a tenth.
    damped = math.sqrt(math.log(10) / 2) / (math.pi * smearing_width(fourier())) * 12.0
    highest = (size - 1) // 3
    wave, potential = 2 * highest + 1, max(highest, math.ceil(damped)) + 1
    blocks = math.ceil(size / 32)
    assert Counter((one.name, one.axes) for one in transforms) == {
        # Of the incident wave there is none along y; one line tells how far molybdenum reaches.
        ("ifft", (0,)): planes + (planes - 1) + 1,
        ("fft", (0,)): planes,
        ("irfft", (1,)): planes * blocks,
        ("ifft", (1,)): planes * blocks,
        ("fft", (1,)): planes * blocks,
        ("ifft2", (0, 1)): 1,
    }
    assert lines(transforms, 0, "ifft") == planes * potential + (planes - 1) * wave + 1
    assert lines(transforms, 0, "fft") == planes * wave
    for name in ("irfft", "ifft", "fft"):
        assert lines(transforms, 1, name) == planes * size
    along_y = planes * potential + (2 * planes - 1) * wave + 1
    assert points(transforms) == size * (along_y + 2.5 * planes * size) + 2 * stored**2


def test_rows_and_planes_without_atoms_take_no_transform(monkeypatch: pytest.MonkeyPatch) -> None:
    transforms = count_transforms(monkeypatch)
    places = np.array([[5.0, 2.0, 0.0], [7.0, 10.0, 4.0]])
    exit_wave(specimen([42, 16], places, 12.0), fourier())
    # Three planes about each of the two atoms, and none in the gap.
    assert lines(transforms, 0, "fft") == 6 * 159
    # Molybdenum acts on a little more than half of the rows, sulphur on less.
    assert 0.3 < lines(transforms, 1, "fft") / (6 * 240) < 0.5


def test_a_wider_box_takes_no_more_transforms_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    transforms = count_transforms(monkeypatch)
    rows = []
    for box in (12.0, 24.0):
        transforms.clear()
        exit_wave(column(1, box), fourier())
        rows.append(lines(transforms, 1))
    assert rows[1] <= 1.02 * rows[0]


def test_each_configuration_of_frozen_phonons_takes_one_wave(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    transforms = count_transforms(monkeypatch)
    settings = fourier(thermal="frozen_phonons", frozen_phonon_configurations=3)
    thermal_exit_wave(column(1), settings, np.random.default_rng)
    assert Counter(one.name for one in transforms)["ifft2"] == 3


def factors_up_to(number: int, largest: int) -> bool:
    """Say whether a number has no prime factor above the largest."""
    for factor in range(2, largest + 1):
        while number % factor == 0:
            number //= factor
    return number == 1


def next_even_and_fast(least: int) -> int:
    even = range(least + least % 2, 2 * least, 2)
    return next(number for number in even if factors_up_to(number, 5))


@pytest.mark.parametrize(
    ("box", "sampling", "size"), [(9.97, 0.05, 200), (12.05, 0.05, 250), (7.3, 0.0667, 120)]
)
def test_a_wave_has_the_next_fast_number_of_points(
    monkeypatch: pytest.MonkeyPatch, box: float, sampling: float, size: int
) -> None:
    transforms = count_transforms(monkeypatch)
    exit_wave(column(1, box), fourier(sampling_angstrom=sampling))
    assert size == next_even_and_fast(math.ceil(box / sampling))
    assert {one.shape for one in transforms if len(one.axes) == 1} == {(size,)}
    stored = next_even_and_fast(math.ceil(2 * fourier().max_frequency_per_angstrom * box))
    assert {one.shape for one in transforms if len(one.axes) == 2} == {(stored, stored)}


# Images.

WAVE_POINTS, WAVE_SAMPLING, IMAGE_PX = 64, 0.2, 32

# How often so many transforms at once, of such a size, are asked for by a name.
Summary = Counter[tuple[str, int, tuple[int, ...]]]


def few_atoms() -> NDArray[np.complex64]:
    rng = np.random.default_rng(1)
    x = WAVE_SAMPLING * np.arange(WAVE_POINTS)
    phase = np.zeros((WAVE_POINTS, WAVE_POINTS), dtype=np.complex64)
    for row, place in rng.uniform(4, 9, (6, 2)):
        phase += 0.6 * np.exp(-((x - place) ** 2 + (x[:, np.newaxis] - row) ** 2) / 0.045)
    wave: NDArray[np.complex64] = np.exp(1j * phase)
    return wave


def microscope(images: int, model: FocalSpreadModel, sampling: float) -> MicroscopeDraw:
    """With one defocus for all images, so that a longer series needs no wider box."""
    return MicroscopeDraw(
        dose=1e3,
        defocus=(80.0,) * images,
        spherical_aberration=1e3,
        astigmatism=10.0,
        astigmatism_angle=1.0,
        coma=100.0,
        coma_angle=2.0,
        focal_spread=10.0,
        blur=0.5,
        sampling=sampling,
        mtf_c1=0.1,
        mtf_c2=0.4,
        mtf_c3=2.6,
        energy_kev=50.0,
        mtf_frequency_unit="nyquist",
        focal_spread_model=model,
    )


@dataclass
class Rendered:
    """What a series was rendered with, and by which transforms."""

    grid: Grid
    band: Band
    modes: Modes | None
    transforms: list[Transform]

    @property
    def summary(self) -> Summary:
        return Counter((one.name, one.count, one.shape) for one in self.transforms)


@pytest.fixture
def rendered(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Rendered]:
    transforms = count_transforms(monkeypatch)
    chosen: dict[str, Any] = {}

    def remember(name: str) -> None:
        choose = getattr(imaging, name)

        def choose_and_remember(*arguments: Any, **keys: Any) -> Any:
            chosen[name] = choose(*arguments, **keys)
            return chosen[name]

        monkeypatch.setattr(imaging, name, choose_and_remember)

    for name in ("choose_grid", "choose_band", "choose_modes"):
        remember(name)

    def render(images: int, model: FocalSpreadModel, sampling: float) -> Rendered:
        transforms.clear()
        draw, rng = microscope(images, model, sampling), np.random.default_rng(2)
        render_series(few_atoms(), WAVE_SAMPLING, draw, IMAGE_PX, 0.15, 1e-3, rng)
        return Rendered(
            chosen["choose_grid"], chosen["choose_band"], chosen["choose_modes"], list(transforms)
        )

    return render


def of_the_series(series: Rendered) -> Summary:
    """The transforms that do not depend on the number of images: of the wave and of the target."""
    wave, image = series.grid.wave_points, series.grid.image_points
    order = transferred_order(series)
    return Counter(
        [
            # Its power decides about box, band and modes.
            ("fft2", 1, (WAVE_POINTS, WAVE_POINTS)),
            # Padded along x, where the wave is not zero; along y, of the frequencies that are kept.
            ("fft", WAVE_POINTS, (wave,)),
            ("fft", 2 * order + 1, (wave,)),
            # The target, one axis after the other.
            ("fft", WAVE_POINTS, (wave,)),
            ("ifft", WAVE_POINTS, (image,)),
            ("fft", IMAGE_PX, (wave,)),
            ("ifft", IMAGE_PX, (image,)),
        ]
    )


def transferred_order(series: Rendered) -> int:
    """Return the highest order of the wave's frequencies that is transformed."""
    grid, fine = series.grid, series.band.oversampling * series.grid.image_points
    kept = series.band.limit * grid.period
    return math.ceil(min(kept, (grid.wave_points - 1) // 2, (fine - 1) // 2))


def of_an_image(series: Rendered) -> Summary:
    """The transforms of one image: a wave, or one for each mode and the envelope, and the camera's.

    The fine intensity of an oversampled image is decimated along one axis after the other.
    """
    window, image = detector_window(IMAGE_PX).size, series.grid.image_points
    fine = series.band.oversampling * image
    shown = window if series.band.oversampling == 1 else fine
    waves = 1 if series.modes is None else 1 + len(series.modes.tables)
    back = [("ifft", 2 * transferred_order(series) + 1, (fine,)), ("ifft", shown, (fine,))]
    decimation = [
        (name, rows, (size,))
        for rows in (fine, window)
        for name, size in (("rfft", fine), ("irfft", image))
    ]
    camera = [(name, 1, (window, window)) for name in ("rfft2", "irfft2")]
    return Counter([*(waves * back), *(decimation if shown == fine else []), *camera])


@pytest.mark.parametrize("images", [1, 3])
@pytest.mark.parametrize(
    ("model", "sampling", "oversampling"),
    [
        ("quasi_coherent", 0.15, 1),
        ("quasi_coherent", 0.4, 2),
        ("incoherent", 0.1, 1),
        ("incoherent", 0.4, 3),
    ],
)
def test_a_series_transforms_the_wave_once_and_each_image_adds_its_own(
    rendered: Callable[..., Rendered],
    model: FocalSpreadModel,
    sampling: float,
    oversampling: int,
    images: int,
) -> None:
    series = rendered(images, model, sampling)
    assert series.band.oversampling == oversampling
    assert (series.modes is None) == (model == "quasi_coherent")
    expected = of_the_series(series)
    for _ in range(images):
        expected += of_an_image(series)
    assert series.summary == expected


@pytest.mark.parametrize("model", ["quasi_coherent", "incoherent"])
def test_the_points_of_a_series_grow_by_those_of_an_image(
    rendered: Callable[..., Rendered], model: FocalSpreadModel
) -> None:
    one, two, three = (rendered(images, model, 0.15) for images in (1, 2, 3))
    assert one.grid == two.grid == three.grid
    own = points(two.transforms) - points(one.transforms)
    assert points(three.transforms) - points(two.transforms) == own > 0
    # A whole transform of the padded, oversampled box for each wave would take this.
    waves = 1 if one.modes is None else 1 + len(one.modes.tables)
    fine = one.band.oversampling * one.grid.image_points
    assert own < waves * 2 * fine**2 + 2 * detector_window(IMAGE_PX).size ** 2 + 3 * fine**2


def test_padding_to_fast_sizes_adds_little(rendered: Callable[..., Rendered]) -> None:
    for transform in rendered(1, "incoherent", 0.4).transforms:
        assert all(factors_up_to(size, 11) for size in transform.shape)
    rng = np.random.default_rng(3)
    wider = []
    for least, sampling in zip(rng.uniform(40, 200, 200), rng.uniform(0.1, 0.11, 200), strict=True):
        grid = choose_grid(0.1, sampling, least)
        assert scipy.fft.next_fast_len(grid.wave_points) == grid.wave_points
        assert scipy.fft.next_fast_len(grid.image_points) == grid.image_points
        wider.append(grid.period / least)
    # Measured: 1.028 and 1.10.
    assert np.mean(wider) < 1.04
    assert np.percentile(wider, 95) < 1.15


# Files and bytes.


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
    assert raw > samples * (4 * images + 8) * IMAGE_PX**2
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
        sample = getattr(given, "sample", given)
        living.watch(sample[variable] if isinstance(sample, dict) else getattr(sample, variable))
        return given

    monkeypatch.setattr(owner, name, watching)
    return living


def test_rendering_holds_two_series_and_reads_each_wave_once(
    monkeypatch: pytest.MonkeyPatch, waves: Path, tmp_path: Path
) -> None:
    """The one that is rendered beside the one that was just written."""
    images = watched(monkeypatch, render, "render_sample", "image")
    read = watched(monkeypatch, StoreReader, "read", "exit_wave")
    render_training(waves, tmp_path / "00.nc", 3)
    samples = len(images.arrays)
    assert samples > 5
    assert images.most <= 2
    assert read.most <= 2
    # Once to be rendered, and once to be checked in the epoch.
    assert len(read.arrays) == 2 * samples


def test_simulating_holds_two_waves_and_reads_each_of_them_twice(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """From the journal into the store, and there to be checked."""
    computed = watched(monkeypatch, simulate, "simulate_sample", "exit_wave")
    read = watched(monkeypatch, StoreReader, "read", "exit_wave")
    written = Living()
    write = StoreWriter.write

    def watching(store: StoreWriter, index: int, **sample: Any) -> None:
        written.watch(sample["exit_wave"])
        write(store, index, **sample)

    monkeypatch.setattr(StoreWriter, "write", watching)
    make_exit_waves(tmp_path, configuration())
    assert len(computed.arrays) == len(written.arrays) == len(read.arrays) == SAMPLES
    assert max(computed.most, written.most, read.most) <= 2


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
