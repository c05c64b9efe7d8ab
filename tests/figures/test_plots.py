"""Figures: they are all there, hold something, cut nothing off, and are the same in every run."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from evaluation_files import evaluation_spec, flawed, oracle, write_epoch
from matplotlib.image import imread

from exitwave.errors import ExitwaveError
from exitwave.figures import datasets as plot_datasets
from exitwave.figures import error_histograms
from exitwave.figures.faults import find_faults
from exitwave.figures.kinds import KINDS
from exitwave.figures.kinds import argand as plot_argand
from exitwave.figures.kinds import samples as plot_examples
from exitwave.figures.order import Source
from exitwave.figures.plots import draw_set
from exitwave.figures.style import (
    Caption,
    dose_text,
    drawing,
    element_colours,
    formula_text,
    plain_formula,
    read_captions,
    round_length,
    save_figure,
    signed,
)
from exitwave.scoring.examples import Example, read_examples
from exitwave.scoring.peaks import Peaks
from exitwave.stages.evaluate import evaluate_predictions

TOLERANCE_INCH = 0.02


@pytest.fixture(scope="module")
def epoch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_epoch(tmp_path_factory.mktemp("epochs") / "00.nc", samples=5, supported=True)


@pytest.fixture(scope="module")
def evaluation(epoch: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evaluation")
    evaluate_predictions(
        evaluation_spec(percentiles=[2.5, 50]), oracle([epoch], flawed), [epoch], folder
    )
    return folder


@pytest.fixture
def cut_off(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the figures that were drawn beyond their border."""
    names: list[str] = []

    def measure_and_save(figure: Any, folder: Path, name: str, caption: Caption) -> None:
        save_figure(figure, folder, name, caption)
        box, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
        inside = min(box.x0, box.y0, width - box.x1, height - box.y1)
        if inside < -TOLERANCE_INCH:
            names.append(f"{name} by {-inside:.2f} inch")

    for module in (plot_datasets, *(KINDS[name] for name in KINDS.names() if name != "dataset")):
        monkeypatch.setattr(module, "save_figure", measure_and_save)
    return names


def plot(name: str, output: Path, *paths: Path) -> None:
    draw_set(name, [Source(str(path), str(path), path) for path in paths], output)


def require_figures(folder: Path, names: set[str]) -> None:
    captions = read_captions(folder)
    assert set(captions) == names
    for name, caption in captions.items():
        assert all(len(text) > 3 for text in dataclasses.astuple(caption))
        picture = imread(folder / f"{name}.png")[..., :3]
        assert min(picture.shape[:2]) > 300
        assert picture.std() > 0.05
        ElementTree.parse(folder / f"{name}.svg")
    files = {f"{name}.{ending}" for name in names for ending in ("png", "svg")}
    assert {path.name for path in folder.iterdir()} == {*files, "captions.json"}


def test_figures_of_an_evaluation(evaluation: Path, tmp_path: Path, cut_off: list[str]) -> None:
    plot("evaluation", tmp_path, evaluation)
    require_figures(tmp_path, {"histograms", "argand", "percentile_02_5", "percentile_50"})
    assert cut_off == []
    median = read_captions(tmp_path)["percentile_50"]
    assert "50 % are worse" in median.text
    assert "pm (" in median.text


def test_a_second_run_draws_the_same_bytes(evaluation: Path, tmp_path: Path) -> None:
    example = read_examples(evaluation)[1]
    for name in ("one", "two"):
        with drawing():
            plot_argand.plot_argand(example, "argand", tmp_path / name, 0.3, 0.5)
    for ending in ("png", "svg"):
        files = [(tmp_path / name / f"argand.{ending}").read_bytes() for name in ("one", "two")]
        assert files[0] == files[1]


