"""Decoding the images of a table at one size, boxes cut out first: on all cores, in order, in constant memory.

Threads serve, because Pillow lets go of the interpreter's lock while it decodes and resizes.
"""

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from strongreid.data.table import ImageTable
from strongreid.errors import InputError
from strongreid.pixels import ImageSource, Interpolation, read_image, resize

IMAGES_PER_TASK = 32
"""Images that a thread decodes before it hands them over: enough that handing over costs nothing."""
IMAGES_PER_SMALL_TASK = 8
"""The same where a batch is waited for: enough tasks that all cores have one."""
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
    """Decode the rows from `start` on, all cores at work, in order and never more than a few tasks ahead."""
    cores = available_cores()
    pool = ThreadPoolExecutor(cores, thread_name_prefix="decode")
    waiting: deque[Future[npt.NDArray[np.uint8]]] = deque()
    try:
        for first in range(start, len(table), IMAGES_PER_TASK):
            rows = range(first, min(first + IMAGES_PER_TASK, len(table)))
            waiting.append(pool.submit(_decode, table, rows, size, interpolation))
            if len(waiting) > 2 * cores:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


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
    pixels = np.empty((len(rows), 3, *size), dtype=np.uint8)
    frame_path, frame = None, np.empty((3, 0, 0), dtype=np.uint8)
    for index, row in enumerate(rows):
        path = table.path[row]
        if table.box is None:
            pixels[index] = read_image(source_of(path), size, interpolation)
            continue
        if path != frame_path:  # boxes of one frame usually follow one another
            frame_path, frame = path, read_image(source_of(path))
        pixels[index] = resize(_cut(frame, table.box[row], path), size, interpolation)
    return pixels


def decode_row(table: ImageTable, row: int, size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Decode one image of a table, its box if it has one, at `size` (height, width): uint8 [3, H, W]."""
    pixels: npt.NDArray[np.uint8] = _decode(table, range(row, row + 1), size)[0]
    return pixels


def _cut(frame: npt.NDArray[np.uint8], box: npt.NDArray[np.int64], path: str) -> Image.Image:
    """The part of `box` (x, y, width, height) that lies in the frame."""
    x, y, width, height = box.tolist()
    part = frame[:, max(y, 0) : max(y + height, 0), max(x, 0) : max(x + width, 0)]
    if part.size == 0:
        raise InputError(
            f"The box {box.tolist()} (x, y, width, height) lies outside {path}, which has "
            f"{frame.shape[2]} x {frame.shape[1]} pixels. Take it out of the table."
        )
    return Image.fromarray(np.ascontiguousarray(part.transpose(1, 2, 0)))
