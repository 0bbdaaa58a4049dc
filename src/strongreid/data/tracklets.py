"""MARS and iLIDS-VID: the frames of tracks as images, each with its track beside it.

What trains and what tests, and in MARS what is a track, is in MATLAB's files that come with the sets.
"""

import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from strongreid.data.layouts import Benchmark
from strongreid.data.listing import Finding, Part, contents, find_root
from strongreid.data.matlab import read_matrices
from strongreid.data.table import ImageTable, stacked
from strongreid.errors import InputError
from strongreid.files import read_text, unreadable

LARGEST_LIST = 2**28
"""Bytes of a list of frames at most; those of MARS have up to 14 MB."""
SPLITS = "train-test people splits"
"""The folder of iLIDS-VID's splits."""
_REMEDY = "Take it from the data set's archive again."
_MARS_NAME = re.compile(r"(?P<folder>\d{4}|00-1)C(?P<camera>\d)T(?P<track>\d{4})F(?P<frame>\d{3,18})\.jpg")
_ILIDS_NAME = re.compile(r"cam(?P<camera>[12])_(?P<person>person\d+)_(?P<frame>\d{1,18})\.png")
_JUNK = -1


class _Frame(NamedTuple):
    """A frame of a track."""

    path: str
    person: int
    camera: int
    frame: int
    track: int


def scan_mars(spec: Benchmark, root: Path) -> dict[str, Part]:
    """Read MARS; `root` is the folder that holds `bbox_train`, `bbox_test` and `info`.

    A row of a matrix is a track: its first and last line in a list of names, its person and camera. Person -1 is junk,
    person 0 a distractor. `query_IDX` says which test tracks are queries.
    """
    root = find_root(root, ("bbox_train", "bbox_test", "info"), spec.title)
    info = root / "info"
    train = _matrix(info / "tracks_train_info.mat", "track_train_info", 4)
    test = _matrix(info / "tracks_test_info.mat", "track_test_info", 4)
    asked = _matrix(info / "query_IDX.mat", "query_IDX", None).reshape(-1)
    if len(asked) and not 1 <= asked.min() <= asked.max() <= len(test):
        raise unreadable(info / "query_IDX.mat", f"its indices do not lie between 1 and {len(test)}", _REMEDY)
    is_query = np.zeros(len(test), dtype=np.bool_)
    is_query[asked - 1] = True
    return {
        "train": _mars_part(root / "bbox_train", info / "train_name.txt", train, np.arange(len(train))),
        "query": _mars_part(root / "bbox_test", info / "test_name.txt", test, np.flatnonzero(is_query)),
        "gallery": _mars_part(root / "bbox_test", info / "test_name.txt", test, np.flatnonzero(~is_query)),
    }


def _mars_part(folder: Path, listed: Path, tracks: npt.NDArray[np.int64], rows: npt.NDArray[np.int64]) -> Part:
    names = read_text(listed, limit=LARGEST_LIST, remedy=_REMEDY).split()
    frames, findings, junk = list[_Frame](), list[Finding](), 0
    for row in rows.tolist():
        first, last, person, camera = tracks[row].tolist()
        if not 1 <= first <= last <= len(names):
            findings.append(
                Finding(str(listed), f"track {row + 1} is of the lines {first} to {last}, which are not there")
            )
            continue
        for number, name in enumerate(names[first - 1 : last], start=first):
            match = _MARS_NAME.fullmatch(name)
            if match is None or (int(match["folder"].replace("00-1", "-1")), int(match["camera"])) != (person, camera):
                problem = f"line {number} is {name[:100]!r}, but track {row + 1} is of person {person}, camera {camera}"
                findings.append(Finding(str(listed), problem))
            elif person == _JUNK:
                junk += 1
            else:
                path = str(folder / match["folder"] / name)
                frames.append(_Frame(path, person, camera, int(match["frame"]), row))
    if not frames and not findings:
        findings.append(Finding(str(listed), "there are no tracks"))
    return Part(str(folder), _table(frames), junk, tuple(findings))


def scan_ilids_vid(spec: Benchmark, root: Path, split_seed: int) -> dict[str, Part]:
    """Read iLIDS-VID; `root` is the folder that holds `i-LIDS-VID` and `train-test people splits`.

    `split_seed` is the row of its matrix of ten splits, whose first half tests and second half trains, as numbers of
    people's folders in sorted order (Wang et al. 2014). Queries are of camera 1, the gallery of camera 2.
    """
    root = find_root(root, ("i-LIDS-VID", SPLITS), spec.title)
    file = root / SPLITS / "train_test_splits_ilidsvid.mat"
    splits = _matrix(file, "ls_set", None)
    if splits.ndim != 2 or split_seed >= len(splits):
        raise InputError(f"`split_seed` is {split_seed}; {spec.title} comes with the splits 0 to {len(splits) - 1}.")
    cameras = [root / "i-LIDS-VID" / "sequences" / f"cam{camera}" for camera in (1, 2)]
    people = sorted({Path(path).name for folder in cameras for path in contents(folder).folders})
    chosen = splits[split_seed]
    if sorted(chosen.tolist()) != list(range(1, len(people) + 1)):
        raise unreadable(file, f"split {split_seed} does not name each of the {len(people)} people once", _REMEDY)
    half = len(chosen) // 2
    train, test = ({people[index - 1]: index for index in some.tolist()} for some in (chosen[half:], chosen[:half]))
    first, second = (_ilids_part(folder, camera, train) for camera, folder in enumerate(cameras, start=1))
    return {
        "train": Part(
            f"{first.source} and {second.source}",
            stacked((first.table, second.table)),
            findings=first.findings + second.findings,
        ),
        "query": _ilids_part(cameras[0], 1, test),
        "gallery": _ilids_part(cameras[1], 2, test),
    }


def _ilids_part(folder: Path, camera: int, people: dict[str, int]) -> Part:
    """The frames of some people, by their folders' names, as one camera saw them."""
    frames, findings, unread = list[_Frame](), list[Finding](), Counter[str]()
    for name, person in sorted(people.items()):
        if not (folder / name).is_dir():
            findings.append(Finding(str(folder / name), "the other camera shows this person, but here is no folder"))
            continue
        found = contents(folder / name)
        unread += found.unread
        for path in found.images:
            match = _ILIDS_NAME.fullmatch(Path(path).name)
            if match is None or match["person"] != name or int(match["camera"]) != camera:
                findings.append(Finding(path, f"the name is not like cam{camera}_{name}_00317.png"))
            else:
                frames.append(_Frame(path, person, camera, int(match["frame"]), 2 * person + camera))
    return Part(str(folder), _table(frames), findings=tuple(findings), unread=unread)


def _table(frames: list[_Frame]) -> ImageTable:
    columns = np.array([frame[1:] for frame in frames], dtype=np.int64).reshape(-1, 4).T
    paths = tuple(frame.path for frame in frames)
    return ImageTable(paths, columns[0], columns[1], frame=columns[2], track=columns[3])


def _matrix(path: Path, name: str, columns: int | None) -> npt.NDArray[np.int64]:
    """A matrix of whole numbers, which MATLAB may store as floats."""
    found = read_matrices(path, _REMEDY).get(name)
    if not isinstance(found, np.ndarray) or found.ndim != 2 or (columns is not None and found.shape[1] != columns):
        raise unreadable(path, f"it holds no matrix `{name}`{f' of {columns} columns' if columns else ''}", _REMEDY)
    with np.errstate(invalid="ignore"):
        whole = found.astype(np.int64)
    if (whole != found).any():
        raise unreadable(path, f"`{name}` holds what are no whole numbers", _REMEDY)
    return whole
