"""Stores: complete under their final name, self-describing, and every flipped bit is found."""

import os
import resource
import signal

import numpy as np
import pytest
from crystal_columns import vacancies

import exitwave
from exitwave.errors import ExitwaveError
from exitwave.files.checks import check_store, content_digest
from exitwave.files.reader import StoreReader
from exitwave.files.writer import StoreWriter
from exitwave.provenance import attributes as provenance
from exitwave.samples import EPOCH, EXIT_WAVES

SIZE = 16


def sample(index, atoms=3):
    rng = np.random.default_rng(index)
    return {
        "exit_wave": rng.normal(size=(SIZE, SIZE, 2)).astype("f4"),
        "material": f"MoS2-{index:012x}",
        "formula": "MoS2",
        "sample_index": index,
        "split": "training",
        "sample_key": f"key{index}",
        "sampling": 0.1,
        "energy": 50.0,
        "tilt": 3.0,
        "tilt_axis": 20.0,
        "exit_distance": 3.0,
        "thickness": 3.1,
        "atom_count": atoms,
        "atom_number": np.full(atoms, 42),
        "atom_layer": np.zeros(atoms, dtype=int),
        "atom_column": np.arange(atoms),
        "atom_position": rng.random((atoms, 3)),
        **vacancies(index, first_column=atoms),
    }


def write(path, order=(0, 1, 2), **changes):
    sizes = {"sample": len(order), "y": SIZE, "x": SIZE}
    with StoreWriter(path, EXIT_WAVES, sizes, provenance.attributes("{}")) as store:
        for place, index in enumerate(order):
            store.write(place, **{**sample(index, atoms=index + 1), **changes})
    return path


@pytest.mark.parametrize("places", [[0, 1, 2], [2, 0]])
@pytest.mark.parametrize("at_once", [True, False])
def test_what_was_written_is_read(tmp_path, places, at_once):
    path = write(tmp_path / "a.nc")
    assert check_store(path) is EXIT_WAVES
    with StoreReader(path) as reader:
        samples = reader.read_all(places) if at_once else map(reader.read, places)
        for index, values in zip(places, samples, strict=True):
            expected = sample(index, atoms=index + 1)
            for name in expected:
                np.testing.assert_array_equal(values[name], expected[name])
    assert os.listdir(tmp_path) == ["a.nc"]


def test_a_reader_of_one_sample_need_not_read_nor_keep_the_atoms_of_all(tmp_path, monkeypatch):
    monkeypatch.setattr("exitwave.files.writer._ATOMS_IN_CHUNK", 4)
    with StoreReader(write(tmp_path / "a.nc")) as reader:
        assert reader.sizes["atom"] == 6
        assert reader._file["atom_position"].chunking() == [4, 3]
        assert reader._file["exit_wave"].chunking() == [1, SIZE, SIZE, 2]
        assert reader._file["exit_wave"].get_var_chunk_cache()[0] == 0
        assert reader._file["atom_position"].get_var_chunk_cache()[0] < 2**20
        assert len(reader.read(2)["atom_position"]) == 3


def test_readers_of_one_file_share_a_handle_until_the_last_is_closed(tmp_path):
    """HDF5 would crash, see `exitwave.files.handles.open_file`."""
    path = write(tmp_path / "a.nc")
    first, second = StoreReader(path), StoreReader(path)
    for _ in range(3):
        with StoreReader(path) as third:
            assert list(third.column("material")) == list(first.column("material"))
            third.close()
    first.close()
    assert int(second.read(2)["atom_count"]) == 3
    handle = second._file
    assert handle.isopen()
    second.close()
    assert not handle.isopen()
    # A new file under the same name has a handle of its own.
    with StoreReader(path) as old:
        write(path, order=(2, 1))
        with StoreReader(path) as new:
            assert (len(old), len(new)) == (3, 2)


def test_the_labelled_view_is_lazy_complex_and_has_coordinates(tmp_path):
    path = write(tmp_path / "a.nc")
    waves = exitwave.open_exit_waves(path, complex_values=True)
    assert waves["exit_wave"].dims == ("sample", "y", "x")
    assert waves["exit_wave"].dtype == np.complex64
    assert waves["exit_wave"].chunks[0] == (1, 1, 1)
    expected = sample(1)["exit_wave"]
    np.testing.assert_array_equal(waves["exit_wave"][1].values.imag, expected[..., 1])
    assert waves["x"].values[1] == pytest.approx(0.1)
    assert waves["exit_wave"].attrs["units"] == "1"
    parts = exitwave.open_exit_waves(path)
    assert list(parts["part"].values) == ["real", "imag"]
    with pytest.raises(ExitwaveError, match="epoch was expected"):
        exitwave.open_epoch(path)


