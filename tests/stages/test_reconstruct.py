"""A microscope's series through a network: the same wave from every format, or a refusal."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from imaging_cases import MEDIAN
from measured_files import write_mrc, write_signal

import exitwave
from exitwave.cli import main
from exitwave.config import NetworkSettings
from exitwave.errors import ExitwaveError
from exitwave.networks.architectures import build_network
from exitwave.networks.domain import TrainingDomain
from exitwave.networks.trained import TrainedNetwork, load_network, predict_waves, save_network
from exitwave.reconstruction.request import doubts_about
from exitwave.stages.reconstruct import OutsideDomainError, reconstruct

PIXEL = 0.105
SETTINGS = NetworkSettings(channels=(4, 6), convolutions=2, target_scale=2, image_scale=5)
DOMAIN = TrainingDomain(
    images=3,
    energy_kev=(80.0, 80.0),
    sampling_angstrom=(0.10, 0.11),
    defocus_angstrom=(-150.0, 150.0),
    defocus_step_angstrom=(49.0, 51.0),
)
KNOWN = {
    "pixel_angstrom": PIXEL,
    "energy_kev": 80.0,
    "defocus_angstrom": (-50.0, 0.0, 50.0),
    # An untrained network makes nothing that images could be registered by.
    "align": False,
}


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A folder with an untrained network that says what it was trained for."""
    folder = tmp_path_factory.mktemp("networks") / "tiny"
    save_network(folder, build_network(SETTINGS, 3), SETTINGS, {}, domain=DOMAIN)
    return folder


def counts(frames=3, size=(52, 44)):
    return np.random.default_rng(1).poisson(40, (frames, *size)).astype(np.float32)


def series(folder, kind, frames):
    """Write frames as a file of a kind, with their pixel where the kind has one."""
    path = folder / f"series.{kind}"
    if kind == "npy":
        np.save(path, frames)
        return path
    if kind == "mrc":
        return write_mrc(path, frames, pixel=PIXEL)
    return write_signal(path, frames, pixel=(PIXEL / 10, PIXEL / 10))


@pytest.mark.parametrize("kind", ["npy", "tif", "mrc", "hspy"])
def test_every_format_gives_the_wave_of_the_network(network, tmp_path, kind):
    frames = counts()
    path = series(tmp_path, kind, frames)
    found = exitwave.reconstruct([path], [network], tmp_path / "wave.nc", **KNOWN)
    expected = predict_waves(load_network(network), np.moveaxis(frames, 0, -1)[np.newaxis], PIXEL)[
        0
    ]
    np.testing.assert_allclose(found.wave, expected, atol=1e-6)
    with xr.open_dataset(tmp_path / "wave.nc") as stored:
        wave = stored["exit_wave"].values
        np.testing.assert_array_equal(wave[..., 0] + 1j * wave[..., 1], found.wave)
        np.testing.assert_allclose(stored["phase"], np.angle(found.wave))
        assert stored["x"].units == "angstrom"
        assert float(stored["x"][1] - stored["x"][0]) == pytest.approx(PIXEL)
        assert [entry["path"] for entry in json.loads(stored.inputs)["series"]] == [str(path)]
        assert json.loads(stored.settings)["energy_kev"] == 80.0
        assert stored.warnings == ""
    assert (tmp_path / "wave.png").stat().st_size > 10_000


def test_the_images_are_chosen_and_ordered_as_in_the_training(network, tmp_path):
    """Nine frames whose defocus falls by 25 Å, of which each second one is taken, last first."""
    frames = counts(9)
    path = series(tmp_path, "npy", frames)
    known = KNOWN | {"defocus_angstrom": np.arange(100.0, -101.0, -25.0)}
    found = reconstruct([path], [network], tmp_path / "wave.nc", **known)
    chosen = frames[[6, 4, 2]]
    np.testing.assert_allclose(found.images, np.moveaxis(chosen / chosen.mean(), 0, -1), rtol=1e-5)
    assert "Of 9 images the network is given numbers 6, 4, 2" in " ".join(found.notes)


def test_movies_are_summed_and_the_dark_level_is_taken_off(network, tmp_path):
    frames = counts(6)
    plain = reconstruct(
        [series(tmp_path, "npy", frames[::2] + frames[1::2])],
        [network],
        tmp_path / "plain.nc",
        **KNOWN,
    )
    movie = reconstruct(
        [series(tmp_path, "npy", frames + 7)],
        [network],
        tmp_path / "movie.nc",
        frames_per_image=2,
        dark_level=7,
        **KNOWN,
    )
    np.testing.assert_allclose(movie.wave, plain.wave, atol=1e-6)


