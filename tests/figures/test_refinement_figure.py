"""Figures of refined series, of any number of images and verdicts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from exitwave.figures.kinds import refinement
from exitwave.figures.order import Source
from exitwave.figures.plots import draw_set
from exitwave.figures.style import save_figure
from exitwave.scoring.examples import RefinementExample, write_examples
from exitwave.scoring.validation_samples import Row, write_rows
from exitwave.summaries.scores import OPTICS

TOLERANCE_INCH = 0.02


def row(number: int, consistent: int) -> Row:
    values: Row = {f"{wave}_rmse": 0.1 + number for wave in ("network", "refined", "floor")}
    values |= {"sample_index": number, "scale": 1.0, "misfit": 1.0, "consistent": consistent}
    values["verdict"] = "Consistent: as far as can be seen."
    for optic in OPTICS.values():
        for prefix, sign in (("found", -1), ("true", -1), ("distance", 1), ("error", 1)):
            values[optic.column(prefix)] = sign * 123.4567 * number
    return {**values, "formula": "Cr2Ge2Te6"}


def write(folder: Path, frames: int, verdicts: list[int]) -> None:
    draws = np.random.default_rng(1)
    wave = np.exp(0.3j * draws.random((40, 40))).astype(np.complex64)
    images = draws.random((30, 30, frames)).astype(np.float32)
    rows = [row(number, consistent) for number, consistent in enumerate(verdicts)]
    write_rows(folder / "samples.csv", rows)
    example = RefinementExample(
        percentile=50.0,
        row=rows[-1],
        image=np.repeat(wave.real[..., np.newaxis], frames, axis=2),
        truth=wave,
        prediction=wave * np.complex64(np.exp(0.1j)),
        sampling=0.1,
        defocus=np.linspace(-150, 150, frames),
        dose=1e5,
        atom_number=np.array([6]),
        atom_position=np.zeros((1, 3)),
        gain="median",
        refined=wave,
        measured=images,
        computed=images,
        residual=0 * images,
        pixel=0.13,
    )
    write_examples(folder, [example], {})


@pytest.mark.parametrize(("frames", "verdicts"), [(2, [1]), (3, [0, 0]), (11, [1, 0, 1])])
def test_nothing_is_cut_off(
    frames: int, verdicts: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_off = []

    def measure_and_save(figure, folder, name, caption):
        save_figure(figure, folder, name, caption)
        box, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
        if min(box.x0, box.y0, width - box.x1, height - box.y1) < -TOLERANCE_INCH:
            cut_off.append(name)

    monkeypatch.setattr(refinement, "save_figure", measure_and_save)
    write(tmp_path, frames, verdicts)
    draw_set("refinement", [Source("one", "one", tmp_path)], tmp_path / "figures")
    names = {path.stem for path in (tmp_path / "figures").glob("*.png")}
    assert names == {"aberrations", "median"}
    assert cut_off == []


def test_colours_tell_verdicts_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = []
    monkeypatch.setattr(
        refinement,
        "save_figure",
        lambda figure, *_: labels.extend(
            text.get_text() for text in figure.axes[0].get_legend().get_texts()
        ),
    )
    rows = pd.DataFrame([row(number, number % 2) for number in range(5)])
    refinement._plot_aberrations(rows, tmp_path, "aberrations")
    assert labels == ["consistent (2)", "not to be believed (3)"]
