"""Enrolling pictures in a gallery: embedded and added in whole batches, so that a stop at any time loses one at most.

What is in the gallery already is not embedded again: a picture is known by its path (with its box), and by not having
been written since it was added. So the same command goes on after a stop, and takes in what a camera has added since.
Embedding it again would not do: in another batch its features may differ in the last bit, and so make another row.
"""

import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import time_ns
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from strongreid.data.listing import Finding
from strongreid.data.pictures import FIRST_OF_NAMES, Pictures, read_pictures
from strongreid.gallery import UNKNOWN, Gallery
from strongreid.gallery.boxes import split_box, with_box
from strongreid.gallery.times import times
from strongreid.reports.console import Console
from strongreid.runs.embed import BATCH, Choices, embedded_batches, refuse_bad, tell
from strongreid.runs.used_model import UsedModel

ROWS_AT_ONCE: Final = 16
"""Batches that are added together: a write to the gallery costs some milliseconds, and makes a file."""
_THUMBNAIL_SIDE: Final = 128
_THUMBNAIL_QUALITY: Final = 80


@dataclass(frozen=True)
class Enrolment:
    """How to enrol."""

    camera: int | None = None
    """Of all pictures, where no table says it."""
    thumbnails: bool = False
    """Keep a small picture of each in the gallery."""


@dataclass(frozen=True)
class Enrolled:
    """What became of the pictures."""

    added: int
    updated: int
    known: int


def enrol(
    source: Path, gallery: Gallery, used: UsedModel, how: Enrolment, choices: Choices, console: Console, columns: str
) -> Enrolled:
    """Embed the pictures of a folder or a table that are not in the gallery yet, and add them.

    Raises `InputError` where some cannot be read, after adding the others and naming them.
    """
    pictures = read_pictures(source, columns)
    tell(pictures, source, console)
    gallery.require_model(used.made_by.fingerprint, used.network.width)
    console.say(used.words(), *_said_of_names(pictures))
    return enrol_pictures(pictures, gallery, used, how, choices, console)


def enrol_pictures(
    pictures: Pictures, gallery: Gallery, used: UsedModel, how: Enrolment, choices: Choices, console: Console
) -> Enrolled:
    """Embed pictures that are not in the gallery yet, and add them; see `enrol`."""
    columns = _columns(pictures, how)
    total = len(pictures.images)
    missing, updated = _missing(columns, gallery)
    known = done = total - len(missing)
    if known:
        console.say(f"Going on: {known:,} of {total:,} pictures are in the gallery already.")
    problems, added = dict[int, str](), 0
    step = BATCH * ROWS_AT_ONCE
    batches = [missing[start : start + BATCH] for start in range(0, len(missing), BATCH)]
    with console.bar("Enrolling pictures") as report:
        embedded = embedded_batches(pictures, batches, used, choices.engine, console.say)
        for start in range(0, len(missing), step):
            rows, features, thumbnails = list[int](), list[npt.NDArray[np.float32]](), list[bytes | None]()
            for batch, some in _some(embedded, len(batches[start // BATCH : (start + step) // BATCH])):
                problems |= batch.problems
                rows += batch.rows
                features.append(some)
                thumbnails += [_thumbnail(pixels) if how.thumbnails else None for pixels in batch.pixels]
            if rows:
                chosen: dict[str, Any] = {name: [column[row] for row in rows] for name, column in columns.items()}
                result = gallery.add(
                    np.concatenate(features), model=used.made_by.fingerprint, **chosen, thumbnail=thumbnails
                )
                added, known = added + result.added, known + result.known + result.updated
            done += len(missing[start : start + step])
            report(done, total)
    found = [*pictures.findings, *(Finding(pictures.images.path[row], problem) for row, problem in problems.items())]
    refuse_bad(found, total + len(pictures.findings), choices.skip_bad, True, console)
    return Enrolled(added, updated, known - updated)


def _said_of_names(pictures: Pictures) -> list[str]:
    """Return what becomes of names in a table: galleries keep numbers."""
    columns = {"people": pictures.person, "cameras": pictures.images.camera}
    named = [what for what, numbers in columns.items() if (numbers >= FIRST_OF_NAMES).any()]
    if not named:
        return []
    return [
        f"Warning: the table names {' and '.join(named)}; a gallery keeps a long number for each name, which no "
        "condition can ask for. Number them in the table to choose by them (data import --camera lobby=1,stairs=2)."
    ]


def _some(batches: Iterator[Any], count: int) -> Iterator[Any]:
    for _ in range(count):
        yield next(batches)


def _columns(pictures: Pictures, how: Enrolment) -> dict[str, Sequence[Any]]:
    """What the gallery is told of each picture."""
    images = pictures.images
    paths = [os.path.abspath(path) for path in images.path]  # noqa: PTH100 - speed
    boxes = [None] * len(paths) if images.box is None else images.box.tolist()
    camera = images.camera if how.camera is None else np.full(len(paths), how.camera)
    return {
        "path": [with_box(path, box) for path, box in zip(paths, boxes, strict=True)],
        "person": pictures.person.tolist(),
        "camera": camera.tolist(),
        "time": times(None if pictures.time is None else list(pictures.time), len(paths)).view("datetime64[us]"),
        "track": [None] * len(paths) if pictures.track_number is None else pictures.track_number.tolist(),
    }


def _missing(columns: dict[str, Sequence[Any]], gallery: Gallery) -> tuple[list[int], int]:
    """Rows that are not in the gallery, or whose files were written since; relabel those whose person is another.

    Returns how many were relabelled too.
    """
    there = gallery.known_paths()
    missing, keys, people = list[int](), list[str](), list[int]()
    now = time_ns()  # what is said to be written later was copied from a clock that is ahead, and would be new for ever
    for row, (path, person) in enumerate(zip(columns["path"], columns["person"], strict=True)):
        known = there.get(path)
        if known is None or known.added < _written(path) <= now:
            missing.append(row)
        elif person not in (UNKNOWN, known.person):
            keys.append(known.key)
            people.append(person)
    gallery.relabel(keys, people)
    return missing, len(keys)


def _written(path: str) -> int:
    """When a file was written last, nanoseconds since 1970; 0 where there is none."""
    try:
        return os.stat(split_box(path)[0]).st_mtime_ns  # noqa: PTH116 - speed
    except (OSError, ValueError):
        return 0


def _thumbnail(pixels: npt.NDArray[np.uint8]) -> bytes:
    image = Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    image.thumbnail((_THUMBNAIL_SIDE, _THUMBNAIL_SIDE))
    written = io.BytesIO()
    image.save(written, format="JPEG", quality=_THUMBNAIL_QUALITY)
    return written.getvalue()
