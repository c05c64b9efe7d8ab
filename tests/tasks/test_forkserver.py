"""Workers are copies of a process that has imported their task's module."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest

from exitwave.tasks import forkserver

METHOD = multiprocessing.get_context(forkserver.METHOD)


@pytest.fixture(autouse=True)
def ended():
    forkserver.end()
    yield
    forkserver.end()


def imported(queue):
    # Before anything is unpickled that would import it.
    queue.put(("exitwave.multislice.fourier" in sys.modules, os.environ.get("MALLOC_MMAP_MAX_")))


def asked(function):
    queue = METHOD.Queue()
    process = METHOD.Process(target=function, args=(queue,))
    process.start()
    try:
        return queue.get(timeout=60)
    finally:
        process.join()


def test_a_copy_has_the_module_and_keeps_its_memory():
    before = dict(os.environ)
    forkserver.begin_imports("exitwave.multislice.fourier", 2)
    assert dict(os.environ) == before
    assert asked(imported) == (True, "0")


def test_one_worker_needs_no_copy():
    children = len(psutil.Process().children())
    forkserver.begin_imports("exitwave.multislice.fourier", 1)
    assert len(psutil.Process().children()) == children


def test_a_module_that_cannot_be_imported_is_left_to_the_copies():
    forkserver.begin_imports("exitwave.no_such_module", 2)
    assert asked(imported)[1] == "0"


def test_an_interrupt_meant_for_all_is_left_to_the_process_that_asks():
    forkserver.begin_imports("exitwave.multislice.fourier", 2)
    queue = METHOD.Queue()
    process = METHOD.Process(target=outlast_an_interrupt, args=(queue,))
    process.start()
    os.kill(queue.get(timeout=60), signal.SIGINT)
    assert queue.get(timeout=60) == "done"
    process.join()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def outlast_an_interrupt(queue):
    queue.put(os.getpid())
    time.sleep(0.5)
    queue.put("done")


def test_it_begins_in_any_thread_too():
    thread = threading.Thread(target=forkserver.begin_imports, args=("json", 2))
    thread.start()
    thread.join()
    assert asked(imported)[1] == "0"


def test_the_processor_time_of_workers_is_the_commands_own():
    code = (
        "import resource\n"
        "from exitwave.tasks.parallel import map_tasks\n"
        "from math import factorial\n"
        "if __name__ == '__main__':\n"
        "    list(map_tasks(factorial, [60_000] * 8, 2, 'test'))\n"
        "    used = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "    print(used.ru_utime + used.ru_stime)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) > 0.5
