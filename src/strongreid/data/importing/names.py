"""Crops whose names say whom they show: by a pattern, or by the folder of each person."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from strongreid.data.importing.pattern import Pattern, parse_pattern
from strongreid.data.importing.sightings import Imported, Sighting, wrong_name
from strongreid.data.listing import LARGEST, contents
from strongreid.data.own import doubts, refuse_no_people
from strongreid.errors import InputError

FOLDERS: Final = "{person}/{*}"
"""The pattern of a folder for each person."""


def read_names(folder: Path, pattern: str, camera: str = "") -> Imported:
    """Read the pictures in `folder` and below it by their names.

    A pattern with `/` speaks of paths below `folder`, another of names, in whatever folder they stand. `camera` is the
    one that took all, where names do not say it. Raises `InputError` where there are no pictures.
    """
    understood = parse_pattern(pattern)
    if camera and "camera" in understood.fields:
        raise InputError(
            f"`camera` is {camera!r}, but the pattern {pattern} says it of each name. Leave one of them out."
        )
    found = contents(folder, deep=True)
    if not found.images:
        raise InputError(f"{folder} holds no pictures, neither do folders in it.")
    sightings, problems = list[Sighting](), list[str]()
    for path in found.images:
        below = os.path.relpath(path, folder).replace(os.sep, "/")
        one = _sighting(path, below, understood, camera)
        (problems if isinstance(one, str) else sightings).append(one)  # type: ignore[arg-type]
    return Imported(f"names by the pattern {pattern}", sightings, problems, left_alone=found.left_alone + found.unread)


def read_people_folders(root: Path, camera: str = "") -> Imported:
    """Read a folder that holds a folder for each person, by `FOLDERS`; `InputError` where they are plainly no people's.

    Cameras are not known, but for the one that is told.
    """
    names = [Path(folder).name for folder in contents(root).folders]
    refuse_no_people(root, names)
    imported = read_names(root, FOLDERS, camera)
    notes = [f"{finding}." for finding in doubts(str(root), names)]
    seen = {one.person for one in imported.sightings}
    notes += [f"{root / name} holds no pictures." for name in names if name not in seen and not wrong_name(name)]
    return Imported("a folder for each person", imported.sightings, imported.problems, notes, imported.left_alone)


def _sighting(path: str, below: str, pattern: Pattern, camera: str) -> Sighting | str:
    """What a name says, or what is wrong with it."""
    meanings = pattern.meanings(below if pattern.of_paths else below.rpartition("/")[2])
    if not meanings:
        return f"{path}: the name is not like {pattern.text}"
    if len(meanings) > 1:
        ways = " or ".join(_in_words(meaning) for meaning in meanings)
        return f"{path}: the name can be read in two ways, {ways}"
    said = {"camera": camera, **dict(meanings[0])}
    for name in ("person", "camera", "track"):
        if said.get(name) and (wrong := wrong_name(said[name])):
            return f"{path}: the {name} {said[name]!r} {wrong}"
    frame = said.get("frame", "")
    if len(frame) > len(str(LARGEST)) or int(frame or 0) > LARGEST:
        return f"{path}: the frame {frame} is above {LARGEST}"
    track = said.get("track", "")
    return Sighting(path, said["person"], said["camera"], path, int(frame) if frame else None, None, track)


def _in_words(meaning: Sequence[tuple[str, str]]) -> str:
    return ", ".join(f"{name} {text}" for name, text in meaning)
