"""Listing the files of a data set: fast, sorted, and collecting what is wrong instead of stopping at the first.

Folders are read with `os.scandir` and names stay strings: 100,000 images take a fraction of a second. What is wrong
is kept as findings beside the rows that are sound: loading refuses a set that has any, checking tells them all.
"""

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from strongreid.data.specs import Names
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


def find_root(root: Path, needed: tuple[str, ...], title: str, others: Sequence[tuple[str, ...]] = ()) -> Path:
    """Return `root` if it holds all of `needed`; else raise `InputError` that names the right folder, if it is near.

    One level up and one level down are looked at; nothing is guessed. `others` are what a set may hold instead.
    """
    if not root.is_dir():
        kind = "is a file, not a folder" if root.exists() else "does not exist"
        raise InputError(f"{root} {kind}. Give the folder of {title} that holds {_quoted(needed[:1])}.")
    shapes = (needed, *others)
    if _holds_one(root, shapes):
        return root
    for candidate in (root.absolute().parent, *sorted(child for child in root.iterdir() if child.is_dir())):
        if _holds_one(candidate, shapes):
            raise InputError(f"{root} is one level off: {title} lies in {candidate}. Give that folder.")
    found = sorted(child.name for child in root.iterdir())
    missing = [name for name in needed if not (root / name).exists()]
    if len(missing) < len(needed):
        advice = (
            "Take what is missing from the set's archive again; `strongreid data list` names sets with other folders."
        )
    else:
        advice = f"Give the folder that holds {' or '.join(_quoted(shape) for shape in (needed[:1], *others))}."
    raise InputError(
        f"{title} needs {_quoted(missing)} in {root}, which holds {_quoted(found) if found else 'nothing'}: "
        f"{root / missing[0]} is not there. {advice}"
    )


def _holds_one(folder: Path, shapes: Iterable[tuple[str, ...]]) -> bool:
    return any(all((folder / name).exists() for name in shape) for shape in shapes)


def image_paths(folder: Path, *, deep: bool = False) -> list[str]:
    """The paths of all images in `folder`, sorted; with `deep` those in folders below it too."""
    if not deep:
        return [os.path.join(folder, name) for name in _contents(folder)[0]]  # noqa: PTH118 - see the head
    paths: list[str] = []
    waiting, seen = [os.fspath(folder)], set[str]()
    while waiting:
        inner = waiting.pop()
        real = os.path.realpath(inner)  # a link may lead back to where it lies
        if real in seen:
            continue
        seen.add(real)
        with os.scandir(inner) as entries:
            for entry in entries:
                if _is_image(entry.name):
                    paths.append(entry.path)
                elif entry.name[0] != "." and entry.is_dir():  # what begins with a dot is a program's, not the user's
                    waiting.append(entry.path)
    return sorted(paths)


def _contents(folder: Path) -> tuple[list[str], list[str]]:
    """The sorted names of the images in `folder`, and those of all else."""
    images, others = list[str](), list[str]()
    for name in sorted(os.listdir(folder)):  # noqa: PTH208 - see the head
        (images if _is_image(name) else others).append(name)
    return images, others


def _is_image(name: str) -> bool:
    return name.lower().endswith(IMAGE_SUFFIXES) and name[0] != "."


def _folder_of_images(folder: Path, names: Iterable[str]) -> str | None:
    """The first folder at or below `folder / name`, for some name, that holds images; None if there is none."""
    inner = (folder / name for name in names if name[0] != ".")
    found = (image_paths(path, deep=True) for path in inner if path.is_dir())
    return next((os.path.dirname(paths[0]) for paths in found if paths), None)  # noqa: PTH120 - see the head


def scan_folder(folder: Path, naming: Names, cameras: int | None, junk: frozenset[int] = frozenset()) -> Part:
    """Read the images of `folder` by their names.

    Other names, cameras outside 1..`cameras`, and images that lie too deep, as some programs unpack them, become
    findings; people in `junk` are counted. A folder of images beside the others is worth knowing.
    """
    names, others = _contents(folder)
    nested = _folder_of_images(folder, others)
    if nested is not None and not names:
        finding = Finding(nested, f"the images lie here, too deep: move them to {folder}")
        return Part(os.fspath(folder), table_of([]), 0, (finding,))
    part = _scan_names(folder, names, naming, cameras, junk)
    if nested is None:
        return part
    ignored = Finding(nested, f"its images are not read: they lie in a folder of their own in {folder}", serious=False)
    return replace(part, findings=(*part.findings, ignored))


def _scan_names(folder: Path, names: Sequence[str], naming: Names, cameras: int | None, junk: frozenset[int]) -> Part:
    pattern, place = re.compile(naming.pattern), os.fspath(folder)
    prefix = os.path.join(folder, "")  # noqa: PTH118 - a Path has no such form
    has_frame = "frame" in pattern.groupindex
    # Columns, because an object for each row takes longer than all else.
    paths, people, seen_by, frames = list[str](), list[int](), list[int](), list[int]()
    findings: list[Finding] = []
    dropped = 0
    for name in names:
        path = prefix + name
        match = pattern.fullmatch(name)
        if match is None:
            findings.append(Finding(path, f"the name is not like {naming.example}"))
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
