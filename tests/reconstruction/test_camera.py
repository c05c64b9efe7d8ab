"""Dark level, gain and dead pixels of a camera, against what is computed here pixel by pixel."""

import numpy as np
import pytest
from measured_files import VENDOR_FILES, needs_vendor_files, signal, write_mrc, write_signal
from rsciio import hspy
from tifffile import imwrite

from exitwave.errors import ExitwaveError
from exitwave.reconstruction.camera import read_camera, without_dead_pixels
from exitwave.reconstruction.reading import read_series
from exitwave.reconstruction.request import Request, prepare

SIZE = (24, 20)


def write_calibrated(path, frames, unit="e", scale=0.25, zero=30.0):
    """Write frames as DigitalMicrograph describes them: (value - zero) * scale is in the unit."""
    brightness = {"Units": unit, "Scale": scale, "Origin": zero}
    tags = {"ImageData": {"Calibrations": {"Brightness": brightness}}}
    written = signal(frames, pixel=(0.0105, 0.0105))
    written["original_metadata"] = {"ImageList": {"TagGroup0": tags}}
    hspy.file_writer(path, written, show_progressbar=False)
    return path


@pytest.fixture
def exposed():
    """What hits each pixel, the camera's gain and dark level there, and what it stores."""
    rng = np.random.default_rng(4)
    truth = rng.poisson(200, (4, *SIZE)).astype(np.float64)
    gain = rng.uniform(0.8, 1.25, SIZE)
    dark = rng.uniform(90, 110, SIZE)
    return truth, gain, dark, (truth / gain + dark).astype(np.float32)


def write_reference(folder, kind, image):
    path = folder / f"reference.{kind}"
    if kind == "npy":
        np.save(path, image)
    elif kind == "tif":
        imwrite(path, image.astype(np.float32))
    else:
        write_mrc(path, image.astype(np.float32)[np.newaxis])
    return path


@pytest.mark.parametrize("kind", ["npy", "tif", "mrc"])
def test_references_bring_back_what_hit_the_camera(kind, exposed, tmp_path):
    truth, gain, dark, stored = exposed
    (tmp_path / "dark").mkdir()
    series = read_series([write_mrc(tmp_path / "series.mrc", stored)])
    camera = read_camera(
        series,
        None,
        write_reference(tmp_path / "dark", kind, dark),
        write_reference(tmp_path, kind, gain),
    )
    found = camera.corrected(series.intensity(0) + series.intensity(1), frames=2)
    np.testing.assert_allclose(found, truth[0] + truth[1], rtol=1e-5)
    assert camera.warning == ""
    assert ("one orientation" in " ".join(camera.notes)) == (kind != "mrc")


def test_movies_come_out_as_if_each_frame_were_corrected(exposed, tmp_path):
    _, gain, dark, stored = exposed
    stored[2, 5, 6] = 1e6
    series = read_series([write_mrc(tmp_path / "series.mrc", stored)])
    gain[[3, 3, 17], [4, 5, 0]] = 0, np.nan, np.inf
    (tmp_path / "dark").mkdir()
    request = Request(
        pixel_angstrom=0.105,
        energy_kev=80.0,
        frames_per_image=2,
        dark_reference=str(write_reference(tmp_path / "dark", "npy", dark)),
        gain_reference=str(write_reference(tmp_path, "npy", gain)),
    )
    prepared = prepare(series, request, 2, None)
    each = (stored - dark) * gain
    expected = np.array([each[0] + each[1], each[2] + each[3]])
    dead = ~np.isfinite(gain) | (gain == 0)
    for image in expected:
        image[dead] = np.nan
        living = {
            place: image[max(place[0] - 1, 0) : place[0] + 2, max(place[1] - 1, 0) : place[1] + 2]
            for place in [(3, 4), (3, 5), (17, 0)]
        }
        medians = {place: np.nanmedian(around) for place, around in living.items()}
        for place, median in medians.items():
            image[place] = median
    expected[1, 5, 6] = np.median(expected[1, 4:7, 5:8])
    np.testing.assert_allclose(prepared.images, np.moveaxis(expected, 0, -1), rtol=1e-5)
    notes = " ".join(prepared.notes)
    assert "3 dead pixels" in notes
    assert "1 hot pixels" in notes


def test_dead_columns_are_filled_from_beside_them():
    image = np.tile(np.arange(12, dtype=np.float32), (9, 1))
    dead = np.zeros(image.shape, dtype=bool)
    dead[:, 4:9] = True
    filled = without_dead_pixels(np.where(dead, np.float32(np.nan), image), dead)
    # The middle one sees the living columns on either side at the same time.
    np.testing.assert_array_equal(filled[:, 4:9], np.tile([3.0, 3.0, 6.0, 9.0, 9.0], (9, 1)))
    np.testing.assert_array_equal(filled[~dead], image[~dead])


