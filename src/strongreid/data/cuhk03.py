"""CUHK03 with the new protocol of 767 and 700 people (Li et al., CVPR 2014; Zhong et al., CVPR 2017).

It is found in two shapes. CUHK03-NP ships folders like Market-1501's, below `detected` and `labeled`. The original is
one MATLAB file, `cuhk03_release/cuhk-03.mat`: `extract_cuhk03` writes its images, once, to `images_detected` or
`images_labeled`, and the protocol's own .mat file then says which image belongs where. Extracting is asked for and
never happens by the way, because it writes 14,000 files into the user's folder.
"""

import importlib
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import scipy.io
from PIL import Image

from strongreid.data.listing import Finding, Part, Row, find_root, scan_folder, table_of
from strongreid.data.specs import Names
from strongreid.errors import InputError
from strongreid.files import atomic_folder

Boxes = Literal["detected", "labeled"]
_Integers = npt.NDArray[np.int64]
_NP_FOLDERS = {"train": "bounding_box_train", "query": "query", "gallery": "bounding_box_test"}
_NP_NAMES = Names(r"(?P<person>\d+)_c(?P<camera>\d+)_.*\.(?:png|jpg)", "0003_c1_21.png")
_NAME = re.compile(r"(?P<pair>\d)_(?P<number>\d{3})_(?P<camera>[12])_(?P<frame>\d{2})\.(?:png|jpg)")
_RELEASE = Path("cuhk03_release", "cuhk-03.mat")


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
    try:
        protocol = scipy.io.loadmat(str(config))
        files = [str(np.ravel(entry)[0]) for entry in np.ravel(protocol["filelist"])]
        people = np.ravel(protocol["labels"]).astype(np.int64)
        parts = {part: np.ravel(protocol[f"{part}_idx"]).astype(np.int64) - 1 for part in ("train", "query", "gallery")}
    except (KeyError, ValueError, NotImplementedError, OSError) as error:
        raise InputError(f"{config} is not the new protocol's file ({error!r}). Download it again.") from error
    return {part: _scan_rows(config, images, files, people, rows) for part, rows in parts.items()}


def _scan_rows(
    config: Path, images: Path, files: list[str], people: npt.NDArray[np.int64], rows: npt.NDArray[np.int64]
) -> Part:
    found: list[Row] = []
    findings: list[Finding] = []
    for row in rows.tolist():
        if not 0 <= row < min(len(files), len(people)):
            findings.append(Finding(str(config), f"it names image {row + 1} of {len(files)}"))
            continue
        match = _NAME.fullmatch(files[row])
        path = f"{images}{os.sep}{files[row]}"
        if match is None:
            findings.append(Finding(path, "the name is not like 1_001_1_01.png"))
        else:
            found.append(Row(path, int(people[row]), int(match["camera"]), int(match["frame"])))
    return Part(str(config), table_of(found), 0, tuple(findings))


def extract_cuhk03(root: Path, boxes: Boxes, progress: Callable[[int, int], None] | None = None) -> Path:
    """Write the images of `cuhk03_release/cuhk-03.mat` as PNG files to `images_detected` or `images_labeled`.

    Returns that folder; one that exists is left as it is. `progress` is called with (people done, people in all).
    Needs the package h5py, because the file is MATLAB's version 7.3. The folder appears whole or not at all.
    """
    folder = root / f"images_{boxes}"
    if folder.is_dir():
        return folder
    source = find_root(root, (str(_RELEASE),), "CUHK03") / _RELEASE
    with _opened(source) as matrix, atomic_folder(folder) as partial:
        if boxes not in matrix:
            raise InputError(f"{source} holds {', '.join(matrix)}, but not `{boxes}`. Take it from its archive again.")
        for name, pixels in _images(matrix, boxes, progress):
            Image.fromarray(pixels).save(partial / name)
    return folder


def _opened(source: Path) -> Any:
    """The file of MATLAB's version 7.3, which is HDF5, as h5py shows it."""
    try:
        h5py = importlib.import_module("h5py")
    except ImportError as error:
        raise InputError(
            f"Reading {source} needs the package h5py, which is not installed: `pip install h5py`. "
            "Or take CUHK03-NP, which comes as folders of images."
        ) from error
    try:
        return h5py.File(source, "r")
    except OSError as error:
        raise InputError(f"{source} cannot be read ({error}). Take it from its archive again.") from error


def _images(
    matrix: Any, boxes: Boxes, progress: Callable[[int, int], None] | None
) -> Iterator[tuple[str, npt.NDArray[np.uint8]]]:
    """Names and pixels (uint8 [H, W, 3]) of all images. MATLAB's arrays come with their axes reversed."""
    pairs = [matrix[reference] for reference in np.ravel(matrix[boxes][()])]
    total = sum(pair.shape[-1] for pair in pairs)
    done = 0
    for pair_number, pair in enumerate(pairs, start=1):
        cells = np.asarray(pair[()]).T  # [people, 10]: five images of each of two cameras
        for person, row in enumerate(cells, start=1):
            for number, reference in enumerate(row, start=1):
                pixels = np.asarray(matrix[reference][()])
                if pixels.ndim == 3:  # an empty cell has two axes
                    view = 1 if number <= 5 else 2
                    yield f"{pair_number}_{person:03}_{view}_{number:02}.png", np.ascontiguousarray(pixels.T)
            done += 1
            if progress is not None:
                progress(done, total)
