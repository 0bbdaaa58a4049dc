"""Listing the files of a data set: fast, sorted, and collecting what is wrong instead of stopping at the first.

Folders are read with `os.scandir` and paths stay strings: 100,000 images take a fraction of a second. What is wrong
is kept as findings beside the rows that are sound: loading refuses a set that has any, checking tells them all. Links
are followed for reading, folders and images alike, so that a set may be put together of links.
"""

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from strongreid.data.layouts import Names
from strongreid.data.table import ImageTable
from strongreid.errors import InputError
from strongreid.pixels import image_suffixes

LARGEST = 2**63 - 1
"""The largest number of a person, a camera or a frame: columns are int64."""
FARTHEST = 2**31
"""Boxes lie nearer than this many pixels."""
SYSTEM_FILES = ("thumbs.db", "desktop.ini")
"""Files that Windows leaves in folders of images; what begins with a dot is a program's too. An import counts them."""
LEVELS = 2
"""How many levels up and down the right folder is looked for, where another was given."""


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
        source: the folder or file that lists the images.
        table: the N images that are sound.
        junk: how many images were dropped because they are marked as neither right nor wrong.
        findings: what is wrong with the others.
        unread: how many files were passed over, by their ending, because they are no images or of another format.
        lines: int64 [N], where each image stands in a user's table, as people count rows; None elsewhere.
    """

    source: str
    table: ImageTable
    junk: int = 0
    findings: tuple[Finding, ...] = ()
    unread: Mapping[str, int] = field(default_factory=dict)
    lines: npt.NDArray[np.int64] | None = None


class Contents(NamedTuple):
    """What a folder holds: sorted paths of images and of folders; and how many other files, by their ending."""

    images: list[str]
    folders: list[str]
    unread: Counter[str]
    left_alone: Counter[str]
    """Helper files of other programs: how many, by name, `._*` for what macOS puts beside each file."""


def contents(folder: Path, *, deep: bool = False) -> Contents:
    """List `folder`; with `deep` the folders below it too. What begins with a dot is passed over.

    `InputError` for a link to a folder that holds `folder`: whatever lies around a set would be taken for a part of it.
    """
    suffixes, here = image_suffixes(), Path(os.path.realpath(folder))
    above = {str(one) for one in (here.parents if deep else (here, *here.parents))}  # below, it is not followed again
    images, folders, unread, left_alone = list[str](), list[str](), Counter[str](), Counter[str]()
    waiting, seen = [os.fspath(folder)], set[str]()
    while waiting:
        inner = waiting.pop()
        real = os.path.realpath(inner)  # a link may lead back to where it lies
        if real in seen:
            continue
        seen.add(real)
        with os.scandir(inner) as entries:
            for entry in entries:
                name = entry.name.lower()
                if name[0] == "." or name in SYSTEM_FILES:
                    left_alone["._*" if name.startswith("._") else entry.name] += not entry.is_dir()
                elif name.endswith(suffixes):
                    images.append(entry.path)
                elif entry.is_dir():
                    if entry.is_symlink() and (real := os.path.realpath(entry.path)) in above:
                        raise InputError(f"{entry.path} is a link to {real}, which holds the set itself. Remove it.")
                    folders.append(entry.path)
                    if deep:
                        waiting.append(entry.path)
                else:
                    unread[os.path.splitext(name)[1] or "files without an ending"] += 1  # noqa: PTH122 - strings
    return Contents(sorted(images), sorted(folders), unread, +left_alone)


def find_root(root: Path, needed: tuple[str, ...], title: str, others: Sequence[tuple[str, ...]] = ()) -> Path:
    """Return `root` if it holds all of `needed`; else raise `InputError` that names the right folder, if it is near.

    Two levels up and down are looked at; nothing is guessed. `others` are what a set may hold instead.
    """
    if not root.is_dir():
        kind = "is a file, not a folder" if root.exists() else "does not exist"
        raise InputError(f"{root} {kind}. Give the folder of {title} that holds {_quoted(needed[:1])}.")
    shapes = (needed, *others)
    if _holds_one(root, shapes):
        return root
    for levels, folder in _near(root):
        if _holds_one(folder, shapes):
            off = "one level off" if levels == 1 else f"{levels} levels off"
            raise InputError(f"{root} is {off}: {title} lies in {folder}. Give that folder.")
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


def _near(root: Path) -> Iterator[tuple[int, Path]]:
    """Folders above and below `root`, the nearest first, each with how many levels away it is."""
    above, below = list(root.absolute().parents), [root]
    for level in range(1, LEVELS + 1):
        yield from ((level, folder) for folder in above[level - 1 : level])
        below = [Path(inner) for folder in below for inner in _folders_in(folder)]
        yield from ((level, folder) for folder in below)


def _folders_in(folder: Path) -> list[str]:
    try:
        return contents(folder).folders
    except PermissionError:  # another user's, on the way to what is looked for
        return []


def _holds_one(folder: Path, shapes: Iterable[tuple[str, ...]]) -> bool:
    # Unlike a Path, os.path says that what may not be looked at is not there.
    return any(all(os.path.exists(folder / name) for name in shape) for shape in shapes)  # noqa: PTH110


def scan_folder(folder: Path, naming: Names, cameras: int | None, junk: frozenset[int] = frozenset()) -> Part:
    """Read the images of `folder` by their names.

    Other names, cameras outside 1..`cameras` (None allows any), and images that lie too deep, as some programs unpack
    them, become findings; people in `junk` are counted. A folder of images beside the others is worth knowing.
    """
    found = contents(folder)
    inner = next((images for path in found.folders if (images := contents(Path(path), deep=True).images)), None)
    nested = None if inner is None else os.path.dirname(inner[0])  # noqa: PTH120 - see the head
    if nested is not None and not found.images:
        finding = Finding(nested, f"the images lie here, too deep: move them to {folder}")
        return Part(os.fspath(folder), table_of([]), 0, (finding,), found.unread)
    part = replace(_scan_names(folder, found.images, naming, cameras, junk), unread=found.unread)
    if nested is None:
        return part
    ignored = Finding(nested, f"its images are not read: they lie in a folder of their own in {folder}", serious=False)
    return replace(part, findings=(*part.findings, ignored))


def _scan_names(folder: Path, images: Sequence[str], naming: Names, cameras: int | None, junk: frozenset[int]) -> Part:
    pattern, source = re.compile(naming.pattern), os.fspath(folder)
    start = len(os.path.join(folder, ""))  # noqa: PTH118 - a Path has no such form
    has_camera, has_frame = ("camera" in pattern.groupindex), ("frame" in pattern.groupindex)
    # Columns, because an object for each row takes longer than all else.
    paths, people, seen_by, frames = list[str](), list[int](), list[int](), list[int]()
    findings: list[Finding] = []
    dropped = 0
    for path in images:
        match = pattern.fullmatch(path[start:])
        if match is None:
            findings.append(Finding(path, f"the name is not like {naming.example}"))
            continue
        person = int(match["person"])
        camera, frame = int((has_camera and match["camera"]) or 0), int((has_frame and match["frame"]) or 0)
        if max(person, camera, frame) > LARGEST:
            findings.append(Finding(path, f"a number in the name is above {LARGEST}"))
        elif person in junk:
            dropped += 1
        elif person < 0:
            findings.append(Finding(path, f"the person is {person}; people are numbered from 0"))
        elif cameras is not None and not 1 <= camera <= cameras:
            findings.append(Finding(path, f"the camera is {camera}; the set has cameras 1 to {cameras}"))
        else:
            paths.append(path)
            people.append(person)
            seen_by.append(camera)
            frames.append(frame)
    if not paths and not findings:
        findings.append(Finding(source, "there are no images"))
    return Part(source, _table(paths, people, seen_by, frames), dropped, tuple(findings))


def table_of(rows: Sequence[Row]) -> ImageTable:
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
