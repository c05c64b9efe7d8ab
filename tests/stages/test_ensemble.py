"""Disagreement and error of ensembles of predictors whose errors are known."""

import json
import tracemalloc
import zlib

import numpy as np
import pandas as pd
import pytest
from evaluation_files import CONFIG, oracle, write_epoch
from scipy.ndimage import gaussian_filter

from exitwave.config import parse_config
from exitwave.errors import ExitwaveError
from exitwave.figures.kinds import draw
from exitwave.figures.order import Order, Source
from exitwave.figures.style import read_captions
from exitwave.scoring.examples import EnsembleExample, read_examples_of
from exitwave.stages.ensemble import (
    disagreement,
    judge_ensemble,
    judge_predictions,
    specimen_pixels,
)
from exitwave.workflow.specs import ensemble_spec

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
        # Python's own hash of bytes is another one in every process.
        rng = np.random.default_rng((member, zlib.crc32(wave.tobytes())))
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


def varied(epoch, member):
    """Truth and white noise whose rms grows from column to column, by a hundred in all."""

    def degrade(wave, _):
        rng = np.random.default_rng((member, zlib.crc32(wave.tobytes())))
        sigma = np.geomspace(0.001, 0.1, wave.shape[1]) / np.sqrt(2)
        return wave + sigma * (rng.normal(size=wave.shape) + 1j * rng.normal(size=wave.shape))

    return oracle([epoch], degrade)


def test_bins_of_many_members_follow_the_lines(epoch, tmp_path):
    """A member is off by s, their mean by s / √n."""
    judged([varied(epoch, number) for number in range(16)], epoch, tmp_path, bins=10)
    bins = pd.read_csv(tmp_path / "calibration.csv")
    assert bins["error"].to_numpy() == pytest.approx(bins["disagreement"] / 4, rel=0.1)
    assert bins["member_error"].to_numpy() == pytest.approx(bins["disagreement"], rel=0.1)


def test_bins_of_two_members_rise_but_only_their_sum_is_on_the_line(epoch, tmp_path):
    """Two that err may agree by chance, so their small disagreements promise too much."""
    summary, _ = judged([varied(epoch, 1), varied(epoch, 2)], epoch, tmp_path, bins=10)
    bins = pd.read_csv(tmp_path / "calibration.csv")
    assert (np.diff(bins["error"]) > 0).all()
    assert (bins["error"] > 1.3 * bins["disagreement"] / np.sqrt(2))[:8].all()
    assert summary["error_over_disagreement"] == pytest.approx(1 / np.sqrt(2), rel=0.03)


def test_bins_are_flat_where_the_size_of_errors_is_the_same_everywhere(epoch, tmp_path):
    """There the disagreement is large or small by chance, and tells nothing."""
    summary, _ = judged([noisy(epoch, number) for number in range(2)], epoch, tmp_path, bins=5)
    bins = pd.read_csv(tmp_path / "calibration.csv")
    assert bins["error"].to_numpy() == pytest.approx(0.02 / np.sqrt(2), rel=0.05)
    assert bins["disagreement"].iloc[-1] > 4 * bins["disagreement"].iloc[0]
    assert abs(summary["pixel_correlation"]) < 0.05
    assert summary["worst_caught"] == pytest.approx(summary["worst_share"], abs=0.05)


def test_the_error_of_a_member_is_that_of_the_members(epoch, tmp_path):
    """The bins have it from the mean's error and the disagreement, the samples from each wave."""
    predictors = [oracle([epoch], lambda wave, _: wave + 0.03), noisy(epoch, 1), noisy(epoch, 2)]
    judged(predictors, epoch, tmp_path)
    bins = pd.read_csv(tmp_path / "calibration.csv")
    found = np.average(bins["member_error"] ** 2, weights=bins["pixels"])
    assert found == pytest.approx((0.03**2 + 2 * 0.02**2) / 3, rel=0.02)


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
    summary, rows = judged([noisy(epoch, 1, 0.3), noisy(epoch, 2, 0.3)], epoch, tmp_path)
    assert rows["spurious_peaks"].max() > 0
    examples = {entry.reason: entry for entry in read_examples_of(EnsembleExample, tmp_path)}
    assert set(examples) == {"median", "disagreement", "missed", "spurious"}
    assert examples["disagreement"].row["disagreement"] == pytest.approx(
        rows["disagreement"].max(), rel=1e-6
    )
    for reason in ("missed", "spurious"):
        assert examples[reason].row[f"{reason}_peaks"] == rows[f"{reason}_peaks"].max()
    spurious = rows["predicted_peaks"] * rows["spurious_share"]
    assert rows["spurious_peaks"].to_numpy() == pytest.approx(spurious.to_numpy())
    missed = rows["true_peaks"] * (1 - rows["found_share"])
    assert rows["missed_peaks"].to_numpy() == pytest.approx(missed.to_numpy(), abs=1e-4)
    told = {entry["reason"]: entry["sample_key"] for entry in summary["examples"]}
    assert told == {reason: entry.row["sample_key"] for reason, entry in examples.items()}
    assert examples["median"].disagreement.shape == (64, 64)


