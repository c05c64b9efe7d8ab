"""Spread independent tasks over the cores of a job with Dask.

One task is one sample: it computes and returns arrays, and never writes. The process that asks
for the results writes them.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from typing import Any, TypeVar, cast

from threadpoolctl import threadpool_limits

from exitwave.errors import ExitwaveError
from exitwave.tasks import forkserver
from exitwave.tasks.memory import ENVIRONMENT as KEPT
from exitwave.tasks.progress import current

Task = TypeVar("Task")
Result = TypeVar("Result")
Item = TypeVar("Item")

# Jobs may wait long in a queue; this job's own workers are there from the beginning.
_LONGEST_WITHOUT_WORKERS = "10 minutes"

_WORKERS_SETTINGS = {
    # Dask makes a worker give back each array's memory at once. To fetch it again, page by page,
    # took as long as the multislice itself.
    **{f"distributed.nanny.pre-spawn-environ.{name}": value for name, value in KEPT.items()},
    # What Dask watches for its pages, many times a second in each process: nobody looks at them.
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.tick.limit": "1h",
    "distributed.admin.system-monitor.interval": "60s",
    "distributed.admin.system-monitor.disk": False,
    "distributed.admin.system-monitor.gil.enabled": False,
    # They would speak without TLS.
    "distributed.worker.http.routes": [],
}

# A worker may also die of something else, twice in a row at most.
_TRIALS_ALONE = 3


def map_tasks(
    function: Callable[[Task], Result],
    tasks: Sequence[Task],
    workers: int,
    title: str,
    worker_jobs: int = 0,
    already_done: int = 0,
) -> Iterator[tuple[int, Result | Exception]]:
    """Yield ``(index, result)`` of each task as it completes, in any order.

    A task that fails yields its exception in place of a result, and the others go on. Only a few
    results per worker are in memory at a time.

    Parameters
    ----------
    function : callable
        Called with one task; must be importable by the workers.
    tasks : sequence
        What to do.
    workers : int
        Processes of one thread each. With 1 the work is done in this process.
    title : str
        What is counted, in the lines and the file of the progress.
    worker_jobs : int
        Slurm jobs of as many processes each that help, see `exitwave.tasks.worker_jobs`.
    already_done : int
        Samples of the same work that existed before; they count in the progress.
    """
    results = unordered_results(function, tasks, workers, worker_jobs)
    return counted_results(results, title, len(tasks), already_done)


def unordered_results(
    function: Callable[[Task], Result], tasks: Sequence[Task], workers: int, worker_jobs: int = 0
) -> Iterator[tuple[int, Result | Exception]]:
    """Yield results as `map_tasks` does, but count none.

    The parameters are those of `map_tasks`.
    """
    if len(tasks) <= 1 or (workers <= 1 and not worker_jobs):
        return _in_process(function, tasks)
    return _over_dask(function, tasks, workers, worker_jobs)


def counted_results(
    results: Iterable[tuple[int, Result | Exception]], title: str, total: int, already_done: int = 0
) -> Iterator[tuple[int, Result | Exception]]:
    """Yield results and count them, those that are exceptions as failed.

    Parameters
    ----------
    results : iterable
        Pairs of a task's index and its result or exception.
    title : str
        What is counted, in the lines and the file of the progress.
    total : int
        How many results there will be.
    already_done : int
        Samples of the same work that existed before; they count in the progress.
    """
    progress = current()
    progress.begin(title, already_done + total, already_done)
    try:
        for index, result in results:
            progress.step(failed=isinstance(result, Exception))
            yield index, result
    finally:
        progress.end()


def _in_process(
    function: Callable[[Task], Result], tasks: Sequence[Task]
) -> Iterator[tuple[int, Result | Exception]]:
    for index, task in enumerate(tasks):
        try:
            # As in a worker of its own: the number of threads must not show in the results.
            with threadpool_limits(1):
                result = function(task)
        except Exception as error:
            yield index, error
        else:
            yield index, result


def prefetch(items: Iterable[Item]) -> Iterator[Item]:
    """Yield items while a thread makes the next one, which must not use HDF5."""
    end = object()
    source = iter(items)
    with ThreadPoolExecutor(1) as thread:
        try:
            coming = thread.submit(next, source, end)
            while (item := coming.result()) is not end:
                coming = thread.submit(next, source, end)
                yield cast("Item", item)
        finally:
            # A generator ends where it began: Dask's client is closed by the thread that opened it.
            thread.submit(getattr(source, "close", lambda: None))


def chunks(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Yield items in lists of so many; the last one may be shorter."""
    source = iter(items)
    while chunk := list(itertools.islice(source, size)):
        yield chunk


