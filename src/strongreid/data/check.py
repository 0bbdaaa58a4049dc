"""Looking at a data set before the first step, so that days are not lost on a wrong folder or a leaking split.

Every image is decoded once, on all cores. What is wrong is told with the path it is wrong at; what is sound is not
named. A finding that is not serious (an image twice within one part, as CUHK01 has them) does not stop a training.
Doubts, such as pictures wider than high, are told of own data only: the public sets are what they are.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from strongreid.data.benchmarks import Layout, read_data
from strongreid.data.copies import copies
from strongreid.data.layouts import Counts
from strongreid.data.listing import Finding
from strongreid.data.looking import Decoded, decode_files, sizes_of
from strongreid.data.quality import Quality, all_images, distractors_of, quality_of
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
        images: those of all parts that train or test, N.
        quality: which of `images` are poor; of own data only.
        distractors: numbers that stand for many people who are none of the queries': 0 in the benchmarks' layouts.
        findings: all that is wrong or worth knowing, serious ones first.
        people: what the data call the people that each number stands for, as in `Reading`.
        cameras: the same of cameras.
    """

    title: str
    protocol: str
    parts: tuple[PartReport, ...]
    sizes: tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
    train: ImageTable
    images: ImageTable
    quality: Quality
    distractors: tuple[int, ...]
    findings: tuple[Finding, ...]
    people: Mapping[int, str]
    cameras: Mapping[int, str]

    @property
    def ready(self) -> bool:
        """Whether nothing serious was found."""
        return not any(finding.serious for finding in self.findings)


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
    own = not reading.expected
    decoded = decode_files([part.table for part in reading.parts.values()], progress, looked_at=own)
    findings = [finding for part in reading.parts.values() for finding in part.findings] + files_not_read(reading)
    findings += count_differences(reading) + too_few_people(reading) + people_in_both(reading)
    findings += absent_people(reading) + _unmatched(reading)
    findings += [Finding(path, image.problem) for path, image in decoded.items() if image.problem]
    findings += _boxes_outside(reading, decoded)
    findings += copies(reading, {path: image.digest for path, image in decoded.items() if not image.problem})
    seen = np.concatenate([sizes_of(part.table, decoded) for part in reading.parts.values()])
    sizes = seen[seen.min(axis=1) > 0] if len(seen) else seen
    findings += _wider_than_high(reading, sizes)
    images = all_images(reading)
    if not len(sizes):
        sizes = np.zeros((1, 2), dtype=np.int64)
    return CheckReport(
        title=reading.title,
        protocol=reading.protocol,
        parts=tuple(_report(reading, part) for part in reading.parts),
        sizes=(_pair(sizes.min(axis=0)), _pair(np.median(sizes, axis=0)), _pair(sizes.max(axis=0))),
        train=reading.parts["train"].table,
        images=images,
        distractors=distractors_of(reading),
        quality=quality_of(reading, images, decoded) if own else Quality(),
        findings=tuple(sorted(dict.fromkeys(findings), key=lambda finding: not finding.serious)),
        people=reading.people,
        cameras=reading.cameras,
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


def _boxes_outside(reading: Reading, decoded: Mapping[str, Decoded]) -> list[Finding]:
    """Boxes of which nothing lies in their image."""
    findings = []
    for part in reading.parts.values():
        table = part.table
        if table.box is None:
            continue
        readable = np.array([not decoded[path].problem for path in table.path], dtype=np.bool_)
        for row in np.flatnonzero((sizes_of(table, decoded) < 1).any(1) & readable).tolist():
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
