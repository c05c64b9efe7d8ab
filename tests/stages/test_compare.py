"""Network, its wave refined, and classical reconstruction on real series whose truth and
microscope are known."""

import copy
import json

import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_filter
from small_dataset import RAW
from tiny_training import SETTINGS

from exitwave.config import Network, NetworkSettings, parse_config
from exitwave.errors import ExitwaveError
from exitwave.figures.kinds import draw
from exitwave.figures.order import Order, Source
from exitwave.figures.style import read_captions
from exitwave.files.reader import StoreReader
from exitwave.networks.architectures import build_network
from exitwave.networks.calibration import CALIBRATION_NAME, Calibration
from exitwave.networks.error_power import ErrorPower
from exitwave.networks.trained import save_network
from exitwave.samples import EPOCH, EpochSample
from exitwave.scoring.examples import WAYS, ComparisonExample, read_examples_of
from exitwave.stages.catalog import build_catalog
from exitwave.stages.compare import (
    compare_predictions,
    compare_reconstructions,
    taken_frames,
)
from exitwave.stages.render import render_epoch
from exitwave.stages.simulate import simulate_exit_waves
from exitwave.workflow import specs

IMAGES = 5


def configuration(**comparison):
    raw = copy.deepcopy(RAW)
    small = raw["datasets"]["small"]
    small["multislice"]["sampling_angstrom"] = 0.1
    small["split"] = {"by": "samples", "training_samples": 1, "validation_samples": 1}
    # A good camera, so that only what is not given can be wrong; coarse pixels and narrow limits of
    # what has to be searched, so that a fit takes a second.
    small["microscope"] = {
        "sampling_angstrom": [0.38, 0.42],
        "dose_log10_per_square_angstrom": [4.0, 4.0],
        "defocus_angstrom": [-60.0, 60.0],
        "spherical_aberration_micrometre": [-2.0, 2.0],
        "astigmatism_angstrom": [20.0, 25.0],
        "coma_angstrom": [500.0, 600.0],
        "mtf_c1": [0.9, 0.95],
    }
    small["epochs"] = {"image_size_px": 48}
    raw["networks"] = {"unet": {"dataset": "small", "channels": [2, 4], "images": 3}}
    raw["comparisons"] = {
        "classical": {
            "network": "unet",
            "dataset": "small",
            "images": IMAGES,
            "iterations": 40,
            "samples": 3,
            "high_pass_px": 2.5,
            **comparison,
        }
    }
    return parse_config(raw)


@pytest.fixture(scope="module")
def epoch(tmp_path_factory):
    folder, config = tmp_path_factory.mktemp("long"), configuration()
    build_catalog(specs.catalog_spec(config, "small"), folder / "catalog")
    store = folder / "exit_waves/000.nc"
    manifest = folder / "catalog/shards/000.json"
    simulate_exit_waves(specs.simulate_spec(config, "small"), manifest, store, 1)
    path = folder / "epochs/00.nc"
    render_epoch(specs.render_spec(config, "small", IMAGES, "validation", 0), [store], path)
    return path


class Recorder:
    """A predictor that sees nothing and remembers what it was shown."""

    def __init__(self):
        self.shown = []

    def __call__(self, images, sampling):
        self.shown.append(images)
        return np.ones(images.shape[:3], dtype=np.complex64)


class Rough:
    """A predictor that finds the scattered wave here too strong and there too weak."""

    error = 0.3
    power = ErrorPower.uniform(error**2)

    def __init__(self, epoch):
        with StoreReader(epoch, EPOCH) as reader:
            samples = [EpochSample.from_values(reader.read(place)) for place in range(len(reader))]
        self.waves = {sample.image[..., 0].tobytes(): sample.wave for sample in samples}

    def __call__(self, images, sampling):
        truth = np.stack([self.waves[series[..., 0].tobytes()] for series in images])
        rough = gaussian_filter(np.random.default_rng(3).normal(size=truth.shape[1:]), 1.0)
        return 1 + (1 + self.error * rough / rough.std()) * (truth - 1)


def compared(epoch, folder, predict=None, workers=1, **comparison):
    spec = specs.compare_spec(configuration(**comparison), "classical")
    predict = predict or Rough(epoch)
    compare_predictions(spec, predict, 3, Rough.power, [epoch], folder, workers=workers)
    return pd.read_csv(folder / "samples.csv")


@pytest.fixture(scope="module")
def done(epoch, tmp_path_factory):
    folder = tmp_path_factory.mktemp("compared")
    return folder, compared(epoch, folder, workers=2)


def test_what_is_known_of_the_microscope_pays(done):
    _, rows = done
    everything = rows["classical_all_high_pass_relative_error"]
    assert (everything < 0.7 * rows["classical_paper_high_pass_relative_error"]).all()
    assert everything.median() < 0.3
    assert (everything <= rows["classical_few_high_pass_relative_error"] * 1.05).all()