def test_images_come_onto_pixels_of_the_network(network, tmp_path):
    x = np.tile(0.15 * np.arange(67), (80, 1))
    smooth = [100 + 20 * np.cos(2 * np.pi * (x + phase) / 2.5) for phase in (0.0, 0.4, 0.8)]
    path = series(tmp_path, "npy", np.array(smooth, dtype=np.float32))
    found = reconstruct([path], [network], tmp_path / "wave.nc", **KNOWN | {"pixel_angstrom": 0.15})
    assert 0.10 <= found.sampling_angstrom <= 0.11
    # The same field, and the same lattice in it.
    assert found.wave.shape[1] * found.sampling_angstrom == pytest.approx(10.05, abs=0.06)
    line = found.images[30, :, 0] - found.images[30, :, 0].mean()
    period = len(line) / np.argmax(
        np.abs(np.fft.rfft(line * np.hanning(len(line)), 16 * len(line)))
    )
    assert 16 * period * found.sampling_angstrom == pytest.approx(2.5, rel=0.03)
    assert "resampled from 0.15 to 0.10" in " ".join(found.notes)


def test_a_hot_pixel_does_not_reach_the_network(network, tmp_path):
    frames = counts()
    frames[1, 20, 20] = 1e5
    found = reconstruct([series(tmp_path, "npy", frames)], [network], tmp_path / "wave.nc", **KNOWN)
    assert found.images.max() < 3
    assert "1 hot pixels were replaced" in " ".join(found.notes)


def test_several_networks_say_where_they_disagree(network, tmp_path):
    other = SETTINGS.model_copy(update={"replica": 1})
    folder = tmp_path / "other"
    save_network(folder, build_network(other, 3), other, {}, domain=DOMAIN)
    path = series(tmp_path, "npy", counts())
    waves = [
        reconstruct([path], [each], tmp_path / "one.nc", **KNOWN).wave for each in (network, folder)
    ]
    both = reconstruct([path], [network, folder], tmp_path / "wave.nc", **KNOWN)
    np.testing.assert_allclose(both.wave, (waves[0] + waves[1]) / 2, atol=1e-6)
    np.testing.assert_allclose(
        both.disagreement, np.abs(waves[0] - waves[1]) / np.sqrt(2), atol=1e-5
    )
    with xr.open_dataset(tmp_path / "wave.nc") as stored:
        np.testing.assert_array_equal(stored["disagreement"], both.disagreement)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"energy_kev": 200.0}, "trained at an energy of 80 keV, but here is one of 200 keV"),
        (
            {"defocus_angstrom": (0.0, 20.0, 40.0)},
            "steps of the defocus of 49 to 51 Å, but here are some of 20 Å",
        ),
        ({"defocus_angstrom": (200.0, 250.0, 300.0)}, "defoci of -150 to 150 Å"),
        ({"pixel_angstrom": 0.3}, "pixels of 0.1 to 0.11 Å, but here are some of 0.3 Å"),
    ],
)
def test_another_series_is_refused_or_marked(network, tmp_path, capsys, values, sentence):
    path = series(tmp_path, "npy", counts())
    output = tmp_path / "wave.nc"
    with pytest.raises(OutsideDomainError, match=sentence):
        reconstruct([path], [network], output, **KNOWN | values)
    assert not output.exists()
    known = KNOWN | values
    words = [
        *("reconstruct", str(path), "--network", str(network), "--output", str(output)),
        *("--no-align", "--pixel-angstrom", str(known["pixel_angstrom"])),
        *("--energy-kev", str(known["energy_kev"])),
        *("--defocus-angstrom", *map(str, known["defocus_angstrom"])),
    ]
    assert main(words) == 1
    assert sentence in capsys.readouterr().err
    assert main([*words, "--force"]) == 0
    assert sentence in capsys.readouterr().out
    with xr.open_dataset(output) as stored:
        assert sentence in stored.warnings


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"pixel_angstrom": None}, "--pixel-angstrom"),
        ({"pixel_angstrom": -0.1}, "--pixel-angstrom is -0.1; give Å, from 0.005 to 10"),
        ({"pixel_angstrom": 1e9}, "give Å, from 0.005 to 10"),
        ({"pixel_angstrom": 0.0105}, "5 x 4 px of the network's .* 16 px each way are the least"),
        ({"energy_kev": 0.0}, "--energy-kev is 0; give keV, from 1 to 3000"),
        ({"energy_kev": 8e4}, "give keV, from 1 to 3000"),
        ({"defocus_angstrom": (0.0, 50.0, float("nan"))}, "no finite number"),
        ({"defocus_step_angstrom": 50.0}, "Both --defocus-angstrom and --defocus-step-angstrom"),
        ({"frames": (0, 1, 1)}, "--frames names a frame twice"),
        ({"energy_kev": None}, "--energy-kev"),
        ({"defocus_angstrom": (0.0, 50.0)}, "names 2 defoci, but there are 3 images"),
        ({"frames": (0, 1, 7)}, "no frame 7 in series.npy; --frames takes numbers from 0 to 2"),
        ({"frames": (0, 1)}, "has 2 images, but the network takes 3"),
        ({"frames_per_image": 2}, "cannot be summed by 2"),
        ({"frames_per_image": 3, "defocus_angstrom": None}, "has 1 images, but the network takes"),
        ({"dark_level": 1e3}, "mean intensity of -"),
        ({"dark_level": 1.0, "dark_reference": "a.mrc"}, "Both --dark-level and --dark-reference"),
        ({"gain_reference": "a.mrc"}, "no file a.mrc"),
        ({"formats": ("hspy", "dm4")}, "no format 'dm4' for a wave"),
    ],
)
def test_what_is_missing_or_wrong_is_said_in_a_sentence(network, tmp_path, values, sentence):
    path = series(tmp_path, "npy", counts())
    with pytest.raises(ExitwaveError, match=sentence):
        reconstruct([path], [network], tmp_path / "wave.nc", **KNOWN | values)
    assert not (tmp_path / "wave.nc").exists()


