"""Rows of a gallery as columns, checked when they are made, and the key that tells one from all others.

The key is the hash of vector, model, camera, time, track and path, not of the person: a row that is added again changes
nothing, and one whose person has become known is the same row.
"""

import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import time_ns
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from strongreid.errors import InputError
from strongreid.evaluation.distance import Metric
from strongreid.gallery.labels import NAMED, Texts, either, labels, whole_numbers
from strongreid.gallery.times import times
from strongreid.gallery.where import UNKNOWN, Integers

NUMBERS: Final = ("person", "camera", "track", "time", "added")
"""Columns of whole numbers."""
LONGEST_PATH: Final = 4096
"""Most bytes of a path, as on Linux."""
LARGEST_THUMBNAIL: Final = 2**20
"""Most bytes of a thumbnail: it shows a picture, and does not store it."""
_KEY_BYTES: Final = 16


@dataclass(frozen=True)
class About:
    """What all rows of a gallery share."""

    model: str
    """Fingerprint of the model that made the features."""
    width: int
    """Numbers in a feature."""
    metric: Metric
    """How features are compared."""


@dataclass(frozen=True, eq=False)
class Rows:
    """N rows of a gallery."""

    key: Texts
    """`[N]` text, 32 hexadecimal digits."""
    features: npt.NDArray[np.float32]
    """`[N, D]`."""
    person: Integers
    """int64 `[N]`, -1 where it is not known; likewise `camera` and `track`."""
    camera: Integers
    track: Integers
    person_name: Texts
    """`[N]` text, empty where there is none; likewise the others. A name's number is that of `number_of_name`."""
    camera_name: Texts
    track_name: Texts
    time: Integers
    """int64 `[N]`, microseconds since 1970; `NO_TIME` where it is not known."""
    path: Texts
    """`[N]` text, empty where there is none."""
    thumbnail: npt.NDArray[np.object_]
    """`[N]` bytes of a JPEG or PNG file, or None."""
    added: Integers
    """int64 `[N]`: nanoseconds since 1970 when it was first added, no two of one process alike: the order of rows."""

    def __len__(self) -> int:
        return len(self.key)

    def take(self, chosen: Integers) -> "Rows":
        """The rows at some indices."""
        return replace(self, **{name: getattr(self, name)[chosen] for name in self.__dataclass_fields__})

    def labels(self) -> dict[str, list[int | str]]:
        """People, cameras and tracks as `Gallery.add` takes them: their names, or their numbers."""
        return {name: either(getattr(self, name), getattr(self, f"{name}_name")) for name in NAMED}


def make_rows(
    features: npt.NDArray[np.float32],
    about: About,
    *,
    person: Any = None,
    camera: Any = None,
    time: Any = None,
    track: Any = None,
    path: Any = None,
    thumbnail: Any = None,
    added: Integers | None = None,
) -> Rows:
    """Make rows of what `Gallery.add` was given; of several with the same key the last one stands, its person known.

    Features are those of `float32_rows`. Raises `InputError` for what cannot be a row, naming the argument.
    """
    vectors = np.ascontiguousarray(features, dtype="<f4")
    count = len(vectors)
    read = {name: labels(name, given, count) for name, given in zip(NAMED, (person, camera, track), strict=True)}
    moment = times(time, count)
    paths = _texts(path, count)
    columns: dict[str, Any] = {name: one.number for name, one in read.items()}
    columns |= {f"{name}_name": one.name for name, one in read.items()}
    hashed = np.stack([columns["camera"], moment, columns["track"]], axis=1).astype("<i8")
    started = hashlib.blake2b(f"strongreid row 1\0{about.model}\0".encode(), digest_size=_KEY_BYTES)
    keys = []
    for vector, numbers, name in zip(vectors, hashed, paths, strict=True):
        digest = started.copy()
        digest.update(vector.data)
        digest.update(numbers.data)
        digest.update(name.encode())
        keys.append(digest.hexdigest())
    rows = Rows(
        np.array(keys, dtype=np.object_),
        vectors,
        **columns,
        time=moment,
        path=np.array(paths, dtype=np.object_),
        thumbnail=_thumbnails(thumbnail, count),
        added=time_ns() + np.arange(count) if added is None else whole_numbers("added", added, count),
    )
    return rows if len(set(keys)) == count else _once_each(rows)


def _once_each(rows: Rows) -> Rows:
    """Of several rows with the same key the last one, with the last person that is known, as if added one by one."""
    last = {key: number for number, key in enumerate(rows.key)}
    known = {key: row for row, key in enumerate(rows.key) if rows.person[row] != UNKNOWN}
    kept = rows.take(np.array(list(last.values()), dtype=np.int64))
    of_person = rows.take(np.array([known.get(key, row) for key, row in last.items()], dtype=np.int64))
    return replace(kept, person=of_person.person, person_name=of_person.person_name)


def require_keys(keys: Sequence[str]) -> list[str]:
    """Return keys of rows; `InputError` for what is none, so that no other text reaches a database."""
    for key in keys:
        if not re.fullmatch(r"[0-9a-f]{32}", key):
            raise InputError(f"{key!r} is no key of a row, which has 32 hexadecimal digits.")
    return list(keys)


def _texts(given: Any, count: int) -> list[str]:
    """Paths of `count` rows, of one for all or a sequence; empty where there is none."""
    if given is None or isinstance(given, str | os.PathLike):
        given = [given] * count
    if isinstance(given, bytes) or not isinstance(given, Sequence | np.ndarray):
        raise InputError(f"path is a {type(given).__name__}; give text, one for all rows or one for each.")
    if len(given) != count:
        raise InputError(f"There are {count} rows of features but {len(given)} values of path.")
    return [_path(value) for value in given]


def _path(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str | os.PathLike) or isinstance(text := os.fspath(value), bytes):
        raise InputError(f"The path {value!r} is no text.")
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise InputError(f"The path {text!r} is not UTF-8, so no gallery can hold it. Rename the file.") from error
    if "\0" in text or size > LONGEST_PATH:
        raise InputError(f"The path {text[:80]!r} has a NUL or more than {LONGEST_PATH} bytes: it is none.")
    return str(text)


def _thumbnails(given: Any, count: int) -> npt.NDArray[np.object_]:
    column = np.full(count, None, dtype=np.object_)
    if given is None:
        return column
    if isinstance(given, bytes) or not isinstance(given, Sequence) or len(given) != count:
        raise InputError(f"thumbnail must be a list with the bytes of a picture, or None, for each of {count} rows.")
    for row, value in enumerate(given):
        if value is not None and (not isinstance(value, bytes) or len(value) > LARGEST_THUMBNAIL):
            raise InputError(f"thumbnail {row} is no bytes, or more than {LARGEST_THUMBNAIL:,} of them.")
        column[row] = value
    return column
