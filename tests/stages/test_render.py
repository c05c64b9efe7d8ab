"""One epoch: its order, its draws, and that it depends on nothing else."""

import json

import numpy as np
import pytest
from small_dataset import configuration, make_exit_waves

from exitwave.errors import ExitwaveError
from exitwave.files.checks import check_store, content_digest
from exitwave.files.reader import StoreReader
from exitwave.files.writer import StoreWriter
from exitwave.samples import EPOCH, EpochSample
from exitwave.stages.render import render_epoch
from exitwave.workflow import specs


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return make_exit_waves(tmp_path_factory.mktemp("waves"), configuration())[0]


def render(store, path, images=3, split="training", epoch=0, workers=1, config=None):
    spec = specs.render_spec(config or configuration(), "small", images, split, epoch)
    render_epoch(spec, [store], path, workers)
    check_store(path, EPOCH)
    return path


def column(path, name):
    with StoreReader(path) as reader:
        return reader.column(name)


def test_an_epoch_shows_one_side_of_the_split(store, tmp_path):
    splits = column(store, "split")
    for split in ("training", "validation"):
        path = render(store, tmp_path / f"{split}.nc", split=split)
        assert set(column(path, "split")) == {split}
        assert len(column(path, "split")) == np.sum(splits == split)
        with StoreReader(path) as reader:
            sample = reader.read(0)
        assert sample["image"].shape == (32, 32, 3)
        assert sample["image"].mean() == pytest.approx(1, abs=0.1)
        assert np.all(np.diff(sample["defocus"]) > 0)


def test_epochs_differ_in_order_and_draws(store, tmp_path):
    one, two = (render(store, tmp_path / f"{e}.nc", epoch=e) for e in (0, 1))
    assert sorted(column(one, "sample_key")) == sorted(column(two, "sample_key"))
    assert not set(column(one, "dose")) & set(column(two, "dose"))


def test_the_number_of_images_changes_only_the_defoci(store, tmp_path):
    one, four = (render(store, tmp_path / f"{n}.nc", images=n) for n in (1, 4))
    for name in ("sample_key", "dose", "coma", "focal_spread", "mtf_c1"):
        np.testing.assert_array_equal(column(one, name), column(four, name))
    assert column(one, "defocus").shape[1] == 1
    assert np.ptp(column(four, "defocus"), axis=1) == pytest.approx(
        [100] * len(column(four, "dose")), abs=3
    )


def test_the_content_does_not_depend_on_the_number_of_workers(store, tmp_path):
    one, two = (render(store, tmp_path / f"{w}.nc", workers=w) for w in (1, 2))
    assert content_digest(one) == content_digest(two)


def test_a_sample_looks_the_same_when_others_join(store, tmp_path):
    fewer = configuration(materials={"selection": "natoms<=3", "limit": 4})
    small, _ = make_exit_waves(tmp_path, fewer)
    few = render(small, tmp_path / "few.nc", config=fewer)
    many = render(store, tmp_path / "many.nc")
    digests = dict(zip(column(many, "sample_key"), column(many, "digest"), strict=True))
    kept = [
        digests[key] == d
        for key, d in zip(*(column(few, n) for n in ("sample_key", "digest")), strict=True)
    ]
    assert kept
    assert all(kept)
    order = [key for key in column(many, "sample_key") if key in column(few, "sample_key")]
    assert order == list(column(few, "sample_key"))


def test_what_real_series_have_is_stored_and_leaves_the_other_draws(store, tmp_path):
    real = {"trefoil_angstrom": 200, "misregistration_angstrom": 0.1, "intensity_error_share": 0.1}
    plain = render(store, tmp_path / "plain.nc")
    path = render(store, tmp_path / "real.nc", config=configuration(microscope=real))
    optional = {"trefoil", "trefoil_angle", "shift_x", "shift_y", "intensity"}
    with StoreReader(plain) as before, StoreReader(path) as after:
        names = [{each.name for each in reader.schema.variables} for reader in (before, after)]
        assert names[1] - names[0] == optional
        for name in ("sample_key", "dose", "coma", "defocus", "mtf_c1"):
            np.testing.assert_array_equal(before.column(name), after.column(name))
        sample = EpochSample.from_values(after.read(0))
        assert EpochSample.from_values(before.read(0)).microscope.intensity == ()
    assert sample.microscope.trefoil == 200
    assert sample.microscope.shift_x[1] == sample.microscope.shift_y[1] == 0
    assert len(sample.microscope.intensity) == 3
    assert sample.values()["shift_y"] == sample.microscope.shift_y


def test_the_truth_is_the_wave_at_the_atoms(store, tmp_path):
    with StoreReader(render(store, tmp_path / "a.nc")) as reader:
        sample = reader.read(0)
    wave = sample["exit_wave"][..., 0] + 1j * sample["exit_wave"][..., 1]
    pixels = np.round(sample["atom_position"][:, :2] / sample["sampling"]).astype(int)
    inside = np.all((pixels >= 0) & (pixels < 32), axis=1)
    at_atoms = np.abs(wave - 1)[pixels[inside, 1], pixels[inside, 0]]
    assert at_atoms.mean() > 2 * np.abs(wave - 1).mean()


def test_a_sample_is_imaged_at_the_energy_of_its_wave(store, tmp_path):
    faster = tmp_path / "000.nc"
    with StoreReader(store) as reader:
        attributes = {k: v for k, v in reader.attributes.items() if k != "kind"}
        attributes.pop("format_version")
        sizes = {k: reader.sizes[k] for k in ("sample", "y", "x")}
        with StoreWriter(faster, reader.schema, sizes, attributes) as writer:
            for index, values in enumerate(reader):
                writer.write(index, **{**values, "energy": 100.0 + index})
    one, two = (render(path, tmp_path / f"{path.parent.name}.nc") for path in (store, faster))
    assert set(column(one, "energy")) == {50.0}
    assert len(set(column(two, "energy"))) == len(column(two, "energy")) > 1
    np.testing.assert_array_equal(column(one, "defocus"), column(two, "defocus"))
    with StoreReader(one) as slow, StoreReader(two) as fast:
        assert not np.array_equal(slow.read(0)["image"], fast.read(0)["image"])


def test_too_many_failures_stop_the_run(store, tmp_path):
    failed = [{"material": "X", "formula": "X", "sample_index": 0, "reason": "no atom is left"}]
    damaged = tmp_path / "000.nc"
    with StoreReader(store) as reader:
        attributes = {**reader.attributes, "failed": json.dumps(failed)}
        for name in ("kind", "format_version"):
            attributes.pop(name)
        with StoreWriter(
            damaged, reader.schema, {k: reader.sizes[k] for k in ("sample", "y", "x")}, attributes
        ) as writer:
            for index, values in enumerate(reader):
                writer.write(index, **values)
    with pytest.raises(ExitwaveError, match=r"1 of 11 samples.*no atom is left.*raise the limit"):
        render(damaged, tmp_path / "a.nc")
    tolerant = configuration(epochs={"image_size_px": 32, "max_failed_share": 0.5})
    render(damaged, tmp_path / "a.nc", config=tolerant)


def test_a_side_without_samples_is_told(store, tmp_path):
    everything = configuration(
        split={"by": "elements", "samples_per_material": 2, "training_share": 1.0}
    )
    store, _ = make_exit_waves(tmp_path, everything)
    with pytest.raises(ExitwaveError, match="no validation samples"):
        render(store, tmp_path / "a.nc", split="validation", config=everything)