@pytest.mark.parametrize("frames", [1, 2, 4, 11])
def test_series_of_any_length(frames: int, tmp_path: Path, cut_off: list[str]) -> None:
    epoch = write_epoch(tmp_path / "00.nc", samples=2, frames=frames, size=64)
    evaluate_predictions(
        evaluation_spec(percentiles=[50]), oracle([epoch], flawed), [epoch], tmp_path / "e"
    )
    with drawing():
        plot_examples.plot_example(
            read_examples(tmp_path / "e")[0], "one", tmp_path / "figures", 0.3, 0.5, 2
        )
    require_figures(tmp_path / "figures", {"one"})
    assert cut_off == []


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_perfect_and_empty_predictions(
    share: float, epoch: Path, tmp_path: Path, cut_off: list[str]
) -> None:
    predict = oracle([epoch], lambda wave, _: 1 + share * (wave - 1))
    evaluate_predictions(evaluation_spec(percentiles=[50]), predict, [epoch], tmp_path / "e")
    plot("evaluation", tmp_path / "figures", tmp_path / "e")
    require_figures(tmp_path / "figures", {"histograms", "argand", "percentile_50"})
    assert cut_off == []
    caption = read_captions(tmp_path / "figures")["percentile_50"].text
    assert ("no peak found" in caption) == (share == 0)


def test_figures_of_a_dataset(epoch: Path, tmp_path: Path, cut_off: list[str]) -> None:
    plot("dataset", tmp_path, epoch, epoch)
    require_figures(tmp_path, {"samples", "parameters"})
    assert cut_off == []
    assert "10 focal series" in read_captions(tmp_path)["parameters"].text


def test_comparison(evaluation: Path, tmp_path: Path, cut_off: list[str]) -> None:
    sources = [Source(name, name, evaluation) for name in ("one", "the other")]
    draw_set("comparison", sources, tmp_path)
    require_figures(tmp_path, {"comparison"})
    assert cut_off == []


@pytest.mark.parametrize("epochs", [1, 60])
def test_history(epochs: int, tmp_path: Path, cut_off: list[str]) -> None:
    rows = [f"{epoch},{1 / epoch:.4f},{1.1 / epoch:.4f}" for epoch in range(1, epochs + 1)]
    (tmp_path / "history.csv").write_text("\n".join(["epoch,loss,val_loss", *rows]) + "\n")
    plot("network", tmp_path / "figures", tmp_path)
    require_figures(tmp_path / "figures", {"history"})
    assert cut_off == []
    assert f"in epoch {epochs}." in read_captions(tmp_path / "figures")["history"].text


def test_history_of_a_network_that_was_seldom_validated(tmp_path: Path, cut_off: list[str]) -> None:
    losses = {5: 0.3, 10: 0.2, 12: 0.25}
    rows = [f"{epoch},{1 / epoch:.4f},{losses.get(epoch, '')}" for epoch in range(1, 13)]
    (tmp_path / "history.csv").write_text("\n".join(["epoch,loss,val_loss", *rows]) + "\n")
    plot("network", tmp_path / "figures", tmp_path)
    assert cut_off == []
    caption = read_captions(tmp_path / "figures")["history"].text
    assert "0.2 in epoch 10." in caption
    assert "after the epochs for which they were computed" in caption


def test_broken_files_are_told(tmp_path: Path) -> None:
    (tmp_path / "history.csv").write_text("epoch,loss\n1,2\n")
    with pytest.raises(ExitwaveError, match="training history"):
        plot("network", tmp_path, tmp_path)
    with pytest.raises(ExitwaveError, match="evaluation"):
        plot("evaluation", tmp_path, tmp_path)
    with pytest.raises(ExitwaveError, match="no sample"):
        plot("dataset", tmp_path)


def test_the_worst_spot_is_the_most_displaced_peak(evaluation: Path) -> None:
    example = read_examples(evaluation)[0]
    faults = find_faults(example, 0.3, 0.5)
    assert faults.true is not None
    assert faults.predicted is not None
    shift = 100 * np.linalg.norm(faults.true - faults.predicted)
    assert shift == pytest.approx(example.row["largest_displacement_pm"])
    found = example.row["true_peaks"] - len(faults.missed)
    assert found / example.row["true_peaks"] == pytest.approx(example.row["found_share"])
    assert len(faults.spurious) == example.row["predicted_peaks"] - found


