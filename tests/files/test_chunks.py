"""Arrays read from their place in a store: what netCDF4 reads, and every flipped bit is found."""

import os
import threading

import h5py
import netCDF4
import numpy as np
import pytest
from epoch_files import flip_a_bit_of_an_image, write_epoch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from exitwave.files.chunks import SampleChunks, fletcher32

SIZE, IMAGES, SAMPLES = 16, 3, 5


@pytest.fixture
def path(tmp_path):
    return write_epoch(tmp_path / "00.nc", samples=SAMPLES, size=SIZE, images=IMAGES)


@pytest.fixture
def chunks(path):
    found = SampleChunks.located(path, ("image", "exit_wave"))
    yield found
    found.close()


def image():
    return np.empty((SIZE, SIZE, IMAGES), np.float32)


def test_chunks_are_what_netcdf_reads(path, chunks):
    with netCDF4.Dataset(path) as file:
        for sample in range(SAMPLES):
            read, wave = image(), np.empty((SIZE, SIZE, 2), np.float32)
            chunks.read("image", sample, read)
            chunks.read("exit_wave", sample, wave)
            assert np.array_equal(read, file["image"][sample])
            assert np.array_equal(wave, file["exit_wave"][sample])


@given(
    arrays(
        np.float32, array_shapes(min_dims=1, max_dims=3, max_side=9), elements=st.floats(width=32)
    )
)
def test_the_checksum_is_hdf5s(values):
    with h5py.File.in_memory() as file:
        stored = file.create_dataset("a", data=values, chunks=values.shape, fletcher32=True)
        chunk = stored.id.read_direct_chunk((0,) * values.ndim)[1]
    assert fletcher32(values) == int.from_bytes(chunk[-4:], "little")


@pytest.mark.parametrize("value", [0.0, -0.0, np.nan, np.inf, 1.0])
@pytest.mark.parametrize("length", [1, 65536, 200_001])
def test_the_checksum_of_long_and_of_uniform_arrays_is_hdf5s(value, length):
    values = np.full(length, value, np.float32)
    with h5py.File.in_memory() as file:
        stored = file.create_dataset("a", data=values, chunks=values.shape, fletcher32=True)
        chunk = stored.id.read_direct_chunk((0,))[1]
    assert fletcher32(values) == int.from_bytes(chunk[-4:], "little")


def test_a_flipped_bit_is_found(path, chunks):
    flip_a_bit_of_an_image(path, 2)
    chunks.read("image", 1, image())
    with pytest.raises(ValueError, match="checksum"):
        chunks.read("image", 2, image())


def test_a_bit_that_flips_after_it_was_read_is_found_when_the_file_was_written_to(path, chunks):
    chunks.read("image", 2, image())
    content = bytearray(path.read_bytes())
    with netCDF4.Dataset(path) as file:
        place = content.index(np.asarray(file["image"][2]).tobytes()[:64])
    with path.open("r+b") as file:
        file.seek(place + 10)
        file.write(bytes([content[place + 10] ^ 1]))
    os.utime(path, ns=(0, 0))
    with pytest.raises(ValueError, match="checksum"):
        chunks.read("image", 2, image())


def test_a_file_cut_short_is_no_sample(path, chunks):
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(ValueError, match=r"ends within|checksum"):
        for sample in range(SAMPLES):
            chunks.read("image", sample, image())
            chunks.read("exit_wave", sample, np.empty((SIZE, SIZE, 2), np.float32))


def test_what_is_stored_in_another_way_has_no_chunks_of_samples(tmp_path):
    path = tmp_path / "a.h5"
    for options in (
        {"chunks": (1, 4), "fletcher32": True, "compression": "gzip"},
        {"chunks": (2, 4), "fletcher32": True},
        {"chunks": (1, 4)},
        {},
    ):
        with h5py.File(path, "w") as file:
            file.create_dataset("image", data=np.ones((6, 4), np.float32), **options)
        assert SampleChunks.located(path, ("image",)) is None


def test_an_array_of_another_shape_takes_no_sample(chunks):
    with pytest.raises(TypeError, match="shape"):
        chunks.read("image", 0, np.empty((SIZE, SIZE, 2), np.float32))


def test_many_threads_read_at_once(path, chunks):
    expected = image()
    chunks.read("image", 3, expected)
    wrong = []

    def read():
        for _ in range(50):
            mine = image()
            chunks.read("image", 3, mine)
            if not np.array_equal(mine, expected):
                wrong.append(mine)

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
