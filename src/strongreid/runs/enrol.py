"""Enrolling pictures in a gallery: embedded and added in whole batches, so that a stop at any time loses one at most.

What is in the gallery already is not embedded again: a picture is known by its path (with its box), and by not having
been written since it was added. So the same command goes on after a stop, and takes in what a camera has added since.
Embedding it again would not do: in another batch its features may differ in the last bit, and so make another row.
"""

import io
import os
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import time_ns
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from strongreid.data.decoding import SourceOf
from strongreid.data.listing import Finding
from strongreid.data.pictures import Pictures, read_pictures
from strongreid.export.runner import Engine
from strongreid.files import scheme_of
from strongreid.gallery import UNKNOWN, Gallery
from strongreid.gallery.boxes import split_box, with_box
from strongreid.gallery.labels import labels
from strongreid.gallery.times import times
from strongreid.reports.console import Console
from strongreid.runs.embed import BATCH, Choices, EmbeddingModel, embedded_batches, refuse_bad, tell
from strongreid.runs.used_model import UsedModel

ROWS_AT_ONCE: Final = 1024
"""Rows that are added together, at least: a write to the gallery costs some milliseconds, and makes a file."""
_THUMBNAIL_SIDE: Final = 128
_THUMBNAIL_QUALITY: Final = 80


@dataclass(frozen=True)
class Enrolment:
    """How to enrol."""

    camera: int | str | None = None
    """Number or name, of all pictures, where no table says it."""
    thumbnails: bool = False
    """Keep a small picture of each in the gallery."""


@dataclass(frozen=True, eq=False)
class EmbeddedRows:
    """Some pictures after embedding."""

    rows: list[int]
    """Those that could be read, of `Pictures`."""
    features: npt.NDArray[np.float32]
    """Theirs: [n, width]."""
    thumbnails: list[bytes | None]
    problems: dict[int, str]
    """What is wrong with the others, by row."""


EmbedRows = Callable[[Pictures, list[int]], Generator[EmbeddedRows]]
"""Embeds the given rows of pictures, some at a time and in any order."""


@dataclass(frozen=True)
class Enrolled:
    """What became of the pictures."""

    added: int
    updated: int
    known: int

    def words(self, gallery: Gallery) -> str:
        """Say it, and what the gallery holds now."""
        relabelled = f", {self.updated:,} are now of another person" if self.updated else ""
        return (
            f"Gallery: {gallery.address}, {self.added:,} pictures added, {self.known:,} were there{relabelled}; it "
            f"holds {gallery.stats().count:,}."
        )


def enrol(
    source: Path,
    gallery: Gallery,
    used: UsedModel,
    how: Enrolment,
    choices: Choices,
    console: Console,
    columns: str,
    embed_rows: EmbedRows | None = None,
) -> Enrolled:
    """Embed the pictures of a folder or a table that are not in the gallery yet, and add them.

    `embed_rows` embeds elsewhere; None: in this process. Raises `InputError` where some cannot be read, after adding
    the others and naming them.
    """
    pictures = read_pictures(source, columns)
    tell(pictures, source, console)
    gallery.require_model(used.made_by.fingerprint, used.network.width)
    console.say(used.words())
    columns_of = _columns(pictures, how)
    total = len(pictures.images)
    missing, updated = _missing(columns_of, pictures.person.tolist(), gallery)
    known = total - len(missing)
    if known:
        console.say(f"Going on: {known:,} of {total:,} pictures are in the gallery already.")
    embed_here = partial(embedded_here, used=used, thumbnails=how.thumbnails, engine=choices.engine, say=console.say)
    added, problems = 0, dict[int, str]()
    with (
        console.bar("Enrolling pictures") as report,
        closing((embed_rows or embed_here)(pictures, missing)) as embedded,
    ):
        for some in _gathered(embedded):
            problems |= some.problems
            if some.rows:
                chosen: dict[str, Any] = {
                    name: [column[row] for row in some.rows] for name, column in columns_of.items()
                }
                result = gallery.add(some.features, model=used.made_by.fingerprint, **chosen, thumbnail=some.thumbnails)
                added, known = added + result.added, known + result.known + result.updated
            report(known + added + len(problems), total)
    found = [*pictures.findings, *(Finding(pictures.images.path[row], problems[row]) for row in sorted(problems))]
    refuse_bad(found, total + len(pictures.findings), choices.skip_bad, True, console)
    return Enrolled(added, updated, known - updated)


