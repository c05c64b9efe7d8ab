"""Files that are no focal series, and series of several files."""

import numpy as np
import pytest
import tifffile
from measured_files import fei_records, frames, signal, write_mrc, write_signal
from rsciio import hspy

from exitwave import ExitwaveError
from exitwave.reconstruction.completeness import require_complete
from exitwave.reconstruction.reading import read_series, require_defocus, require_energy


def refused(*paths):
    with pytest.raises(ExitwaveError) as caught:
        read_series(paths)
    message = str(caught.value)
    assert message.endswith(".")
    assert "\n" not in message
    return message


def test_what_is_not_there_is_named(tmp_path):
    assert "There is no file" in refused(tmp_path / "a.dm4")
    assert "is a folder" in refused(tmp_path)
    assert "No file was named" in refused()
    (tmp_path / "a.docx").write_bytes(b"x")
    assert "ends in '.docx', which is none of the formats that are read (.dm3" in refused(
        tmp_path / "a.docx"
    )
    (tmp_path / "a").write_bytes(b"x")
    assert "ends in ''" in refused(tmp_path / "a")


@pytest.mark.parametrize("ending", [".zip", ".gz", ".7z", ".tar"])
def test_an_archive_is_to_be_unpacked(ending, tmp_path):
    (tmp_path / f"a{ending}").write_bytes(b"x")
    assert "unpack it" in refused(tmp_path / f"a{ending}")


def test_a_zspy_store_is_to_be_saved_as_hspy(tmp_path):
    (tmp_path / "a.zspy").mkdir()
    assert "save it from HyperSpy as .hspy" in refused(tmp_path / "a.zspy")


def test_an_emi_without_its_ser_asks_for_it(tmp_path):
    (tmp_path / "a.emi").write_bytes(b"x")
    assert "the .ser file of the same name (a_1.ser)" in refused(tmp_path / "a.emi")


def test_a_later_part_of_a_tvips_file_names_the_first(tmp_path):
    (tmp_path / "a_012.tvips").write_bytes(b"x")
    assert "continues a_000.tvips, with which it is read" in refused(tmp_path / "a_012.tvips")


@pytest.mark.parametrize(
    "ending", [".dm3", ".dm4", ".emd", ".hspy", ".mrc", ".ser", ".tif", ".tvips", ".unf", ".npy"]
)
def test_an_empty_file_and_one_of_something_else_are_refused(ending, tmp_path):
    path = tmp_path / f"a{ending}"
    path.write_bytes(b"")
    assert f"{path} is empty" in refused(path)
    path.write_text("These are no images but words, and quite a lot of them. " * 40)
    message = refused(path)
    assert str(path) in message
    assert "damaged" not in message


def test_colour_complex_numbers_and_text_are_refused(tmp_path):
    tifffile.imwrite(
        tmp_path / "a.tif", frames(3, 6, 8, "uint8").reshape(6, 8, 3), photometric="rgb"
    )
    assert "colour pixels" in refused(tmp_path / "a.tif")
    np.save(tmp_path / "b.npy", frames().reshape(6, 8, 3))
    assert "colour pixels" in refused(tmp_path / "b.npy")
    write_mrc(tmp_path / "c.mrc", frames(dtype="complex64"))
    assert "complex numbers" in refused(tmp_path / "c.mrc")
    np.save(tmp_path / "d.npy", frames().astype(str))
    assert "not intensities" in refused(tmp_path / "d.npy")
    np.save(tmp_path / "f.npy", np.zeros((0, 4, 4)))
    assert "no values at all" in refused(tmp_path / "f.npy")
    np.save(tmp_path / "e.npy", np.array([{}, {}]), allow_pickle=True)
    assert "could not be read" in refused(tmp_path / "e.npy")


def test_a_line_and_a_scan_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(9))
    assert "a line of values" in refused(tmp_path / "a.npy")
    np.save(tmp_path / "b.npy", np.zeros((2, 3, 4, 5)))
    assert "an array of 4 dimensions" in refused(tmp_path / "b.npy")
    scan = signal(frames())
    for axis in scan["axes"]:
        axis["navigate"] = axis["name"] != "x"
    hspy.file_writer(tmp_path / "c.hspy", scan)
    assert "a line of values" in refused(tmp_path / "c.hspy")
    for place, (unit, kind) in enumerate((("eV", ""), ("nm", "EELS"), ("nm", "EDS_TEM"))):
        scan = signal(frames(), signal_type=kind)
        scan["axes"][0]["units"] = unit
        hspy.file_writer(tmp_path / f"d{place}.hspy", scan)
        assert "a spectrum image" in refused(tmp_path / f"d{place}.hspy")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_frames_without_finite_values_are_refused(value, tmp_path):
    data = frames(dtype="float32")
    data[1, 2, 3:5] = value
    np.save(tmp_path / "a.npy", data)
    assert "Frame 2 of " in (message := refused(tmp_path / "a.npy"))
    assert "2 value(s) that are no finite numbers" in message


