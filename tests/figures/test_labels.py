"""Nothing is keyed by a label: what is called the same is drawn all the same."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from evaluation_files import evaluation_spec, flawed, oracle, write_epoch

from exitwave.config import parse_config
from exitwave.figures.kinds import KINDS, draw
from exitwave.figures.order import Order, Source
from exitwave.figures.style import Caption
from exitwave.files.documents import write_document
from exitwave.stages.evaluate import evaluate_predictions
from exitwave.stages.figure import draw_figure
from exitwave.summaries.training import TrainingSummary
from exitwave.workflow import specs

NETWORKS = ("one", "two", "three")


@pytest.fixture
def legends(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Texts of the legends of the figures that were drawn, which are not written."""
    found: list[list[str]] = []

    def note(figure: Any, folder: Path, name: str, caption: Caption) -> None:
        found.extend(
            [text.get_text() for text in axes.get_legend().get_texts()]
            for axes in figure.axes
            if axes.get_legend()
        )
        found.append([caption.text])

    for name in ("histograms", "history", "training_size"):
        monkeypatch.setattr(KINDS[name], "save_figure", note)
    return found


def training(samples: int) -> TrainingSummary:
    return TrainingSummary(
        parameters=9,
        training_samples=samples,
        validation_samples=4,
        image_size_px=(64, 64),
        epochs=1,
        loss=0.5,
        val_loss=0.25,
        best_epoch=1,
        best_val_loss=0.25,
        seconds=1.0,
        seconds_per_epoch=1.0,
        samples_per_second=float(samples),
        peak_memory_bytes=10**9,
        backend="tensorflow",
        device="a processor",
    )


def networks(folder: Path) -> list[Path]:
    """Three trained networks, of which each lost less than the one before."""
    paths = []
    for number, name in enumerate(NETWORKS, 1):
        path = folder / name
        path.mkdir()
        (path / "history.csv").write_text(f"epoch,loss,val_loss\n1,0.5,{0.25 / number}\n")
        write_document(path / "training.json", asdict(training(10 * number)))
        paths.append(path)
    return paths


def configuration(**shows: Any) -> Any:
    return parse_config(
        {
            "datasets": {"first": {"label": "Flakes"}, "second": {"label": "Flakes"}},
            "networks": {
                name: {"dataset": "second" if name == "two" else "first", "label": "U-Net"}
                for name in NETWORKS
            },
            "figures": {"drawn": {"of": NETWORKS, **shows}},
        }
    )


def test_evaluations_of_one_label_have_a_curve_each(
    tmp_path: Path, legends: list[list[str]]
) -> None:
    epoch = write_epoch(tmp_path / "00.nc", samples=3, size=64)
    evaluate_predictions(evaluation_spec(), oracle([epoch], flawed), [epoch], tmp_path / "e")
    same = (Source("a", "U-Net", tmp_path / "e"), Source("b", "U-Net", tmp_path / "e"))
    draw("histograms", Order(same), tmp_path)
    assert legends[0].count("U-Net") == 2


def test_networks_of_one_label_have_a_curve_each(tmp_path: Path, legends: list[list[str]]) -> None:
    spec = specs.figure_spec(configuration(shows="history"), "drawn")
    draw_figure(spec, networks(tmp_path), tmp_path)
    assert legends[0] == ["U-Net, training", "U-Net, validation"] * 3
    assert legends[1][0].count("U-Net") == 3
    assert "0.0833 in epoch 1" in legends[1][0]


def test_data_sets_of_one_label_share_no_curve(tmp_path: Path, legends: list[list[str]]) -> None:
    spec = specs.figure_spec(configuration(shows="training_size"), "drawn")
    draw_figure(spec, networks(tmp_path), tmp_path)
    assert legends[0] == ["Flakes, training", "Flakes, validation"] * 2
    assert "with 10 samples and 0.25 with 30; Flakes 0.25 with 20" in legends[1][0]


def test_labels_that_differ_need_no_names_in_the_spec() -> None:
    config = configuration(shows="training_size")
    assert '"datasets":["first","second","first"]' in specs.figure_spec(config, "drawn")
    raw = config.model_dump(mode="json")
    raw["datasets"]["second"]["label"] = "Other flakes"
    assert '"datasets"' not in specs.figure_spec(parse_config(raw), "drawn")
