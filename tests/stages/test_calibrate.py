"""Networks measured on their validation samples, and what is kept of that."""

import json
import math

import numpy as np
import pytest
from evaluation_files import CONFIG, flawed, oracle, write_epoch

from exitwave.config import parse_config
from exitwave.errors import ExitwaveError
from exitwave.networks.calibration import read_calibration
from exitwave.provenance.remake import command, description
from exitwave.scoring.refinements import Series, deviations, read_series, spread_places
from exitwave.stages import calibrate
from exitwave.stages.calibrate import calibrate_predictions
from exitwave.workflow.specs import calibrate_spec

SPEC = calibrate_spec(parse_config(CONFIG))
SAMPLES = 5


@pytest.fixture(scope="module")
def epoch(tmp_path_factory):
    folder = tmp_path_factory.mktemp("epochs")
    return write_epoch(folder / "00.nc", samples=SAMPLES, size=48)


@pytest.fixture(scope="module")
def done(epoch, tmp_path_factory):
    """A network that is calibrated on three of the five samples, and refines two others."""
    output = tmp_path_factory.mktemp("network") / "calibration.json"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calibrate, "MEASURED", 3)
        patch.setattr(calibrate, "REFINED", 2)
        calibrate_predictions(SPEC, oracle([epoch], flawed), 3, [epoch], output)
    return output


def test_a_calibration_says_what_was_measured_and_of_what(done, epoch):
    found = read_calibration(done)
    assert read_calibration(done.parent).optics_errors == found.optics_errors
    assert found.samples == 3
    assert found.smear_angstrom == 0.15
    assert found.limits == read_series(epoch, 0).limits
    assert set(found.optics_errors) == {
        "defocus",
        "spherical_aberration",
        "astigmatism",
        "coma",
        "trefoil",
        "shift",
        "intensity",
    }
    assert all(math.isfinite(value) and value >= 0 for value in found.optics_errors.values())
    assert 0 < found.largest_scale < math.inf
    assert (found.error_power.real > 0).all()


def test_a_worse_network_has_a_higher_error_power(done, epoch, tmp_path):
    output = tmp_path / "calibration.json"
    predict = oracle([epoch], lambda wave, _: 1 + 0.5 * (wave - 1))
    calibrate_predictions(SPEC, predict, 1, [epoch], output)
    blunt, better = read_calibration(output), read_calibration(done)
    # Half of the wave is missing, so the error is as strong as what is left.
    both = blunt.error_power.real + blunt.error_power.imag
    np.testing.assert_allclose(both, 1.0, rtol=0.2)
    assert np.median(better.error_power.imag) < np.median(blunt.error_power.imag)


def test_a_network_of_one_image_is_not_refined(epoch, tmp_path):
    output = tmp_path / "calibration.json"
    calibrate_predictions(SPEC, oracle([epoch], flawed), 1, [epoch], output)
    found = read_calibration(output)
    assert found.samples == SAMPLES
    assert found.scale_log_mean is found.scale_log_deviation is found.optics_errors is None
    assert found.largest_scale == math.inf


def test_it_says_how_it_was_made(done, epoch):
    stored = json.loads(done.read_text())
    assert stored["spec"] == SPEC
    assert [entry["path"] for entry in json.loads(stored["inputs"])["epochs"]] == [str(epoch)]
    text = description(done)
    assert text.startswith(f"{done}\n  stage       calibrate, algorithm version")
    words = f"exitwave calibrate --spec '{SPEC}' --output {done} {epoch}"
    assert command(done) == words


def test_waves_that_cannot_be_refined_are_left_out_and_all_of_them_are_told(
    epoch, tmp_path, monkeypatch
):
    def refine(_, task):
        if task.place not in worked:
            raise np.linalg.LinAlgError("singular")
        return calibrate._Refined(2.0, {"defocus": np.array([1.0])})

    monkeypatch.setattr(calibrate, "_refine", refine)
    worked = {2}
    output = tmp_path / "calibration.json"
    calibrate_predictions(SPEC, oracle([epoch]), 3, [epoch], output)
    assert read_calibration(output).scale_log_mean == pytest.approx(math.log(2))
    worked.clear()
    with pytest.raises(ExitwaveError, match="None of 5 series could be refined"):
        calibrate_predictions(SPEC, oracle([epoch]), 3, [epoch], tmp_path / "none.json")
    assert not (tmp_path / "none.json").exists()


@pytest.mark.parametrize(
    ("count", "wanted", "places"),
    [(1, 200, [0]), (5, 3, [0, 2, 4]), (4, 9, [0, 1, 2, 3]), (9, 1, [0])],
)
def test_places_at_even_distances(count, wanted, places):
    assert spread_places(count, wanted) == places


def test_one_failed_fit_does_not_spoil_the_errors_of_the_optics():
    good = [calibrate._Refined(1.0, {"defocus": np.array([value])}) for value in (-1.0, 1.0, 1.0)]
    failed = calibrate._Refined(9.0, {"defocus": np.array([1e4])})
    assert calibrate._typical([*good, failed])["defocus"] == pytest.approx(1 / 0.6745)


def test_deviations_count_angles_and_leave_the_middle_image_out(epoch):
    from dataclasses import replace

    series = read_series(epoch, 0)
    assert isinstance(series, Series)
    true = series.microscope
    found = replace(
        true,
        defocus=tuple(value + 2 for value in true.defocus),
        astigmatism_angle=true.astigmatism_angle + math.pi / 2,
        shift_x=(0.1, 0.0, 0.2),
        shift_y=(0.0, 0.0, 0.3),
        intensity=(1.0, 1.1, 1.0),
    )
    off = deviations(found, true)
    np.testing.assert_allclose(off["defocus"], 2.0)
    assert math.hypot(*off["astigmatism"]) == pytest.approx(2 * true.astigmatism)
    np.testing.assert_allclose(off["shift"], [0.1, 0.2, 0.0, 0.3])
    np.testing.assert_allclose(off["intensity"], [0.0, 0.1, 0.0], atol=1e-12)
    np.testing.assert_allclose([*off["coma"], *off["trefoil"]], 0.0, atol=1e-9)
