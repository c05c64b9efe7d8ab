"""One shard of exit waves with a GPU, in whose place arrays of the processor stand."""

import json

import numpy as np
import pytest
from device_arrays import device_modules
from reference import relative_error
from small_dataset import configuration, make_catalog, make_exit_waves

from exitwave.errors import ExitwaveError, SpecimenError
from exitwave.files.checks import check_store
from exitwave.files.journal import Journal
from exitwave.files.reader import StoreReader
from exitwave.multislice import batches
from exitwave.samples import EXIT_WAVES
from exitwave.stages import simulate
from exitwave.stages.simulate import simulate_exit_waves
from exitwave.tasks.progress import Progress, read_progress
from exitwave.workflow import specs

SAMPLES = 10


@pytest.fixture
def modules(monkeypatch):
    made = device_modules()
    monkeypatch.setattr(batches, "array_modules", lambda device: made)
    # Several chunks are under way at once.
    monkeypatch.setattr(simulate, "_SPECIMENS_AT_ONCE", 4)
    return made


def samples(store):
    with StoreReader(store) as reader:
        return [reader.read(place) for place in range(len(reader))]


def complex_wave(sample):
    return sample["exit_wave"][..., 0] + 1j * sample["exit_wave"][..., 1]


def assert_same_but_for_rounding(store, other):
    for one, two in zip(samples(store), samples(other), strict=True):
        assert relative_error(complex_wave(one), complex_wave(two)) < 1e-6
        for name in two.keys() - {"exit_wave", "digest", "seconds"}:
            np.testing.assert_array_equal(one[name], two[name])


@pytest.mark.parametrize("workers", [1, 2])
def test_samples_are_those_of_the_processor(tmp_path, modules, workers):
    reference, _ = make_exit_waves(tmp_path / "cpu", configuration())
    store, summary = make_exit_waves(tmp_path / "gpu", configuration(), workers, "gpu")
    check_store(store, EXIT_WAVES)
    assert (summary.computed, summary.failed) == (SAMPLES, ())
    assert json.loads(store.with_suffix(".json").read_text())["seconds_per_wave"] > 0
    # Ten samples in chunks of four.
    assert modules[0].calls["asnumpy"] == 3
    assert_same_but_for_rounding(store, reference)


def test_what_a_processor_computed_a_gpu_does_not_compute_again(tmp_path, modules):
    make_exit_waves(tmp_path, configuration())
    _, summary = make_exit_waves(tmp_path, configuration(), 1, "gpu")
    assert (summary.computed, summary.copied) == (0, SAMPLES)
    assert not modules[0].calls


def test_a_bad_sample_costs_only_itself(tmp_path, modules, monkeypatch):
    build, bad = simulate.build_specimen, []

    def build_some(material, structure, seed, dataset, sample_index):
        if sample_index == 1:
            raise SpecimenError("no atom is left")
        specimen = build(material, structure, seed, dataset, sample_index)
        if not bad:
            bad.append(material.identifier)
            specimen.positions[0, 0] = np.nan
        return specimen

    monkeypatch.setattr(simulate, "build_specimen", build_some)
    reports = tmp_path / "progress.json"
    with Progress(reports, "simulate", "small.000"):
        store, summary = make_exit_waves(tmp_path, configuration(), 1, "gpu")
    check_store(store)
    assert summary.samples == 4
    assert {entry.reason for entry in summary.failed} == {
        "no atom is left",
        "the multislice calculation gave values that are not finite",
    }
    progress = read_progress(reports)
    assert (progress.done, progress.failed, progress.total) == (4, 6, SAMPLES)
    assert len(progress.failed_samples) == 6
    monkeypatch.setattr(simulate, "build_specimen", build)
    _, summary = make_exit_waves(tmp_path, configuration(), 1, "gpu")
    assert (summary.computed, summary.copied) == (6, 4)


def test_a_machine_without_a_gpu_is_named(tmp_path, monkeypatch):
    def array_modules(device):
        raise ImportError("No module named 'cupy'")

    monkeypatch.setattr(batches, "array_modules", array_modules)
    with pytest.raises(ExitwaveError, match=r"Every sample of .* No module named 'cupy'"):
        make_exit_waves(tmp_path, configuration(), 1, "gpu")


def test_what_was_written_before_an_error_is_kept(tmp_path, modules, monkeypatch):
    append, kept = Journal.append, []

    def append_some(self, sample):
        if len(kept) == 5:
            raise ExitwaveError("the disk is full")
        append(self, sample)
        kept.append(sample)

    monkeypatch.setattr(Journal, "append", append_some)
    with pytest.raises(ExitwaveError, match="the disk is full"):
        make_exit_waves(tmp_path, configuration(), 1, "gpu")
    monkeypatch.setattr(Journal, "append", append)
    _, summary = make_exit_waves(tmp_path, configuration(), 1, "gpu")
    assert (summary.computed, summary.copied) == (5, 5)


@pytest.mark.parametrize(
    "keys",
    [
        {"energy_kev": [60, 80]},
        {"thermal": "frozen_phonons", "frozen_phonon_configurations": 2},
    ],
)
def test_each_sample_has_its_own_draws(tmp_path, modules, keys):
    coarse = configuration().datasets["small"].multislice.model_dump(mode="json")
    config = configuration(
        materials={"selection": "natoms<=3", "limit": 2}, multislice={**coarse, **keys}
    )
    reference, _ = make_exit_waves(tmp_path / "cpu", config)
    store, _ = make_exit_waves(tmp_path / "gpu", config, 1, "gpu")
    assert_same_but_for_rounding(store, reference)


def test_abtem_on_a_gpu_computes_one_wave_after_the_other(tmp_path, modules, monkeypatch):
    devices = []

    def wave(specimen, settings, draws, device):
        devices.append(device)
        raise SpecimenError("no GPU here")

    monkeypatch.setattr(simulate, "thermal_exit_wave", wave)
    coarse = configuration().datasets["small"].multislice.model_dump(mode="json")
    config = configuration(multislice={**coarse, "method": "abtem"})
    manifest = make_catalog(tmp_path, config)
    spec = specs.simulate_spec(config, "small")
    summary = simulate_exit_waves(spec, manifest, tmp_path / "000.nc", 1, "gpu")
    assert devices == ["gpu"] * SAMPLES
    assert summary.samples == 0
