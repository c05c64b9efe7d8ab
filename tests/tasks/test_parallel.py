"""Tasks over processes: every task answers once, a failing one costs only itself."""

import os
import resource
import threading
import time

import dask
import distributed
import psutil
import pytest

from exitwave.errors import ExitwaveError
from exitwave.tasks.parallel import chunks, map_tasks, prefetch


def work(task):
    if task == "fails":
        raise ValueError("no such luck")
    if task == "dies":
        os._exit(1)
    time.sleep(0.01)
    return task * 2, os.getpid()


@pytest.mark.parametrize("workers", [1, 2])
def test_every_task_answers_once(workers):
    tasks = [1, 2, "fails", 3, 4, 5, 6, 7]
    results = dict(map_tasks(work, tasks, workers, "test"))
    assert sorted(results) == list(range(8))
    assert isinstance(results[2], ValueError)
    good = {index: result[0] for index, result in results.items() if index != 2}
    assert good == {index: 2 * tasks[index] for index in good}
    processes = {result[1] for index, result in results.items() if index != 2}
    assert len(processes) <= workers
    assert (os.getpid() in processes) == (workers == 1)


def test_a_task_that_kills_its_worker_costs_only_itself():
    tasks = ["dies", *range(1, 9), "dies", *range(10, 20)]
    results = dict(map_tasks(work, tasks, 2, "test"))
    assert sorted(results) == list(range(20))
    for index, result in results.items():
        if tasks[index] == "dies":
            assert "worker process died" in str(result)
        else:
            assert result[0] == 2 * index


def test_a_worker_that_is_killed_from_outside_costs_nothing(tmp_path):
    """Each task kills its worker the first time, as a machine short of memory may."""
    tasks = [tmp_path / str(number) for number in range(4)]
    assert dict(map_tasks(work_at_the_second_time, tasks, 2, "test")) == dict.fromkeys(range(4), 1)


def work_at_the_second_time(mark):
    if not mark.exists():
        mark.touch()
        os._exit(1)
    return 1


def test_workers_compute_with_one_thread_each():
    results = dict(map_tasks(environment, [0, 1, 2], 2, "test"))
    assert set(results.values()) == {("1", "1")}


def environment(_):
    return os.environ.get("OMP_NUM_THREADS"), os.environ.get("OPENBLAS_NUM_THREADS")


def test_no_task_is_no_work():
    assert list(map_tasks(work, [], 2, "test")) == []


def test_items_that_are_made_ahead_keep_their_order_and_their_error():
    def items():
        yield from range(3)
        raise ValueError("the fourth")

    made = prefetch(items())
    assert [next(made) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="the fourth"):
        next(made)
    assert list(prefetch([])) == []


def test_items_that_nobody_waits_for_end_in_the_thread_that_made_them():
    threads = []

    def items():
        try:
            threads.append(threading.get_ident())
            yield from range(9)
        finally:
            threads.append(threading.get_ident())

    made = prefetch(chunks(items(), 2))
    assert next(made) == [0, 1]
    made.close()
    assert threads[0] == threads[1] != threading.get_ident()


def test_chunks_have_all_items():
    assert list(chunks(range(5), 2)) == [[0, 1], [2, 3], [4]]
    assert list(chunks([], 2)) == []


def test_memory_that_runs_out_costs_only_its_task():
    """The limit of the system is real, and the worker goes on."""
    results = dict(map_tasks(work_in_little_memory, [10, 10_000, 20], 2, "test"))
    assert isinstance(results.pop(1), MemoryError)
    assert results == {0: 10, 2: 20}


def work_in_little_memory(megabytes):
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    used = psutil.Process().memory_info().vms
    resource.setrlimit(resource.RLIMIT_AS, (used + 500 * 2**20, hard))
    try:
        return len(bytearray(megabytes * 2**20)) // 2**20
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def test_a_lost_scheduler_ends_the_run_in_a_sentence():
    results = map_tasks(slow_work, list(range(20)), 2, "test")
    next(results)
    cluster = distributed.Client.current().cluster
    cluster.sync(cluster.scheduler.close)
    with (
        # Dask looks for it for half a minute.
        dask.config.set({"distributed.comm.timeouts.connect": "2s"}),
        pytest.raises(ExitwaveError, match=r"scheduler was lost.*finished samples are kept"),
    ):
        list(results)


def slow_work(task):
    time.sleep(0.2)
    return task
