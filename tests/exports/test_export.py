"""Exports: what comes back is what the stores hold, whole, checked and in flat memory."""

from __future__ import annotations

import hashlib
import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from epoch_files import flip_a_bit_of_an_image
from epoch_files import write_epoch as write_plain_epoch
from evaluation_files import write_epoch
from small_dataset import configuration, make_exit_waves

from exitwave.cli import main
from exitwave.errors import ExitwaveError
from exitwave.exports.dataset import export_dataset
from exitwave.exports.formats import numpy as numpy_format
from exitwave.exports.portions import Portion, epochs, exit_waves
from exitwave.files.atomic import write_text
from exitwave.files.checks import content_digest
from exitwave.files.reader import StoreReader
from exitwave.files.schemas import is_image, sample_digest
from exitwave.samples import EPOCH

VALIDATION = "epochs/3_images/validation/00"


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """A data set of three epochs, one of which is for validation, and its card."""
    folder = tmp_path / "results/flakes"
    write_epoch(folder / f"{VALIDATION}.nc", samples=4, size=64)
    for number in range(2):
        path = folder / f"epochs/1_images/training/{number:02d}.nc"
        write_plain_epoch(path, samples=3, images=1, noise=number)
    (folder / "README.md").write_text("# Flakes\n")
    return folder


def export(dataset: Path, output: Path, *options: str, code: int = 0) -> None:
    said = main(["export", str(dataset), "--to", "numpy", "--output", str(output), *options])
    assert said == code


def loaded(folder: Path) -> dict[str, np.ndarray]:
    return {path.stem: np.load(path, mmap_mode="r") for path in folder.glob("*.npy")}


def require_the_same(store: Path, folder: Path) -> None:
    """Every sample that is put together from the arrays is that of the store."""
    arrays = loaded(folder)
    with StoreReader(store) as reader:
        schema = reader.schema
        assert set(arrays) == {*(entry.name for entry in schema.having(()).variables), "digest"}
        for index, sample in enumerate(reader):
            mine = {}
            for variable in schema.having(()).variables:
                first = variable.dimensions[0]
                where: int | slice = index
                if first != "sample":
                    counts = arrays[schema.ragged[first]]
                    start = int(counts[:index].sum())
                    where = slice(start, start + int(counts[index]))
                mine[variable.name] = arrays[variable.name][where]
                np.testing.assert_array_equal(mine[variable.name], sample[variable.name])
            assert sample_digest(schema, mine) == arrays["digest"][index]
            assert arrays["digest"][index] == str(reader.column("digest")[index])


def test_what_comes_back_is_what_the_stores_hold(dataset: Path, tmp_path: Path) -> None:
    export(dataset, tmp_path / "out")
    index = json.loads((tmp_path / "out/index.json").read_text())
    assert (index["dataset"], index["format"]) == ("flakes", "numpy")
    assert list(index["portions"]) == [
        "epochs/1_images/training/00",
        "epochs/1_images/training/01",
        VALIDATION,
    ]
    for name, entry in index["portions"].items():
        require_the_same(dataset / f"{name}.nc", tmp_path / "out" / name)
        assert entry["content_digest"] == content_digest(dataset / f"{name}.nc")
    image = loaded(tmp_path / "out" / VALIDATION)["image"]
    assert isinstance(image, np.memmap)
    assert (image.shape, image.dtype) == ((4, 64, 64, 3), np.dtype("<f4"))
    assert (tmp_path / "out/README.md").read_text() == "# Flakes\n"


