"""MSMT17: two folders and lists of `path person` lines (Wei et al., CVPR 2018).

The lists number the people of training and test from 0 each; the test's are moved up so that no number is two people.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from strongreid.data.listing import Finding, Part, Row, find_root, table_of
from strongreid.data.specs import Benchmark, Lists
from strongreid.errors import InputError

TEST_PEOPLE_FROM = 10_000
"""Number of the test's person 0."""
_LIKE = "0000/0000_000_01_0303morning_0015_0.jpg 0"
_LINE = re.compile(r"(?P<path>\S+) +(?P<person>\d+)")
_CAMERA = re.compile(r"\d+_\d+_(\d+)_.*")


def scan_msmt17(spec: Benchmark, layout: Lists, root: Path) -> dict[str, Part]:
    """Read MSMT17; `root` is the folder that holds the lists and both folders of images.

    File names are `0000_000_01_0303morning_0015_0.jpg`: person, image, camera, time.
    """
    needed = (layout.train, layout.test, *layout.train_lists, "list_query.txt", "list_gallery.txt")
    root = find_root(root, needed, spec.title)
    return {
        "train": _scan(root, layout.train, layout.train_lists, spec.cameras, 0),
        "query": _scan(root, layout.test, ("list_query.txt",), spec.cameras, TEST_PEOPLE_FROM),
        "gallery": _scan(root, layout.test, ("list_gallery.txt",), spec.cameras, TEST_PEOPLE_FROM),
    }


def _scan(root: Path, folder: str, lists: tuple[str, ...], cameras: int, first_person: int) -> Part:
    rows: list[Row] = []
    findings: list[Finding] = []
    prefix = f"{root / folder}{os.sep}"
    for name in lists:
        before = len(rows) + len(findings)
        for number, line in _lines(root / name):
            match = _LINE.fullmatch(line)
            camera = _CAMERA.fullmatch(match["path"].rsplit("/", 1)[-1]) if match else None
            if match is None or camera is None:
                findings.append(Finding(str(root / name), f"line {number} is {line!r}; expected {_LIKE!r}"))
                continue
            path = prefix + match["path"]
            if 1 <= int(camera[1]) <= cameras:
                rows.append(Row(path, int(match["person"]) + first_person, int(camera[1]), 0))
            else:
                findings.append(Finding(path, f"the camera is {int(camera[1])}; the set has cameras 1 to {cameras}"))
        if before == len(rows) + len(findings):
            findings.append(Finding(str(root / name), "the list is empty"))
    return Part(" and ".join(str(root / name) for name in lists), table_of(rows), 0, tuple(findings))


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no text file ({error}). Take it from the data set's archive again.") from error
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            yield number, line.strip()
