"""Series of an evaluation refined by their own images: what is written, drawn and said of them."""

import json

import numpy as np
import pandas as pd
import pytest
from evaluation_files import CONFIG, evaluation_spec, flawed, oracle, write_epoch

from exitwave.config import NetworkSettings, parse_config
from exitwave.errors import ExitwaveError
from exitwave.figures.order import Source
from exitwave.figures.plots import draw_set
from exitwave.figures.style import read_captions
from exitwave.files.documents import read_document
from exitwave.networks.calibration import Calibration
from exitwave.networks.error_power import ErrorPower
from exitwave.provenance.remake import command
from exitwave.report.blocks import Numbering
from exitwave.report.files import EvaluationFiles
from exitwave.report.networks import evaluation_section, results_tables
from exitwave.scoring.examples import RefinementExample, read_examples_of
from exitwave.scoring.metrics import wave_error
from exitwave.scoring.validation_samples import IDENTITY_COLUMNS
from exitwave.stages import refine
from exitwave.stages.evaluate import evaluate_predictions
from exitwave.stages.refine import refine_predictions, refine_samples
from exitwave.summaries.scores import OPTICS, RefinementSummary
from exitwave.workflow.specs import RefineSpec, refine_spec

SPEC = RefineSpec(seed=3, samples=3).text
POWER = ErrorPower.uniform(0.1)
CALIBRATION = Calibration.of_scales(POWER, 9, [0.8, 1.0, 1.3], {"defocus": 2.0, "astigmatism": 1.0})
WAVES = ("network", "refined", "floor")


@pytest.fixture(scope="module")
def epoch(tmp_path_factory):
    folder = tmp_path_factory.mktemp("epochs")
    return write_epoch(folder / "00.nc", samples=4, size=48)