def test_the_index_tells_units_spec_and_checksums(dataset: Path, tmp_path: Path) -> None:
    export(dataset, tmp_path / "out", "--split", "validation")
    folder = tmp_path / "out" / VALIDATION
    index = json.loads((folder / "index.json").read_text())
    assert index["variables"]["atom_position"] == {
        "dimensions": ["atom", "xyz"],
        "dtype": "f8",
        "units": "angstrom",
        "long_name": EPOCH.variable("atom_position").long_name,
    }
    assert index["ragged"]["atom"] == "atom_count"
    assert index["sizes"]["atom"] == len(loaded(folder)["atom_number"]) > 0
    with StoreReader(dataset / f"{VALIDATION}.nc") as reader:
        assert index["attributes"] == reader.attributes
    assert json.loads(index["attributes"]["spec"])["stage"] == "render"
    for name, entry in index["files"].items():
        content = (folder / name).read_bytes()
        assert entry == {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    whole = json.loads((tmp_path / "out/index.json").read_text())
    text = (folder / "index.json").read_bytes()
    assert whole["portions"][VALIDATION]["index_sha256"] == hashlib.sha256(text).hexdigest()


def test_splits_and_lengths_are_chosen(dataset: Path, tmp_path: Path) -> None:
    def names(*options: str) -> list[str]:
        export(dataset, tmp_path / "-".join(options), *options)
        index = json.loads((tmp_path / "-".join(options) / "index.json").read_text())
        return [name.removeprefix("epochs/") for name in index["portions"]]

    assert names("--images", "3") == ["3_images/validation/00"]
    assert names("--split", "training") == ["1_images/training/00", "1_images/training/01"]
    export(dataset, tmp_path / "none", "--images", "2", code=2)
    assert not (tmp_path / "none").exists()


def test_what_was_exported_is_kept_until_it_changes(dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export(dataset, out, "--split", "validation")
    first = (out / VALIDATION).stat().st_ino
    export(dataset, out)
    assert len(json.loads((out / "index.json").read_text())["portions"]) == 3
    assert (out / VALIDATION).stat().st_ino == first
    write_epoch(dataset / f"{VALIDATION}.nc", samples=3, size=64)
    (out / "epochs/3_images/validation/.tmp_00").mkdir()  # left by a kill
    export(dataset, out)
    assert (out / VALIDATION).stat().st_ino != first
    require_the_same(dataset / f"{VALIDATION}.nc", out / VALIDATION)
    assert not list(out.rglob(".*"))


def test_a_damaged_store_leaves_nothing_under_the_final_name(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flip_a_bit_of_an_image(dataset / f"{VALIDATION}.nc", sample=2)
    export(dataset, tmp_path / "out", "--images", "3", code=2)
    assert "is damaged: sample 2" in capsys.readouterr().err
    assert not (tmp_path / "out" / VALIDATION).exists()
    assert not list((tmp_path / "out").rglob("*.npy"))


def test_a_full_disk_is_told(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(portion: Portion, folder: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(numpy_format, "write", fail)
    with pytest.raises(ExitwaveError, match="the disk is full"):
        export_dataset(epochs(dataset), dataset, "numpy", tmp_path / "out")


def test_mistakes_are_told(dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(ExitwaveError, match="no such epochs"):
        epochs(tmp_path)
    with pytest.raises(ExitwaveError, match="no catalog"):
        exit_waves(dataset)
    with pytest.raises(ExitwaveError, match="no export format 'zip'"):
        export_dataset(epochs(dataset), dataset, "zip", tmp_path / "out")
    write_text(tmp_path / "out/index.json", '{"dataset": "flakes", "format": "zarr"}')
    with pytest.raises(ExitwaveError, match="another format"):
        export_dataset(epochs(dataset), dataset, "numpy", tmp_path / "out")
    write_text(tmp_path / "out/index.json", "{")
    with pytest.raises(ExitwaveError, match="cannot be read"):
        export_dataset(epochs(dataset), dataset, "numpy", tmp_path / "out")
    (dataset / "epochs/1_images/training/00.nc").unlink()
    with pytest.raises(ExitwaveError, match=r"training/00\.nc is missing"):
        epochs(dataset)


def test_exit_waves_of_all_shards(tmp_path: Path) -> None:
    store, _ = make_exit_waves(tmp_path / "results/small", configuration())
    export(tmp_path / "results/small", tmp_path / "out", "--exit-waves")
    require_the_same(store, tmp_path / "out/exit_waves/000")
    assert len(loaded(tmp_path / "out/exit_waves/000")["vacancy_number"]) > 0
    store.unlink()
    with pytest.raises(ExitwaveError, match="does not exist"):
        exit_waves(tmp_path / "results/small")


def test_the_memory_is_that_of_a_sample(tmp_path: Path) -> None:
    def peak(samples: int) -> int:
        dataset = tmp_path / f"results/of_{samples}"
        path = write_plain_epoch(dataset / f"{VALIDATION}.nc", samples=samples, size=64)
        portion = Portion.of(dataset, path, EPOCH)
        (tmp_path / path.parts[-5]).mkdir()
        tracemalloc.start()
        numpy_format.write(portion, tmp_path / path.parts[-5])
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    peak(2)  # imports
    one_sample = sum(
        4 * 64 * 64 * 3 for variable in EPOCH.having(()).variables if is_image(variable)
    )
    assert peak(64) < peak(4) + one_sample