def test_a_dark_level_takes_the_place_of_the_zero_in_the_file(tmp_path):
    stored = np.random.default_rng(1).integers(60, 90, (3, *SIZE)).astype(np.uint16)
    series = read_series([write_calibrated(tmp_path / "series.hspy", stored)])
    assert (series.intensity_unit, series.unit_per_value, series.zero_value) == ("e", 0.25, 30.0)
    plain = read_camera(series).corrected(series.intensity(1), 1)
    np.testing.assert_allclose(plain, (stored[1] - 30.0) * 0.25, rtol=1e-6)
    camera = read_camera(series, 50.0)
    np.testing.assert_allclose(
        camera.corrected(series.intensity(0) + series.intensity(1), 2),
        (stored[0] - 50.0) * 0.25 + (stored[1] - 50.0) * 0.25,
        rtol=1e-5,
    )
    assert "50 took the place of 30" in camera.notes[0]


@pytest.mark.parametrize("calibrated", [False, True])
def test_a_dark_reference_of_such_a_series(calibrated, tmp_path):
    stored = np.random.default_rng(1).integers(60, 90, (3, *SIZE)).astype(np.uint16)
    dark = np.random.default_rng(2).integers(40, 50, SIZE).astype(np.float32)
    series = read_series([write_calibrated(tmp_path / "series.hspy", stored)])
    if calibrated:
        # The same in electrons, in other numbers.
        path = write_calibrated(tmp_path / "dark.hspy", (dark - 30) * 0.25 + 7, "e", 1.0, 7.0)
    else:
        path = write_reference(tmp_path, "npy", dark)
    found = read_camera(series, None, path).corrected(series.intensity(2), 1)
    np.testing.assert_allclose(found, (stored[2] - dark) * 0.25, rtol=1e-5)


@needs_vendor_files
def test_a_dark_level_of_a_file_of_digitalmicrograph():
    series = read_series([VENDOR_FILES / "dm_stack_64_65_66.dm4"])
    assert (series.intensity_unit, series.zero_value) == ("e", 1.0)
    stored = series.frames[7].astype(np.float64)
    found = read_camera(series, 3.0).corrected(series.intensity(7), 1)
    np.testing.assert_allclose(found, (stored - 3) * np.float64(np.float32(1.1)), rtol=1e-5)


def test_the_dose_is_that_of_the_electrons_above_the_dark_level(tmp_path):
    stored = np.full((1, *SIZE), 70, np.uint16) + np.eye(*SIZE, dtype=np.uint16)
    series = read_series([write_calibrated(tmp_path / "series.hspy", stored)])
    request = Request(energy_kev=80.0, dark_level=50.0, defocus_angstrom=(0.0,))
    dose = prepare(series, request, 1, None).conditions.dose_per_square_angstrom
    expected = 0.25 * (stored.mean() - 50) / 0.105**2
    assert dose == pytest.approx((expected, expected), rel=1e-4)


def test_a_flat_image_as_a_gain_reference_is_doubted(exposed, tmp_path):
    _, _, _, stored = exposed
    series = read_series([write_mrc(tmp_path / "series.mrc", stored)])
    camera = read_camera(series, None, None, write_reference(tmp_path, "npy", np.full(SIZE, 812.0)))
    assert "values about 812" in camera.warning


SPOILT = np.ones(SIZE)
SPOILT[2, 3] = np.nan
HALF_DEAD = np.ones(SIZE)
HALF_DEAD[:12] = 0


@pytest.mark.parametrize(
    ("option", "image", "sentence"),
    [
        ("dark", np.ones((20, 24)), "has 24 x 20 px, but the frames have 20 x 24 px"),
        ("gain", np.ones((12, 10)), "has 10 x 12 px, but the frames have 20 x 24 px"),
        ("gain", np.ones((3, *SIZE)), "has 3 frames, where --gain-reference takes one image"),
        ("dark", SPOILT, r"has 1 value\(s\) that are no finite numbers"),
        ("gain", HALF_DEAD, "is 0 or no finite number at 240 of 480 pixels"),
        ("gain", -SPOILT, "has values below 0"),
    ],
)
def test_what_is_no_reference_is_refused(option, image, sentence, exposed, tmp_path):
    series = read_series([write_mrc(tmp_path / "series.mrc", exposed[3])])
    path = write_reference(tmp_path, "npy", image)
    dark, gain = (path, None) if option == "dark" else (None, path)
    with pytest.raises(ExitwaveError, match=sentence):
        read_camera(series, None, dark, gain)


def test_a_dark_reference_in_another_unit_is_refused(exposed, tmp_path):
    series = read_series([write_signal(tmp_path / "series.hspy", exposed[3])])
    path = write_calibrated(tmp_path / "dark.hspy", np.ones(SIZE))
    with pytest.raises(ExitwaveError, match="has values in e, but the frames have no unit"):
        read_camera(series, None, path)
    series = read_series([write_calibrated(tmp_path / "counts.hspy", exposed[3], "counts")])
    with pytest.raises(ExitwaveError, match="the frames have values in counts"):
        read_camera(series, None, path)


def test_one_dark_level_is_enough():
    with pytest.raises(ExitwaveError, match="Both --dark-level and --dark-reference"):
        Request(dark_level=1.0, dark_reference="dark.mrc")
    with pytest.raises(ExitwaveError, match="--dark-level is nan"):
        Request(dark_level=float("nan"))
