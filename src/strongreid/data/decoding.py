"""Decoding the images of a table at one size, boxes cut out first: on all cores, in order, in constant memory.

Where many are decoded and nothing else is done, processes share the work; beside a network threads serve.
"""

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from queue import SimpleQueue
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from strongreid.data.table import ImageTable
from strongreid.errors import InputError
from strongreid.pixels import ImageSource, Interpolation, read_images
from strongreid.pixels.reading_process import ReadingProcess

IMAGES_PER_TASK: Final = 32
"""Images that are decoded before they are handed over: enough that handing over costs nothing."""
IMAGES_PER_SMALL_TASK: Final = 8
"""The same where a batch is waited for: enough tasks that all cores have one."""
SECONDS_PER_PROCESS: Final = 0.25
"""Work that each process must have: with less, starting it takes longer than it saves."""
MOST_PROCESSES: Final = 16
SourceOf = Callable[[str], ImageSource]
"""What is read for a path of the table: the file there (`str`), or what was fetched from an address."""


class DecodedBatch(NamedTuple):
    """What could be decoded of some rows of a table."""

    rows: list[int]
    """Those that could be, in their order."""
    pixels: npt.NDArray[np.uint8]
    """Theirs: uint8 [n, 3, H, W]."""
    problems: dict[int, str]
    """What is wrong with the others, in a sentence, by row."""


def available_cores() -> int:
    """How many cores this process may use, which containers and job schedulers make fewer than there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def decoded_rows(
    table: ImageTable, size: tuple[int, int], start: int, interpolation: Interpolation = "bilinear"
) -> Iterator[npt.NDArray[np.uint8]]:
    """Decode the rows from `start` on, in order and never more than a few tasks ahead; much work on all cores."""
    tasks = deque(
        range(first, min(first + IMAGES_PER_TASK, len(table))) for first in range(start, len(table), IMAGES_PER_TASK)
    )
    if not tasks:
        return
    began = time.perf_counter()
    first = _decode(table, tasks.popleft(), size, interpolation)
    left = (time.perf_counter() - began) * len(tasks)
    yield first
    processes = _started(min(int(left / SECONDS_PER_PROCESS), available_cores(), MOST_PROCESSES))
    if processes:
        yield from _decoded_by(processes, table, tasks, size, interpolation)
    else:
        yield from (_decode(table, rows, size, interpolation) for rows in tasks)


def _started(wanted: int) -> list[ReadingProcess]:
    """Start processes: none rather than one, and fewer where the system allows no more."""
    processes = list[ReadingProcess]()
    with suppress(OSError):
        while len(processes) < wanted > 1:
            processes.append(ReadingProcess())
    return processes


def _decoded_by(
    processes: Sequence[ReadingProcess],
    table: ImageTable,
    tasks: Iterable[range],
    size: tuple[int, int],
    interpolation: Interpolation,
) -> Iterator[npt.NDArray[np.uint8]]:
    """Let processes decode the tasks, in order, and close them."""
    idle = SimpleQueue[ReadingProcess]()
    for process in processes:
        idle.put(process)

    def decode(rows: range) -> npt.NDArray[np.uint8]:
        process = idle.get()
        try:
            return process.read(*_of_rows(table, rows), size, interpolation)
        finally:
            idle.put(process)

    waiting = deque[Future[npt.NDArray[np.uint8]]]()
    with ThreadPoolExecutor(len(processes), thread_name_prefix="decode") as pool:
        try:
            for rows in tasks:
                waiting.append(pool.submit(decode, rows))
                if len(waiting) > 2 * len(processes):
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for process in processes:  # before the pool ends, so that nothing that is not wanted any more is read
                process.close()


def decoded_batches(
    table: ImageTable,
    batches: Sequence[Sequence[int]],
    size: tuple[int, int],
    interpolation: Interpolation = "bilinear",
    source_of: SourceOf = str,
) -> Iterator[DecodedBatch]:
    """Decode batches of rows, each while the caller works on the one before; what cannot be read is told."""
    pool = ThreadPoolExecutor(available_cores(), thread_name_prefix="decode")

    def begin(rows: Sequence[int]) -> list[Future[DecodedBatch]]:
        parts = [rows[start : start + IMAGES_PER_SMALL_TASK] for start in range(0, len(rows), IMAGES_PER_SMALL_TASK)]
        return [pool.submit(_decode_readable, table, part, size, interpolation, source_of) for part in parts]

    try:
        upcoming = begin(batches[0]) if batches else []
        for following in [*batches[1:], []] if batches else []:
            current, upcoming = [part.result() for part in upcoming], begin(following)
            yield DecodedBatch(
                [row for part in current for row in part.rows],
                np.concatenate([np.empty((0, 3, *size), dtype=np.uint8), *(part.pixels for part in current)]),
                {row: problem for part in current for row, problem in part.problems.items()},
            )
    finally:
        pool.shutdown(cancel_futures=True)


def _decode_readable(
    table: ImageTable,
    rows: Sequence[int],
    size: tuple[int, int],
    interpolation: Interpolation,
    source_of: SourceOf,
) -> DecodedBatch:
    try:
        return DecodedBatch(list(rows), _decode(table, rows, size, interpolation, source_of), {})
    except InputError:
        pass  # seldom, so one by one
    readable, problems = list[npt.NDArray[np.uint8]](), dict[int, str]()
    for row in rows:
        try:
            readable.append(_decode(table, [row], size, interpolation, source_of)[0])
        except InputError as error:
            problems[row] = str(error)
    pixels = np.stack(readable) if readable else np.empty((0, 3, *size), dtype=np.uint8)
    return DecodedBatch([row for row in rows if row not in problems], pixels, problems)


def _decode(
    table: ImageTable,
    rows: Sequence[int],
    size: tuple[int, int],
    interpolation: Interpolation = "bilinear",
    source_of: SourceOf = str,
) -> npt.NDArray[np.uint8]:
    return read_images(*_of_rows(table, rows), size, interpolation, source_of)


def _of_rows(table: ImageTable, rows: Sequence[int]) -> tuple[list[str], npt.NDArray[np.int64] | None]:
    """The path of each row's image, and its box, if there are boxes."""
    return [table.path[row] for row in rows], None if table.box is None else table.box[list(rows)]


def decode_row(table: ImageTable, row: int, size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Decode one image of a table, its box if it has one, at `size` (height, width): uint8 [3, H, W]."""
    pixels: npt.NDArray[np.uint8] = _decode(table, range(row, row + 1), size)[0]
    return pixels
