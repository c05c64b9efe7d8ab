"""The study of convergence: errors fall, references are exact, figures are whole."""

from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.image import imread

from exitwave.config import parse_config
from exitwave.errors import ExitwaveError
from exitwave.figures.kinds import convergence as convergence_figures
from exitwave.figures.order import Source
from exitwave.figures.plots import draw_set
from exitwave.figures.style import Caption, read_captions, save_figure
from exitwave.multislice.convergence_study import read_study, variations
from exitwave.multislice.exit_wave import crop_band
from exitwave.scoring.metrics import blurred
from exitwave.stages import convergence
from exitwave.stages.convergence import measure_convergence, on_points, smeared_wave
from exitwave.summaries.convergence import Settings
from exitwave.workflow import specs

# 96 points a side, and a reference on 120.
RAW: dict[str, Any] = {
    "multislice": {"sampling_angstrom": 0.1, "slice_thickness_angstrom": 0.4},
    "convergence": {
        "box_angstrom": 9.6,
        "flake_radius_angstrom": [2.5, 3.0],
        "support_radius_angstrom": [2.5, 3.0],
        "slice_thicknesses_angstrom": [0.2, 0.8, 1.6],
        "samplings_angstrom": [0.1, 0.16],
        "reference_slice_thickness_angstrom": 0.2,
        "reference_sampling_angstrom": 0.08,
    },
}


def spec(**section: Any) -> str:
    raw = {**RAW, "convergence": {**RAW["convergence"], **section}}
    return specs.convergence_spec(parse_config(raw))


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("convergence")
    with pytest.MonkeyPatch.context() as patch:
        # These times tell nobody anything.
        patch.setattr(convergence, "_MOST_REPEATS", 1)
        measure_convergence(spec(), folder)
    return folder


@pytest.fixture(scope="module")
def rows(study: Path) -> list[dict[str, str]]:
    with (study / "errors.csv").open() as file:
        return list(csv.DictReader(file))


def errors(
    rows: list[dict[str, str]], comparison: str, projection: str, column: str = "relative_error"
) -> dict[tuple[float, float], float]:
    return {
        (float(row["slice_thickness_angstrom"]), float(row["sampling_angstrom"])): float(
            row[column]
        )
        for row in rows
        if (row["comparison"], row["projection"]) == (comparison, projection)
    }


def test_the_error_falls_with_finer_slices_to_0_at_the_reference(
    rows: list[dict[str, str]],
) -> None:
    found = errors(rows, "slice_thickness", "finite")
    assert list(found) == [(0.2, 0.1), (0.4, 0.1), (0.8, 0.1), (1.6, 0.1)]
    assert found[0.2, 0.1] == 0
    assert list(found.values()) == sorted(found.values())
    assert 0 < found[0.4, 0.1] < 1e-3
    # The infinite projection is another model: it does not reach the finite reference.
    assert errors(rows, "slice_thickness", "infinite")[0.2, 0.1] > 1e-6


@pytest.mark.parametrize("projection", ["finite", "infinite"])
def test_the_error_falls_with_finer_sampling(rows: list[dict[str, str]], projection: str) -> None:
    found = errors(rows, "sampling", projection)
    assert 0 < found[0.4, 0.1] < found[0.4, 0.16] < 1


@pytest.mark.parametrize("projection", ["finite", "infinite"])
def test_the_smear_lowers_the_error(rows: list[dict[str, str]], projection: str) -> None:
    sharp = errors(rows, "total", projection)
    smeared = errors(rows, "total", projection, "relative_error_smeared")
    assert len(sharp) == 5
    assert all(smeared[key] < sharp[key] for key in sharp)


def test_times_are_relative_to_the_configurations_own_settings(
    rows: list[dict[str, str]], study: Path
) -> None:
    for comparison in ("slice_thickness", "sampling", "total"):
        own = errors(rows, comparison, "finite", "relative_seconds")[0.4, 0.1]
        assert own == 1
    assert all(float(row["seconds"]) > 0 for row in rows)
    summary = json.loads((study / "summary.json").read_text())
    assert summary["settings"] == dataclasses.asdict(Settings("finite", 0.4, 0.1))
    [median] = summary["medians"].values()
    assert median["relative_error"] == pytest.approx(
        errors(rows, "total", "finite")[0.4, 0.1], rel=1e-4
    )


def test_a_comparison_leaves_the_other_setting_alone() -> None:
    made = variations(read_study(spec(projections=["infinite"])))
    for comparison, settings, reference in made:
        if comparison == "slice_thickness":
            assert settings.sampling == reference.sampling == 0.1
            assert (reference.projection, reference.slice_thickness) == ("finite", 0.2)
        elif comparison == "sampling":
            assert settings.slice_thickness == reference.slice_thickness == 0.4
            assert settings.projection == reference.projection
            assert reference.sampling == 0.08
        else:
            assert reference == Settings("finite", 0.2, 0.08)
    # The configuration's own settings are there whatever is asked for.
    assert ("total", Settings("finite", 0.4, 0.1), Settings("finite", 0.2, 0.08)) in made


