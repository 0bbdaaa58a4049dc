"""CUHK03 with the new protocol of 767 and 700 people (Li et al., CVPR 2014; Zhong et al., CVPR 2017).

It is found in two shapes. CUHK03-NP ships folders like Market-1501's, below `detected` and `labeled`. The original is
one MATLAB file, `cuhk03_release/cuhk-03.mat`: `extract_cuhk03` writes its images, once, to `images_detected` or
`images_labeled`, and the protocol's own .mat file then says which image belongs where. Extracting is asked for and
never happens by the way, because it writes 14,000 files into the user's folder.

A .mat file may hold anything. What is read of one is checked against what the set ships: names, types and shapes; and
of HDF5 only what lies in the file itself, not what it links to or keeps in other files.
"""

import importlib
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from strongreid.data.layouts import Names
from strongreid.data.listing import Finding, Part, Row, find_root, scan_folder, table_of
from strongreid.data.matlab import Matrix, read_matrices
from strongreid.data.table import Integers
from strongreid.errors import InputError
from strongreid.files import atomic_folder, open_regular

Boxes = Literal["detected", "labeled"]
_NP_FOLDERS = {"train": "bounding_box_train", "query": "query", "gallery": "bounding_box_test"}
_NP_NAMES = Names(r"(?P<person>\d+)_c(?P<camera>\d+)_.*(?i:\.png|\.jpg)", "0003_c1_21.png")
_NAME = re.compile(r"(?P<pair>\d)_(?P<number>\d{3})_(?P<camera>[12])_(?P<frame>\d{2})(?i:\.png|\.jpg)")
_RELEASE = Path("cuhk03_release", "cuhk-03.mat")
_LISTS = ("filelist", "labels", "train_idx", "query_idx", "gallery_idx")
_MOST_CELLS = 100_000
"""Cells of a matrix at most; the set's have up to 8,430."""
_LONGEST_SIDE = 4_096
"""Height and width of an image at most, in pixels; the set's are below 500."""


def scan_cuhk03(root: Path, boxes: Boxes) -> dict[str, Part]:
    """Read CUHK03; `root` holds `detected` and `labeled` (CUHK03-NP), or `images_*` and the protocol's .mat files.

    Cameras are 1 and 2: the two views of a person, as the protocol counts them.
    """
    config, images = root / f"cuhk03_new_protocol_config_{boxes}.mat", root / f"images_{boxes}"
    folders = {part: f"{boxes}/{name}" for part, name in _NP_FOLDERS.items()}
    whole = tuple(folders.values())
    find_root(root, whole, "CUHK03", others=((images.name,), (str(_RELEASE),)))
    if all((root / name).is_dir() for name in whole):
        return {part: scan_folder(root / name, _NP_NAMES, 2) for part, name in folders.items()}
    if not images.is_dir():
        raise InputError(
            f"{root} holds {_RELEASE}, but not its images. Write them to {images} first: "
            f"`strongreid data extract cuhk03_{boxes} {root}`."
        )
    if not config.is_file():
        raise InputError(
            f"{root} holds {images.name}, but not {config.name}, which says who trains and who tests. Put it there; "
            "`strongreid data list` says where it is found."
        )
    return _scan_protocol(config, images)


def _scan_protocol(config: Path, images: Path) -> dict[str, Part]:
    """Read the protocol's file: `filelist`, `labels` and three lists of indices that count from 1."""
    protocol = read_matrices(config, "Download the new protocol's file again.")
    for name in _LISTS:
        if name not in protocol:
            raise InputError(f"{config} is not the new protocol's file: it holds no `{name}`. Download it again.")
    files = protocol["filelist"]
    if not isinstance(files, list):
        raise InputError(f"{config}: `filelist` must be a column of cells, each with the name of an image.")
    people = _whole_numbers(config, "labels", protocol["labels"], 0)
    if len(people) != len(files):
        raise InputError(f"{config} holds {len(files)} names in `filelist` and {len(people)} `labels`, not as many.")
    return {
        part: _scan_rows(
            config, images, files, people, _whole_numbers(config, f"{part}_idx", protocol[f"{part}_idx"], 1)
        )
        for part in ("train", "query", "gallery")
    }


def _whole_numbers(config: Path, name: str, value: Matrix, least: int) -> Integers:
    """A column of whole numbers from `least` on, which MATLAB may store as floats."""
    if isinstance(value, np.ndarray) and 0 < value.size == max(value.shape, default=0):
        column = value.ravel()
        if np.all((column >= least) & (column < 2**31)) and np.all(column == np.floor(column)):
            return column.astype(np.int64)
    raise InputError(f"{config}: `{name}` must be a column of whole numbers from {least} on.")


def _scan_rows(config: Path, images: Path, files: list[str], people: Integers, numbers: Integers) -> Part:
    found: list[Row] = []
    findings: list[Finding] = []
    for number in numbers.tolist():
        if number > len(files):
            findings.append(Finding(str(config), f"it names image {number} of {len(files)}"))
            continue
        name = files[number - 1]
        match = _NAME.fullmatch(name)
        path = f"{images}{os.sep}{name}"
        if match is None:  # so that no name leads to another folder either
            findings.append(Finding(path, "the name is not like 1_001_1_01.png"))
        else:
            found.append(Row(path, int(people[number - 1]), int(match["camera"]), int(match["frame"])))
    return Part(str(config), table_of(found), 0, tuple(findings))


