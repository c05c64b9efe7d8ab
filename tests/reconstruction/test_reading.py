"""Series written here in the formats of microscopes, and read back."""

import json

import h5py
import numpy as np
import pytest
from measured_files import (
    fei_records,
    frames,
    old_fei_records,
    write_mrc,
    write_signal,
    write_tia,
)

from exitwave import ExitwaveError
from exitwave.reconstruction.reading import (
    read_series,
    require_defocus,
    require_energy,
    require_pixel,
)
from exitwave.reconstruction.velox import frame_documents
from exitwave.reconstruction.vendor_metadata import defocus_angstrom

DEFOCI = (-1.2e-8, 0.0, 1.2e-8)


@pytest.mark.parametrize("ending", [".hspy", ".tif", ".emd", ".tvips", ".mrc", ".npy"])
def test_frames_come_back_in_order_and_the_right_way_round(ending, tmp_path):
    path, data = tmp_path / f"series{ending}", frames()
    if ending == ".mrc":
        write_mrc(path, data)
    elif ending == ".npy":
        np.save(path, data)
    else:
        path = write_signal(path, data)
    series = read_series([path])
    np.testing.assert_array_equal(series.frames, data)
    assert series.frames.dtype == data.dtype
    assert series.sources == (path.name,)
    image = series.intensity(1)
    assert image.dtype == np.float32
    assert image.flags.c_contiguous
    np.testing.assert_array_equal(image, data[1])


@pytest.mark.parametrize("ending", [".hspy", ".tif", ".emd", ".npy"])
def test_one_image_is_one_frame(ending, tmp_path):
    path, data = tmp_path / f"image{ending}", frames(1)[0]
    if ending == ".npy":
        np.save(path, data)
    else:
        write_signal(path, data)
    np.testing.assert_array_equal(read_series([path]).frames, data[np.newaxis])


@pytest.mark.parametrize(
    ("size", "unit"),
    [
        (0.01, "nm"),
        (0.01, "n_m"),
        (0.01, "[n_m]"),
        (10.0, "pm"),
        (1e-5, "µm"),
        (1e-5, "μm"),
        (1e-5, "um"),
        (1e-11, "m"),
        (1e-11, "meters"),
        (0.1, "A"),
        (0.1, "Å"),
        (0.1, "\u212b"),
        (0.1, "Angstrom"),
    ],
)
def test_every_spelling_of_a_unit_gives_angstrom(size, unit, tmp_path):
    path = write_signal(tmp_path / "series.hspy", frames(), pixel=(size, size), units=unit)
    assert require_pixel(read_series([path])) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("size", "unit"), [(0.01, ""), (1.0, "px"), (-1.0, "nm"), (0.0, "nm"), (np.nan, "nm")]
)
def test_an_unknown_pixel_is_asked_for(size, unit, tmp_path):
    path = write_signal(tmp_path / "series.hspy", frames(), pixel=(size, size), units=unit)
    series = read_series([path])
    assert series.sampling_angstrom is None
    with pytest.raises(ExitwaveError, match=r"series.hspy does not say how large a pixel is;"):
        require_pixel(series)


@pytest.mark.parametrize("unit", ["1/nm", "nm^-1", "1 / nm", "1/Å", "nm⁻¹", "mrad"])
def test_diffraction_is_refused(unit, tmp_path):
    path = write_signal(tmp_path / "series.hspy", frames(), units=unit)
    with pytest.raises(ExitwaveError, match=r"series.hspy holds a diffraction pattern, where"):
        read_series([path])


def test_sides_that_differ_a_little_are_one_pixel(tmp_path):
    path = write_signal(tmp_path / "a.hspy", frames(), pixel=(0.01001, 0.01))
    series = read_series([path])
    assert require_pixel(series) == pytest.approx(0.10005)
    assert series.sampling_angstrom[0] == series.sampling_angstrom[1]
    assert any("0.1001 Å high and 0.1 Å wide" in note for note in series.notes)
    path = write_signal(tmp_path / "b.hspy", frames(), pixel=(0.0101, 0.01))
    series = read_series([path])
    assert series.sampling_angstrom == pytest.approx((0.101, 0.1))
    with pytest.raises(ExitwaveError, match=r"b.hspy has pixels of unequal sides, 0.101 Å along"):
        require_pixel(series)


def test_axes_are_found_by_their_names(tmp_path):
    data = frames()
    path = write_signal(
        tmp_path / "series.hspy",
        np.swapaxes(data, 1, 2),
        pixel=(0.02, 0.01),
        names=("X", "Y"),
    )
    series = read_series([path])
    np.testing.assert_array_equal(series.frames, data)
    assert series.sampling_angstrom == pytest.approx((0.1, 0.2))


@pytest.mark.parametrize(("voltage", "energy"), [(80.0, 80.0), (300e3, 300.0), (0.0, None)])
def test_volts_and_kilovolts_are_known_by_their_size(voltage, energy, tmp_path):
    path = write_signal(tmp_path / "series.hspy", frames(), beam_energy=voltage)
    series = read_series([path])
    assert series.energy_kev == energy
    if energy is None:
        with pytest.raises(ExitwaveError, match=r"series.hspy does not say the energy of the ele"):
            require_energy(series)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", ["uint8", "int16", "uint16", "float32"])