def test_what_casts_doubt_on_a_wave_is_a_warning(network, tmp_path):
    """An empty place of the camera, a dark level that is too high, defoci that are not known."""
    path = series(tmp_path, "npy", counts())
    for values, sentence in (
        ({"dark_level": 36.0}, r"2\d % of the pixels of an image are below 0"),
        ({"defocus_angstrom": None}, "steps of the defocus are not known"),
    ):
        found = reconstruct(path, network, tmp_path / "wave.nc", **KNOWN | values)
        assert re.search(sentence, " ".join(found.warnings))
    assert not reconstruct(path, network, tmp_path / "wave.nc", **KNOWN).warnings
    empty = series(tmp_path, "npy", np.full((3, 44, 52), 7, np.uint16))
    with pytest.raises(ExitwaveError, match=r"Image 0 .* has one value everywhere"):
        reconstruct(empty, network, tmp_path / "wave.nc", **KNOWN)


def test_a_dose_that_is_given_is_asked_for_in_the_training(tmp_path):
    folder = tmp_path / "network"
    domain = replace(DOMAIN, dose_per_square_angstrom=(1e3, 1e5))
    save_network(folder, build_network(SETTINGS, 3), SETTINGS, {}, domain=domain)
    path = series(tmp_path, "npy", counts())
    known = KNOWN | {"dose_per_square_angstrom": 100.0}
    with pytest.raises(
        OutsideDomainError, match=r"a dose of 1000 to 1e.05 e/Å², but here is one of"
    ):
        reconstruct(path, folder, tmp_path / "wave.nc", **known)


def test_where_nothing_can_be_written_is_said_before_the_work(network, tmp_path):
    path = series(tmp_path, "npy", counts())
    (tmp_path / "file").write_text("")
    (tmp_path / "wave.zspy").write_text("")
    for output, sentence, formats in (
        (tmp_path / "file/wave.nc", "no such folder", ()),
        (Path("/proc/nowhere/wave.nc"), "no such folder", ()),
        (tmp_path / "wave.nc", "wave.zspy is a file, where a result", ("zspy",)),
    ):
        with pytest.raises(ExitwaveError, match=sentence):
            reconstruct(path, network, output, formats=formats, **KNOWN)


@pytest.mark.parametrize("networks", [[], ["nowhere"], ["twice", "twice"]])
def test_networks_that_are_none_are_refused(network, tmp_path, networks):
    path = series(tmp_path, "npy", counts())
    given = [network if name == "twice" else tmp_path / name for name in networks]
    with pytest.raises(ExitwaveError, match=r"No network|holds no trained network|named twice"):
        reconstruct(path, given, tmp_path / "wave.nc", **KNOWN)


def test_networks_of_one_name_are_asked_each(network, tmp_path):
    folder = tmp_path / network.name
    elsewhere = replace(DOMAIN, energy_kev=(200.0, 200.0))
    save_network(folder, build_network(SETTINGS, 3), SETTINGS, {}, domain=elsewhere)
    path = series(tmp_path, "npy", counts())
    with pytest.raises(OutsideDomainError, match="trained at an energy of 200 keV"):
        reconstruct([path], [folder, network], tmp_path / "wave.nc", **KNOWN)


@pytest.mark.parametrize(
    ("fitted", "words"),
    [
        ({"spherical_aberration": 18.7e4}, ["a Cs of -10 to 10 µm, but 18.7 µm"]),
        ({"spherical_aberration": 11e4, "astigmatism": 25.0, "coma": 700.0}, []),
        ({"astigmatism": 40.0, "coma": 900.0}, ["astigmatism of 0 to 20 Å", "coma of 0 to 400 Å"]),
    ],
)
def test_aberrations_far_outside_of_the_training_are_doubted(fitted, words):
    """That of the wrong sign of the defocus is what the first one comes from."""
    domain = replace(
        DOMAIN,
        spherical_aberration_micrometre=(-10.0, 10.0),
        astigmatism_angstrom=(0.0, 20.0),
        coma_angstrom=(0.0, 400.0),
    )
    network = TrainedNetwork(None, SETTINGS, "tiny", domain)
    doubts = doubts_about(replace(MEDIAN, **fitted), network.name, network.domain)
    assert len(doubts) == len(words)
    for doubt, text in zip(doubts, words, strict=True):
        assert text in doubt.sentence
    assert not doubts_about(replace(MEDIAN, **fitted), network.name, None)