def test_names_of_examples(evaluation: Path) -> None:
    def name(percentile: float) -> str:
        example = dataclasses.replace(read_examples(evaluation)[0], percentile=percentile)
        assert isinstance(example, Example)
        return plot_examples.example_name(example)

    assert [name(p) for p in (0, 5, 2.5, 50, 100)] == [
        "percentile_00",
        "percentile_05",
        "percentile_02_5",
        "percentile_50",
        "percentile_100",
    ]


def test_long_series_keep_first_and_last() -> None:
    assert plot_examples.shown_frames(3) == [0, 1, 2]
    shown = plot_examples.shown_frames(20)
    assert (shown[0], shown[-1], len(shown)) == (0, 19, plot_examples.MOST_IMAGES)


def test_bins_hold_all_values_also_without_any() -> None:
    edges = error_histograms.log_bins(np.array([0.0, np.nan, 0.01, 0.5]))
    assert edges[0] < 0.01
    assert edges[-1] > 0.5
    assert np.all(np.diff(error_histograms.log_bins(np.zeros(3))) > 0)
    assert np.all(np.diff(error_histograms.log_bins(np.full(3, 0.2))) > 0)


def test_compositions_name_the_atoms_near_a_peak() -> None:
    peaks = Peaks(np.array([[0.0, 0.0], [3.0, 0.0], [6.0, 0.0]]), np.ones(3, dtype=complex))
    numbers = np.array([16, 6, 16, 42])
    positions = np.array([[0.1, 0, 0], [-0.1, 0.2, 3.0], [0, 0.3, 1.0], [3.4, 0, 0]])
    assert plot_argand.compositions(peaks, numbers, positions, 0.5) == ["S2C", "Mo", ""]


def test_many_compositions_fit_into_the_figure(
    evaluation: Path, tmp_path: Path, cut_off: list[str]
) -> None:
    example = read_examples(evaluation)[1]
    half = len(example.atom_number) // 2
    mixed = dataclasses.replace(
        example,
        atom_number=np.random.default_rng(0).integers(3, 90, half),
        atom_position=example.atom_position[:half],
    )
    with drawing():
        plot_argand.plot_argand(mixed, "argand", tmp_path, 0.1, 0.8)
    require_figures(tmp_path, {"argand"})
    assert cut_off == []


def test_rare_compositions_share_a_colour() -> None:
    from collections import Counter

    styles = plot_argand._styles(Counter({f"X{number}": 20 - number for number in range(12)}))
    assert len(styles) == plot_argand.MOST_COMPOSITIONS
    assert "other" in styles
    assert "X0" in styles
    assert "X11" not in styles


def test_sheet_shows_as_many_materials_as_possible() -> None:
    materials = ["a", "a", "a", "b", "b", "c"]
    assert plot_datasets.sheet_places(materials, 4) == [0, 3, 5, 1]
    assert plot_datasets.sheet_places(["a"] * 9, 3) == [0, 1, 2]


def test_texts_and_colours() -> None:
    assert [round_length(length) for length in (0.9, 1.0, 4.9, 12.0, 99)] == [0.5, 1, 2, 10, 50]
    assert [signed(value) for value in (-12.4, -0.4, 3.0)] == ["−12", "0", "+3"]
    assert dose_text(31_623.0) == "32\u202f000 e/Å²"
    assert formula_text("Mo12S2") == "Mo$_{12}$S$_{2}$"
    assert plain_formula("MoS2") == "MoS₂"
    colours = element_colours(np.array([6, 16, 42, 16, 7, 8, 34]))
    assert list(colours) == [42, 34, 16, 8, 7, 6]
    assert len(set(colours.values())) == 6