def test_mrc_files_of_both_byte_orders_are_read(order, kind, tmp_path):
    data = frames(dtype=kind)
    series = read_series([write_mrc(tmp_path / "series.mrc", data, order=order)])
    np.testing.assert_array_equal(series.frames, data)
    assert series.frames.dtype.isnative
    assert require_pixel(series) == pytest.approx(1.5)


@pytest.mark.parametrize("pixel", [{"pixel": -10.0}, {"pixel": 0.0}, {"grid": False}])
def test_an_mrc_file_may_not_know_its_pixel(pixel, tmp_path):
    series = read_series([write_mrc(tmp_path / "series.mrc", frames(), **pixel)])
    assert series.sampling_angstrom is None


def test_one_angstrom_in_an_mrc_file_is_doubted(tmp_path):
    series = read_series([write_mrc(tmp_path / "series.mrc", frames(), pixel=1.0)])
    assert require_pixel(series) == 1
    assert any("some programs write 1 Å" in note for note in series.notes)


@pytest.mark.parametrize("kind", [b"FEI1", b"FEI2"])
def test_thermo_fishers_mrc_files_say_more(kind, tmp_path):
    path = write_mrc(tmp_path / "series.mrc", frames(), extended=fei_records(*DEFOCI), kind=kind)
    series = read_series([path])
    np.testing.assert_array_equal(series.frames, frames())
    assert require_pixel(series) == pytest.approx(0.08)
    assert require_energy(series) == 300
    assert series.exposure_seconds == 0.5
    # The microscope shows underfocus as negative; here it is positive.
    assert require_defocus(series) == pytest.approx((120.0, 0.0, -120.0))


def test_the_older_header_of_fei_says_defocus_and_pixel(tmp_path):
    path = write_mrc(tmp_path / "series.mrc", frames(), extended=old_fei_records(*DEFOCI))
    series = read_series([path])
    np.testing.assert_array_equal(series.frames, frames())
    assert require_pixel(series) == pytest.approx(2.0)
    assert require_defocus(series) == pytest.approx((120.0, 0.0, -120.0))
    assert series.energy_kev is None


@pytest.mark.parametrize("foci", [(0.0, 0.0, 0.0), (1e-8, 1e-8, 1e-8), (3.0, 4.0, 5.0)])
def test_foci_that_mean_nothing_are_not_used(foci, tmp_path):
    path = write_mrc(tmp_path / "series.mrc", frames(), extended=old_fei_records(*foci))
    series = read_series([path])
    assert series.defocus_angstrom is None
    with pytest.raises(ExitwaveError, match=r"give --defocus-angstrom, one value in Å for each of"):
        require_defocus(series)


def test_the_voltage_of_a_ser_file_is_in_the_emi_beside_it(tmp_path):
    said = [
        ("High tension", 200, "kV"),
        ("Mode", "TEM uP SA Zoom Image", ""),
        ("Defocus", -1, "um"),
    ]
    path = write_tia(tmp_path / "focal_1.ser", frames(), emi=said)
    series = read_series([path])
    # TIA counts rows from the bottom.
    np.testing.assert_array_equal(series.frames, frames()[:, ::-1])
    assert require_energy(series) == 200
    assert require_pixel(series) == pytest.approx(0.1)
    assert series.defocus_angstrom is None
    with pytest.raises(ExitwaveError, match=r"focal.emi describes .* give focal_1.ser instead"):
        read_series([tmp_path / "focal.emi"])
    (tmp_path / "focal.emi").unlink()
    assert read_series([path]).energy_kev is None


def test_a_ser_file_in_diffraction_mode_is_refused(tmp_path):
    path = write_tia(tmp_path / "a_1.ser", frames(), emi=[("Mode", "TEM uP SA Diffraction", "")])
    with pytest.raises(ExitwaveError, match="holds a diffraction pattern"):
        read_series([path])


def test_numpy_files_are_mapped_not_copied(tmp_path):
    np.save(tmp_path / "series.npy", frames())
    series = read_series([tmp_path / "series.npy"])
    assert isinstance(series.frames, np.memmap) or isinstance(series.frames.base, np.memmap)
    assert series.notes == ("series.npy has frames and nothing else.",)


def velox(path, *documents, images=1):
    """Write what Velox stores of its frames: text of one length in the columns of an array."""
    columns = np.zeros((200, len(documents)), "u1")
    for frame, document in enumerate(documents):
        text = np.frombuffer(document.encode(), "u1")
        columns[: len(text), frame] = text
    with h5py.File(path, "w") as file:
        for image in range(images):
            file[f"Data/Image/{image}/Metadata"] = columns
    return path


def test_velox_stores_a_document_with_each_frame(tmp_path):
    path = velox(
        tmp_path / "a.emd", *(json.dumps({"Optics": {"Defocus": str(value)}}) for value in DEFOCI)
    )
    documents = frame_documents(path, 3)
    found = defocus_angstrom({"frames": documents}, 3)
    assert found.value == pytest.approx((120.0, 0.0, -120.0))
    assert found.place == "Optics / Defocus"
    assert frame_documents(path, 2) == []
    assert frame_documents(velox(tmp_path / "b.emd", "{}", "{}", images=2), 2) == []
    assert frame_documents(velox(tmp_path / "c.emd", "{}", "no JSON"), 2) == []
    assert frame_documents(write_signal(tmp_path / "d.emd", frames()), 3) == []
