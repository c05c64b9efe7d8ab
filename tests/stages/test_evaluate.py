"""Evaluations of predictors whose quality is known."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from evaluation_files import evaluation_spec, flawed, oracle, write_epoch

from exitwave.errors import ExitwaveError
from exitwave.files.reader import StoreReader
from exitwave.scoring.examples import read_examples
from exitwave.scoring.metrics import blurred
from exitwave.scoring.validation_samples import IDENTITY_COLUMNS, Predictor, percentile_rank
from exitwave.stages.evaluate import (
    evaluate_network,
    evaluate_predictions,
    summarize,
)
from exitwave.summaries.scores import Quartiles


@pytest.fixture(scope="module")
def epoch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_epoch(tmp_path_factory.mktemp("epochs") / "00.nc", samples=11)


def evaluate(epoch: Path, output: Path, predict: Predictor) -> tuple[pd.DataFrame, dict[str, Any]]:
    evaluate_predictions(evaluation_spec(), predict, [epoch], output)
    summary = json.loads((output / "summary.json").read_text())
    return pd.read_csv(output / "samples.csv"), summary


def test_an_oracle_makes_no_error(epoch: Path, tmp_path: Path) -> None:
    samples, summary = evaluate(epoch, tmp_path, oracle([epoch]))
    assert len(samples) == summary["samples"] == 11
    for column in ("rmse_real", "rmse_imag", "rmse", "relative_error", "spurious_share"):
        assert (samples[column] == 0).all()
    assert (samples["found_share"] == 1).all()
    assert (samples["largest_displacement_pm"] == 0).all()
    assert summary["statistics"]["found_share"]["median"] == 1
    assert summary["ratios"]["vacuum_rmse_imag"] is None  # infinite, which JSON cannot hold
    assert (samples["chance_found_share"] < 0.5).all()
    assert samples["random_found_share"].between(0.01, 0.5).all()


def test_vacuum_and_blur_agree_with_their_baselines(epoch: Path, tmp_path: Path) -> None:
    samples, summary = evaluate(
        epoch, tmp_path / "vacuum", oracle([epoch], lambda wave, _: np.ones_like(wave))
    )
    assert np.allclose(samples["relative_error"], 1)
    assert np.allclose(samples["rmse_imag"], samples["vacuum_rmse_imag"], rtol=1e-6)
    assert (samples["found_share"] == 0).all()
    assert samples["largest_displacement_pm"].isna().all()
    assert summary["ratios"]["vacuum_rmse_imag"] == pytest.approx(1)
    samples, _ = evaluate(
        epoch,
        tmp_path / "blurred",
        oracle([epoch], lambda wave, sampling: blurred(wave, 0.6, sampling)),
    )
    for error in ("rmse_real", "rmse_imag", "rmse", "relative_error"):
        assert np.allclose(samples[error], samples[f"blurred_0.6_{error}"], rtol=1e-5)
        assert (samples[f"blurred_0.3_{error}"] < samples[error]).all()


def test_exchanged_targets_are_the_waves_of_other_samples(epoch: Path, tmp_path: Path) -> None:
    samples, _ = evaluate(epoch, tmp_path, oracle([epoch]))
    with StoreReader(epoch) as reader:
        waves = [sample["exit_wave"][..., 1] for sample in reader]
    for index, row in samples.iterrows():
        rmse = [np.sqrt(np.mean((waves[int(index)] - wave) ** 2)) for wave in waves]
        others = [value for place, value in enumerate(rmse) if place != index]
        assert min(abs(np.array(others) - row["exchanged_rmse_imag"])) < 1e-6


def test_examples_stand_at_their_percentiles(epoch: Path, tmp_path: Path) -> None:
    samples, summary = evaluate(epoch, tmp_path, oracle([epoch], flawed))
    examples = read_examples(tmp_path)
    assert [example.percentile for example in examples] == [5, 25, 50, 75, 95]
    by_quality = samples.sort_values("relative_error", ascending=False)["relative_error"]
    for example, described in zip(examples, summary["examples"], strict=True):
        assert example.row == {key: described[key] for key in described if key != "percentile"}
        worse = (samples["relative_error"] > example.row["relative_error"] * (1 + 1e-6)).sum()
        assert worse == percentile_rank(example.percentile, 11)
    assert examples[2].row["relative_error"] == pytest.approx(by_quality.iloc[5])
    assert examples[0].row["relative_error"] > examples[-1].row["relative_error"]
    first = examples[0]
    assert first.image.shape == (96, 96, 3)
    assert first.truth.dtype == first.prediction.dtype == np.complex64
    assert len(first.atom_number) == len(first.atom_position) == first.row["atom_count"]
    difference = first.prediction - first.truth
    assert np.sqrt(np.mean(difference.imag**2)) == pytest.approx(first.row["rmse_imag"], rel=1e-5)


def test_percentile_ranks_count_from_the_worst() -> None:
    assert [percentile_rank(p, 101) for p in (0, 5, 50, 95, 100)] == [0, 5, 50, 95, 100]
    assert [percentile_rank(p, 1) for p in (0, 50, 100)] == [0, 0, 0]


def test_percent_worse_is_zero_for_the_worst(epoch: Path, tmp_path: Path) -> None:
    samples, _ = evaluate(epoch, tmp_path, oracle([epoch], flawed))
    assert samples["percent_worse"][samples["relative_error"].idxmax()] == 0
    assert samples["percent_worse"][samples["relative_error"].idxmin()] == 100


def test_a_second_run_gives_the_same_bytes(epoch: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        evaluate(epoch, tmp_path / name, oracle([epoch], flawed))
    assert (tmp_path / "one/samples.csv").read_bytes() == (
        tmp_path / "two/samples.csv"
    ).read_bytes()
    summaries = [
        json.loads((tmp_path / name / "summary.json").read_text()) for name in ("one", "two")
    ]
    for summary in summaries:
        del summary["created"]
    assert summaries[0] == summaries[1]
    assert {path.name for path in (tmp_path / "one").iterdir()} == {
        "samples.csv",
        "summary.json",
        "examples.npz",
    }


def test_summary_says_how_it_was_made(epoch: Path, tmp_path: Path) -> None:
    _, summary = evaluate(epoch, tmp_path, oracle([epoch]))
    assert summary["spec"] == evaluation_spec()
    assert set(summary) >= {"spec", "git_commit", "exitwave_version", "conventions"}
    assert not set(IDENTITY_COLUMNS) & set(summary["statistics"])


def test_several_epochs_and_a_single_sample(epoch: Path, tmp_path: Path) -> None:
    other = write_epoch(tmp_path / "01.nc", samples=3, epoch=1)
    evaluate_predictions(
        evaluation_spec(), oracle([epoch, other], flawed), [epoch, other], tmp_path / "both"
    )
    both = pd.read_csv(tmp_path / "both/samples.csv", dtype={"epoch": str})
    assert both["epoch"].tolist() == ["00"] * 11 + ["01"] * 3
    single = write_epoch(tmp_path / "02.nc", samples=1)
    evaluate_predictions(evaluation_spec(), oracle([single]), [single], tmp_path / "single")
    alone = pd.read_csv(tmp_path / "single/samples.csv")
    assert "exchanged_rmse" not in alone
    assert alone["chance_found_share"].isna().all()


def test_memory_does_not_grow_with_the_number_of_samples(tmp_path: Path) -> None:
    def predict(images: np.ndarray, _: np.ndarray) -> np.ndarray:
        return np.ones(images.shape[:3], dtype=np.complex64)

    peaks = []
    for count in (9, 36):
        path = write_epoch(tmp_path / f"{count}.nc", samples=count)
        tracemalloc.start()
        evaluate_predictions(evaluation_spec(), predict, [path], tmp_path / str(count))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    one_sample = 96 * 96 * (3 + 2) * 4
    assert peaks[1] - peaks[0] < 5 * one_sample


def test_broken_predictions_are_told(epoch: Path, tmp_path: Path) -> None:
    with pytest.raises(ExitwaveError, match="diverged"):
        evaluate(epoch, tmp_path, oracle([epoch], lambda wave, _: wave * np.nan))
    with pytest.raises(ExitwaveError, match="shape"):
        evaluate(epoch, tmp_path, lambda images, _: np.ones((len(images), 2, 2)))
    with pytest.raises(ExitwaveError, match="no sample"):
        evaluate_predictions(evaluation_spec(), oracle([]), [], tmp_path)
    with pytest.raises(ExitwaveError, match="cannot be read"):
        read_examples(tmp_path / "absent")


def test_a_stored_network_is_evaluated(epoch: Path, tmp_path: Path) -> None:
    from exitwave.config import Network
    from exitwave.networks.architectures.unet import build_network
    from exitwave.networks.trained import save_network

    settings = Network(dataset="flakes", channels=(2, 4), convolutions=2)
    save_network(tmp_path / "network", build_network(settings, 3), settings, {})
    for name in ("one", "two"):
        evaluate_network(evaluation_spec(), tmp_path / "network", [epoch], tmp_path / name)
    samples = pd.read_csv(tmp_path / "one/samples.csv")
    assert len(samples) == 11
    assert (samples["rmse_imag"] > 0).all()
    assert (tmp_path / "one/samples.csv").read_bytes() == (
        tmp_path / "two/samples.csv"
    ).read_bytes()


def test_quartiles_and_gains_by_hand() -> None:
    rows = [
        {"rmse_real": real, "rmse_imag": 2 * real, "vacuum_rmse_real": 8.0, "vacuum_rmse_imag": 8.0}
        for real in (1.0, 2.0, 3.0, 4.0, 5.0)
    ]
    summary = summarize(rows)
    assert summary.statistics["rmse_real"] == Quartiles(2.0, 3.0, 4.0)
    assert summary.median("rmse_imag") == 6.0
    assert summary.median("exchanged_rmse_imag") is None
    assert summary.ratios["vacuum_rmse_imag"] == pytest.approx(8 / 6)
    assert np.isnan(summary.ratios["exchanged_rmse_imag"])