def test_a_blind_network_has_the_error_of_vacuum_and_nothing_to_refine(epoch, tmp_path):
    recorder = Recorder()
    rows = compared(epoch, tmp_path, recorder, samples=1, percentiles=[50.0], iterations=1)
    for name in ("network", "network_refined", "network_floor_all"):
        assert rows[f"{name}_relative_error"].to_numpy() == pytest.approx(1.0)
        assert rows[f"{name}_high_pass_relative_error"].to_numpy() == pytest.approx(1.0)
    # It gets the first, the middle and the last image.
    with StoreReader(epoch) as reader:
        series = reader.read(0)["image"]
    np.testing.assert_array_equal(recorder.shown[0][0], series[..., [0, 2, 4]])


def test_refinement_pays_and_more_images_and_more_knowledge_do(done):
    _, rows = done
    errors = {name: rows[f"{name}_relative_error"] for name in WAYS}
    assert (errors["network_refined"] < 1.15 * errors["network"]).all()
    assert errors["network_refined"].median() < 0.9 * errors["network"].median()
    for fewer, more in (
        ("network_refined", "network_refined_all"),
        ("network_floor", "network_floor_all"),
        ("network_refined", "network_floor"),
        ("network_refined_all", "network_floor_all"),
    ):
        assert (errors[more] <= 1.1 * errors[fewer]).all()


def test_what_was_fitted_helps_the_classical_way(done):
    _, rows = done
    paper = rows["classical_paper_high_pass_relative_error"]
    assert (rows["classical_fitted_high_pass_relative_error"] < 0.8 * paper).all()
    assert (rows["classical_fitted_few_high_pass_relative_error"] < 0.8 * paper).all()


@pytest.mark.parametrize(
    ("images", "taken", "frames"),
    [(11, 3, (0, 5, 10)), (11, 2, (0, 10)), (5, 5, (0, 1, 2, 3, 4)), (7, 4, (0, 2, 4, 6))],
)
def test_frames_at_even_distances(images, taken, frames):
    assert taken_frames(images, taken) == frames


@pytest.mark.parametrize(("images", "taken"), [(11, 4), (11, 1), (3, 6)])
def test_frames_that_are_not(images, taken):
    with pytest.raises(ExitwaveError, match="even distances"):
        taken_frames(images, taken)


def test_the_drawn_percentiles_are_among_the_reconstructed_samples(done):
    folder, rows = done
    examples = read_examples_of(ComparisonExample, folder)
    assert [example.percentile for example in examples] == [25.0, 50.0, 75.0]
    for example in examples:
        assert example.row["sample_key"] in set(rows["sample_key"])
        assert example.image.shape == (48, 48, IMAGES)
        assert np.abs(example.network_refined - example.truth).mean() < 0.05
    assert len(rows) == 3


def test_any_number_of_workers_gives_the_same(epoch, done, tmp_path):
    _, rows = done
    (alone,) = compared(epoch, tmp_path, samples=1, percentiles=[50.0]).to_dict("records")
    (same,) = rows[rows["sample_key"] == alone["sample_key"]].to_dict("records")
    assert alone == same


def test_series_of_another_length_are_refused(epoch, tmp_path):
    with pytest.raises(ExitwaveError, match=r"series of 5 images, but 9 were"):
        compared(epoch, tmp_path, images=9)
    assert not list(tmp_path.iterdir())


def test_the_summary_has_the_medians_of_the_rows(done):
    folder, rows = done
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["network_frames"] == [0, 2, 4]
    for name in WAYS:
        median = summary["statistics"][f"{name}_rmse"]["median"]
        assert median == pytest.approx(rows[f"{name}_rmse"].median(), rel=1e-6)


def test_the_figures_are_drawn(done, tmp_path):
    folder, _ = done
    sources = (Source("classical", "classical", folder),)
    draw("comparison", Order(sources, 25.0), tmp_path)
    captions = read_captions(tmp_path)
    assert set(captions) == {"example", "errors"}
    assert "neither coma nor astigmatism" in captions["example"].text
    with pytest.raises(ExitwaveError, match="keeps no sample at 33 %"):
        draw("comparison", Order(sources, 33.0), tmp_path)


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    folder = tmp_path_factory.mktemp("networks") / "unet"
    settings = Network(**SETTINGS).part(NetworkSettings)
    save_network(folder, build_network(settings, 3), settings, {})
    return folder


def test_a_network_is_compared_by_its_calibration(epoch, network, tmp_path):
    spec = specs.compare_spec(
        configuration(samples=1, percentiles=[50.0], iterations=1), "classical"
    )
    with pytest.raises(ExitwaveError, match=CALIBRATION_NAME):
        compare_reconstructions(spec, network, [epoch], tmp_path)
    assert not list(tmp_path.iterdir())
    calibration = Calibration(ErrorPower.uniform(0.05), samples=1)
    (network / CALIBRATION_NAME).write_text(json.dumps(calibration.as_json()))
    compare_reconstructions(spec, network, [epoch], tmp_path)
    assert len(pd.read_csv(tmp_path / "samples.csv")) == 1