@pytest.fixture(scope="module")
def done(epoch, tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluation") / "refinement"
    refine_predictions(SPEC, oracle([epoch], flawed), CALIBRATION, [epoch], folder)
    return folder


@pytest.fixture(scope="module")
def captions(done):
    draw_set("refinement", [Source("flakes", "flakes", done)], done / "figures")
    return read_captions(done / "figures")


@pytest.fixture(scope="module")
def rows(done):
    return pd.read_csv(done / "samples.csv")


def test_each_row_has_the_errors_of_all_waves_and_the_optics(rows):
    assert list(rows)[: len(IDENTITY_COLUMNS)] == list(IDENTITY_COLUMNS)
    assert len(rows) == 3
    assert rows["dose_per_square_angstrom"].is_monotonic_increasing
    for wave in WAVES:
        assert (rows[f"{wave}_rmse"] > 0).all()
    for optic in OPTICS.values():
        found, true, distance, bar = (
            rows[optic.column(prefix)] for prefix in ("found", "true", "distance", "error")
        )
        # The distance counts the angle, too.
        assert (distance >= abs(found - true) * (1 - 1e-5)).all()
        assert (bar > 0).all()
    assert (rows[OPTICS["defocus"].column("error")] > 2.0).all()
    assert set(rows["consistent"]) <= {0, 1}
    told = rows["verdict"].str.startswith("Consistent: ")
    assert (told == (rows["consistent"] == 1)).all()


def test_the_ends_of_the_doses_are_among_the_series(rows, epoch):
    from exitwave.files.reader import StoreReader

    with StoreReader(epoch) as reader:
        doses = reader.column("dose")
    assert rows["dose_per_square_angstrom"].iloc[0] == pytest.approx(min(doses))
    assert rows["dose_per_square_angstrom"].iloc[-1] == pytest.approx(max(doses))


def test_the_summary_has_quartiles_and_shares(done, rows):
    summary = read_document(done / "summary.json", RefinementSummary)
    assert (summary.samples, summary.failed) == (3, 0)
    assert summary.median("refined_rmse") == pytest.approx(rows["refined_rmse"].median(), rel=1e-6)
    near = rows[OPTICS["cs"].column("distance")] <= summary.within["cs"]
    assert summary.found["cs"] == pytest.approx(near.mean())
    assert summary.all_found <= min(summary.found.values())
    assert summary.consistent == pytest.approx(rows["consistent"].mean())
    assert not set(IDENTITY_COLUMNS) & set(summary.statistics)
    stored = json.loads((done / "summary.json").read_text())
    assert stored["spec"] == SPEC
    assert command(done).startswith(f"exitwave refine --spec '{SPEC}' --output {done}")


def test_the_examples_are_those_that_gained_most_and_least(done, rows):
    examples = read_examples_of(RefinementExample, done)
    gain = rows["refined_rmse"] / rows["network_rmse"]
    assert [example.gain for example in examples] == ["best", "median", "worst"]
    for example, expected in zip(examples, sorted(gain), strict=True):
        row = example.row
        assert row["refined_rmse"] / row["network_rmse"] == pytest.approx(expected, rel=1e-5)
        error = wave_error(example.refined, example.truth)
        assert error.rmse == pytest.approx(row["refined_rmse"], rel=1e-5)
        assert example.measured.shape == example.computed.shape == example.residual.shape
        assert example.measured.shape[-1] == 3
        assert example.pixel == pytest.approx(0.17, abs=0.02)


def test_examples_and_aberrations_are_drawn(done, captions):
    assert list(captions) == ["aberrations", "best", "median", "worst"]
    assert "3 series" in captions["aberrations"].text
    for name in captions:
        assert (done / f"figures/{name}.png").stat().st_size > 10000


def test_the_report_has_the_waves_the_floor_and_the_figures(epoch, done, captions, tmp_path):
    evaluation = tmp_path / "evaluation"
    evaluate_predictions(
        evaluation_spec(percentiles=[50]), oracle([epoch], flawed), [epoch], evaluation
    )
    files = EvaluationFiles("", "small", "flakes", evaluation, tmp_path / "none", done)
    (section,) = evaluation_section("small_on_flakes", files, Numbering()).sections
    assert section.title == "Refined by the physics"
    assert len(section.pictures) == 4
    waves, found = section.tables
    assert [row[0] for row in waves.rows] == [
        "network",
        "refined, aberrations unknown",
        "floor: refined, microscope known",
    ]
    assert [row[0] for row in found.rows] == [
        "defocus within 3 Å",
        "Cs within 0.5 µm",
        "C12 within 2 Å",
        "all of these",
    ]
    labels = {"small": "Small"}, {"flakes": "Flakes"}
    floors = results_tables({"small_on_flakes": files}, *labels)[0]
    assert floors.head[3] == "floor"
    assert "on 3" in floors.rows[0][3].remark
    plain = EvaluationFiles("", "small", "flakes", evaluation, tmp_path / "none")
    assert not evaluation_section("small_on_flakes", plain, Numbering()).sections
    assert "floor" not in results_tables({"small_on_flakes": plain}, *labels)[0].head


def test_series_that_cannot_be_refined_are_counted(epoch, tmp_path, monkeypatch):
    def fail(_, task):
        raise np.linalg.LinAlgError("singular")

    monkeypatch.setattr(refine, "_refine", fail)
    with pytest.raises(ExitwaveError, match="None of 3 series could be refined"):
        refine_predictions(SPEC, oracle([epoch], flawed), CALIBRATION, [epoch], tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("images", "message"), [(1, "takes one image, which"), (3, "There is no .*calibration.json")]
)
def test_networks_that_cannot_be_refined_are_refused(epoch, tmp_path, images, message):
    from exitwave.networks.architectures.unet import build_network
    from exitwave.networks.trained import save_network

    settings = NetworkSettings(images=images, channels=(2, 4), convolutions=2)
    save_network(tmp_path / "network", build_network(settings, 3), settings, {})
    with pytest.raises(ExitwaveError, match=message):
        refine_samples(SPEC, tmp_path / "network", [epoch], tmp_path / "refinement")
    assert not (tmp_path / "refinement").exists()


def test_the_spec_is_the_number_of_series_alone():
    raw = {**CONFIG, "evaluations": {"one": {"network": "small", "dataset": "flakes"}}}
    raw["evaluations"]["one"]["refined_samples"] = 3
    assert refine_spec(parse_config(raw), "one") == SPEC
