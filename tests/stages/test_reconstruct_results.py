"""What `exitwave reconstruct` writes beside the wave, and how it marks a wave that is in doubt."""

import argparse
import json

import numpy as np
import pytest
import xarray as xr
from measured_files import write_mrc
from rsciio import hspy, tiff, zspy

from exitwave.cli import main
from exitwave.cli.tools import reconstruct as command
from exitwave.config import NetworkSettings
from exitwave.errors import ExitwaveError
from exitwave.figures.style import read_captions
from exitwave.networks.architectures import build_network
from exitwave.networks.trained import save_network
from exitwave.reconstruction import registration
from exitwave.reconstruction.other_formats import FORMATS
from exitwave.stages import reconstruct as stage
from exitwave.stages.reconstruct import reconstruct

PIXEL, SIZE = 0.105, (52, 44)
SETTINGS = NetworkSettings(channels=(4, 6), convolutions=2, target_scale=2, image_scale=5)


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A folder with an untrained network."""
    folder = tmp_path_factory.mktemp("networks") / "tiny"
    save_network(folder, build_network(SETTINGS, 3), SETTINGS, {})
    return folder


def words(network, series, output, *more):
    known = ["--energy-kev", "80", "--defocus-angstrom", "-50", "0", "50"]
    return [
        *("reconstruct", str(series), "--network", str(network), "--output", str(output)),
        *(*known, *map(str, more)),
    ]


def counts(mean=40.0):
    return np.random.default_rng(1).poisson(mean, (3, *SIZE)).astype(np.float32)


def test_a_command_with_references_writes_all_formats(network, tmp_path, capsys):
    rng = np.random.default_rng(2)
    truth, dark = counts(), rng.uniform(5, 9, SIZE).astype(np.float32)
    gain = rng.uniform(0.8, 1.2, SIZE).astype(np.float32)
    known = {"energy_kev": 80.0, "defocus_angstrom": (-50.0, 0.0, 50.0), "align": False}
    plain = write_mrc(tmp_path / "plain.mrc", truth, pixel=PIXEL)
    expected = reconstruct([plain], [network], tmp_path / "plain.nc", **known).wave
    series = write_mrc(tmp_path / "series.mrc", truth / gain + dark, pixel=PIXEL)
    references = {
        "gain": write_mrc(tmp_path / "gain.mrc", gain[np.newaxis], pixel=PIXEL),
        "dark": write_mrc(tmp_path / "dark.mrc", dark[np.newaxis], pixel=PIXEL),
    }
    output = tmp_path / "wave.nc"
    options = [f"--{name}-reference {path}".split() for name, path in references.items()]
    more = ["--no-align", *options[0], *options[1], "--formats", *FORMATS]
    assert main(words(network, series, output, *more)) == 0
    assert "multiplied by the gain in gain.mrc" in capsys.readouterr().out
    with xr.open_dataset(output) as stored:
        parts = stored["exit_wave"].values
        attributes = dict(stored.attrs)
    wave = parts[..., 0] + 1j * parts[..., 1]
    np.testing.assert_allclose(wave, expected, atol=1e-5)
    settings, made_from = (json.loads(attributes[name]) for name in ("settings", "inputs"))
    for name, path in references.items():
        assert settings[f"{name}_reference"] == str(path)
        assert made_from[f"{name}_reference"][0]["path"] == str(path)
    for module, name in ((hspy, "wave.hspy"), (zspy, "wave.zspy")):
        (found,) = module.file_reader(tmp_path / name)
        np.testing.assert_array_equal(found["data"], wave)
        assert found["original_metadata"]["settings"] == attributes["settings"]
        # As `write_mrc` stores it, in float32.
        assert found["axes"][0]["scale"] == pytest.approx(PIXEL, rel=1e-6)
    (phase,) = tiff.file_reader(tmp_path / "wave_phase.tif")
    np.testing.assert_array_equal(phase["data"], np.angle(wave))


def test_the_command_offers_the_formats_that_there_are():
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    (formats,) = (action for action in parser._actions if action.dest == "formats")
    assert tuple(formats.choices) == tuple(FORMATS)


@pytest.mark.parametrize(
    ("series", "output", "formats", "sentence"),
    [
        ("a.hspy", "a.nc", ("hspy",), "a.hspy would be replaced by a result"),
        ("b_phase.tif", "b.nc", ("tiff",), "b_phase.tif would be replaced"),
        ("a.hspy", "a.hspy", (), "--output is .*a.hspy; give the name of a NetCDF file, such as"),
        ("a.hspy", "a", (), "give the name of a NetCDF file"),
    ],
)
def test_a_result_replaces_nothing_that_is_read(
    series, output, formats, sentence, network, tmp_path
):
    (tmp_path / series).write_bytes(b"measured")
    with pytest.raises(ExitwaveError, match=sentence):
        reconstruct([tmp_path / series], [network], tmp_path / output, formats=formats)
    assert [path.name for path in tmp_path.iterdir()] == [series]
    assert (tmp_path / series).read_bytes() == b"measured"


@pytest.mark.parametrize(
    ("limits", "sentence"),
    [
        # A single turn moves images, so it does not end at rest.
        ({(registration, "_TURNS"): 1}, "The registration did not come to rest"),
        # Every turn is at rest, and every place is far away.
        (
            {(registration, "_AT_REST"): 1e9, (stage, "_FARTHEST"): 0.0},
            "The registration moved an image by more than a quarter of its side",
        ),
    ],
)
def test_a_registration_that_failed_is_a_warning(
    limits, sentence, network, tmp_path, monkeypatch, capsys
):
    """An untrained network makes nothing that images could be registered by."""
    for (module, name), value in ({(registration, "_STARTS"): (4.0,)} | limits).items():
        monkeypatch.setattr(module, name, value)
    series = write_mrc(tmp_path / "series.mrc", counts()[:, :32, :36], pixel=PIXEL)
    assert main(words(network, series, tmp_path / "wave.nc", "--formats", "hspy")) == 0
    assert f"Warning: {sentence}" in capsys.readouterr().out
    with xr.open_dataset(tmp_path / "wave.nc") as stored:
        assert sentence in stored.warnings
        assert sentence not in stored.notes
    (found,) = hspy.file_reader(tmp_path / "wave.hspy")
    assert sentence in found["metadata"]["General"]["notes"]
    assert "The registration" in read_captions(tmp_path)["wave"].text


def test_a_doubtful_gain_reference_is_a_warning(network, tmp_path):
    series = write_mrc(tmp_path / "series.mrc", counts(), pixel=PIXEL)
    flat = write_mrc(tmp_path / "flat.mrc", np.full((1, *SIZE), 4000, np.float32))
    found = reconstruct(
        [series],
        [network],
        tmp_path / "wave.nc",
        energy_kev=80.0,
        align=False,
        gain_reference=flat,
    )
    assert "flat.mrc has values about 4000" in found.warnings[0]
    assert "Not a gain reference?" in read_captions(tmp_path)["wave"].text
