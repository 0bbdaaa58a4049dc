"""Own data: a folder for each person, or one table of images (CSV or Parquet).

Nothing more than paths and people is needed. Without cameras a test counts every other image of the person, and the
protocol says so. Without a split, people are split by a seed, so that nobody is in both training and test.

Splitting people, where a set leaves that to its user: nobody is in both training and test.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from strongreid.data.listing import Finding, Part, image_paths
from strongreid.data.reading import Reading
from strongreid.data.table import ImageTable
from strongreid.data.tabular import Columns, labels, read_columns
from strongreid.errors import InputError

_NUMBER = re.compile(r"\d{1,18}")
_NEGATIVE = re.compile(r"-\d+")
_PARTS = ("train", "query", "gallery")
_PART_NAMES = {*_PARTS, "val", "test", "bounding_box_train", "bounding_box_test"}
"""Folders of these names are parts of a split, as many programs lay them out, and nobody's images."""


def read_own_folder(root: Path, split_seed: int = 0) -> Reading:
    """Read a folder that holds one folder of images for each person, or folders train, query and gallery of such.

    A person's folder may hold further folders. Folders named by numbers keep them; other names are numbered from 1 in
    sorted order. Cameras are not known. Raises `InputError` where there is no such folder.
    """
    if not root.is_dir():
        raise InputError(f"The folder {root} does not exist. Give the folder that holds a folder for each person.")
    split = all((root / part).is_dir() for part in _PARTS)
    homes = {part: root / part for part in _PARTS} if split else {"": root}
    names = {part: _folders(home) for part, home in homes.items()}
    if not split:
        _refuse_no_people(root, names[""])
    numbers = _numbered([name for listed in names.values() for name in listed])
    parts = {part: _scan(home, {name: numbers[name] for name in names[part]}) for part, home in homes.items()}
    if split:
        return _reading("folder", str(root), parts, known_cameras=False, how="split as given")
    return _reading("folder", str(root), *_drawn_split(parts[""], False, split_seed), known_cameras=False)


def read_own_table(path: Path, split_seed: int = 0) -> Reading:
    """Read a CSV or Parquet table with the columns `path, person[, camera, split, frame, x, y, w, h]`.

    Paths are relative to the table's folder. People (and cameras) are numbers, or names that are numbered from 1 in
    sorted order; person -1 is junk and dropped. `split` is train, query or gallery. With x, y, w, h (pixels) the
    image is that box of the file, so that a tracker's output serves. Raises `InputError` for a missing column or a
    value that cannot be read, with its line.
    """
    columns = read_columns(path)
    people, cameras = labels(columns.needed("person")), labels(columns.optional("camera") or [])
    for row, value in enumerate(people):
        if _NEGATIVE.fullmatch(value) and value != "-1":
            raise columns.wrong(row, "person", value, "a number from 0 on, a name, or -1 for junk")
    numbers = _numbered([person for person in people if person != "-1"]) | {"-1": -1}
    person = np.array([numbers[value] for value in people], dtype=np.int64)
    camera_numbers = _numbered(cameras)
    camera = np.array([camera_numbers[value] for value in cameras]) if cameras else np.zeros_like(person)
    kept = person >= 0
    box = columns.integers(("x", "y", "w", "h"))
    frame = columns.integers(("frame",))
    names = zip(columns.needed("path"), kept.tolist(), strict=True)
    table = ImageTable(
        tuple(os.path.join(path.parent, name) for name, keep in names if keep),  # noqa: PTH118 - 5 times as fast
        person[kept],
        camera[kept],
        frame=None if frame is None else frame[kept, 0],
        box=None if box is None else box[kept],
    )
    whole = Part(str(path), table, int((~kept).sum()))
    parts, how = _given_split(columns, kept, whole) or _drawn_split(whole, bool(cameras), split_seed)
    return _reading("table", str(path), parts, how, known_cameras=bool(cameras))


def _drawn_split(whole: Part, known_cameras: bool, seed: int) -> tuple[dict[str, Part], str]:
    """The parts, and how they were made."""
    table = whole.table
    parts = _selected(whole, split_rows(table.person, table.camera if known_cameras else None, seed))
    if not len(parts["query"].table) and len(table.people) > 1:
        lacking = "is seen by two cameras; without the column `camera` every image counts"
        problem = f"there are no queries: none of the people who test {lacking if known_cameras else 'has two images'}"
        parts["query"] = replace(parts["query"], findings=(Finding(whole.place, problem),))
    return parts, f"people split with seed {seed}"


def _given_split(columns: Columns, kept: npt.NDArray[np.bool_], whole: Part) -> tuple[dict[str, Part], str] | None:
    """The parts of the column `split`, and how they were made; None without such a column."""
    split = columns.optional("split")
    if split is None:
        return None
    for row, value in enumerate(split):
        if value not in _PARTS:
            raise columns.wrong(row, "split", value, "train, query or gallery")
    values = np.array(split)[kept]
    return _selected(whole, {part: np.flatnonzero(values == part) for part in _PARTS}), "split as given"


