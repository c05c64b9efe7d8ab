"""What a wave, an image, a sample and a shard cost, counted: the same on every machine."""

from collections import Counter

import numpy as np
import pytest
import scipy.fft
from small_dataset import configuration, make_catalog, make_exit_waves

from exitwave import simulate
from exitwave.config import Microscope, specs
from exitwave.imaging import render_series
from exitwave.microscope import draw_microscope
from exitwave.render import render_epoch
from exitwave.seeds import generator
from exitwave.simulate import simulate_exit_waves
from exitwave.store import StoreReader


@pytest.fixture
def transforms(monkeypatch):
    """Calls of SciPy's FFT, by name."""
    calls = Counter()

    def counted(name):
        function = getattr(scipy.fft, name)

        def call(*arguments, **keys):
            calls[name] += 1
            return function(*arguments, **keys)

        return call

    for name in ("fft", "ifft", "fft2", "ifft2", "rfft", "irfft", "rfft2", "irfft2"):
        monkeypatch.setattr(scipy.fft, name, counted(name))
    return calls


@pytest.mark.parametrize("images", [1, 3, 11])
def test_a_series_transforms_its_wave_once_and_each_image_twice(transforms, images):
    y, x = np.mgrid[:128, :128] - 64
    wave = (1 + 0.3j * np.exp(-(x**2 + y**2) / 50)).astype(np.complex64)
    microscope = Microscope(sampling_angstrom=(0.1, 0.11))
    draw = draw_microscope(microscope, 50.0, images, generator(1, "cost"))
    render_series(wave, 0.1, draw, 96, 0.15, 1e-3, generator(1, "noise"))
    # Along one axis after the other: the wave there, each image back, the target there and back.
    finer = transforms.pop("rfft", 0), transforms.pop("irfft", 0)
    assert finer in {(0, 0), (2 * images, 2 * images)}
    assert transforms == {
        "fft2": 1,
        "fft": 2 + 2,
        "ifft": 2 * images + 2,
        "rfft2": images,
        "irfft2": images,
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("costs")
    config = configuration()
    store, summary = make_exit_waves(folder, config)
    epoch = folder / "epochs/00.nc"
    render_epoch(specs.render_spec(config, "small", 3, "validation", 0), [store], epoch)
    return folder, store, epoch, summary


def test_files_are_little_more_than_their_numbers(made):
    _, store, epoch, _ = made
    for path in (store, epoch):
        with StoreReader(path) as reader:
            samples, raw = len(reader), 0
            for sample in reader:
                raw += sum(np.asarray(value).nbytes for value in sample.values())
        # Some 70 kB of a file are its names, units and provenance, whatever the samples.
        assert path.stat().st_size < 1.02 * raw + 1000 * samples + 100_000


def test_a_shard_leaves_two_files_and_a_link(made):
    folder, store, _, _ = made
    assert {path.name for path in store.parent.iterdir()} == {"000.nc", "000.json", ".kept"}
    assert len(list((store.parent / ".kept").iterdir())) == 1
    assert len(list((folder / "epochs").iterdir())) == 1


def test_a_shard_hands_over_a_task_for_each_new_sample_alone(made, tmp_path, monkeypatch):
    handed = []

    def counted(function, tasks, *arguments):
        handed.append(len(tasks))
        return map_tasks(function, tasks, *arguments)

    map_tasks = simulate.map_tasks
    monkeypatch.setattr(simulate, "map_tasks", counted)
    config = configuration()
    _, store, _, summary = made
    spec, manifest = specs.simulate_spec(config, "small"), make_catalog(tmp_path, config)
    output = tmp_path / "exit_waves/000.nc"
    simulate_exit_waves(spec, manifest, output, 1)
    output.unlink()
    simulate_exit_waves(spec, manifest, output, 1)
    assert handed[0] == summary["samples"]
    # The second time every sample is copied from what the first one kept.
    assert sum(handed[1:]) == 0
    with StoreReader(output) as ours, StoreReader(store) as theirs:
        assert set(ours.column("sample_key")) == set(theirs.column("sample_key"))
