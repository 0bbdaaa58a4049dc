"""Looking at a data set before the first step, so that days are not lost on a wrong folder or a leaking split.

Every image is decoded once, on all cores. What is wrong is told with the path it is wrong at; what is sound is not
named. A finding that is not serious (an image twice within one part, as CUHK01 has them) does not stop a training.
Doubts, such as pictures wider than high, are told of own data only: the public sets are what they are.
"""

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from strongreid.data.benchmarks import Layout, read_data
from strongreid.data.copies import copies
from strongreid.data.decoding import available_cores
from strongreid.data.layouts import Counts
from strongreid.data.listing import Finding
from strongreid.data.reading import (
    Reading,
    absent_people,
    count_differences,
    counts_of,
    files_not_read,
    people_in_both,
    queries_without_match,
    too_few_people,
)
from strongreid.data.table import ImageTable
from strongreid.errors import InputError
from strongreid.pixels import read_image

IMAGES_AT_ONCE = 256
"""Images handed to the decoding threads at a time, so that memory stays constant."""
WIDE_SHARE = 0.1
"""Share of pictures wider than high from which on own data is doubted."""
_UNSEEN = "no other camera sees its person in the gallery; take the query out, or add an image by another camera"


@dataclass(frozen=True)
class PartReport:
    """Numbers of one part: "train", "query", "gallery" or "multi_query".

    Attributes:
        name: of the part.
        source: the folder or file that lists it.
        found: its counts, without junk; None for cameras that are not known.
        expected: what was published (or drawn), or None.
        junk: how many images were dropped as junk.
        people_per_camera: how many people each camera shows; empty where cameras are not known.
        images_per_person: smallest, median and largest number, distractors (person 0 of the gallery) apart.
    """

    name: str
    source: str
    found: Counts
    expected: Counts | None
    junk: int
    people_per_camera: dict[int, int]
    images_per_person: tuple[int, float, int]


@dataclass(frozen=True)
class CheckReport:
    """What `check_data` found.

    Attributes:
        title: the data set's.
        protocol: how it is split and tested.
        parts: numbers of each part.
        sizes: smallest, median and largest (height, width) in pixels, each side by itself: of boxes where images are
            boxes, and of no more of them than lies in their frame.
        train: the training images, for a contact sheet.
        findings: all that is wrong or worth knowing, serious ones first.
    """

    title: str
    protocol: str
    parts: tuple[PartReport, ...]
    sizes: tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
    train: ImageTable
    findings: tuple[Finding, ...]

    @property
    def ready(self) -> bool:
        """Whether nothing serious was found."""
        return not any(finding.serious for finding in self.findings)


class _Decoded(NamedTuple):
    """What decoding one file told: its size and a hash of its pixels, or what is wrong with it."""

    size: tuple[int, int]
    digest: bytes
    problem: str


def check_data(
    name: str,
    root: str | Path,
    *,
    split_seed: int = 0,
    layout: Layout | None = None,
    columns: str = "",
    progress: Callable[[int, int], None] | None = None,
) -> CheckReport:
    """Check the data set `name` in `root`; arguments as in `load_benchmark`.

    `progress` is called with (images looked at, images in all). Raises `InputError` where there is nothing to check:
    an unknown name, a folder that is missing or one level off.
    """
    reading = read_data(name, root, split_seed=split_seed, layout=layout, columns=columns)
    decoded = _decode_all(reading, progress)
    findings = [finding for part in reading.parts.values() for finding in part.findings] + files_not_read(reading)
    findings += count_differences(reading) + too_few_people(reading) + people_in_both(reading)
    findings += absent_people(reading) + _unmatched(reading)
    findings += [Finding(path, image.problem) for path, image in decoded.items() if image.problem]
    findings += _boxes_outside(reading, decoded)
    findings += copies(reading, {path: image.digest for path, image in decoded.items() if not image.problem})
    seen = np.concatenate([_sizes(part.table, decoded) for part in reading.parts.values()])
    sizes = seen[seen.min(axis=1) > 0] if len(seen) else seen
    findings += _wider_than_high(reading, sizes)
    if not len(sizes):
        sizes = np.zeros((1, 2), dtype=np.int64)
    return CheckReport(
        title=reading.title,
        protocol=reading.protocol,
        parts=tuple(_report(reading, part) for part in reading.parts),
        sizes=(_pair(sizes.min(axis=0)), _pair(np.median(sizes, axis=0)), _pair(sizes.max(axis=0))),
        train=reading.parts["train"].table,
        findings=tuple(sorted(dict.fromkeys(findings), key=lambda finding: not finding.serious)),
    )


