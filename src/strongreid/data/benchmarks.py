"""From a name and a folder to a data set that can be trained on.

Reading goes in two steps, so that training and checking see the same: `read_data` lists what is there with all that
is wrong with it; `load_benchmark` refuses a reading with faults. Lists that come with a set name files below its
folder only; a table that the user names may lead anywhere.
"""

import operator
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from strongreid.data.cuhk01 import scan_cuhk01
from strongreid.data.cuhk03 import scan_cuhk03
from strongreid.data.layouts import (
    Benchmark,
    Campus,
    Counts,
    Cuhk03,
    Folders,
    IlidsVid,
    Lists,
    Mars,
    Names,
    Pairs,
    VehicleId,
    VeriWild,
)
from strongreid.data.listing import Part, find_root, scan_folder
from strongreid.data.msmt17 import scan_msmt17
from strongreid.data.own import doubts, read_own_folder
from strongreid.data.own_table import read_own_table
from strongreid.data.pairs import scan_pairs
from strongreid.data.reading import Reading, usable
from strongreid.data.specs import BENCHMARKS, DRAWN, NAMES, OWN_NAMES
from strongreid.data.splitting import own_reading
from strongreid.data.table import ImageTable, ReIDData, stacked
from strongreid.data.tracklets import scan_ilids_vid, scan_mars
from strongreid.data.vehicles import scan_vehicle_id, scan_veri_wild
from strongreid.errors import InputError, did_you_mean
from strongreid.files import read_json, unreadable

Layout = Literal["market1501"]
"""How own data may lie, other than in a folder for each person."""


def load_benchmark(
    name: str, root: str | Path, *, split_seed: int = 0, layout: Layout | None = None, columns: str = ""
) -> ReIDData:
    """Load the data set `name` that lies in `root`.

    `name` is one of `BENCHMARKS`, or "drawn" for drawn people, or for own data "folder" (a folder for each person) or
    "table" (a CSV or Parquet file, which `root` then names). `split_seed` (0 to 2^63 - 1) chooses the split of those
    that have none. `layout` "market1501" says that a "folder" is in Market-1501's folders and file names, with any
    cameras and counts; `columns` what a "table" calls its columns, as in "person=pid,camera=camid". Raises
    `InputError` for an unknown name, and where folders or files are not as the set ships them.
    """
    return usable(read_data(name, root, split_seed=split_seed, layout=layout, columns=columns))


def read_data(
    name: str, root: str | Path, *, split_seed: int = 0, layout: Layout | None = None, columns: str = ""
) -> Reading:
    """List what is there of a data set, with what is wrong. Arguments and errors as in `load_benchmark`."""
    if not 0 <= split_seed < 2**63:
        raise InputError(f"`split_seed` is {split_seed}; it must lie between 0 and 2^63 - 1.")
    if layout is not None and (name != "folder" or layout != "market1501"):
        raise InputError(f"`layout` is {layout!r} for `{name}`; it may be market1501, for own data, `folder`, alone.")
    if columns and name != "table":
        raise InputError(f"`columns` names those of a `table`; `{name}` has none. Leave it out.")
    try:
        return _read(name, Path(root), split_seed, layout, columns)
    except OSError as error:
        raise InputError(f"{error.filename or root} cannot be read ({error.strerror}).") from error


def _read(name: str, root: Path, split_seed: int, layout: Layout | None, columns: str) -> Reading:
    match name:
        case "folder" if layout is None:
            return read_own_folder(root, split_seed)
        case "folder":
            return _read_own_layout(root)
        case "table":
            return read_own_table(root, split_seed, columns)
        case "drawn":
            return _read_benchmark(
                replace(BENCHMARKS["market1501"], name=DRAWN, title="A set of drawn people"), root, 0
            )
        case _ if name in BENCHMARKS:
            return _read_benchmark(BENCHMARKS[name], root, split_seed)
    raise InputError(f"There is no data set `{name}`.{did_you_mean(name, NAMES)} Known are: {', '.join(NAMES)}.")


def set_name(name: str, root: Path) -> str:
    """What the set in `root` is called: `drawn` where people are drawn, whatever name they are asked for by."""
    layout = BENCHMARKS[name].layout if name in BENCHMARKS else None
    return DRAWN if isinstance(layout, Folders) and (root / "drawn.json").is_file() else name


def is_split_by_seed(name: str, layout: Layout | None = None) -> bool:
    """Whether `split_seed` decides who trains and who tests in the data set `name`."""
    own = name == "table" or (name == "folder" and layout is None)
    return own or (name in BENCHMARKS and isinstance(BENCHMARKS[name].layout, Campus | Pairs | VehicleId | IlidsVid))


