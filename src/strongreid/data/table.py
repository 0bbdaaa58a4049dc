"""A data set is a table of images: where each file lies, whom it shows, which camera took it.

Columns are arrays, so that 100,000 images are a few megabytes and every step on them is one array operation. Paths are
plain strings as `open` takes them. Junk (person -1) never enters a table: the readers drop and count it. Two things
are decided here because everything else rests on them: the label map sorts people, so it depends on no order of files
and no hash seed; the fingerprint names a table's content without the folder where it lies.
"""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from strongreid.errors import InputError

Integers = npt.NDArray[np.int64]
_INTEGERS = ("person", "camera", "frame", "box", "domain", "track")
_COLUMNS = (*_INTEGERS, "confidence")


@dataclass(frozen=True, eq=False)
class ImageTable:
    """Images in rows, one row an image (or a box of an image).

    Attributes:
        path: N file paths.
        person: int64 [N], at least 0; any iterable of integers is accepted and converted.
        camera: int64 [N], at least 0; all 0 where the camera is not known.
        frame: int64 [N], the number of the frame in its video, or None where the set has none.
        box: int64 [N, 4] as x, y, width, height in pixels of the file, or None where files are cut already; what
            lies outside the file's image is left off.
        domain: int64 [N], which of several joined sets the image came from, or None for one set.
        track: int64 [N], at least 0, which track the image belongs to, a sequence of images that one camera took of
            one person; no number means two tracks of a table. None where tracks are not known.
        confidence: float64 [N], at least 0, how sure the detector was of the box, or None where that is not known.

    Raises `InputError` when the columns do not belong together.
    """

    path: tuple[str, ...]
    person: Integers
    camera: Integers
    frame: Integers | None = field(default=None, kw_only=True)
    box: Integers | None = field(default=None, kw_only=True)
    domain: Integers | None = field(default=None, kw_only=True)
    track: Integers | None = field(default=None, kw_only=True)
    confidence: npt.NDArray[np.float64] | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", tuple(os.fspath(path) for path in self.path))
        for name in _INTEGERS:
            column = getattr(self, name)
            if column is not None:
                shape = (len(self.path), 4) if name == "box" else (len(self.path),)
                object.__setattr__(self, name, _integer_column(name, column, shape))
        if self.confidence is not None:
            object.__setattr__(self, "confidence", _confidence_column(self.confidence, len(self.path)))
        if self.box is not None and len(self) and self.box[:, 2:].min() < 1:
            row = int(np.flatnonzero((self.box[:, 2:] < 1).any(1))[0])
            raise InputError(
                f"The box {self.box[row].tolist()} of {self.path[row]} is empty: it is x, y, width, height, and "
                "width and height must be at least 1."
            )

    def __len__(self) -> int:
        return len(self.path)

    @property
    def people(self) -> Integers:
        """The people in the table, each once, in rising order: int64 [people]."""
        return np.unique(self.person)

    @property
    def cameras(self) -> Integers:
        """The cameras in the table, each once, in rising order: int64 [cameras]."""
        return np.unique(self.camera)

    def person_index(self) -> Integers:
        """The class of each image, 0..people-1 in the rising order of person numbers: int64 [N].

        It depends on the numbers alone: not on the order of rows, the hash seed or the process.
        """
        return np.unique(self.person, return_inverse=True)[1].reshape(-1).astype(np.int64)

    def camera_index(self, cameras: Integers | None = None) -> Integers:
        """The index of each image's camera among `cameras` (int64 [cameras], rising; None: the table's own): int64 [N].

        Models that learn cameras know those of their training set: `query.camera_index(train.cameras)`. Raises
        `InputError` for a camera that is not among them.
        """
        known = self.cameras if cameras is None else np.asarray(cameras)
        if len(strange := np.setdiff1d(self.camera, known)):
            raise InputError(f"The table has cameras {strange.tolist()}, which are not among {known.tolist()}.")
        return np.searchsorted(known, self.camera).astype(np.int64)

    def select(self, rows: npt.NDArray[np.bool_] | npt.NDArray[np.integer] | Sequence[int]) -> "ImageTable":
        """The table of some rows, given as a mask (bool [N]) or as indices (integers, in the order wanted)."""
        chosen = np.asarray(rows)
        if chosen.dtype == np.bool_:
            if chosen.shape != (len(self),):
                raise InputError(f"A mask of shape {chosen.shape} cannot select from a table of {len(self)} images.")
            chosen = np.flatnonzero(chosen)
        chosen = chosen.astype(np.int64)
        columns = {name: column[chosen] for name in _COLUMNS if (column := getattr(self, name)) is not None}
        return ImageTable(tuple(self.path[row] for row in chosen.tolist()), **columns)

    def relative_path(self) -> tuple[str, ...]:
        """Each path relative to the folder that all images (of its domain) share, with `/` on every system."""
        if self.domain is None:
            return _below_common_folder(self.path)
        relative = [""] * len(self)
        for domain in np.unique(self.domain).tolist():
            rows = np.flatnonzero(self.domain == domain).tolist()
            for row, path in zip(rows, _below_common_folder([self.path[row] for row in rows]), strict=True):
                relative[row] = path
        return tuple(relative)

    def fingerprint(self, status: Sequence[os.stat_result] | None = None) -> str:
        """SHA-256, in hexadecimal, of the rows in their order: relative paths, columns and the files' sizes in bytes.

        The same wherever the set lies and whenever it was copied (time stamps do not count); another as soon as a
        file is added, removed, renamed, relabelled or replaced by one of another size. `status` is
        `file_status()`, where the caller has it already. Raises `InputError` for a file that is missing.
        """
        digest = hashlib.sha256(b"strongreid image table 1\0")
        digest.update("\0".join(self.relative_path()).encode("utf-8", "surrogateescape"))
        sizes = np.array([entry.st_size for entry in status or self.file_status()], dtype=np.int64)
        for name in _COLUMNS:
            if (column := getattr(self, name)) is not None:
                kind = "<f8" if name == "confidence" else "<i8"
                digest.update(f"\0{name}\0".encode() + column.astype(kind).tobytes())
        digest.update(b"\0size\0" + sizes.astype("<i8").tobytes())
        return digest.hexdigest()

    def file_status(self) -> list[os.stat_result]:
        """What the file system says of each file. Raises `InputError` for the first that is missing."""
        try:
            return [os.stat(path) for path in self.path]  # noqa: PTH116 - a Path an image costs more than the call
        except OSError as error:
            raise InputError(
                f"The image {error.filename} cannot be found ({error.strerror}). Is the data set complete?"
            ) from error


