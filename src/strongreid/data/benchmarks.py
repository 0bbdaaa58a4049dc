"""From a name and a folder to a data set that can be trained on.

Reading goes in two steps, so that training and checking see the same: `read_data` lists what is there with all that
is wrong with it; `load_benchmark` refuses a reading with faults.
"""

import difflib
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from strongreid.data.cuhk01 import scan_cuhk01
from strongreid.data.cuhk03 import scan_cuhk03
from strongreid.data.listing import Part, find_root, scan_folder
from strongreid.data.msmt17 import scan_msmt17
from strongreid.data.own import read_own_folder, read_own_table
from strongreid.data.reading import Reading, usable
from strongreid.data.specs import BENCHMARKS, Benchmark, Campus, Counts, Cuhk03, Folders, Lists, Names
from strongreid.data.table import ImageTable, ReIDData
from strongreid.errors import InputError


def load_benchmark(name: str, root: str | Path, *, split_seed: int = 0) -> ReIDData:
    """Load the data set `name` that lies in `root`.

    `name` is one of `BENCHMARKS`, or "folder" (a folder for each person) or "table" (a CSV or Parquet file, which
    `root` then names) for own data. `split_seed` (at least 0) chooses the split of those that have none. Raises
    `InputError` for an unknown name, and where folders or files are not as the set ships them.
    """
    return usable(read_data(name, root, split_seed=split_seed))


def read_market1501(root: str | Path) -> ReIDData:
    """Load Market-1501, or drawn people in its layout; `root` is the folder that holds `bounding_box_train`."""
    return load_benchmark("market1501", root)


def read_cuhk01(root: str | Path, split_seed: int = 0) -> ReIDData:
    """Load CUHK01 with a seeded split of its people into 485 and 486; `root` is the folder that holds `campus`."""
    return load_benchmark("cuhk01", root, split_seed=split_seed)


def read_data(name: str, root: str | Path, *, split_seed: int = 0) -> Reading:
    """List what is there of a data set, with what is wrong. Arguments and errors as in `load_benchmark`."""
    if split_seed < 0:
        raise InputError(f"`data.split_seed` is {split_seed}; it must be at least 0.")
    root = Path(root)
    match name:
        case "folder":
            return read_own_folder(root, split_seed)
        case "table":
            return read_own_table(root, split_seed)
    if name not in BENCHMARKS:
        names = [*BENCHMARKS, "folder", "table"]
        near = difflib.get_close_matches(name, names, n=1)
        meant = f" Did you mean `{near[0]}`?" if near else ""
        raise InputError(f"There is no data set `{name}`.{meant} Known are: {', '.join(names)}.")
    return _read_benchmark(BENCHMARKS[name], root, split_seed)


def is_split_by_seed(name: str) -> bool:
    """Whether `split_seed` decides who trains and who tests in the data set `name`."""
    return name in ("folder", "table") or (name in BENCHMARKS and isinstance(BENCHMARKS[name].layout, Campus))


def _read_benchmark(spec: Benchmark, root: Path, split_seed: int) -> Reading:
    how = "published split"
    match spec.layout:
        case Folders():
            parts = _scan_folders(spec, spec.layout, root)
        case Lists():
            parts = scan_msmt17(spec, spec.layout, root)
        case Cuhk03():
            parts = scan_cuhk03(root, spec.layout.boxes)
        case Campus():
            parts = scan_cuhk01(root, split_seed)
            how = f"485/486 people with split seed {split_seed}, query camera A, gallery camera B"
    drawn = root / "drawn.json"
    title, expected = spec.title, spec.published
    if isinstance(spec.layout, Folders) and drawn.is_file():
        title, expected = f"Drawn people ({spec.title}'s layout)", _drawn_counts(drawn, spec.layout)
    protocol = f"{title}: {how}, single query, gallery images of the same person and camera left out"
    return Reading(spec.name, title, parts, expected, protocol, known_copies=spec.known_copies)


def _scan_folders(spec: Benchmark, layout: Folders, root: Path) -> dict[str, Part]:
    needed = [layout.train, layout.query, layout.gallery]
    if layout.distractors is not None:
        needed.append(layout.distractors[0])
    root = find_root(root, tuple(needed), spec.title)

    def scan(folder: str, names: Names = layout.names) -> Part:
        return scan_folder(root / folder, names, spec.cameras, layout.junk)

    parts = {"train": scan(layout.train), "query": scan(layout.query), "gallery": scan(layout.gallery)}
    if layout.distractors is not None:
        parts["gallery"] = _with_distractors(parts["gallery"], scan(*layout.distractors))
    if layout.multi_query is not None and (root / layout.multi_query).is_dir():
        parts["multi_query"] = _of_queries(scan(layout.multi_query), parts["query"].table)
    return parts


def _with_distractors(gallery: Part, more: Part) -> Part:
    first, second = gallery.table, more.table
    assert first.frame is not None
    assert second.frame is not None
    table = ImageTable(
        first.path + second.path,
        np.concatenate((first.person, np.zeros(len(second), dtype=np.int64))),
        np.concatenate((first.camera, second.camera)),
        frame=np.concatenate((first.frame, second.frame)),
    )
    place = f"{gallery.place} and {more.place}"
    return Part(place, table, gallery.junk + more.junk, gallery.findings + more.findings)


def _of_queries(boxes: Part, query: ImageTable) -> Part:
    """Keep the images that show a query's person from the query's camera: the others are of training people."""
    wanted = set(zip(query.person.tolist(), query.camera.tolist(), strict=True))
    rows = zip(boxes.table.person.tolist(), boxes.table.camera.tolist(), strict=True)
    kept = np.array([row in wanted for row in rows], dtype=np.bool_)
    return Part(boxes.place, boxes.table.select(kept), boxes.junk, boxes.findings)


def _drawn_counts(path: Path, layout: Folders) -> Mapping[str, Counts]:
    """What `drawn.json` says of each part, in the terms of `Counts`: without junk, distractors as one person."""
    try:
        splits = json.loads(path.read_text(encoding="utf-8"))["splits"]
        counts = {
            part: Counts(
                splits[folder]["people"] + (splits[folder]["distractors"] > 0),
                splits[folder]["images"] - splits[folder]["junk"],
                splits[folder]["cameras"],
            )
            for part, folder in (("train", layout.train), ("query", layout.query), ("gallery", layout.gallery))
        }
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path} cannot be read ({error!r}). Draw the set again with `strongreid data draw`."
        ) from error
    if layout.distractors is not None:  # which are not drawn
        counts["gallery"] = Counts(counts["gallery"].people)
    return counts