def _read_benchmark(spec: Benchmark, root: Path, split_seed: int) -> Reading:
    parts, how = _scan(spec, root, split_seed)
    name, title, expected = set_name(spec.name, root), spec.title, spec.published
    if name == DRAWN:
        assert isinstance(spec.layout, Folders)
        title, expected = "Drawn people", _drawn_counts(root / "drawn.json", spec.layout)
    known_cameras = not isinstance(spec.layout, VehicleId)
    counted = "gallery images of the same person and camera left out" if known_cameras else "cameras are not known"
    protocol = f"{title}: {how}, single query, {counted}"
    same_camera: Literal["exclude", "include"] = "exclude" if known_cameras else "include"
    return Reading(name, title, parts, expected, protocol, same_camera, spec.known_copies)


def _scan(spec: Benchmark, root: Path, split_seed: int) -> tuple[dict[str, Part], str]:
    """The parts of a benchmark by its layout, and how they were made."""
    match spec.layout:
        case Folders() as layout:
            return _scan_folders(spec, layout, root), "published split"
        case Lists() as layout:
            return scan_msmt17(spec, layout, root), "published split"
        case Cuhk03() as layout:
            return scan_cuhk03(root, layout.boxes), "published split"
        case Campus():
            how = f"485/486 people with split seed {split_seed}, query camera A, gallery camera B"
            return scan_cuhk01(root, split_seed), how
        case Pairs() as layout:
            how = f"half of the people with split seed {split_seed}, queries of {layout.query}"
            return scan_pairs(spec, layout, root, split_seed), how
        case VehicleId() as layout:
            how = f"published split, one image a vehicle in the gallery with seed {split_seed}"
            return scan_vehicle_id(spec, layout, root, split_seed), how
        case VeriWild() as layout:
            return scan_veri_wild(spec, layout, root), "published split"
        case Mars():
            return scan_mars(spec, root), "published split, frames as images"
        case IlidsVid():
            how = f"published split {split_seed}, frames as images, queries of camera 1"
            return scan_ilids_vid(spec, root, split_seed), how


def _read_own_layout(root: Path) -> Reading:
    """Read own data in Market-1501's folders: any cameras and counts, and names of which the beginning matters."""
    market = BENCHMARKS["market1501"]
    assert isinstance(market.layout, Folders)
    layout = replace(market.layout, names=OWN_NAMES)
    parts = _scan_folders(replace(market, title=str(root), cameras=None), layout, root)
    people = np.unique(np.concatenate([part.table.people for part in parts.values()]))
    few = doubts(str(root), [str(person) for person in people.tolist()])
    parts["train"] = replace(parts["train"], findings=(*parts["train"].findings, *few))
    return own_reading("folder", str(root), parts, "split as given", known_cameras=True)


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
    table = stacked((gallery.table, replace(more.table, person=np.zeros_like(more.table.person))))
    source = f"{gallery.source} and {more.source}"
    unread = Counter(gallery.unread) + Counter(more.unread)
    return Part(source, table, gallery.junk + more.junk, gallery.findings + more.findings, unread)


def _of_queries(boxes: Part, query: ImageTable) -> Part:
    """Keep the images that show a query's person from the query's camera: the others are of training people."""
    wanted = set(zip(query.person.tolist(), query.camera.tolist(), strict=True))
    rows = zip(boxes.table.person.tolist(), boxes.table.camera.tolist(), strict=True)
    kept = np.array([row in wanted for row in rows], dtype=np.bool_)
    return replace(boxes, table=boxes.table.select(kept))


def _drawn_counts(path: Path, layout: Folders) -> Mapping[str, Counts]:
    """What `drawn.json` says of each part, in the terms of `Counts`: without junk, distractors as one person."""
    if not path.is_file():
        raise InputError(
            f"There is no {path}, which comes with drawn people. Draw some with `strongreid data draw DIR`, or give "
            "the set's own name."
        )
    counts = {}
    remedy = "Draw the set again with `strongreid data draw`."
    try:
        splits = read_json(path, remedy=remedy)["splits"]
        for part, folder in (("train", layout.train), ("query", layout.query), ("gallery", layout.gallery)):
            names = ("people", "distractors", "images", "junk", "cameras")
            people, distractors, images, junk, cameras = (operator.index(splits[folder][name]) for name in names)
            counts[part] = Counts(people + (distractors > 0), images - junk, cameras)
    except (LookupError, TypeError) as error:
        raise unreadable(path, f"it does not say what was drawn ({error!r})", remedy) from error
    if layout.distractors is not None:  # which are not drawn
        counts["gallery"] = Counts(counts["gallery"].people)
    return counts