def test_on_points_is_the_same_wave_at_more_points() -> None:
    rng = np.random.default_rng(1)
    orders = np.arange(-5, 6)
    coefficients = rng.normal(size=(11, 11)) + 1j * rng.normal(size=(11, 11))

    def wave(points: int) -> np.ndarray:
        phases = np.exp(2j * np.pi * np.outer(np.arange(points) / points, orders))
        return (phases @ coefficients @ phases.T).astype(np.complex64)

    np.testing.assert_allclose(on_points(wave(16), 24), wave(24), atol=2e-4)
    np.testing.assert_allclose(crop_band(on_points(wave(16), 24), 16), wave(16), atol=2e-4)


def test_the_smear_is_that_of_a_gaussian() -> None:
    wave = np.ones((96, 96), dtype=np.complex64)
    wave[40:44, 50:53] += 0.3 + 0.2j
    expected = blurred(wave, 0.15, 0.05)
    np.testing.assert_allclose(smeared_wave(wave, 4.8, 0.15), expected, atol=2e-4)


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        (
            {"reference_sampling_angstrom": 0.2},
            "reference_sampling_angstrom is 0.2, but samplings_angstrom goes down to 0.1; the",
        ),
        ({"slice_thicknesses_angstrom": []}, "convergence.slice_thicknesses_angstrom"),
        ({"samplings_angstrom": [0.0]}, "convergence.samplings_angstrom.0: input should be gre"),
        ({"materials": [{"selektion": "x"}]}, "did you mean 'selection'?"),
        ({"projection": ["finite"]}, "did you mean 'projections'?"),
        ({"box_angstrom": 5.0}, "enlarge box_angstrom or lower the radius"),
        ({"materials": [{}]}, "narrow the selection of an entry or give it a limit"),
        ({"materials": [{"selection": "natoms>99"}]}, "natoms>99"),
    ],
)
def test_a_mistake_is_told_in_one_sentence(
    section: dict[str, Any], expected: str, tmp_path: Path
) -> None:
    with pytest.raises(ExitwaveError) as caught:
        measure_convergence(spec(**section), tmp_path)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_settings_finer_than_the_reference_are_refused() -> None:
    raw = {**RAW, "multislice": {"sampling_angstrom": 0.05}}
    with pytest.raises(ExitwaveError, match=r"lower convergence\.reference_sampling_angstrom"):
        read_study(specs.convergence_spec(parse_config(raw)))


def test_nothing_is_left_to_be_drawn() -> None:
    drawn = {
        "energy_kev": [60.0, 80.0],
        "method": "fourier",
        "thermal": "frozen_phonons",
        "debye_temperatures_kelvin": {"Mo": 450.0},
    }
    raw = {**RAW, "multislice": {**RAW["multislice"], **drawn}}
    study = read_study(specs.convergence_spec(parse_config(raw)))
    full = study.full(study.own)
    assert (full.energy_kev, full.thermal, full.method) == (60.0, "smeared", "abtem")


def test_the_spec_knows_its_own_boxes_and_no_microscope() -> None:
    def changed(raw: dict[str, Any]) -> bool:
        return specs.convergence_spec(parse_config(raw)) != specs.convergence_spec(parse_config({}))

    assert not changed({"structure": {"box_angstrom": 30.0}})
    assert not changed({"microscope": {"blur_angstrom": [0, 1]}, "datasets": {"a": {}}})
    assert changed({"structure": {"hole_share": 0.1}})
    assert changed({"multislice": {"energy_kev": 80}})
    assert changed({"convergence": {"box_angstrom": 24.0}})
    reports = [
        specs.report_spec(parse_config(raw)) for raw in ({}, {"convergence": {"specimens": 2}})
    ]
    assert reports[0] == reports[1]


def test_figures_are_whole(study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {}

    def measure_and_save(figure: Any, folder: Path, name: str, caption: Caption) -> None:
        save_figure(figure, folder, name, caption)
        box, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
        sizes[name] = min(box.x0, box.y0, width - box.x1, height - box.y1)

    monkeypatch.setattr(convergence_figures, "save_figure", measure_and_save)
    draw_set("convergence", [Source("study", "", study)], tmp_path)
    captions = read_captions(tmp_path)
    assert list(captions) == ["slice_thickness", "sampling", "cost", "smear"]
    for name, caption in captions.items():
        assert all(len(text) > 3 for text in dataclasses.astuple(caption))
        assert sizes[name] > -0.02, name
        assert imread(tmp_path / f"{name}.png").std() > 0.05
        assert (tmp_path / f"{name}.svg").stat().st_size > 1000


def test_a_folder_that_holds_no_study_is_told(tmp_path: Path) -> None:
    with pytest.raises(ExitwaveError, match="run `snakemake convergence` again"):
        draw_set("convergence", [Source("study", "", tmp_path)], tmp_path / "figures")
