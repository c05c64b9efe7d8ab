"""Network against classical reconstruction on real series whose truth and microscope are known."""

import copy
import json

import numpy as np
import pandas as pd
import pytest
from small_dataset import RAW

from exitwave.config import parse_config
from exitwave.errors import ExitwaveError
from exitwave.figures.kinds import draw
from exitwave.figures.order import Order, Source
from exitwave.figures.style import read_captions
from exitwave.scoring.examples import WAYS, ComparisonExample, read_examples_of
from exitwave.stages.catalog import build_catalog
from exitwave.stages.compare import compare_predictions, taken_frames
from exitwave.stages.render import render_epoch
from exitwave.stages.simulate import simulate_exit_waves
from exitwave.workflow import specs

IMAGES = 5


def configuration(**comparison):
    raw = copy.deepcopy(RAW)
    small = raw["datasets"]["small"]
    small["multislice"]["sampling_angstrom"] = 0.1
    small["split"] = {"by": "samples", "training_samples": 1, "validation_samples": 1}
    # Many electrons and a good camera, so that only what is not told can be wrong.
    small["microscope"] = {
        "sampling_angstrom": [0.19, 0.21],
        "dose_log10_per_square_angstrom": [6.0, 6.0],
        "astigmatism_angstrom": [20.0, 25.0],
        "coma_angstrom": [500.0, 600.0],
        "mtf_c1": [0.9, 0.95],
    }
    small["epochs"] = {"image_size_px": 96}
    raw["networks"] = {"unet": {"dataset": "small", "channels": [2, 4], "images": 3}}
    raw["comparisons"] = {
        "classical": {
            "network": "unet",
            "dataset": "small",
            "images": IMAGES,
            "iterations": 40,
            "samples": 3,
            "high_pass_px": 5.0,
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


def compared(epoch, folder, predict=None, workers=1, **comparison):
    spec = specs.compare_spec(configuration(**comparison), "classical")
    compare_predictions(spec, predict or Recorder(), 3, [epoch], folder, workers=workers)
    return pd.read_csv(folder / "samples.csv")


@pytest.fixture(scope="module")
def done(epoch, tmp_path_factory):
    folder = tmp_path_factory.mktemp("compared")
    return folder, compared(epoch, folder)


def test_what_is_told_of_the_microscope_pays(done):
    _, rows = done
    everything = rows["classical_all_high_pass_relative_error"]
    assert (everything < 0.5 * rows["classical_paper_high_pass_relative_error"]).all()
    assert everything.median() < 0.2
    assert (everything <= rows["classical_few_high_pass_relative_error"] * 1.05).all()


def test_a_blind_network_has_the_error_of_vacuum(done):
    _, rows = done
    assert rows["network_relative_error"].to_numpy() == pytest.approx(1.0)
    assert rows["network_high_pass_relative_error"].to_numpy() == pytest.approx(1.0)


def test_the_network_gets_the_first_the_middle_and_the_last_image(epoch, tmp_path):
    from exitwave.files.reader import StoreReader

    recorder = Recorder()
    compared(epoch, tmp_path, recorder, iterations=1)
    with StoreReader(epoch) as reader:
        series = reader.read(0)["image"]
    np.testing.assert_array_equal(recorder.shown[0][0], series[..., [0, 2, 4]])


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
        assert example.image.shape == (96, 96, IMAGES)
    assert len(rows) == 3


def test_any_number_of_workers_gives_the_same(epoch, done, tmp_path):
    folder, _ = done
    compared(epoch, tmp_path, workers=2)
    assert (folder / "samples.csv").read_bytes() == (tmp_path / "samples.csv").read_bytes()


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
