"""A data set as read, before it is judged: its parts, what was expected of them, and what is wrong between them.

Training and checking both start from a `Reading`: training refuses one with faults, checking tells them all.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from strongreid.data.layouts import Counts
from strongreid.data.listing import Finding, Part
from strongreid.data.table import ImageTable, ReIDData
from strongreid.errors import InputError
from strongreid.pixels import image_suffixes

SHOWN = 3
"""How many faults a refusal quotes; `strongreid data check` tells all."""


@dataclass(frozen=True)
class Reading:
    """A data set as read.

    Attributes:
        name: what results call it: `drawn` for drawn people, whatever name they were asked for by.
        title: for people.
        parts: "train", "query", "gallery" and perhaps "multi_query".
        expected: the counts that each part should have; empty for own data.
        protocol: how the split was made and what the test counts, in one sentence.
        same_camera: as in `ReIDData`; "include" where cameras are not known.
        known_copies: as in `Benchmark`.
        people: what own data call the people that each number stands for; empty for public sets.
        cameras: the same of cameras.
    """

    name: str
    title: str
    parts: Mapping[str, Part]
    expected: Mapping[str, Counts]
    protocol: str
    same_camera: Literal["exclude", "include"] = "exclude"
    known_copies: frozenset[frozenset[str]] = frozenset()
    people: Mapping[int, str] = field(default_factory=dict)
    cameras: Mapping[int, str] = field(default_factory=dict)

    @property
    def known_cameras(self) -> bool:
        """Whether cameras are known; where they are not, no camera's image is left out of a test."""
        return self.same_camera == "exclude"


def usable(reading: Reading) -> ReIDData:
    """Make the data set of a reading. Raises `InputError` when a file or a person stands in the way.

    Counts that differ from what was expected, people in both training and test, and files that are not read become
    warnings.
    """
    faults = [finding for part in reading.parts.values() for finding in part.findings if finding.serious]
    if not faults:
        faults = too_few_people(reading) + absent_people(reading)
    if not faults:
        faults = without_any_match(reading)
    if faults:
        quoted = " ".join(f"{fault}." for fault in faults[:SHOWN])
        more = f" And {len(faults) - SHOWN} more faults." if len(faults) > SHOWN else ""
        raise InputError(f"{reading.title} cannot be used. {quoted}{more} `strongreid data check` names them all.")
    warnings = count_differences(reading) + people_in_both(reading) + files_not_read(reading)
    extra = reading.parts.get("multi_query")
    return ReIDData(
        name=reading.name,
        train=reading.parts["train"].table,
        query=reading.parts["query"].table,
        gallery=reading.parts["gallery"].table,
        protocol=reading.protocol,
        same_camera=reading.same_camera,
        multi_query=None if extra is None else extra.table,
        warnings=tuple(str(warning) for warning in warnings),
    )


def counts_of(table: ImageTable, known_cameras: bool = True) -> Counts:
    """Count a table's people, images and cameras, these as None where they are not known."""
    return Counts(len(table.people), len(table), len(table.cameras) if known_cameras else None)


def files_not_read(reading: Reading) -> list[Finding]:
    """One finding for each part that lies beside files of other endings than images have."""
    return [
        Finding(
            part.source, f"not read: {_by_ending(part)}; images end in {', '.join(image_suffixes())}", serious=False
        )
        for part in reading.parts.values()
        if part.unread
    ]


def _by_ending(part: Part) -> str:
    return ", ".join(f"{count} {ending}" for ending, count in sorted(part.unread.items(), key=lambda item: -item[1]))


def count_differences(reading: Reading) -> list[Finding]:
    """One finding for each part that has other counts than expected, unless it is empty and another says why."""
    findings = []
    for name, expected in reading.expected.items():
        part = reading.parts[name]
        found = counts_of(part.table)
        differing = [
            f"{getattr(found, what)} {what} instead of {getattr(expected, what)}"
            for what in ("people", "images", "cameras")
            if getattr(expected, what) not in (None, getattr(found, what))
        ]
        if differing and (len(part.table) or not part.findings):
            problem = f"the {name} part has {', '.join(differing)}; take the set from its source again"
            findings.append(Finding(part.source, problem))
    return findings


def people_in_both(reading: Reading) -> list[Finding]:
    """One finding for each person who is in training and in the test."""
    train = reading.parts["train"].table
    tested = [reading.parts[name].table for name in ("query", "gallery")]
    both = np.intersect1d(train.person, np.concatenate([table.person for table in tested]))
    findings = []
    for person in both.tolist():
        other = next(table for table in tested if person in table.person)
        name = reading.people.get(person, person)
        problem = f"person {name} is in the training set too, as {_first(train, person)}; keep the person on one side"
        findings.append(Finding(_first(other, person), problem))
    return findings


def too_few_people(reading: Reading) -> list[Finding]:
    """Findings for a training set of one person, and for a part that is empty without another finding saying why."""
    train = reading.parts["train"]
    problem = "the training set has one person only; telling people apart needs at least 2"
    findings = [Finding(train.source, problem)] if len(train.table.people) == 1 else []
    return findings + [
        Finding(part.source, f"the {name} part is empty")
        for name, part in reading.parts.items()
        if not len(part.table) and not part.findings and name != "multi_query"
    ]


def absent_people(reading: Reading) -> list[Finding]:
    """One finding for each query person of whom the gallery has no image, unless it has none of anybody."""
    query, gallery = reading.parts["query"].table, reading.parts["gallery"]
    missing = np.setdiff1d(query.person, gallery.table.person) if len(gallery.table) else np.empty(0, dtype=np.int64)
    return [
        Finding(
            _first(query, person),
            f"query person {reading.people.get(person, person)} is not in the gallery ({gallery.source}); take it out",
        )
        for person in missing.tolist()
    ]


def without_any_match(reading: Reading) -> list[Finding]:
    """One finding where no query at all has a match: a training would end without a result."""
    query, gallery = reading.parts["query"], reading.parts["gallery"].table
    anywhere = reading.same_camera == "include"
    wanted = zip(query.table.person.tolist(), query.table.camera.tolist(), strict=True)
    # The first query has a match in almost every set, so this is over at once.
    if any(np.any((gallery.person == who) & (anywhere | (gallery.camera != where))) for who, where in wanted):
        return []
    return [Finding(query.source, "none of the queries has a match: no other camera sees its person in the gallery")]


def queries_without_match(query: ImageTable, gallery: ImageTable, same_camera: str) -> npt.NDArray[np.int64]:
    """Rows of `query` that have nothing to find: int64 [M]. With "exclude", images of their own camera do not count."""
    if same_camera == "include":
        return np.flatnonzero(~np.isin(query.person, gallery.person))
    pairs = np.unique(np.stack((gallery.person, gallery.camera), 1), axis=0)
    people, cameras_of = np.unique(pairs[:, 0], return_counts=True)
    cameras = dict(zip(people.tolist(), cameras_of.tolist(), strict=True))
    own = {(person, camera) for person, camera in pairs.tolist()}
    rows = zip(query.person.tolist(), query.camera.tolist(), strict=True)
    others = [cameras.get(person, 0) - ((person, camera) in own) for person, camera in rows]
    return np.flatnonzero(np.array(others, dtype=np.int64) == 0)


def _first(table: ImageTable, person: int) -> str:
    return table.path[int(np.flatnonzero(table.person == person)[0])]