def _report(reading: Reading, name: str) -> PartReport:
    part = reading.parts[name]
    table = part.table
    seen = np.unique(np.stack((table.camera, table.person), 1), axis=0)
    cameras, people = np.unique(seen[:, 0], return_counts=True)
    distractor = (table.person == 0) & (name == "gallery") & (0 not in reading.parts["query"].table.person)
    images = np.unique(table.person[~distractor], return_counts=True)[1]
    spread = (int(images.min()), float(np.median(images)), int(images.max())) if len(images) else (0, 0.0, 0)
    return PartReport(
        name=name,
        source=part.source,
        found=counts_of(table, reading.known_cameras),
        expected=reading.expected.get(name),
        junk=part.junk,
        people_per_camera=dict(zip(cameras.tolist(), people.tolist(), strict=True)) if reading.known_cameras else {},
        images_per_person=spread,
    )


def _unmatched(reading: Reading) -> list[Finding]:
    """Queries whose person is in the gallery, but only as seen by the query's own camera."""
    query, gallery = reading.parts["query"].table, reading.parts["gallery"].table
    rows = queries_without_match(query, gallery, reading.same_camera)
    return [
        Finding(query.path[row], f"this query has no match: {_UNSEEN}")
        for row in rows[np.isin(query.person[rows], gallery.person)].tolist()
    ]


def _decode_all(reading: Reading, progress: Callable[[int, int], None] | None) -> dict[str, _Decoded]:
    """Decode every file of the set once: path to what it told."""
    paths = list(dict.fromkeys(path for part in reading.parts.values() for path in part.table.path))
    decoded: dict[str, _Decoded] = {}
    with ThreadPoolExecutor(available_cores()) as pool:
        for start in range(0, len(paths), IMAGES_AT_ONCE):
            some = paths[start : start + IMAGES_AT_ONCE]
            decoded.update(zip(some, pool.map(_decode, some), strict=True))
            if progress is not None:
                progress(len(decoded), len(paths))
    return decoded


def _decode(path: str) -> _Decoded:
    try:
        pixels = read_image(path)
    except InputError as error:
        return _Decoded((0, 0), b"", str(error).removesuffix("."))
    size = (pixels.shape[1], pixels.shape[2])
    # Of the pixels, not of the file: a copy saved again without loss is a copy too.
    return _Decoded(size, hashlib.blake2b(repr(size).encode() + pixels.tobytes(), digest_size=16).digest(), "")


def _sizes(table: ImageTable, decoded: dict[str, _Decoded]) -> npt.NDArray[np.int64]:
    """Height and width in pixels of each image, of its box if it has one as far as that lies in its frame: [N, 2].

    Both are 0 for what cannot be decoded; one is 0 or less for a box of which nothing lies in its frame.
    """
    frames = np.array([decoded[path].size for path in table.path], dtype=np.int64).reshape(-1, 2)
    if table.box is None:
        return frames
    start, extent = table.box[:, 1::-1], table.box[:, :1:-1]  # y, x and height, width
    inside: npt.NDArray[np.int64] = np.minimum(start + extent, frames) - np.maximum(start, 0)
    return inside


def _boxes_outside(reading: Reading, decoded: dict[str, _Decoded]) -> list[Finding]:
    """Boxes of which nothing lies in their image."""
    findings = []
    for part in reading.parts.values():
        table = part.table
        if table.box is None:
            continue
        readable = np.array([not decoded[path].problem for path in table.path], dtype=np.bool_)
        for row in np.flatnonzero((_sizes(table, decoded) < 1).any(1) & readable).tolist():
            where = "" if part.lines is None else f" in row {part.lines[row]}"
            height, width = decoded[table.path[row]].size
            problem = (
                f"the box {table.box[row].tolist()} (x, y, width, height){where} lies outside the image, which has "
                f"{width} x {height} pixels"
            )
            findings.append(Finding(table.path[row], problem))
    return findings


def _wider_than_high(reading: Reading, sizes: npt.NDArray[np.int64]) -> list[Finding]:
    """A doubt about own data of which a good part lies down or shows whole frames; `sizes` is [N, 2]."""
    wide = int((sizes[:, 1] > sizes[:, 0]).sum())
    if reading.expected or wide <= len(sizes) * WIDE_SHARE:
        return []
    problem = (
        f"{wide} of {len(sizes)} images are wider than high; people who stand are not. Whole frames need a table with "
        "a box for each person"
    )
    return [Finding(reading.title, problem, serious=False)]


def _pair(sides: npt.NDArray[np.float64]) -> tuple[int, int]:
    return int(sides[0]), int(sides[1])
