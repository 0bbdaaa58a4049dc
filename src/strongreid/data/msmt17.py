"""MSMT17: two folders and lists of `path person` lines (Wei et al., CVPR 2018).

The lists number the people of training and test from 0 each; the test's are moved up so that no number is two people.
A list names files below its folder only: a line that climbs out of it is a finding.
"""

import os
import re
from pathlib import Path, PurePosixPath

from strongreid.data.layouts import Benchmark, Lists
from strongreid.data.listing import Finding, Part, Row, find_root, table_of
from strongreid.files import read_text

TEST_PEOPLE_FROM = 10_000
"""Number of the test's person 0."""
LARGEST_LIST = 2**26
"""Bytes of a list at most; the set's have up to 4 MB."""
_LIKE = "0000/0000_000_01_0303morning_0015_0.jpg 0"
_SHOWN = 100
"""Characters of a wrong line that are quoted."""
_LINE = re.compile(r"(?P<path>[^\s\0]+) +(?P<person>\d{1,18})")
_CAMERA = re.compile(r"\d+_\d+_(\d{1,18})_.*")


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


def _scan(root: Path, folder: str, lists: tuple[str, ...], cameras: int | None, first_person: int) -> Part:
    rows: list[Row] = []
    findings: list[Finding] = []
    prefix = f"{root / folder}{os.sep}"
    for name in lists:
        text = read_text(root / name, limit=LARGEST_LIST, remedy="Take it from the data set's archive again.")
        lines = [line.strip() for line in text.splitlines()]
        for number, line in enumerate(lines, start=1):
            if not line:
                continue
            match = _LINE.fullmatch(line)
            camera = _CAMERA.fullmatch(match["path"].rsplit("/", 1)[-1]) if match else None
            if match is None or camera is None:
                findings.append(Finding(str(root / name), f"line {number} is {line[:_SHOWN]!r}; expected {_LIKE!r}"))
            elif _leads_out(match["path"]):
                problem = f"line {number} leads out of {root / folder}: {line[:_SHOWN]!r}; take it out"
                findings.append(Finding(str(root / name), problem))
            elif cameras is not None and not 1 <= int(camera[1]) <= cameras:
                problem = f"the camera is {int(camera[1])}; the set has cameras 1 to {cameras}"
                findings.append(Finding(prefix + match["path"], problem))
            else:
                rows.append(Row(prefix + match["path"], int(match["person"]) + first_person, int(camera[1]), 0))
        if not any(lines):
            findings.append(Finding(str(root / name), "the list is empty"))
    return Part(" and ".join(str(root / name) for name in lists), table_of(rows), 0, tuple(findings))


def _leads_out(path: str) -> bool:
    """Whether a list's path, joined to its folder, may end elsewhere."""
    return path.startswith("/") or ".." in PurePosixPath(path).parts
