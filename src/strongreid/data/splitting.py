"""Splitting own data into training, query and gallery: as its user says, or by a seed.

Where people are split, nobody is in both training and test. Without cameras a test counts every other image of the
person, and the protocol says so.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Literal

import numpy as np

from strongreid.data.listing import Finding, Part
from strongreid.data.reading import Reading
from strongreid.data.table import Integers

ROLES = {
    "train": "train",
    "training": "train",
    "query": "query",
    "probe": "query",
    "gallery": "gallery",
    "test": "test",
    "testing": "test",
    "val": "val",
    "valid": "val",
    "validation": "val",
}
"""Names of the parts of a split, in small letters, and what they mean."""
TEST_SHARE = 0.5
"""Share of the people that test, where no split is given, at least one on either side: half, as in the benchmarks."""
SPLIT_STREAM = 0x0E7
"""Second word of the generator's key: keeps the split apart from other draws with the same seed."""


def uses_of(roles: Iterable[str]) -> dict[str, str]:
    """What the parts of a split serve for, by their role: train, query, gallery, tested (queries are drawn) or unused.

    Empty where they make no split: train is missing, or nothing to test with, or test stands beside a gallery. A test
    beside queries is their gallery, as in Market-1501; val serves where there is no test.
    """
    there = set(roles)
    uses = {role: role for role in there & {"train", "query", "gallery"}}
    if "test" in there:
        uses["test"] = "gallery" if "query" in there else "tested"
    if "val" in there:
        uses["val"] = "tested" if there <= {"train", "val"} else "unused"
    complete = "train" in there and len(there) > 1 and not there >= {"gallery", "test"}
    return uses if complete else {}


def own_reading(name: str, title: str, parts: dict[str, Part], how: str, *, known_cameras: bool) -> Reading:
    """A reading of own data, split as `how` says, with the protocol that its cameras allow."""
    same_camera: Literal["exclude", "include"] = "exclude" if known_cameras else "include"
    counted = (
        "gallery images of the same person and camera left out"
        if known_cameras
        else "cameras are not known, so every image of the person in the gallery counts (any-camera protocol)"
    )
    return Reading(name, title, parts, {}, f"{title}: {how}; {counted}", same_camera)


def part_of(whole: Part, rows: Integers) -> Part:
    """Some rows (int64 [N]) of a part, without what is wrong with the whole."""
    return Part(whole.source, whole.table.select(rows), lines=None if whole.lines is None else whole.lines[rows])


def drawn_split(whole: Part, known_cameras: bool, seed: int) -> tuple[dict[str, Part], str]:
    """Split the people of `whole` by `seed`: the parts, and how they were made."""
    table = whole.table
    rows = split_rows(table.person, table.camera if known_cameras else None, seed)
    train = part_of(whole, rows["train"])
    parts = {
        "train": replace(whole, table=train.table, lines=train.lines),
        "query": part_of(whole, rows["query"]),
        "gallery": part_of(whole, rows["gallery"]),
    }
    return _explained(parts, known_cameras), f"people split with seed {seed}"


def queries_of(test: Part, known_cameras: bool, seed: int) -> dict[str, Part]:
    """Draw queries of the images to test with; the others are the gallery, which carries the part's findings."""
    table = test.table
    camera = table.camera if known_cameras else None
    query = query_rows(np.arange(len(table)), table.person, camera, _rng(seed))
    gallery = part_of(test, np.setdiff1d(np.arange(len(table)), query))
    parts = {"query": part_of(test, query), "gallery": replace(test, table=gallery.table, lines=gallery.lines)}
    return _explained(parts, known_cameras)


def _explained(parts: dict[str, Part], known_cameras: bool) -> dict[str, Part]:
    """The parts, with a finding where nobody who tests can be found again."""
    query, gallery = parts["query"], parts["gallery"]
    if len(query.table) or not len(gallery.table):
        return parts
    lacking = "is seen by two cameras; without the column `camera` every image counts"
    problem = f"there are no queries: none of the people who test {lacking if known_cameras else 'has two images'}"
    return parts | {"query": replace(query, findings=(Finding(query.source, problem),))}


def split_rows(person: Integers, camera: Integers | None, seed: int) -> dict[str, Integers]:
    """Split rows so that no person is in both training and test: rows of "train", "query" and "gallery".

    Of each test person one image for each camera becomes a query and the others the gallery; without cameras one
    image in all. A person who could not be found then (seen by one camera, or once) stays in the gallery entirely. A
    pure function of its arguments.

    Args:
        person: int64 [N].
        camera: int64 [N], or None where it is not known.
        seed: at least 0.
    """
    rng = _rng(seed)
    people = rng.permutation(np.unique(person))
    tested = people[: min(max(round(len(people) * TEST_SHARE), 1), len(people) - 1)]
    test = np.flatnonzero(np.isin(person, tested))
    query = query_rows(test, person, camera, rng)
    return {
        "train": np.setdiff1d(np.arange(len(person)), test),
        "query": query,
        "gallery": np.setdiff1d(test, query),
    }


def _rng(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=[seed, SPLIT_STREAM]))


def query_rows(test: Integers, person: Integers, camera: Integers | None, rng: np.random.Generator) -> Integers:
    """Draw the rows, of those to test with, that become queries: one a person and camera that can be found, rising [Q].

    test: int64 [M], rows of `person` and `camera`, int64 [N]; camera None where it is not known, then one a person.
    """
    order = rng.permutation(test)
    groups = np.stack((person[order], np.zeros_like(order) if camera is None else camera[order]), 1)
    candidates = np.sort(order[np.unique(groups, axis=0, return_index=True)[1]])
    return _findable(candidates, np.setdiff1d(test, candidates), person, camera)


def _findable(candidates: Integers, gallery: Integers, person: Integers, camera: Integers | None) -> Integers:
    """The candidates that have something to find; each of the others joins the gallery, where the next may find it."""
    seen: dict[int, set[int]] = {}  # the cameras that show a person in the gallery
    for row in gallery.tolist():
        seen.setdefault(int(person[row]), set()).add(0 if camera is None else int(camera[row]))
    query = []
    for row in candidates.tolist():
        cameras = seen.setdefault(int(person[row]), set())
        own = None if camera is None else int(camera[row])
        if cameras - {own}:
            query.append(row)
        else:
            cameras.add(0 if own is None else own)
    return np.array(query, dtype=np.int64)
