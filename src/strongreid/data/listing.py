"""Listing the files of a data set: fast, sorted, and collecting what is wrong instead of stopping at the first.

Folders are read with `os.scandir` and names stay strings: 100,000 images take a fraction of a second. What is wrong
is kept as findings beside the rows that are sound: loading refuses a set that has any, checking tells them all.
"""

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from strongreid.data.table import ImageTable
from strongreid.errors import InputError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
"""Files with other endings (Thumbs.db, .txt, .mat) are no images and are passed over."""


class Finding(NamedTuple):
    """One thing that is wrong with a data set.

    `path` is the file or folder; `problem` says what is wrong with it; where `serious` is false it is worth knowing
    but no reason not to train.
    """

    path: str
    problem: str
    serious: bool = True

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}"


class Row(NamedTuple):
    """One image as its name describes it."""

    path: str
    person: int
    camera: int
    frame: int


@dataclass(frozen=True)
class Part:
    """One part of a set, as found: where it was looked for, what is sound, what is not.

    Attributes:
        place: the folder or file that lists the images.
        table: the images that are sound.
        junk: how many images were dropped because they are marked as neither right nor wrong.
        findings: what is wrong with the others.
    """

    place: str
    table: ImageTable
    junk: int = 0
    findings: tuple[Finding, ...] = ()


def find_root(root: Path, needed: tuple[str, ...], title: str) -> Path:
    """Return `root` if it holds all of `needed`; else raise `InputError` that names the right folder, if it is near.

    One level up and one level down are looked at; nothing is guessed.
    """
    if not root.is_dir():
        kind = "is a file, not a folder" if root.exists() else "does not exist"
        raise InputError(f"{root} {kind}. Give the folder of {title} that holds {_quoted(needed[:1])}.")
    if all((root / name).exists() for name in needed):
        return root
    for candidate in (root.absolute().parent, *sorted(child for child in root.iterdir() if child.is_dir())):
        if all((candidate / name).exists() for name in needed):
            raise InputError(f"{root} is one level off: {title} lies in {candidate}. Give that folder.")
    found = sorted(child.name for child in root.iterdir())
    missing = [name for name in needed if not (root / name).exists()]
    raise InputError(
        f"{title} needs {_quoted(missing)} in {root}, which holds {_quoted(found) if found else 'nothing'}. "
        f"Give the folder that holds {_quoted(needed[:1])}."
    )


def image_paths(folder: Path, *, deep: bool = False) -> list[str]:
    """The paths of all images in `folder`, sorted; with `deep` those in folders below it too."""
    if not deep:
        return [os.path.join(folder, name) for name in _image_names(folder)]  # noqa: PTH118 - see the head
    paths: list[str] = []
    waiting = [os.fspath(folder)]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if _is_image(entry.name):
                    paths.append(entry.path)
                elif entry.is_dir():
                    waiting.append(entry.path)
    return sorted(paths)


def _image_names(folder: Path) -> list[str]:
    return sorted(name for name in os.listdir(folder) if _is_image(name))  # noqa: PTH208 - see the head


def _nested(folder: Path) -> str | None:
    """The first folder below `folder` that holds images, if there is one."""
    inner = sorted(child for child in folder.iterdir() if child.is_dir())
    return next((os.fspath(child) for child in inner if _image_names(child)), None)


def _is_image(name: str) -> bool:
    return name.lower().endswith(IMAGE_SUFFIXES) and name[0] != "."


def scan_folder(
    folder: Path, pattern: re.Pattern[str], cameras: int | None, junk: frozenset[int] = frozenset()
) -> Part:
    """Read the images of `folder` whose names follow `pattern`, with the groups person, camera and perhaps frame.

    Names that do not follow it, and cameras outside 1..`cameras`, become findings; people in `junk` are counted. So
    does a folder that holds its images one level too deep, as some programs unpack them.
    """
    names = _image_names(folder)
    nested = None if names else _nested(folder)
    if nested is not None:
        problem = f"the images lie here, one level too deep: move them to {folder}"
        return Part(os.fspath(folder), table_of([]), 0, (Finding(nested, problem),))
    prefix = os.path.join(folder, "")  # noqa: PTH118 - a Path has no such form
    pairs = zip([prefix + name for name in names], names, strict=True)
    return scan_names(pairs, os.fspath(folder), pattern, cameras, junk)


def scan_names(
    names: Iterable[tuple[str, str]],
    place: str,
    pattern: re.Pattern[str],
    cameras: int | None,
    junk: frozenset[int] = frozenset(),
) -> Part:
    """As `scan_folder`, for pairs of a path and the name that describes it."""
    has_frame = "frame" in pattern.groupindex
    # Columns, because an object for each row takes longer than all else.
    paths, people, seen_by, frames = list[str](), list[int](), list[int](), list[int]()
    findings: list[Finding] = []
    dropped = 0
    for path, name in names:
        match = pattern.fullmatch(name)
        if match is None:
            findings.append(Finding(path, f"the name does not follow the set's pattern {pattern.pattern}"))
            continue
        person, camera = int(match["person"]), int(match["camera"])
        if person in junk:
            dropped += 1
        elif person < 0:
            findings.append(Finding(path, f"the person is {person}; people are numbered from 0"))
        elif cameras is not None and not 1 <= camera <= cameras:
            findings.append(Finding(path, f"the camera is {camera}; the set has cameras 1 to {cameras}"))
        else:
            paths.append(path)
            people.append(person)
            seen_by.append(camera)
            frames.append(int(match["frame"]) if has_frame else 0)
    if not paths and not findings:
        findings.append(Finding(place, "there are no images"))
    return Part(place, _table(paths, people, seen_by, frames), dropped, tuple(findings))


def table_of(rows: list[Row]) -> ImageTable:
    """Put rows into columns."""
    path, person, camera, frame = zip(*rows, strict=True) if rows else ((), (), (), ())
    return _table(path, person, camera, frame)


def _table(path: Sequence[str], person: Sequence[int], camera: Sequence[int], frame: Sequence[int]) -> ImageTable:
    person_column, camera_column, frame_column = (np.array(column, np.int64) for column in (person, camera, frame))
    return ImageTable(tuple(path), person_column, camera_column, frame=frame_column)


def _quoted(names: Iterable[str]) -> str:
    listed = list(names)
    shown = ", ".join(f"`{name}`" for name in listed[:8])
    return shown if len(listed) <= 8 else f"{shown} and {len(listed) - 8} more"
