"""`exitwave reconstruct --refine`: what it writes, says and refuses."""

import json
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from spoiled_waves import ENERGY, LIMITS, SMEAR, series

from exitwave.cli import main
from exitwave.config import NetworkSettings
from exitwave.networks.architectures import build_network
from exitwave.networks.calibration import CALIBRATION_NAME, Calibration
from exitwave.networks.error_power import ErrorPower
from exitwave.networks.trained import save_network

SETTINGS = NetworkSettings(channels=(4, 6), convolutions=2, target_scale=2, image_scale=5)
CALIBRATION = Calibration(
    ErrorPower.uniform(0.05), 40, 0.0, 0.3, {"defocus": 1.0}, limits=LIMITS, smear_angstrom=SMEAR
)


def write_calibration(folder, calibration=CALIBRATION):
    (folder / CALIBRATION_NAME).write_text(json.dumps(calibration.as_json()))


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A folder with an untrained network, which sees next to nothing."""
    folder = tmp_path_factory.mktemp("networks") / "tiny"
    save_network(folder, build_network(SETTINGS, 3), SETTINGS, {})
    write_calibration(folder)
    return folder


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    """A file of three frames of counted electrons."""
    rendered, draw = series()
    electrons = draw.dose * rendered.sampling**2
    path = tmp_path_factory.mktemp("series") / "series.npy"
    np.save(path, np.moveaxis(rendered.image, -1, 0) * np.float32(electrons))
    return path


def words(frames, network, output, *more):
    rendered, draw = series()
    given = [
        "reconstruct",
        str(frames),
        *("--network", str(network), "--output", str(output), "--no-align"),
        *("--pixel-angstrom", str(rendered.sampling), "--energy-kev", str(ENERGY)),
        *("--defocus-angstrom", *(str(each) for each in draw.defocus)),
    ]
    return [*given, *more]


def dose():
    return ("--dose-per-square-angstrom", str(series()[1].dose))


def test_a_network_that_sees_nothing_is_not_believed(frames, network, tmp_path, capsys):
    output = tmp_path / "wave.nc"
    cs = series()[1].spherical_aberration / 1e4
    assert (
        main(words(frames, network, output, "--refine", *dose(), "--cs-micrometre", f"{cs}")) == 0
    )
    said = capsys.readouterr().out
    assert f"Cs {cs:.2f} ± 0.00 µm" in said
    assert "The camera's response was found from the noise of the images: c1 " in said
    assert "Warning: Not to be believed: " in said
    assert "wave.png and wave_fit.png." in said
    for name in ("wave.png", "wave_fit.png"):
        assert (tmp_path / name).stat().st_size > 10_000
    with xr.open_dataset(output) as stored:
        fitted = json.loads(stored.refinement)
        assert fitted["consistent"] is False
        assert fitted["spherical_aberration"] == pytest.approx(1e4 * cs)
        assert len(fitted["defocus"]) == 3
        assert json.loads(stored.settings)["known"]["spherical_aberration_micrometre"] == cs
        assert stored["exit_wave"].shape == stored["network_exit_wave"].shape
        assert stored["residual"].dims == ("y_fit", "x_fit", "frame")
        assert stored["residual"].shape == stored["computed_image"].shape
        assert float(stored["x_fit"][1]) == pytest.approx(0.17, abs=0.01)


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (("--refine",), "give --dose-per-square-angstrom"),
        (("--cs-micrometre", "1"), "--cs-micrometre is for a refinement; give --refine, too"),
        (("--defocus-is-exact",), "--defocus-is-exact is for a refinement"),
        (("--convergence-mrad", "0.1"), "--convergence-mrad is for --method classical"),
        (("--method", "classical"), "--network is not for --method classical"),
        (("--refine", "--blur-angstrom", "-1"), "--blur-angstrom is -1; give Å, from 0 to 20"),
        (("--refine", "--mtf-file", "nothing.csv"), "nothing.csv"),
    ],
)
def test_what_is_missing_or_wrong_is_said_in_a_sentence(
    frames, network, tmp_path, capsys, more, sentence
):
    given = () if sentence.startswith("give --dose") else dose()
    assert main(words(frames, network, tmp_path / "wave.nc", *given, *more)) != 0
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "wave.nc").exists()


@pytest.mark.parametrize(
    ("calibration", "sentence"),
    [
        (None, "exitwave calibrate --network"),
        (replace(CALIBRATION, scale_log_mean=None), "takes one image"),
        (replace(CALIBRATION, limits=None), "does not say for which microscopes"),
    ],
)
def test_networks_without_what_it_takes(frames, tmp_path, capsys, calibration, sentence):
    folder = tmp_path / "network"
    save_network(folder, build_network(SETTINGS, 3), SETTINGS, {})
    if calibration is not None:
        write_calibration(folder, calibration)
    assert main(words(frames, folder, tmp_path / "wave.nc", *dose(), "--refine")) != 0
    assert sentence in capsys.readouterr().err


def test_a_damaged_calibration(frames, network, tmp_path, capsys):
    folder = tmp_path / "network"
    save_network(folder, build_network(SETTINGS, 3), SETTINGS, {})
    for text in ("{", "[]", "{}", json.dumps({**CALIBRATION.as_json(), "error_power": {}})):
        (folder / CALIBRATION_NAME).write_text(text)
        assert main(words(frames, folder, tmp_path / "wave.nc", *dose(), "--refine")) != 0
        assert "calibration.json is damaged or of another version" in capsys.readouterr().err
    assert main(words(frames, network, tmp_path / "wave.nc", *dose())) == 0


def test_neither_a_network_nor_a_method(frames, network, tmp_path, capsys):
    given = words(frames, network, tmp_path / "wave.nc", *dose())
    place = given.index("--network")
    del given[place : place + 2]
    assert main(given) != 0
    assert "give the folder of one that was trained as --network" in capsys.readouterr().err
    # All that is known of the microscope is taken as it is.
    assert main([*given, "--method", "classical", "--cs-micrometre", "0", "--fit"]) == 0
    assert "wave.nc: wave of 100 x 100 px" in capsys.readouterr().out
    with xr.open_dataset(tmp_path / "wave.nc") as stored:
        assert stored["exit_wave"].long_name == "exit wave relative to the incident wave"
        assert json.loads(stored.settings)["fit"] == []


def test_a_refinement_begins_with_one_network(frames, network, tmp_path, capsys):
    other = tmp_path / "other"
    save_network(other, build_network(SETTINGS, 3), SETTINGS, {})
    given = words(frames, network, tmp_path / "wave.nc", *dose(), "--refine")
    given.insert(given.index(str(network)) + 1, str(other))
    assert main(given) != 0
    assert "begins with one network's wave, but 2 were named" in capsys.readouterr().err