def stacked(tables: Sequence[ImageTable]) -> ImageTable:
    """The images of several tables (one at least), a table after another, with the columns that all of them have."""
    shared = [name for name in _COLUMNS if all(getattr(table, name) is not None for table in tables)]
    columns = {name: np.concatenate([getattr(table, name) for table in tables]) for name in shared}
    return ImageTable(tuple(path for table in tables for path in table.path), **columns)


@dataclass(frozen=True)
class Domain:
    """One of several sets that were joined for training: its name, and its people as numbered there, rising."""

    name: str
    people: tuple[int, ...]


@dataclass(frozen=True)
class ReIDData:
    """A data set split for training and testing.

    Attributes:
        name: the benchmark's name, or the one given to own data.
        train: the images to learn from; their people are none of the query's.
        query: the images to look for.
        gallery: the images to find them in; person 0 may be among them as a distractor.
        protocol: how the split was made and what the test counts, in one sentence for people.
        same_camera: whether the test leaves out gallery images of the query's own person AND camera ("exclude", the
            rule of the benchmarks) or keeps them ("include", for sets without cameras).
        multi_query: more images of the queries' people and cameras, for the multi-query protocol; None where the set
            has none.
        warnings: what differs from what was published, one sentence each; empty when all is as expected.
        domains: the sets whose training images `train` joins, in the order of its column `domain`; its people are
            theirs, one after another. Empty for the training images of one set.
        stop: people held out of training to stop it by, and images of theirs to look for and to find; None: nobody.
        threshold: people held out of the test for the threshold of "same person", likewise.
    """

    name: str
    train: ImageTable
    query: ImageTable
    gallery: ImageTable
    protocol: str
    same_camera: Literal["exclude", "include"] = "exclude"
    multi_query: ImageTable | None = None
    warnings: tuple[str, ...] = ()
    domains: tuple[Domain, ...] = ()
    stop: "ReIDData | None" = None
    threshold: "ReIDData | None" = None

    @property
    def label_map(self) -> list[int] | list[tuple[str, int]]:
        """Whom each class of a training on `train` stands for: a person's number, in joined sets with the set's name.

        It depends on these alone: not on the order of files, the hash seed or the process.
        """
        if not self.domains:
            return [int(person) for person in self.train.people]
        return [(domain.name, person) for domain in self.domains for person in domain.people]


def _integer_column(name: str, values: npt.ArrayLike, shape: tuple[int, ...]) -> Integers:
    column = np.asarray(values)
    _require_shape(name, column, shape)
    if column.size and not np.issubdtype(column.dtype, np.integer):
        raise InputError(f"The column `{name}` holds {column.dtype}; it must hold integers.")
    if column.size and column.max() > np.iinfo(np.int64).max:
        raise InputError(f"The column `{name}` holds {column.max()}; numbers end at {np.iinfo(np.int64).max}.")
    column = np.ascontiguousarray(column.astype(np.int64).reshape(shape))
    if name in ("person", "camera", "domain", "track") and column.size and column.min() < 0:
        raise InputError(
            f"The column `{name}` holds {column.min()}; numbers start at 0. Junk images (person -1) are left out of "
            "a table, not marked in it."
        )
    column.flags.writeable = False
    return column


def _confidence_column(values: npt.ArrayLike, count: int) -> npt.NDArray[np.float64]:
    try:
        column = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError("The column `confidence` must hold numbers.") from error
    _require_shape("confidence", column, (count,))
    if len(wrong := column[~((column >= 0) & (column < np.inf))]):  # NaN too
        raise InputError(f"The column `confidence` holds {wrong[0]}; it must hold finite numbers from 0 on.")
    column.flags.writeable = False
    return column


def _require_shape(name: str, column: npt.NDArray[Any], shape: tuple[int, ...]) -> None:
    if column.shape != shape and not (column.size == 0 and shape[0] == 0):
        raise InputError(f"The column `{name}` has shape {column.shape}; with {shape[0]} paths it must be {shape}.")


def _below_common_folder(paths: Sequence[str]) -> tuple[str, ...]:
    if not paths:
        return ()
    absolute = [os.path.abspath(path) for path in paths]  # noqa: PTH100 - as above: strings, not Paths
    # The common folder of all is that of the first and the last in sorted order.
    common = os.path.commonpath([os.path.dirname(min(absolute)), os.path.dirname(max(absolute))])  # noqa: PTH120
    start = len(common.rstrip(os.sep)) + 1
    return tuple(path[start:].replace(os.sep, "/") for path in absolute)