@contextlib.contextmanager
def _copies(function: Callable[[Task], Result], workers: int) -> Iterator[None]:
    """Let processes that begin here have the function's module imported, and end with this."""
    # Begun already by a command that knew its function early.
    forkserver.begin_imports(function.__module__, workers)
    try:
        yield
    finally:
        forkserver.end()


@contextlib.contextmanager
def _cluster(workers: int, worker_jobs: int) -> Iterator[Any]:
    """Start Dask workers on this machine, or as Slurm jobs, and yield a client of theirs."""
    import dask

    dask.config.set(_WORKERS_SETTINGS)
    dask.config.set({"distributed.scheduler.http.routes": []})
    # A task is asked about at its worker's first death, see `_alone`.
    dask.config.set({"distributed.scheduler.allowed-failures": 0})
    dask.config.set({"distributed.scheduler.no-workers-timeout": _LONGEST_WITHOUT_WORKERS})
    import distributed.utils
    from distributed import Client, LocalCluster, Security

    dask.config.set({"distributed.worker.multiprocessing-method": forkserver.METHOD})
    # Dask would choose what is imported.
    distributed.utils._forkserver_preload_set = True
    # What a scheduler says of its own comings and goings would bury the lines of progress.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)

    # TLS with a certificate that lives as long as the job: on a shared node every user can reach
    # the loopback interface, and who can talk to a scheduler can run code on its workers.
    security = Security.temporary()
    # Results come from the workers themselves: through the scheduler, they would be encrypted and
    # read twice, by the process that has to write them as well.
    if worker_jobs:
        from exitwave.tasks.worker_jobs import cluster_of_jobs

        variables = {
            f"DASK_{name.replace('.', '__').replace('-', '_').upper()}": str(value)
            for name, value in _WORKERS_SETTINGS.items()
        }
        with (
            cluster_of_jobs(worker_jobs, workers, variables, security) as cluster,
            Client(cluster, direct_to_workers=True) as client,
        ):
            yield client
        return
    with (
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            protocol="tls://",
            security=security,
            dashboard_address="127.0.0.1:0",
            memory_limit=None,
            silence_logs=logging.ERROR,
        ) as cluster,
        Client(cluster, direct_to_workers=True) as client,
    ):
        yield client


def _over_dask(
    function: Callable[[Task], Result], tasks: Sequence[Task], workers: int, worker_jobs: int
) -> Iterator[tuple[int, Result | Exception]]:
    from distributed import KilledWorker, as_completed

    workers = min(workers, len(tasks))
    with _copies(function, workers), _cluster(workers, worker_jobs) as client:
        indices: dict[str, int] = {}
        waiting = iter(enumerate(tasks))

        def submit() -> Any:
            for index, task in waiting:
                future = client.submit(function, task, pure=False, retries=0)
                indices[future.key] = index
                return future
            return None

        # Two tasks per worker keep it busy while a result travels; more would only fill memory.
        processes = workers * (1 + worker_jobs)
        first = [future for _ in range(2 * processes) if (future := submit()) is not None]
        completed = as_completed(first)
        suspects = []
        for future in completed:
            index, result = indices.pop(future.key), _outcome(future)
            if isinstance(result, CancelledError):
                # Nobody here cancels a task.
                raise ExitwaveError(
                    "The Dask scheduler was lost, and with it the samples under way; finished "
                    "samples are kept, so run again."
                )
            if isinstance(result, KilledWorker):
                suspects.append(index)
            else:
                yield index, result
            future.release()
            following = submit()
            if following is not None:
                completed.add(following)
        for index in suspects:
            yield index, _alone(client, function, tasks[index])


def _outcome(future: Any) -> Any:
    """Wait for a task and return its result or its exception."""
    try:
        return future.result()
    except Exception as error:
        return error


def _alone(client: Any, function: Callable[[Task], Result], task: Task) -> Result | Exception:
    """Do a task while no other is under way, and return its result or its exception.

    Dask blames the death of a worker on all tasks that it held. Alone, the one that kills its
    worker gives itself away, and those that stood beside it, or met a kill from outside, come
    through.
    """
    from distributed import KilledWorker

    for _ in range(_TRIALS_ALONE):
        result = _outcome(client.submit(function, task, pure=False, retries=0))
        if not isinstance(result, KilledWorker):
            break
    if isinstance(result, KilledWorker):
        return MemoryError(
            f"its worker process died {_TRIALS_ALONE} times, as when memory runs out"
        )
    return result  # type: ignore[no-any-return]
