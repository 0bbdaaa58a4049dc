"""Pictures to be embedded: those of a folder, of a table, or some files. Whom they show need not be known.

A table is read by the rules of data set tables, with two differences. Nothing is dropped: a row whose box is empty is
told. And a name means the same number in whatever table it stands, so that features of two tables can be compared.
"""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from strongreid.data.listing import Finding, contents
from strongreid.data.own import JUNK, people_numbers
from strongreid.data.own_table import boxes, confidence, frames, image_paths, labels, tracks
from strongreid.data.table import ImageTable
from strongreid.data.tabular import Columns, column_names, read_columns
from strongreid.errors import InputError
from strongreid.names import number_of_name
from strongreid.pixels import image_suffixes

UNKNOWN = JUNK
"""The person of a picture of which nobody says whom it shows; an unknown camera is 0, as everywhere."""


@dataclass(frozen=True, eq=False)
class Pictures:
    """N pictures.

    Attributes:
        images: where they lie, their boxes, cameras, frames and tracks; its column `person` says nothing.
        person: int64 [N], whom they show; `UNKNOWN` where that is not known.
        findings: rows of the table that are no pictures.
        unread: how many files were passed over, by their ending.
        time: when each was taken, as the table says it; None where it does not.
        track_number: int64 [N], tracks as the table numbers or names them (`images.track` numbers them anew); None
            where it does not.
        names: the names of people, cameras and tracks in the table, by the numbers that stand for them.
    """

    images: ImageTable
    person: npt.NDArray[np.int64]
    findings: tuple[Finding, ...] = ()
    unread: Mapping[str, int] = field(default_factory=dict)
    time: tuple[str, ...] | None = None
    track_number: npt.NDArray[np.int64] | None = None
    names: Mapping[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.images)


def read_pictures(source: Path, columns: str = "") -> Pictures:
    """Read a table of pictures, or list those in a folder and below it.

    A table (.csv, .tsv, .txt, .parquet) has a column `path` and may have `person`, `camera`, `frame`, a box x, y, w, h,
    `track`, `confidence` and `time`; `columns` says what they are called in it: person=pid. Raises `InputError` where
    there is no picture, and for what cannot be read of a table.
    """
    if not source.is_dir() and source.suffix.lower() not in image_suffixes():
        return _of_table(read_columns(source, column_names(columns)))
    if columns:
        raise InputError(f"`columns` is for tables, but {source} is none.")
    return list_pictures([source])


def list_pictures(sources: Sequence[Path]) -> Pictures:
    """List pictures: each source is one, or a folder of them and of such folders. `InputError` where there are none."""
    paths, unread = list[str](), Counter[str]()
    for source in sources:
        if not source.is_dir():
            paths.append(os.fspath(source))
            continue
        found = contents(source, deep=True)
        if not found.images:
            beside = ", ".join(f"{count} {ending}" for ending, count in sorted(found.unread.items()))
            raise InputError(
                f"{source} holds no pictures, neither do folders in it; it holds {beside or 'no files'}. Pictures end "
                f"in {', '.join(image_suffixes())}."
            )
        paths += found.images
        unread += found.unread
    nobody = np.zeros(len(paths), dtype=np.int64)
    return Pictures(ImageTable(tuple(paths), nobody, nobody), nobody + UNKNOWN, unread=unread)


def _of_table(table: Columns) -> Pictures:
    paths = image_paths(table)
    names = dict[int, str]()
    person = _numbers(table, "person", len(paths), names)
    camera = _numbers(table, "camera", len(paths), names)
    if (camera < 0).any():
        row = int(np.flatnonzero(camera < 0)[0])
        raise table.wrong(row, "camera", table.values["camera"][row], "a number from 0 on, or a name")
    box, findings = boxes(table, np.ones(len(paths), dtype=np.bool_))
    kept = np.ones(len(paths), dtype=np.bool_) if box is None else box[:, 2:].min(axis=1) >= 1
    frame, sure = frames(table), confidence(table)
    images = ImageTable(
        tuple(paths[row] for row in np.flatnonzero(kept).tolist()),
        np.zeros(int(kept.sum()), dtype=np.int64),
        camera[kept],
        frame=None if frame is None else frame[kept],
        box=None if box is None else box[kept],
        track=tracks(table, camera, kept),
        confidence=None if sure is None else sure[kept],
    )
    time = table.optional("time")
    return Pictures(
        images,
        person[kept],
        tuple(findings),
        time=None if time is None else tuple(time[row] for row in np.flatnonzero(kept).tolist()),
        track_number=_numbers(table, "track", len(paths), names)[kept] if "track" in table.values else None,
        names=names,
    )


def _numbers(table: Columns, name: str, count: int, names: dict[int, str]) -> npt.NDArray[np.int64]:
    """Numbers of a column of people or cameras, int64 [count]; of one that is not there, what is unknown.

    The column's names go into `names`.
    """
    column = table.optional(name)
    if column is None:
        return np.full(count, UNKNOWN if name == "person" else 0, dtype=np.int64)
    values = labels(column)
    of_numbers = [value for value in values if value.removeprefix("-").isdecimal()]
    numbers = people_numbers(of_numbers, lambda value, allowed: table.wrong(values.index(value), name, value, allowed))
    of_names = {value: number_of_name(value) for value in dict.fromkeys(values) if value not in numbers}
    names |= {number: value for value, number in of_names.items()}
    numbers |= of_names
    return np.array([numbers[value] for value in values], dtype=np.int64)
