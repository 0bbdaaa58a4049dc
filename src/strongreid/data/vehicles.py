"""VehicleID and VERI-Wild: images, and lists of who trains and who tests.

Lists are read by patterns of digits, so that a line names a file below the set's folder only.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np

from strongreid.data.layouts import Benchmark, VehicleId, VeriWild
from strongreid.data.listing import Finding, Part, Row, find_root, table_of
from strongreid.files import read_text

SPLIT_STREAM = 0x71D
"""Second word of the generator's key: keeps the draw apart from others with the same seed."""
LARGEST_LIST = 2**28
"""Bytes of a list at most; those of VERI-Wild have some 25 MB."""
_SPLITS = "train_test_split"
_SHOWN = 100
"""Characters of a wrong line that are quoted."""
_REMEDY = "Take it from the data set's archive again."


def scan_vehicle_id(spec: Benchmark, layout: VehicleId, root: Path, split_seed: int) -> dict[str, Part]:
    """Read VehicleID; `root` is the folder that holds `image` and `train_test_split`.

    One image of each test vehicle, drawn with `split_seed`, is the gallery, the others are queries (Liu et al. 2016).
    Cameras are not known.
    """
    root = find_root(root, ("image", _SPLITS), spec.title)
    pattern = re.compile(r"(?P<image>\d{1,18}) +(?P<vehicle>\d{1,18})")

    def row(match: re.Match[str]) -> Row:
        return Row(str(root / "image" / f"{match['image']}.jpg"), int(match["vehicle"]), 0, 0)

    train = _scan(root / _SPLITS / "train_list.txt", pattern, "0000001 42", row)
    test = _scan(root / _SPLITS / f"test_list_{layout.test}.txt", pattern, "0000001 42", row)
    rng = np.random.Generator(np.random.Philox(key=[split_seed, SPLIT_STREAM]))
    order = rng.permutation(len(test.table))
    kept = np.zeros(len(test.table), dtype=np.bool_)
    kept[order[np.unique(test.table.person[order], return_index=True)[1]]] = True
    return {
        "train": train,
        "query": Part(test.source, test.table.select(~kept)),
        "gallery": Part(test.source, test.table.select(kept), findings=test.findings),
    }


def scan_veri_wild(spec: Benchmark, layout: VeriWild, root: Path) -> dict[str, Part]:
    """Read VERI-Wild; `root` is the folder that holds `images` and `train_test_split`."""
    root = find_root(root, ("images", _SPLITS), spec.title)
    splits = root / _SPLITS
    pattern = re.compile(r"(?P<vehicle>\d{1,18})/(?P<image>\d{1,18})(?:\.jpg)?")
    cameras = _cameras(splits / "vehicle_info.txt")

    def row(match: re.Match[str]) -> Row | str:
        camera = cameras.get(match["image"])
        if camera is None:
            return "which vehicle_info.txt does not know"
        path = root / "images" / match["vehicle"] / f"{match['image']}.jpg"
        return Row(str(path), int(match["vehicle"]), camera, 0)

    lists = {"train": "train_list", "query": f"test_{layout.test}_query", "gallery": f"test_{layout.test}"}
    return {part: _scan(splits / f"{name}.txt", pattern, "00001/000001", row) for part, name in lists.items()}


def _cameras(path: Path) -> Mapping[str, int]:
    """The camera of each image of VERI-Wild: a line is `vehicle/image;camera;time;...`, the first is a head."""
    pattern = re.compile(r"\d+/(\d{1,18});(\d{1,18})(?:;.*)?")
    return {match[1]: int(match[2]) for _, line in _lines(path) if (match := pattern.fullmatch(line)) is not None}


def _scan(path: Path, pattern: re.Pattern[str], like: str, row_of: Callable[[re.Match[str]], Row | str]) -> Part:
    """The images that a list names; other lines, and those that `row_of` says something against, are findings."""
    rows, findings = list[Row](), list[Finding]()
    for number, line in _lines(path):
        match = pattern.fullmatch(line)
        if match is None:
            findings.append(Finding(str(path), f"line {number} is {line[:_SHOWN]!r}; expected {like!r}"))
            continue
        row = row_of(match)
        if isinstance(row, str):
            findings.append(Finding(str(path), f"line {number} is {line[:_SHOWN]!r}, {row}"))
        else:
            rows.append(row)
    if not rows and not findings:
        findings.append(Finding(str(path), "the list is empty"))
    return Part(str(path), table_of(rows), 0, tuple(findings))


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a list that are not empty, with their numbers."""
    for number, line in enumerate(read_text(path, limit=LARGEST_LIST, remedy=_REMEDY).splitlines(), start=1):
        if line.strip():
            yield number, line.strip()
