"""A wave in the formats of other programs, read back by RosettaSciIO and by others."""

import json

import numpy as np
import pytest
import zarr
from rsciio import hspy, tiff, zspy
from tifffile import TiffFile

from exitwave.errors import ExitwaveError
from exitwave.reconstruction.other_formats import FORMATS, paths_of, write_formats
from exitwave.reconstruction.vendor_files import read_file

PIXEL, ENERGY = 0.1052, 80.0
ATTRIBUTES = {
    "warnings": "Outside, by 3 Å.",
    "notes": "Two hot pixels.\nNot registered.",
    "settings": json.dumps({"pixel_angstrom": None, "frames": [0, 1]}),
    # Of a thousand files; longer than HDF5 likes its attributes.
    "inputs": "x" * 100_000,
}


def wave():
    parts = np.random.default_rng(1).normal(size=(2, 24, 30))
    return (1 + 0.3 * (parts[0] + 1j * parts[1])).astype(np.complex64)


@pytest.fixture
def written(tmp_path):
    write_formats(tuple(FORMATS), tmp_path / "wave.nc", wave(), PIXEL, ENERGY, ATTRIBUTES)
    return tmp_path


def test_files_lie_beside_the_netcdf_file_and_nothing_else(written):
    names = ["wave.hspy", "wave.zspy", "wave_amplitude.tif", "wave_phase.tif"]
    assert sorted(path.name for path in written.iterdir()) == names
    assert paths_of(written / "wave.nc", ("tiff", "hspy")) == tuple(
        written / name for name in (names[0], *names[2:])
    )


@pytest.mark.parametrize("module", [hspy, zspy])
def test_hyperspy_gets_complex_numbers_with_axes_and_how_they_were_made(module, written):
    ending = module.__name__.rpartition(".")[2]
    (found,) = module.file_reader(written / f"wave.{ending}")
    assert found["data"].dtype == np.complex64
    np.testing.assert_array_equal(found["data"], wave())
    axes = [(a["name"], a["size"], a["scale"], a["units"], a["navigate"]) for a in found["axes"]]
    assert axes == [("y", 24, PIXEL, "Å", False), ("x", 30, PIXEL, "Å", False)]
    assert found["metadata"]["General"]["title"] == "Exit wave"
    assert "Outside, by 3 Å." in found["metadata"]["General"]["notes"]
    assert found["metadata"]["Acquisition_instrument"]["TEM"]["beam_energy"] == ENERGY
    assert found["original_metadata"] == ATTRIBUTES


def test_a_zspy_store_is_of_the_kind_that_hyperspy_writes(written):
    group = zarr.open_group(written / "wave.zspy", mode="r")
    assert group.metadata.zarr_format == 2
    assert dict(group.attrs) == {"file_format": "ZSpy", "file_format_version": "3.3"}
    np.testing.assert_array_equal(group["Experiments/Exit wave/data"][:], wave())


@pytest.mark.parametrize(
    ("name", "expected", "unit"),
    [("amplitude", np.abs(wave()), ""), ("phase", np.angle(wave()), "rad")],
)
def test_tiff_has_the_pixel_where_imagej_and_digitalmicrograph_look(name, expected, unit, written):
    path = written / f"wave_{name}.tif"
    (found,) = tiff.file_reader(path)
    assert found["data"].dtype == np.float32
    np.testing.assert_array_equal(found["data"], expected)
    assert [(axis["scale"], axis["units"]) for axis in found["axes"]] == [(PIXEL, "Å")] * 2
    assert found["metadata"]["Signal"].get("quantity", "") == unit
    with TiffFile(path) as file:
        np.testing.assert_array_equal(file.asarray(), expected)
        assert file.imagej_metadata["unit"] == "angstrom"
        tags = {tag.code: tag.value for tag in file.pages[0].tags}
    for resolution in (tags[282], tags[283]):
        assert resolution[1] / resolution[0] == PIXEL
    # No unit beside ImageJ's own; the pixel again as DigitalMicrograph has it.
    assert tags[296] == 1
    assert (tags[65009], tags[65010]) == (PIXEL, PIXEL)
    assert json.loads(tags[65000])["warnings"] == ATTRIBUTES["warnings"]
    # And as this package reads images.
    assert read_file(path).sampling_angstrom == (PIXEL, PIXEL)


def test_any_pixel_is_kept_to_a_ten_millionth(tmp_path):
    pixel = np.pi / 30
    write_formats(("tiff",), tmp_path / "wave.nc", wave(), pixel, ENERGY, {})
    with TiffFile(tmp_path / "wave_phase.tif") as file:
        tags = {tag.code: tag.value for tag in file.pages[0].tags}
    assert tags[65009] == pixel
    assert tags[282][1] / tags[282][0] == pytest.approx(pixel, rel=1e-7)


def test_what_was_there_is_replaced_as_a_whole(written):
    write_formats(("zspy", "hspy"), written / "wave.nc", 2 * wave()[:9], PIXEL, ENERGY, {})
    for module, name in ((zspy, "wave.zspy"), (hspy, "wave.hspy")):
        (found,) = module.file_reader(written / name)
        np.testing.assert_array_equal(found["data"], 2 * wave()[:9])
    assert len(list(written.iterdir())) == 4


def test_an_unknown_format_is_refused(tmp_path):
    with pytest.raises(ExitwaveError, match="no format 'png' for a wave; --formats takes hspy, zs"):
        paths_of(tmp_path / "wave.nc", ["png"])
