"""A tiny factory runs, and a change reruns what depends on it and nothing else."""

import copy
import json

import pytest
from factory import TINY, Factory, executed

from exitwave.store import StoreReader

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def factory(tmp_path_factory):
    made = Factory(tmp_path_factory.mktemp("tiny"))
    made.must_run()
    return made


@pytest.fixture(autouse=True)
def unchanged(request):
    """Each test begins with the configuration of the finished run."""
    if "factory" in request.fixturenames:
        request.getfixturevalue("factory").config = copy.deepcopy(TINY)


def dataset(factory):
    return factory.config["datasets"]["tiny"]


def test_nothing_changed(factory):
    assert factory.planned() == {}


def test_nothing_was_written_to_the_home_folder(factory):
    assert list(factory.home.iterdir()) == []


def test_a_touched_file_reruns_nothing(factory):
    for path in factory.results.rglob("*.nc"):
        path.touch()
    (factory.results / "tiny/catalog/samples.csv").touch()
    assert not set(factory.planned()) & {"build_catalog", "simulate_exit_waves"}
    factory.must_run("--touch")
    assert factory.planned() == {}


def test_other_cores_rerun_nothing(factory):
    assert "Nothing to be done" in factory.must_run("--dry-run", "--cores", "7")


def test_a_label_reruns_the_report(factory):
    dataset(factory)["label"] = "Tiny flakes"
    assert set(factory.planned()) == {"report", "all"}


def test_a_training_key_reruns_the_network_and_what_follows(factory):
    factory.config["networks"]["unet"]["learning_rate"] = 1e-3
    planned = set(factory.planned())
    assert "train_network" in planned
    assert not planned & {"build_catalog", "simulate_exit_waves", "render_epoch", "plot_dataset"}


def test_a_microscope_key_reruns_rendering_but_no_multislice(factory):
    dataset(factory)["microscope"]["blur_angstrom"] = [0.5, 1.0]
    planned = factory.planned()
    assert planned["render_epoch"] == 3
    assert not set(planned) & {"build_catalog", "simulate_exit_waves"}


def test_a_structure_key_reruns_all_shards(factory):
    dataset(factory)["structure"]["hole_share"] = 0.1
    planned = factory.planned()
    assert planned["simulate_exit_waves"] >= 2
    assert "build_catalog" not in planned


def test_a_new_network_renders_its_series_and_trains_alone(factory):
    factory.config["networks"]["one"] = {
        **factory.config["networks"]["unet"],
        "images": 1,
    }
    planned = factory.planned()
    assert planned["train_network"] == 1
    assert planned["render_epoch"] == 3


def test_one_more_material_computes_only_its_samples(tmp_path):
    factory = Factory(tmp_path)
    target = "results/tiny/epochs/2_images/training/00.nc"
    factory.must_run(target)
    before = {path.name: path.stat().st_mtime_ns for path in stores(factory)}
    images = digests(factory)
    dataset(factory)["materials"]["limit"] = 9
    done = executed(factory.must_run(target))
    assert done["simulate_exit_waves"] == 1
    changed = [path for path in stores(factory) if path.stat().st_mtime_ns != before.get(path.name)]
    assert len(changed) == 1
    summary = json.loads(changed[0].with_suffix(".json").read_text())
    assert summary["computed"] == 1
    assert summary["copied"] == summary["samples"] - 1
    now = digests(factory)
    assert all(now[key] == digest for key, digest in images.items())


def stores(factory):
    return sorted(factory.results.glob("tiny/exit_waves/*.nc"))


def digests(factory):
    with StoreReader(factory.results / "tiny/epochs/2_images/training/00.nc") as reader:
        return dict(zip(reader.column("sample_key"), reader.column("digest"), strict=True))