def test_every_variable_says_what_it_is(tmp_path):
    waves = exitwave.open_exit_waves(write(tmp_path / "a.nc"))
    for name, variable in waves.variables.items():
        assert variable.attrs.get("units"), name
        assert variable.attrs.get("long_name"), name
    for attribute in ("spec", "git_commit", "package_versions", "conventions", "created"):
        assert waves.attrs[attribute]


def test_samples_may_come_in_any_order_and_the_digest_does_not_mind(tmp_path):
    one, two = write(tmp_path / "a.nc", (0, 1, 2)), write(tmp_path / "b.nc", (2, 0, 1))
    assert content_digest(one) == content_digest(two)
    other = write(tmp_path / "c.nc", tilt=4.0)
    assert content_digest(one) != content_digest(other)


def test_an_empty_store_is_a_store(tmp_path):
    path = tmp_path / "a.nc"
    with StoreWriter(path, EXIT_WAVES, {"sample": 0, "y": 0, "x": 0}, provenance.attributes("{}")):
        pass
    check_store(path)
    assert exitwave.open_exit_waves(path).sizes["sample"] == 0


def test_a_failed_writer_leaves_nothing_under_the_final_name(tmp_path):
    path = write(tmp_path / "a.nc")
    before = content_digest(path)
    sizes = {"sample": 2, "y": SIZE, "x": SIZE}
    with (
        pytest.raises(KeyError),
        StoreWriter(path, EXIT_WAVES, sizes, provenance.attributes("{}")) as store,
    ):
        store.write(0, **sample(5))
        raise KeyError("killed")
    assert content_digest(path) == before
    assert os.listdir(tmp_path) == ["a.nc"]


def test_a_sample_that_was_never_written_is_noticed(tmp_path):
    sizes = {"sample": 2, "y": SIZE, "x": SIZE}
    with (
        pytest.raises(ValueError, match="never written"),
        StoreWriter(tmp_path / "a.nc", EXIT_WAVES, sizes, provenance.attributes("{}")) as store,
    ):
        store.write(0, **sample(5))
    assert os.listdir(tmp_path) == []


def test_values_that_are_not_finite_are_refused(tmp_path):
    with pytest.raises(ExitwaveError, match="'tilt' of sample 0 is not finite"):
        write(tmp_path / "a.nc", tilt=float("nan"))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("length", [0, 100, 0.5, 0.999])
def test_a_store_cut_short_is_named(tmp_path, length):
    path = write(tmp_path / "a.nc")
    size = path.stat().st_size
    os.truncate(path, int(length * size) if isinstance(length, float) else length)
    with pytest.raises(ExitwaveError, match=r"a\.nc is damaged.*run snakemake again"):
        check_store(path)


def test_flipped_bytes_are_found(tmp_path):
    path = write(tmp_path / "a.nc")
    pattern = sample(1)["exit_wave"].tobytes()[:64]
    content = bytearray(path.read_bytes())
    place = content.find(pattern)
    assert place > 0
    content[place + 20] ^= 4
    path.write_bytes(content)
    with pytest.raises(ExitwaveError, match="damaged"):
        check_store(path)
    with pytest.raises(ExitwaveError, match="damaged"), StoreReader(path) as reader:
        reader.read(1)
    with StoreReader(path) as reader:
        reader.read(0)


def test_a_file_of_another_kind_is_named(tmp_path):
    with pytest.raises(ExitwaveError, match="does not exist"):
        check_store(tmp_path / "absent.nc")
    (tmp_path / "text.nc").write_text("no store")
    with pytest.raises(ExitwaveError, match="no NetCDF file"):
        check_store(tmp_path / "text.nc")
    with pytest.raises(ExitwaveError, match="holds exit_waves, but epoch was expected"):
        check_store(write(tmp_path / "a.nc"), EPOCH)


def _run_with_small_files(function):
    """Run in a child that may write no file above 64 kB, as on a full disk."""
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
        try:
            function()
        except ExitwaveError as error:
            os._exit(3 if "the disk is full" in str(error) else 4)
        except BaseException:
            os._exit(5)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_disk_that_takes_no_more_is_named(tmp_path):
    path = tmp_path / "a.nc"
    order = tuple(range(200))  # 400 kB
    status = _run_with_small_files(lambda: write(path, order))
    assert status in (3, 4)
    assert not path.exists()
    write(path, order)
