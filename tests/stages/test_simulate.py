"""One shard of exit waves: what is computed, what is copied, what fails and what survives."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from small_dataset import configuration, make_catalog, make_exit_waves

from exitwave.errors import ExitwaveError, SpecimenError
from exitwave.files.checks import check_store, content_digest
from exitwave.files.reader import StoreReader
from exitwave.files.shard_files import ShardFiles
from exitwave.samples import EXIT_WAVES
from exitwave.stages import simulate
from exitwave.stages.simulate import simulate_exit_waves
from exitwave.workflow import specs

SAMPLES = 10


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    store, summary = make_exit_waves(tmp_path_factory.mktemp("reference"), configuration())
    assert summary.computed == SAMPLES
    return store


def test_a_shard_is_a_checked_store_with_a_summary(reference):
    check_store(reference, EXIT_WAVES)
    summary = json.loads(reference.with_suffix(".json").read_text())
    assert summary["samples"] == SAMPLES
    assert summary["failed"] == []
    assert summary["seconds_per_wave"] > 0
    with StoreReader(reference) as reader:
        assert len(reader) == SAMPLES
        assert set(reader.column("split")) <= {"training", "validation"}
        assert json.loads(reader.attributes["spec"])["stage"] == "simulate"
        sample = reader.read(0)
        # The specimen's atoms are where the wave differs most from vacuum.
        wave = sample["exit_wave"][..., 0] + 1j * sample["exit_wave"][..., 1]
        pixels = np.round(sample["atom_position"][:, :2] / sample["sampling"]).astype(int)
        at_atoms = np.abs(wave - 1)[pixels[:, 1], pixels[:, 0]]
        assert at_atoms.mean() > 2 * np.abs(wave - 1).mean()


def test_the_content_does_not_depend_on_the_number_of_workers(reference, tmp_path):
    store, _ = make_exit_waves(tmp_path, configuration(), workers=2)
    assert content_digest(store) == content_digest(reference)


def test_nothing_is_computed_twice(tmp_path, reference):
    store, _ = make_exit_waves(tmp_path, configuration())
    for lost in (False, True):
        if lost:  # as Snakemake does before it runs the job again
            store.unlink()
        _, summary = make_exit_waves(tmp_path, configuration())
        assert (summary.computed, summary.copied) == (0, SAMPLES)
        assert content_digest(store) == content_digest(reference)


def test_only_what_changed_is_computed(tmp_path):
    more = configuration(split={"by": "elements", "samples_per_material": 3, "training_share": 0.5})
    make_exit_waves(tmp_path, configuration())
    _, summary = make_exit_waves(tmp_path, more)
    assert (summary.computed, summary.copied) == (5, SAMPLES)
    _, summary = make_exit_waves(tmp_path, configuration())
    assert (summary.computed, summary.copied) == (0, SAMPLES)
    tilted = configuration(structure={"box_angstrom": 12.8, "flake_radius_angstrom": [3.0, 4.1]})
    _, summary = make_exit_waves(tmp_path, tilted)
    assert (summary.computed, summary.copied) == (SAMPLES, 0)


def test_a_sample_keeps_its_content_when_others_join(tmp_path, reference):
    fewer = configuration(materials={"selection": "natoms<=3", "limit": 4})
    store, _ = make_exit_waves(tmp_path, fewer)
    with StoreReader(store) as few, StoreReader(reference) as all_of_them:
        digests = dict(
            zip(all_of_them.column("sample_key"), all_of_them.column("digest"), strict=True)
        )
        for key, digest in zip(few.column("sample_key"), few.column("digest"), strict=True):
            assert digests[key] == digest


def test_a_damaged_sample_is_computed_anew(tmp_path, reference):
    store, _ = make_exit_waves(tmp_path, configuration())
    with StoreReader(store) as reader:
        pattern = reader.read(3)["exit_wave"].tobytes()[1000:1064]
    content = bytearray(store.read_bytes())
    content[content.find(pattern) + 8] ^= 1
    store.write_bytes(content)  # both names show the same file
    _, summary = make_exit_waves(tmp_path, configuration())
    assert summary.computed >= 1
    assert content_digest(store) == content_digest(reference)


def test_a_killed_run_goes_on_where_it_was(tmp_path, reference):
    manifest = make_catalog(tmp_path, configuration())
    spec = specs.simulate_spec(configuration(), "small")
    store = tmp_path / "exit_waves/000.nc"
    journal = ShardFiles(spec, manifest, store).journal.path
    command = [sys.executable, "-m", "exitwave.cli", "simulate", "--spec", spec]
    command += ["--manifest", str(manifest), "--output", str(store), "--workers", "1"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (journal.exists() and journal.stat().st_size > 100_000):
        assert process.poll() is None, "it finished before it was killed"
        assert time.monotonic() < deadline
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not store.exists()
    summary = simulate_exit_waves(spec, manifest, store)
    assert summary.copied >= 1
    assert summary.computed + summary.copied == SAMPLES
    assert content_digest(store) == content_digest(reference)
    assert not journal.exists()


def test_a_bad_sample_costs_only_itself(tmp_path, monkeypatch, reference):
    original = simulate.build_specimen

    def build(material, structure, seed, dataset, sample_index):
        if sample_index == 1:
            raise SpecimenError("no atom is left")
        if material.formula == bad_formula:
            raise ZeroDivisionError("unexpected")
        return original(material, structure, seed, dataset, sample_index)

    with StoreReader(reference) as reader:
        bad_formula = str(reader.column("formula")[0])
    monkeypatch.setattr(simulate, "build_specimen", build)
    store, summary = make_exit_waves(tmp_path, configuration())
    assert summary.samples == 4
    reasons = {entry.reason for entry in summary.failed}
    assert reasons == {"no atom is left", "ZeroDivisionError: unexpected"}
    check_store(store)
    monkeypatch.undo()
    _, summary = make_exit_waves(tmp_path, configuration())
    assert (summary.computed, summary.copied) == (6, 4)
    assert content_digest(store) == content_digest(reference)


def test_a_machine_on_which_nothing_works_is_no_data_set(tmp_path, monkeypatch):
    def build(*_):
        raise ImportError("no such library")

    monkeypatch.setattr(simulate, "build_specimen", build)
    with pytest.raises(ExitwaveError, match=r"Every sample of .* no such library"):
        make_exit_waves(tmp_path, configuration())


def test_each_sample_has_its_own_energy_from_the_range(tmp_path, reference):
    coarse = configuration().datasets["small"].multislice.model_dump(mode="json")
    ranged = configuration(multislice={**coarse, "method": "abtem", "energy_kev": [60, 80]})
    store, _ = make_exit_waves(tmp_path, ranged)
    with StoreReader(reference) as fixed, StoreReader(store) as drawn:
        assert set(fixed.column("energy")) == {50.0}
        energies = drawn.column("energy")
        # The specimens are the same, for their draws do not depend on that of the energy.
        np.testing.assert_array_equal(drawn.column("tilt"), fixed.column("tilt"))
    assert len(set(energies)) == SAMPLES
    assert 60 <= energies.min() < energies.max() <= 80


def test_frozen_phonons_change_the_wave_and_not_the_stored_atoms(tmp_path, reference):
    coarse = configuration().datasets["small"].multislice.model_dump(mode="json")
    phonons = configuration(
        materials={"selection": "natoms<=3", "limit": 3},
        multislice={**coarse, "thermal": "frozen_phonons", "frozen_phonon_configurations": 3},
    )
    store, _ = make_exit_waves(tmp_path, phonons)
    with StoreReader(reference) as smeared, StoreReader(store) as frozen:
        sample = frozen.read(0)
        keys = list(zip(*(smeared.column(n) for n in ("material", "sample_index")), strict=True))
        same = smeared.read(keys.index((sample["material"], sample["sample_index"])))
    # The stored atoms are those at rest, and the waves differ by little.
    np.testing.assert_array_equal(sample["atom_position"], same["atom_position"])
    difference = np.sqrt(np.mean((sample["exit_wave"] - same["exit_wave"]) ** 2))
    assert 1e-6 < difference < 0.3 * same["exit_wave"][..., 1].std()


def test_a_changed_split_changes_no_wave(tmp_path):
    make_exit_waves(tmp_path, configuration())
    other = configuration(
        split={"by": "elements", "samples_per_material": 2, "training_share": 1.0}
    )
    store, summary = make_exit_waves(tmp_path, other)
    assert summary.computed == 0
    with StoreReader(store) as reader:
        assert set(reader.column("split")) == {"training"}
        reader.read(0)