def _folders(home: Path) -> list[str]:
    with os.scandir(home) as entries:
        names = sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))
    if not names:
        raise InputError(f"{home} holds no folders. Give the folder that holds a folder of images for each person.")
    return names


def _refuse_no_people(root: Path, names: Sequence[str]) -> None:
    """Raise `InputError` where the folders in `root` are plainly not people's."""
    parts = [name for name in names if name.lower() in _PART_NAMES]
    if parts:
        raise InputError(
            f"{root} holds {', '.join(f'`{name}`' for name in parts)}: parts of a split, not people. A split of one's "
            "own needs train, query and gallery, each with a folder for each person; public sets are read by their "
            "own names (`strongreid data list`)."
        )
    if len(names) == 1:
        raise InputError(
            f"{root} holds one folder, {names[0]}, so there is one person only. If the people's folders lie in it, "
            f"give {root / names[0]}."
        )


def _scan(home: Path, people: dict[str, int]) -> Part:
    paths: list[str] = []
    person: list[int] = []
    findings = [Finding(path, "the image lies beside the people's folders, not in one") for path in image_paths(home)]
    for name, number in people.items():
        found = image_paths(home / name, deep=True)
        if not found:
            findings.append(Finding(str(home / name), "the folder holds no images", serious=False))
        paths += found
        person += [number] * len(found)
    if not paths:
        findings.append(Finding(str(home), "there are no images"))
    table = ImageTable(tuple(paths), np.array(person, dtype=np.int64), np.zeros(len(paths), dtype=np.int64))
    return Part(str(home), table, 0, tuple(findings))


def _numbered(names: Sequence[str]) -> dict[str, int]:
    """Numbers of names: their own if all are numbers that differ, else 1, 2, ... in sorted order."""
    different = sorted(set(names))
    if all(_NUMBER.fullmatch(name) for name in different) and len({int(name) for name in different}) == len(different):
        return {name: int(name) for name in different}
    return {name: number for number, name in enumerate(different, start=1)}


def _selected(whole: Part, rows: dict[str, npt.NDArray[np.int64]]) -> dict[str, Part]:
    parts = {part: Part(whole.place, whole.table.select(rows[part])) for part in _PARTS}
    return parts | {"train": replace(whole, table=parts["train"].table)}


def _reading(name: str, title: str, parts: dict[str, Part], how: str, *, known_cameras: bool) -> Reading:
    same_camera: Literal["exclude", "include"] = "exclude" if known_cameras else "include"
    counted = (
        "gallery images of the same person and camera left out"
        if known_cameras
        else "cameras are not known, so every image of the person in the gallery counts (any-camera protocol)"
    )
    return Reading(name, title, parts, {}, f"{title}: {how}; {counted}", same_camera)


TEST_SHARE = 0.5
"""Share of the people that test, where no split is given: half, as in the benchmarks."""
SPLIT_STREAM = 0x0E7
"""Second word of the generator's key: keeps the split apart from other draws with the same seed."""


def split_rows(
    person: npt.NDArray[np.int64], camera: npt.NDArray[np.int64] | None, seed: int, test_share: float = TEST_SHARE
) -> dict[str, npt.NDArray[np.int64]]:
    """Split rows so that no person is in both training and test: rows of "train", "query" and "gallery".

    Of each test person one image for each camera becomes a query and the others the gallery; without cameras one
    image in all. A person who could not be found then (seen by one camera, or once) stays in the gallery entirely. A
    pure function of its arguments.

    Args:
        person: int64 [N].
        camera: int64 [N], or None where it is not known.
        seed: at least 0.
        test_share: share of the people that test, rounded; both sides get at least one.
    """
    rng = np.random.Generator(np.random.Philox(key=[seed, SPLIT_STREAM]))
    people = rng.permutation(np.unique(person))
    tested = people[: min(max(round(len(people) * test_share), 1), len(people) - 1)]
    test = np.flatnonzero(np.isin(person, tested))
    order = rng.permutation(test)
    groups = np.stack((person[order], np.zeros_like(order) if camera is None else camera[order]), 1)
    candidates = np.sort(order[np.unique(groups, axis=0, return_index=True)[1]])
    query = _findable(candidates, np.setdiff1d(test, candidates), person, camera)
    return {
        "train": np.setdiff1d(np.arange(len(person)), test),
        "query": query,
        "gallery": np.setdiff1d(test, query),
    }


def _findable(
    candidates: npt.NDArray[np.int64],
    gallery: npt.NDArray[np.int64],
    person: npt.NDArray[np.int64],
    camera: npt.NDArray[np.int64] | None,
) -> npt.NDArray[np.int64]:
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