def embedded_here(
    pictures: Pictures,
    rows: list[int],
    used: UsedModel,
    thumbnails: bool,
    engine: Engine | None,
    say: Callable[[str], None],
) -> Generator[EmbeddedRows]:
    """Embed rows of pictures in this process, in their order."""
    batches = [rows[start : start + BATCH] for start in range(0, len(rows), BATCH)]
    yield from embedded_rows(pictures, batches, EmbeddingModel(used, len(pictures), engine, say), thumbnails)


def embedded_rows(
    pictures: Pictures,
    batches: Sequence[Sequence[int]],
    model: EmbeddingModel,
    thumbnails: bool,
    source_of: SourceOf = str,
) -> Iterator[EmbeddedRows]:
    """Embed batches of rows, and make a thumbnail of each where they are wanted."""
    for batch, features in embedded_batches(pictures, batches, model, source_of):
        small = [_thumbnail(pixels) if thumbnails else None for pixels in batch.pixels]
        yield EmbeddedRows(batch.rows, features, small, batch.problems)


def _gathered(parts: Iterator[EmbeddedRows]) -> Iterator[EmbeddedRows]:
    """Join parts until they are worth a write."""
    held = list[EmbeddedRows]()
    for part in parts:
        held.append(part)
        if sum(len(one.rows) for one in held) >= ROWS_AT_ONCE:
            yield _joined(held)
            held = []
    if held:
        yield _joined(held)


def _joined(parts: list[EmbeddedRows]) -> EmbeddedRows:
    return EmbeddedRows(
        [row for part in parts for row in part.rows],
        np.concatenate([part.features for part in parts]),
        [small for part in parts for small in part.thumbnails],
        {row: problem for part in parts for row, problem in part.problems.items()},
    )


def _columns(pictures: Pictures, how: Enrolment) -> dict[str, Sequence[Any]]:
    """What the gallery is told of each picture."""
    images = pictures.images
    paths = [full_path(path) for path in images.path]
    boxes = [None] * len(paths) if images.box is None else images.box.tolist()
    numbers = {"person": pictures.person, "camera": images.camera, "track": pictures.track_number}
    named: dict[str, Any] = {
        name: [None] * len(paths) if column is None else [pictures.names.get(one, one) for one in column.tolist()]
        for name, column in numbers.items()
    }
    if how.camera is not None:
        named["camera"] = [how.camera] * len(paths)
    for name, column in named.items():
        labels(name, column, len(paths))  # what cannot be added is refused now, not after hours
    return {
        **named,
        "path": [with_box(path, box) for path, box in zip(paths, boxes, strict=True)],
        "time": times(None if pictures.time is None else list(pictures.time), len(paths)).view("datetime64[us]"),
    }


def full_path(path: str) -> str:
    """Return the path of a picture from the root on; an address as it is."""
    return path if scheme_of(path) else os.path.abspath(path)  # noqa: PTH100 - speed


def _missing(columns: dict[str, Sequence[Any]], people: list[int], gallery: Gallery) -> tuple[list[int], int]:
    """Rows that are not in the gallery, or whose files were written since; relabel those whose person is another.

    `people` are the persons as numbers. Returns how many were relabelled too.
    """
    there = gallery.known_paths()
    missing, keys, others = list[int](), list[str](), list[int | str]()
    now = time_ns()  # what is said to be written later was copied from a clock that is ahead, and would be new for ever
    for row, (path, person) in enumerate(zip(columns["path"], people, strict=True)):
        known = there.get(path)
        if known is None or known.added < _written(path) <= now:
            missing.append(row)
        elif person not in (UNKNOWN, known.person):
            keys.append(known.key)
            others.append(columns["person"][row])
    gallery.relabel(keys, others)
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
