"""Tasks over processes: every task answers once, a failing one costs only itself."""

import os
import time

import pytest

from exitwave.parallel import map_tasks


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
    tasks = [1, "dies", 2, 3, 4, 5]
    results = dict(map_tasks(work, tasks, 2, "test"))
    assert isinstance(results[1], Exception)
    assert [results[index][0] for index in (0, 2, 3, 4, 5)] == [2, 4, 6, 8, 10]


def test_workers_compute_with_one_thread_each():
    results = dict(map_tasks(environment, [0, 1, 2], 2, "test"))
    assert set(results.values()) == {("1", "1")}


def environment(_):
    return os.environ.get("OMP_NUM_THREADS"), os.environ.get("OPENBLAS_NUM_THREADS")


def test_no_task_is_no_work():
    assert list(map_tasks(work, [], 2, "test")) == []
