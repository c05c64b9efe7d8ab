"""Disagreement and error of ensembles of predictors whose errors are known."""

import json

import numpy as np
import pandas as pd
import pytest
from evaluation_files import CONFIG, oracle, write_epoch
from scipy.ndimage import gaussian_filter

from exitwave.config import parse_config
from exitwave.config.specs import ensemble_spec
from exitwave.ensemble import (
    EnsembleExample,
    disagreement,
    judge_predictions,
    specimen_pixels,
)
from exitwave.errors import ExitwaveError
from exitwave.examples import read_examples_of
from exitwave.plot_ensemble import plot_calibration, plot_disagreement
from exitwave.plot_style import read_captions

SAMPLES = 10


@pytest.fixture(scope="module")
def epoch(tmp_path_factory):
    return write_epoch(tmp_path_factory.mktemp("epochs") / "00.nc", samples=SAMPLES, size=64)


def spec(**changes):
    config = {
        **CONFIG,
        "networks": {"a": {"dataset": "flakes"}, "b": {"dataset": "flakes"}},
        "evaluations": {},
        "ensembles": {"two": {"networks": ["a", "b"], "dataset": "flakes", **changes}},
    }
    return ensemble_spec(parse_config(config), "two")


def noisy(epoch, member, size=0.02):
    """Truth and complex white noise of a member's own, its rms modulus `size`."""

    def degrade(wave, _):
        key = abs(hash(wave.tobytes())) % 2**32
        rng = np.random.default_rng((member, key))
        return wave + size / np.sqrt(2) * (
            rng.normal(size=wave.shape) + 1j * rng.normal(size=wave.shape)
        )

    return oracle([epoch], degrade)


def judged(predictors, epoch, folder, **changes):
    judge_predictions(spec(**changes), predictors, [epoch], folder)
    return json.loads((folder / "summary.json").read_text()), pd.read_csv(folder / "samples.csv")


def test_two_waves_disagree_by_their_distance_over_the_root_of_two():
    first = np.full((4, 4), 1 + 0.2j)
    second = np.full((4, 4), 1 - 0.1j)
    np.testing.assert_allclose(disagreement(np.stack([first, second])), 0.3 / np.sqrt(2))


@pytest.mark.parametrize("members", [2, 5])
def test_independent_errors_lie_on_the_line_of_independent_errors(epoch, tmp_path, members):
    predictors = [noisy(epoch, number) for number in range(members)]
    summary, rows = judged(predictors, epoch, tmp_path)
    assert summary["error_over_disagreement"] == pytest.approx(1 / np.sqrt(members), rel=0.02)
    assert summary["independent_errors"] == pytest.approx(1 / np.sqrt(members))
    assert summary["medians"]["disagreement"] == pytest.approx(0.02, rel=0.02)
    assert summary["medians"]["member_rmse"] == pytest.approx(0.02, rel=0.02)
    assert rows["rmse"].to_numpy() == pytest.approx(0.02 / np.sqrt(members), rel=0.1)


def test_errors_in_common_do_not_show(epoch, tmp_path):
    def wrong(wave, _):
        return wave + 0.05

    summary, _ = judged([oracle([epoch], wrong)] * 2, epoch, tmp_path)
    assert summary["medians"]["disagreement"] == 0
    assert summary["medians"]["rmse"] == pytest.approx(0.05, rel=1e-5)
    # Nothing to correlate with; JSON knows no NaN.
    assert summary["pixel_correlation"] is None
    assert summary["error_over_disagreement"] is None


def test_errors_where_members_differ_are_found(epoch, tmp_path):
    """One member is right, the other wrong at some columns."""

    def wrong(wave, _):
        return wave + 0.3j * (wave.imag > 0.8 * wave.imag.max())

    summary, _ = judged([oracle([epoch]), oracle([epoch], wrong)], epoch, tmp_path)
    assert summary["pixel_correlation"] > 0.99
    assert summary["worst_caught"] == pytest.approx(1)
    assert summary["error_over_disagreement"] == pytest.approx(1 / np.sqrt(2), rel=1e-6)


def test_the_bins_hold_all_pixels_in_order(epoch, tmp_path):
    judged([noisy(epoch, 1), noisy(epoch, 2)], epoch, tmp_path, bins=7)
    bins = pd.read_csv(tmp_path / "calibration.csv")
    assert bins["pixels"].sum() == SAMPLES * 64**2
    assert len(bins) == 7
    assert (np.diff(bins["disagreement"]) > 0).all()


def test_examples_are_the_telling_samples(epoch, tmp_path):
    _, rows = judged([noisy(epoch, 1), noisy(epoch, 2)], epoch, tmp_path)
    examples = {entry.reason: entry for entry in read_examples_of(EnsembleExample, tmp_path)}
    assert set(examples) == {"median", "disagreement", "missed", "spurious"}
    assert examples["disagreement"].row["disagreement"] == pytest.approx(
        rows["disagreement"].max(), rel=1e-6
    )
    spurious = rows["predicted_peaks"] * rows["spurious_share"]
    chosen = examples["spurious"].row
    assert chosen["predicted_peaks"] * chosen["spurious_share"] == pytest.approx(spurious.max())
    assert examples["median"].disagreement.shape == (64, 64)


def test_the_same_twice(epoch, tmp_path):
    for folder in ("one", "two"):
        judged([noisy(epoch, 1), noisy(epoch, 2)], epoch, tmp_path / folder)
    for name in ("samples.csv", "calibration.csv", "examples.npz"):
        one, two = ((tmp_path / folder / name).read_bytes() for folder in ("one", "two"))
        assert one == two or name == "examples.npz"  # zip archives tell the time


def test_vacuum_is_no_part_of_the_specimen(epoch):
    truth = np.ones((64, 64), dtype=complex)
    truth[20:30, 20:30] += 0.5j
    inside = specimen_pixels(truth, 0.2)
    assert inside[25, 25]
    assert not inside[50, 50]
    assert 100 < inside.sum() < 600
    assert gaussian_filter(inside.astype(float), 1).max() == pytest.approx(1)


def test_one_network_is_refused(epoch, tmp_path):
    with pytest.raises(ExitwaveError, match="two or more"):
        judge_predictions(spec(), [oracle([epoch])], [epoch], tmp_path)


def test_the_figures_are_drawn(epoch, tmp_path):
    judged([noisy(epoch, 1), noisy(epoch, 2, 0.1)], epoch, tmp_path / "two")
    plot_disagreement(tmp_path / "two", tmp_path / "figures")
    plot_calibration({"Two": tmp_path / "two"}, tmp_path / "figures")
    captions = read_captions(tmp_path / "figures")
    assert set(captions) == {"median", "disagreement", "missed", "spurious", "calibration"}
    assert "rank correlation" in captions["calibration"].text