def test_frames_of_one_value_are_noted(tmp_path):
    data = frames()
    data[[0, 2]] = 7
    np.save(tmp_path / "a.npy", data)
    assert (
        "a.npy has frames of one value everywhere, no images: 1, 3."
        in read_series([tmp_path / "a.npy"]).notes
    )


def test_the_length_of_a_good_file_is_right(tmp_path):
    for name, options in {
        "strips.tif": {"rowsperstrip": 1},
        "tiles.tif": {"tile": (16, 16)},
        "packed.tif": {"compression": "zlib"},
        "big.tif": {"bigtiff": True},
        "motorola.tif": {"byteorder": ">"},
        "imagej.tif": {"imagej": True},
        "pages.tif": {"metadata": None},
    }.items():
        tifffile.imwrite(tmp_path / name, frames(5, 32, 48), **options)
        np.testing.assert_array_equal(read_series([tmp_path / name]).frames, frames(5, 32, 48))


@pytest.mark.parametrize("options", [{"metadata": None}, {"imagej": True}, {"bigtiff": True}])
def test_a_cut_tiff_is_never_a_shorter_series(options, tmp_path):
    tifffile.imwrite(tmp_path / "whole.tif", frames(5, 32, 48), **options)
    content = (tmp_path / "whole.tif").read_bytes()
    for share in (0.2, 0.4, 0.6, 0.8, 0.95):
        (tmp_path / "cut.tif").write_bytes(content[: int(len(content) * share)])
        assert str(tmp_path / "cut.tif") in refused(tmp_path / "cut.tif")


def test_a_strip_that_claims_more_than_its_rows_is_no_cut_file(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, frames(1, 10, 48)[0], rowsperstrip=4, metadata=None)
    with tifffile.TiffFile(path, mode="r+") as file:
        tag = file.pages[0].tags["StripByteCounts"]
        rows = file.pages[0].tags["StripByteCounts"].value
        tag.overwrite([rows[0]] * len(rows))
    content = path.read_bytes()
    require_complete(path)
    assert len(content) == path.stat().st_size


def test_a_cut_mrc_file_says_how_long_it_should_be(tmp_path):
    path = write_mrc(tmp_path / "a.mrc", frames())
    size = path.stat().st_size
    path.write_bytes(path.read_bytes()[:-1])
    assert f"has {size - 1} bytes, but its header speaks of {size}" in refused(path)


def test_several_files_are_one_series(tmp_path):
    data = frames(5)
    paths = [write_signal(tmp_path / f"{n}.hspy", data[n], beam_energy=80.0) for n in (0, 1, 2)]
    paths.append(write_signal(tmp_path / "3.hspy", data[3:].astype("float32"), beam_energy=80.0))
    series = read_series(paths)
    np.testing.assert_array_equal(series.frames, data)
    assert series.frames.dtype == np.float32
    assert series.sources == ("0.hspy", "1.hspy", "2.hspy", "3.hspy")
    assert require_energy(series) == 80
    # What every file says is said once.
    assert sum("80 keV" in note for note in series.notes) == 1
    reverse = read_series(paths[2::-1])
    np.testing.assert_array_equal(reverse.frames, data[2::-1])


def test_foci_of_several_files_are_in_their_order(tmp_path):
    paths = [
        write_mrc(
            tmp_path / f"{n}.mrc",
            frames(1),
            extended=fei_records(-n * 1e-8),
            kind=b"FEI1",
        )
        for n in (1, 2, 3)
    ]
    assert require_defocus(read_series(paths)) == pytest.approx((100.0, 200.0, 300.0))
    paths.append(write_mrc(tmp_path / "4.mrc", frames(1), pixel=0.08))
    series = read_series(paths)
    assert series.defocus_angstrom is None
    assert any("say no defocus" in note for note in series.notes)
    assert any("do not say the energy; that of the others is used" in n for n in series.notes)
    with pytest.raises(ExitwaveError, match=r"The files 1.mrc to 4.mrc do not say the defocus"):
        require_defocus(series)


def test_files_that_do_not_belong_together_are_refused(tmp_path):
    first = write_signal(tmp_path / "a.hspy", frames()[0], beam_energy=80.0)
    larger = write_signal(tmp_path / "b.hspy", frames(1, 9, 9)[0], beam_energy=80.0)
    assert "has frames of 9 x 9 px, but" in refused(first, larger)
    closer = write_signal(tmp_path / "c.hspy", frames()[0], pixel=(0.02, 0.02))
    assert "has pixels of 0.2 Å, but" in refused(first, closer)
    faster = write_signal(tmp_path / "d.hspy", frames()[0], beam_energy=200.0)
    assert "was taken at 200 keV, but" in refused(first, faster)
    assert "a.hspy was named twice" in refused(first, first)