def test_the_same_twice(epoch, tmp_path):
    for folder in ("one", "two"):
        judged([noisy(epoch, 1), noisy(epoch, 2)], epoch, tmp_path / folder)
    for name in ("samples.csv", "calibration.csv"):
        one, two = ((tmp_path / folder / name).read_bytes() for folder in ("one", "two"))
        assert one == two
    # Archives tell the time of their members, so their content is compared.
    with (
        np.load(tmp_path / "one/examples.npz") as one,
        np.load(tmp_path / "two/examples.npz") as two,
    ):
        assert one.files == two.files
        for name in one.files:
            np.testing.assert_array_equal(one[name], two[name])


def test_memory_does_not_grow_with_the_number_of_samples(tmp_path):
    def predictor(value):
        return lambda images, _: np.full(images.shape[:3], value, dtype=np.complex64)

    peaks = []
    for count in (24, 48):
        path = write_epoch(tmp_path / f"{count}.nc", samples=count, size=64)
        tracemalloc.start()
        judged([predictor(1.0), predictor(1.1)], path, tmp_path / str(count))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    one_sample = 64 * 64 * (3 + 2 + 4) * 4
    assert peaks[1] - peaks[0] < 5 * one_sample


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
    # Before the network is looked for.
    with pytest.raises(ExitwaveError, match="two or more"):
        judge_ensemble(spec(), [tmp_path / "absent"], [epoch], tmp_path)


def order(**folders):
    return Order(tuple(Source(name, name, folder) for name, folder in folders.items()))


def test_wrong_inputs_end_in_a_sentence(epoch, tmp_path):
    good = oracle([epoch])
    with pytest.raises(ExitwaveError, match="no sample"):
        judge_predictions(spec(), [good, good], [], tmp_path)
    with pytest.raises(ExitwaveError, match="shape"):
        judged([good, lambda images, _: np.ones((len(images), 2, 2))], epoch, tmp_path)
    with pytest.raises(ExitwaveError, match="diverged"):
        judged([good, oracle([epoch], lambda wave, _: wave * np.nan)], epoch, tmp_path)
    with pytest.raises(ExitwaveError, match="no spec of the stage"):
        judge_predictions('{"stage":"evaluate"}', [good, good], [epoch], tmp_path)
    for kind in ("disagreement", "calibration"):
        with pytest.raises(ExitwaveError, match="cannot be read"):
            draw(kind, order(a=tmp_path / "absent"), tmp_path / "figures")


def test_stored_networks_are_judged(epoch, tmp_path):
    from exitwave.config import Network
    from exitwave.networks.architectures.unet import build_network
    from exitwave.networks.trained import save_network

    folders = []
    for replica in (0, 1):
        settings = Network(dataset="flakes", channels=(2, 4), convolutions=2, replica=replica)
        folders.append(tmp_path / f"network_{replica}")
        save_network(folders[-1], build_network(settings, 3), settings, {})
    judge_ensemble(spec(), folders, [epoch], tmp_path / "two")
    summary = json.loads((tmp_path / "two/summary.json").read_text())
    assert summary["members"] == 2
    assert summary["medians"]["disagreement"] > 0
    told = json.dumps(summary["inputs"])
    assert all(folder.name in told for folder in folders)


def test_the_figures_are_drawn(epoch, tmp_path):
    judged([noisy(epoch, 1), noisy(epoch, 2, 0.1)], epoch, tmp_path / "two")
    judged([noisy(epoch, number) for number in range(3)], epoch, tmp_path / "three")
    draw("disagreement", order(Two=tmp_path / "two"), tmp_path / "figures")
    both = order(Two=tmp_path / "two", Three=tmp_path / "three")
    draw("calibration", both, tmp_path / "figures")
    captions = read_captions(tmp_path / "figures")
    assert set(captions) == {"median", "disagreement", "missed", "spurious", "calibration"}
    assert "Two: rank correlation" in captions["calibration"].text
    draw("disagreement", both, tmp_path / "each")
    reasons = ("median", "disagreement", "missed", "spurious")
    assert set(read_captions(tmp_path / "each")) == {
        f"{name}_{reason}" for name in ("Two", "Three") for reason in reasons
    }
    assert "Three: rank correlation" in captions["calibration"].text
    picture = (tmp_path / "figures/calibration.svg").read_text()
    assert "s / √2" in picture
    assert "s / √3" in picture


def test_networks_that_agree_everywhere_can_be_drawn(epoch, tmp_path):
    judged([oracle([epoch])] * 2, epoch, tmp_path / "same")
    for kind in ("disagreement", "calibration"):
        draw(kind, order(Same=tmp_path / "same"), tmp_path / "figures")
    captions = read_captions(tmp_path / "figures")
    assert "unknown share" in captions["calibration"].text
    assert "the 0 of" in captions["missed"].text
