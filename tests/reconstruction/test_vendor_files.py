"""Real files of microscopes: what each of them must give."""

import h5py
import numpy as np
import pytest
from measured_files import VENDOR_FILES, needs_vendor_files

from exitwave import ExitwaveError
from exitwave.reconstruction.reading import (
    read_series,
    require_defocus,
    require_energy,
    require_frames,
    require_pixel,
)

pytestmark = needs_vendor_files

# Shape, sides of a pixel along y and x [Å], energy [keV].
IMAGES = {
    "20241021_00405_movie.mrc": ((32, 4, 8), None, None),
    "dm_stack_64_65_66.dm3": ((66, 65, 64), (30.0, 0.02), None),
    "dm_stack_64_65_66.dm4": ((66, 65, 64), (30.0, 0.02), None),
    "dm_unequal_pixels.dm4": ((1, 64, 128), (2.0, 10.0), None),
    "example_image_2d.unf": ((1, 4, 4), None, None),
    "fei_example_tem_stack.emd": ((2, 3, 3), (0.0817, 0.0817), 300.0),
    "ncem_acquisition.emd": ((1, 1024, 1024), (0.1225, 0.1225), 200.0),
    "ncem_temp.mrc": ((3, 128, 128), (2.0, 2.0), None),
    "ser_image.ser": ((1, 1024, 1024), (0.1001, 0.1001), 80.0),
    "test_dm_image_um_unit.dm3": ((1, 68, 68), (1687.0, 1687.0), 200.0),
    "test_loading_image_saved_with_DM_stack.tif": ((2, 68, 68), (16867.0, 1686.7), None),
    "test_loading_image_saved_with_imageJ_stack.tif": ((2, 68, 68), (1687.0, 1687.0), None),
    "test_loading_image_saved_with_imageJ_stack_no_scale.tif": ((2, 68, 68), None, None),
}
REFUSED = {
    "EELS_SI.dm4": "spectrum image",
    "TVIPS_bin4.zip": "unpack it",
    "ser_image.emi": "give ser_image.ser instead",
    "test_diffraction_pattern.dm3": "diffraction pattern",
    "test_tvips_2345_000.tvips": "diffraction pattern",
}


@pytest.fixture(scope="module")
def series():
    """Each file is read once."""
    read = {}

    def read_once(name):
        if name not in read:
            read[name] = read_series([VENDOR_FILES / name])
        return read[name]

    return read_once


@pytest.mark.parametrize("name", IMAGES)
def test_images_have_their_size_pixel_and_energy(name, series):
    shape, pixel, energy = IMAGES[name]
    found = series(name)
    assert found.frames.shape == shape
    assert found.frames.dtype.isnative
    assert found.sources == (name,)
    if pixel is None:
        assert found.sampling_angstrom is None
        with pytest.raises(ExitwaveError, match=f"{name} does not say how large a pixel is; give"):
            require_pixel(found)
    else:
        assert found.sampling_angstrom == pytest.approx(pixel, rel=1e-3)
    if energy is None:
        with pytest.raises(ExitwaveError, match="give --energy-kev"):
            require_energy(found)
    else:
        assert require_energy(found) == energy


@pytest.mark.parametrize("name", [name for name, (_, pixel, _) in IMAGES.items() if pixel])
def test_only_equal_sides_are_one_pixel(name, series):
    across, along = IMAGES[name][1]
    if across == along:
        assert require_pixel(series(name)) == pytest.approx(across, rel=1e-3)
        return
    assert any("pixels of unequal sides" in note for note in series(name).notes)
    with pytest.raises(ExitwaveError, match=r"pixels of unequal sides.*resample"):
        require_pixel(series(name))


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_image_is_refused(name):
    with pytest.raises(ExitwaveError, match=REFUSED[name]):
        read_series([VENDOR_FILES / name])


def test_a_file_that_has_x_before_y_is_turned(series):
    with h5py.File(VENDOR_FILES / "ncem_acquisition.emd") as file:
        stored = file["data/single/data"][...]
        assert file["data/single/dim1"].attrs["name"] == b"Y"
    np.testing.assert_array_equal(series("ncem_acquisition.emd").frames[0], stored)


def test_both_versions_of_one_stack_have_the_same_frames(series):
    one, other = (series(f"dm_stack_64_65_66.{ending}") for ending in ("dm3", "dm4"))
    np.testing.assert_array_equal(one.frames, other.frames)
    assert one.intensity_unit == "e"
    assert one.unit_per_value == pytest.approx(1.1)
    np.testing.assert_allclose(one.intensity(7), (one.frames[7].astype(float) - 1) * 1.1, rtol=1e-6)


def test_exposure_and_defocus_are_read(series):
    velox = series("fei_example_tem_stack.emd")
    assert velox.exposure_seconds == pytest.approx(0.8)
    # The same for both of its frames: no focal series.
    assert velox.defocus_angstrom is None
    assert any("one defocus for all frames (-302.317 Å" in note for note in velox.notes)
    assert series("test_dm_image_um_unit.dm3").exposure_seconds == pytest.approx(0.5)
    assert series("ser_image.ser").defocus_angstrom == pytest.approx((20.0,))
    assert series("ncem_acquisition.emd").defocus_angstrom == pytest.approx((-67615.1,), rel=1e-5)


def test_velox_says_the_defocus_of_each_frame(tmp_path):
    path = tmp_path / "series.emd"
    path.write_bytes((VENDOR_FILES / "fei_example_tem_stack.emd").read_bytes())
    with h5py.File(path, "r+") as file:
        (group,) = file["Data/Image"].values()
        columns = group["Metadata"][...]
        old = b"3.0231699205257632e-08"
        text = columns[:, 1].tobytes().replace(old, b"-1.5e-08".ljust(len(old)))
        group["Metadata"][:, 1] = np.frombuffer(text, "u1")
    series = read_series([path])
    assert require_defocus(series) == pytest.approx((-302.317, 150.0), rel=1e-5)


def test_a_series_needs_frames(series):
    with pytest.raises(ExitwaveError, match=r"ser_image.ser has 1 frame\(s\), where 3 or more"):
        require_frames(series("ser_image.ser"), 3)
    require_frames(series("ncem_temp.mrc"), 3)


@pytest.mark.parametrize("name", [*IMAGES, *REFUSED])
def test_a_cut_file_is_refused(name, tmp_path):
    content = (VENDOR_FILES / name).read_bytes()
    for share in (0.0, 0.3, 0.9):
        path = tmp_path / name
        path.write_bytes(content[: int(len(content) * share)])
        with pytest.raises(ExitwaveError, match=name):
            read_series([path])
