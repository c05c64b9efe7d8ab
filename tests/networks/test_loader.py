"""Reading of epoch files in training order."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from epoch_files import flip_a_bit_of_an_image, make_series, write_epoch

from exitwave.config import Network
from exitwave.errors import ExitwaveError
from exitwave.files.chunks import SampleChunks
from exitwave.networks.training.epoch_reader import (
    EpochFiles,
    check_network_fits,
    check_training_files,
)
from exitwave.networks.training.loader import (
    FileOrder,
    SeriesBatches,
    TrainingOrder,
    choose_share,
)
from exitwave.networks.training.symmetries import SYMMETRIES


def settings(**values) -> Network:
    return Network(**{"dataset": "any", "channels": (4, 8), "batch_size": 4, **values})


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("epochs")
    return [write_epoch(folder / f"{noise}.nc", samples=10, noise=noise) for noise in range(3)]


@pytest.fixture
def files(paths):
    with EpochFiles(paths) as opened:
        yield opened


def all_batches(files, configured, epoch=0, seed=1):
    batches = SeriesBatches(files, TrainingOrder(files, configured, seed), configured)
    batches.start_epoch(epoch)
    return [batches[index] for index in range(len(batches))]


def test_a_sample_is_what_was_written(files):
    image, exit_wave = files.read(2, 7)
    expected_image, expected_wave = make_series(7, 16, 3, noise=2)
    assert np.array_equal(image, expected_image)
    assert np.array_equal(exit_wave, expected_wave)


def test_an_epoch_that_is_stored_in_another_way_is_read_through_hdf5(paths, monkeypatch):
    monkeypatch.setattr(SampleChunks, "located", lambda *_: None)
    with EpochFiles(paths) as opened:
        image, exit_wave = opened.read(1, 3)
    expected_image, expected_wave = make_series(3, 16, 3, noise=1)
    assert np.array_equal(image, expected_image)
    assert np.array_equal(exit_wave, expected_wave)


@pytest.mark.parametrize("readers", [1, 2, 4])
def test_the_number_of_readers_does_not_show(files, readers):
    configured = settings(augment=True)
    order = TrainingOrder(files, configured, 1)
    batches = SeriesBatches(files, order, configured, readers)
    for index, expected in enumerate(all_batches(files, configured)):
        for given, wanted in zip(batches[index], expected, strict=True):
            assert np.array_equal(given, wanted)


def test_the_next_epoch_begins_without_waiting(files):
    configured = settings(augment=True)
    batches = SeriesBatches(files, TrainingOrder(files, configured, 1), configured, readers=2)
    # Its samples are drawn in a thread as well.
    batches._draws[1].result()
    for index in range(len(batches)):
        batches[index]
    expected = all_batches(files, configured, epoch=1)
    made = dict(batches._ahead)
    batches.start_epoch(1)
    assert made.keys() == {(1, 0), (1, 1)}
    for (_, index), batch in made.items():
        for mine, wanted in zip(batch.result(), expected[index], strict=True):
            assert np.array_equal(mine, wanted)
    assert batches[0] is made[1, 0].result()


def test_any_epoch_may_follow(files):
    configured = settings(augment=True)
    batches = SeriesBatches(files, TrainingOrder(files, configured, 1), configured)
    for epoch in (0, 1, 5, 2, 2):
        batches.start_epoch(epoch)
        given = [batches[index] for index in range(len(batches))]
        for mine, wanted in zip(given, all_batches(files, configured, epoch), strict=True):
            assert all(np.array_equal(*pair) for pair in zip(mine, wanted, strict=True))


def test_batches_hold_normalised_series_and_shifted_waves(files):
    batches = SeriesBatches(files, FileOrder(files), settings())
    images, targets = batches[1]
    assert images.shape == (4, 16, 16, 3)
    assert targets.shape == (4, 16, 16, 2)
    assert images.dtype == targets.dtype == np.float32
    # Else JAX would copy them.
    assert images.ctypes.data % 64 == targets.ctypes.data % 64 == 0
    image, wave = make_series(5, 16, 3)
    assert images[1] == pytest.approx(image / image.mean(), rel=1e-6)
    assert targets[1] == pytest.approx(wave - [1, 0], abs=1e-6)


def test_every_sample_is_used_and_the_last_batch_may_be_short(files):
    batches = all_batches(files, settings())
    assert [len(images) for images, _ in batches] == [4, 4, 2]
    order = FileOrder(files).epoch(0)
    assert {(draw.file, draw.sample) for draw in order} == {
        (f, s) for f in range(3) for s in range(10)
    }


def test_epochs_take_the_files_in_turn_each_in_an_order_of_its_own(files):
    order = TrainingOrder(files, settings(), seed=1)
    epochs = [order.epoch(epoch) for epoch in range(6)]
    assert [{draw.file for draw in epoch} for epoch in epochs] == [{0}, {1}, {2}] * 2
    places = [tuple(draw.sample for draw in epoch) for epoch in epochs]
    assert all(sorted(epoch) == list(range(10)) for epoch in places)
    assert len(set(places)) == 6
    assert epochs == [TrainingOrder(files, settings(), seed=1).epoch(epoch) for epoch in range(6)]
    assert epochs[0] != TrainingOrder(files, settings(), seed=2).epoch(0)
    assert epochs[0] != TrainingOrder(files, settings(replica=1), seed=1).epoch(0)


def test_smaller_shares_lie_within_larger_ones_in_every_epoch(files):
    chosen = {}
    for share in (0.2, 0.5, 1.0):
        order = TrainingOrder(files, settings(training_share=share), seed=1)
        specimens = [
            {files.contents[d.file].specimens[d.sample] for d in order.epoch(e)} for e in range(3)
        ]
        assert specimens[0] == specimens[1] == specimens[2]
        chosen[share] = specimens[0]
    assert [len(names) for names in chosen.values()] == [2, 5, 10]
    assert chosen[0.2] < chosen[0.5] < chosen[1.0]


def test_a_share_is_never_empty():
    assert len(choose_share(["a", "b"], 0.01, seed=1)) == 1


def test_augmentation_draws_a_symmetry_for_each_sample_and_epoch(paths):
    with EpochFiles(paths[:1]) as files:
        configured = settings(augment=True)
        draws = [TrainingOrder(files, configured, seed=1).epoch(epoch) for epoch in range(20)]
        by_sample = [{d.sample: d.symmetry for d in epoch} for epoch in draws]
        assert {s for epoch in by_sample for s in epoch.values()} == set(range(SYMMETRIES))
        assert len({epoch[3] for epoch in by_sample}) > 1
        draw = draws[0][0]
        images, targets, symmetries = all_batches(files, configured)[0]
        assert symmetries.ravel().tolist() == [draw.symmetry for draw in draws[0][: len(images)]]
        image, wave = make_series(draw.sample, 16, 3)
        assert images[0] == pytest.approx(image / image.mean(), rel=1e-6)
        assert targets[0] == pytest.approx(wave - [1, 0], abs=1e-6)


def test_local_normalisation_uses_the_sampling_of_the_sample(files):
    images, _ = all_batches(files, settings(normalization="local"))[0]
    assert abs(images.mean()) < 0.1
    assert images.std() == pytest.approx(1, abs=0.3)


def test_a_training_epoch_needs_the_memory_of_a_batch(tmp_path):
    import tracemalloc

    peaks = []
    for samples in (12, 36):
        path = write_epoch(tmp_path / f"{samples}.nc", samples=samples, size=128)
        with EpochFiles([path]) as files:
            batches = SeriesBatches(files, FileOrder(files), settings(), readers=1)
            tracemalloc.start()
            for index in range(len(batches)):
                batches[index]
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
    # How far the one reading thread is ahead at the peak differs by a sample or two.
    assert peaks[1] < peaks[0] + 3 * 128**2 * 5 * 4


def test_threads_may_read_at_once(files):
    expected = {sample: make_series(sample, 16, 3)[0] for sample in range(10)}
    same: list[bool] = []

    def read() -> None:
        samples = np.random.default_rng(threading.get_ident()).integers(10, size=100)
        same.extend(np.array_equal(files.read(0, int(i))[0], expected[int(i)]) for i in samples)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert same == [True] * 400


def test_a_flipped_bit_is_found_and_named(tmp_path):
    path = write_epoch(tmp_path / "epoch.nc")
    flip_a_bit_of_an_image(path, 2)
    with EpochFiles([path]) as files:
        files.read(0, 1)
        batches = SeriesBatches(files, FileOrder(files), settings())
        with pytest.raises(ExitwaveError, match=r"epoch.nc is damaged: sample 2 .* run snakemake"):
            batches[0]
        assert "sample 2" in str(batches.failure)


def test_files_that_cannot_be_used_are_refused(tmp_path, paths):
    cut = tmp_path / "cut.nc"
    cut.write_bytes(paths[0].read_bytes()[:5000])
    larger = write_epoch(tmp_path / "larger.nc", size=32)
    empty = write_epoch(tmp_path / "empty.nc", samples=0)
    for wrong, reason in (
        ([tmp_path / "absent.nc"], "does not exist"),
        ([cut], "is damaged"),
        ([paths[0], larger], "3 images of 32 x 32 px, but .* rendered alike"),
        ([empty], "holds no samples"),
    ):
        with pytest.raises(ExitwaveError, match=reason):
            EpochFiles(wrong)


def test_a_network_that_does_not_fit_is_refused(tmp_path, paths, files):
    check_training_files(files, settings())
    with pytest.raises(ExitwaveError, match="the network takes 4 images"):
        check_network_fits(files, settings(images=4))
    with pytest.raises(ExitwaveError, match="multiples of 32 px"):
        check_network_fits(files, settings(channels=(2,) * 6))
    fewer = write_epoch(tmp_path / "fewer.nc", samples=9)
    with (
        EpochFiles([paths[0], fewer]) as different,
        pytest.raises(ExitwaveError, match=r"different specimens \(9 and 10\)"),
    ):
        check_training_files(different, settings())
