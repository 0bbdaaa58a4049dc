"""Listing the files of a data set: fast, sorted, and with errors that name the folder that was meant.

Folders are read with `os.scandir` and names stay strings: 100,000 images take a fraction of a second.
"""

import os
import re
from pathlib import Path
from typing import NamedTuple

from strongreid.errors import InputError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")


class FileName(NamedTuple):
    """What one file's name says."""

    path: str
    person: int
    camera: int
    frame: int


def find_root(root: Path, needed: tuple[str, ...], title: str) -> Path:
    """Return `root` if it holds all folders `needed`; else raise `InputError` that names the right folder, if any."""
    if not root.is_dir():
        raise InputError(f"The folder {root} does not exist. Give the folder of {title} that holds `{needed[0]}`.")
    if all((root / folder).is_dir() for folder in needed):
        return root
    beside = [root.parent, *sorted(child for child in root.iterdir() if child.is_dir())]
    for candidate in beside:
        if all((candidate / folder).is_dir() for folder in needed):
            raise InputError(f"{root} is one level off: {title} lies in {candidate}. Give that folder.")
    found = sorted(child.name for child in root.iterdir())
    missing = [folder for folder in needed if not (root / folder).is_dir()]
    raise InputError(
        f"{title} needs {_names(missing)} in {root}, which holds {_names(found) if found else 'nothing'}. "
        f"Give the folder that holds `{needed[0]}`."
    )


def list_images(folder: Path, pattern: re.Pattern[str], cameras: int | None) -> list[FileName]:
    """List the images of `folder` by name, read with `pattern` (groups person, camera, frame).

    Raises `InputError` when there is none, or for a name that does not follow the pattern or whose camera is not in
    1..`cameras`.
    """
    with os.scandir(folder) as entries:
        paths = sorted(entry.path for entry in entries if entry.name.lower().endswith(IMAGE_SUFFIXES))
    if not paths:
        raise InputError(f"There are no images in {folder}.")
    groups = pattern.groupindex
    names = []
    for path in paths:
        match = pattern.fullmatch(path, path.rfind(os.sep) + 1)
        if match is None:
            raise InputError(f"The name of {path} does not follow the set's pattern `{pattern.pattern}`.")
        camera = int(match["camera"]) if "camera" in groups else 0
        if cameras is not None and not 1 <= camera <= cameras:
            raise InputError(f"{path} is of camera {camera}; the set has cameras 1 to {cameras}.")
        names.append(FileName(path, int(match["person"]), camera, int(match["frame"]) if "frame" in groups else 0))
    return names


def _names(names: list[str]) -> str:
    shown = ", ".join(f"`{name}`" for name in names[:8])
    return shown if len(names) <= 8 else f"{shown} and {len(names) - 8} more"