def extract_cuhk03(root: Path, boxes: Boxes, progress: Callable[[int, int], None] | None = None) -> Path:
    """Write the images of `cuhk03_release/cuhk-03.mat` as PNG files to `images_detected` or `images_labeled`.

    Returns that folder; one that exists is left as it is. `progress` is called with (people done, people in all).
    Needs the package h5py, because the file is MATLAB's version 7.3. The folder is written atomically. Raises
    `InputError` for a file that is damaged, or holds something else than the set ships.
    """
    folder = root / f"images_{boxes}"
    if folder.is_dir():
        return folder
    source = find_root(root, (str(_RELEASE),), "CUHK03") / _RELEASE
    h5py = _hdf5(source)
    open_regular(source, "Take it from its archive again.").close()  # a pipe would be waited for
    with _distrusted(source):
        file = h5py.File(source, "r")
        names = list(file)
    with file, atomic_folder(folder) as partial:
        if boxes not in names:
            raise InputError(
                f"{source} holds {', '.join(map(str, names))}, but not `{boxes}`. Take it from its archive again."
            )
        for name, pixels in _images(_Release(h5py, source, file), boxes, progress):
            Image.fromarray(pixels).save(partial / name)
    return folder


def _hdf5(source: Path) -> Any:
    try:
        return importlib.import_module("h5py")
    except ImportError as error:
        raise InputError(
            f"Reading {source} needs the package h5py, which is not installed: `pip install h5py`. "
            "Or take CUHK03-NP, which comes as folders of images."
        ) from error


@contextmanager
def _distrusted(source: Path) -> Iterator[None]:
    """Anything that goes wrong in the block is the file's fault: HDF5's library raises errors of almost any type."""
    try:
        yield
    except Exception as error:
        raise InputError(f"{source} cannot be read ({error!r}). Take it from its archive again.") from error


@dataclass(frozen=True)
class _Release:
    """`cuhk-03.mat`, of MATLAB's version 7.3, which is HDF5: cells are references, axes are reversed."""

    h5py: Any
    source: Path
    file: Any

    def dataset(self, key: Any) -> Any:
        """What a name or a reference stands for: values that the file itself keeps."""
        with _distrusted(self.source):
            linked = isinstance(key, str) and not isinstance(self.file.get(key, getlink=True), self.h5py.HardLink)
            found = None if linked else self.file[key]
            if isinstance(found, self.h5py.Dataset) and not found.external and not found.is_virtual:
                return found
        raise self.wrong(f"{key} must be values in the file itself, no group and nothing kept in another file")

    def cells(self, key: Any) -> npt.NDArray[np.object_]:
        """A matrix of cells, as references."""
        found = self.dataset(key)
        with _distrusted(self.source):
            is_cells = self.h5py.check_ref_dtype(found.dtype) is self.h5py.Reference
            if is_cells and found.ndim == 2 and found.size <= _MOST_CELLS:
                return np.asarray(found[()])
        raise self.wrong(f"{found.name} must be a matrix of cells, and is {found.dtype} {list(found.shape)}")

    def pixels(self, reference: Any) -> npt.NDArray[np.uint8] | None:
        """An image, uint8 [H, W, 3]; None for an empty cell, of which MATLAB keeps the two sizes alone."""
        found = self.dataset(reference)
        if found.size == 2:
            return None
        with _distrusted(self.source):
            sound = (
                found.ndim == 3 and found.shape[0] == 3 and 0 < min(found.shape) <= max(found.shape) <= _LONGEST_SIDE
            )
            if sound and found.dtype == np.uint8:
                return np.ascontiguousarray(np.asarray(found[()]).T)
        raise self.wrong(f"{found.name} must be an image, uint8 [3, W, H], and is {found.dtype} {list(found.shape)}")

    def wrong(self, problem: str) -> InputError:
        return InputError(f"{self.source}: {problem}. Take it from its archive again.")


def _images(
    release: _Release, boxes: Boxes, progress: Callable[[int, int], None] | None
) -> Iterator[tuple[str, npt.NDArray[np.uint8]]]:
    """Names and pixels (uint8 [H, W, 3]) of all images."""
    pairs = [release.cells(reference).T for reference in np.ravel(release.cells(boxes))]  # each [people, 10]
    total = sum(map(len, pairs))
    done = 0
    for pair_number, pair in enumerate(pairs, start=1):
        for person, row in enumerate(pair, start=1):
            for number, reference in enumerate(row, start=1):
                pixels = release.pixels(reference)
                if pixels is not None:
                    view = 1 if number <= 5 else 2  # five images of each of two cameras
                    yield f"{pair_number}_{person:03}_{view}_{number:02}.png", pixels
            done += 1
            if progress is not None:
                progress(done, total)
