"""How arithmetic runs here: in full float32 precision, and on few threads that each work alone.

torch's own way is many short parallel regions inside each operation, and after each of them every thread waits for the
one that another program has pushed off its core: beside a few busy programs an evaluation took 11 to 23 s with two
threads and 3 to 4 s with one. So work is cut into tasks of some tens of milliseconds, and workers whose operations are
single-threaded take the next one whenever they are free. Tasks do not depend on the number of workers; so no bit does.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Final

import torch

Task = Callable[[], "Sequence[Task]"]
"""A piece of work, which returns the tasks that can begin now that it is done."""

_settings: Final = threading.Lock()
"""Held while settings of the whole process are being changed or read."""
_precisions: Final[list[tuple[str, str]]] = []
"""The caller's precisions, for each block of `full_precision` that is running, in any thread."""


def slices(stop: int, size: int, start: int = 0) -> Iterator[slice]:
    """Cut start..stop - 1 into slices of `size`, the last one shorter."""
    return (slice(first, min(first + size, stop)) for first in range(start, stop, size))


@contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """No gradients, no autocast, products in full float32; the caller's settings come back afterwards."""
    cuda, cpu = torch.backends.cuda.matmul, torch.backends.mkldnn.matmul  # type: ignore[attr-defined]
    with _settings:
        torch.get_num_threads()  # a thread takes on its number at its first operation; not while `_pool` changes it
        _precisions.append(_precisions[0] if _precisions else (cuda.fp32_precision, cpu.fp32_precision))
        cuda.fp32_precision = cpu.fp32_precision = "ieee"
    try:
        with torch.inference_mode(), torch.autocast(device.type, enabled=False):
            yield
    finally:
        with _settings:
            before = _precisions.pop()
            if not _precisions:
                cuda.fp32_precision, cpu.fp32_precision = before


def worker_count(device: torch.device) -> int:
    """How many workers `run` has: as many as the caller has torch threads; one for a GPU."""
    return torch.get_num_threads() if device.type == "cpu" else 1


def run(tasks: Sequence[Task], device: torch.device, after_each: Callable[[], None] = lambda: None) -> None:
    """Run the tasks and all that they return; use within `full_precision`.

    An exception in a task, or in the caller's thread meanwhile (Ctrl-C), ends all after the tasks that are running.

    Args:
        tasks: the first ones; in other threads, and in no certain order, where there are several workers.
        device: where the arithmetic happens.
        after_each: called in the caller's thread after each task.
    """
    count = worker_count(device)
    if count == 1:
        waiting = deque(tasks)
        while waiting:
            waiting.extend(waiting.popleft()())
            after_each()
        return
    finished: SimpleQueue[Future[Sequence[Task]]] = SimpleQueue()
    running = 0
    with _pool(count) as pool:
        while running or tasks:
            for task in tasks:
                pool.submit(torch.inference_mode()(task)).add_done_callback(finished.put)
                running += 1
            tasks = finished.get().result()
            running -= 1
            after_each()


@contextmanager
def _pool(count: int) -> Iterator[ThreadPoolExecutor]:
    """Yield `count` threads whose operations are single-threaded; what has not begun when the block ends is dropped.

    torch sets the number for the thread that asks and for every thread that begins later; the latter is undone at once.
    """

    def work_alone() -> None:
        torch.get_num_threads()  # a thread takes on the usual number at its first operation: before it gets its own
        torch.set_num_threads(1)

    pool = ThreadPoolExecutor(count, "strongreid-worker", initializer=work_alone)
    try:
        with _settings, ThreadPoolExecutor(1) as other:
            usual = other.submit(torch.get_num_threads).result()
            ready = threading.Barrier(count)
            try:
                for started in [pool.submit(ready.wait) for _ in range(count)]:
                    started.result()
            finally:
                other.submit(torch.set_num_threads, usual).result()
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
