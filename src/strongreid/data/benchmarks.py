"""What is known of the public benchmarks: where their files lie, how they are named, what was published of them.

A benchmark is a value, not a class: folders, a pattern of file names and counts. One reader serves all that follow a
pattern; the few that do not have a small function each.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from strongreid.data.listing import FileName, find_root, list_images
from strongreid.data.table import ImageTable, ReIDData
from strongreid.errors import InputError


@dataclass(frozen=True)
class Counts:
    """How many people, images and cameras a part of a benchmark has; None where it was not published."""

    people: int | None
    images: int | None
    cameras: int | None = None


@dataclass(frozen=True)
class Benchmark:
    """A benchmark whose file names say all.

    Attributes:
        name: as the command line takes it.
        title: as papers print it.
        train, query, gallery: the folders, below the root.
        pattern: of a file's name, with the groups `person`, `camera` and perhaps `frame`.
        cameras: how many cameras there are; their numbers in file names are 1 to this.
        published: counts of "train", "query" and "gallery" without junk, as published.
        junk: numbers that mark boxes which are neither right nor wrong: dropped.
        terms: on what terms the images may be used.
        source: who made it, and where it is described.
    """

    name: str
    title: str
    train: str
    query: str
    gallery: str
    pattern: str
    cameras: int
    published: dict[str, Counts]
    terms: str
    source: str
    junk: frozenset[int] = frozenset({-1})


MARKET1501 = Benchmark(
    name="market1501",
    title="Market-1501",
    train="bounding_box_train",
    query="query",
    gallery="bounding_box_test",
    pattern=r"(?P<person>-?\d+)_c(?P<camera>\d+)s\d+_(?P<frame>\d+)_\d+\.jpg",
    cameras=6,
    published={
        "train": Counts(751, 12_936, 6),
        "query": Counts(750, 3_368, 6),
        "gallery": Counts(751, 15_913, 6),
    },
    terms="Academic research only.",
    source="Zheng et al., 'Scalable Person Re-identification: A Benchmark', ICCV 2015",
)

SPECS = {spec.name: spec for spec in (MARKET1501,)}


def load_benchmark(name: str, root: str | Path, *, split_seed: int = 0) -> ReIDData:
    """Read the benchmark `name` below `root`.

    `split_seed` chooses the split of the sets that publish none (CUHK01). Raises `InputError` when the name is not
    known, or a folder or file is not as the benchmark ships it.
    """
    if name == "cuhk01":
        return read_cuhk01(root, split_seed)
    if name not in SPECS:
        raise InputError(f"There is no benchmark `{name}`. Known are: {', '.join(sorted([*SPECS, 'cuhk01']))}.")
    return read_by_pattern(SPECS[name], Path(root))


def read_market1501(root: str | Path) -> ReIDData:
    """Read Market-1501, or drawn people in its layout; `root` is the folder that holds `bounding_box_train`."""
    return read_by_pattern(MARKET1501, Path(root))


def read_by_pattern(spec: Benchmark, root: Path) -> ReIDData:
    """Read a benchmark whose file names say all. Raises `InputError` where its folders are not as shipped."""
    root = find_root(root, (spec.train, spec.query, spec.gallery), spec.title)
    pattern = re.compile(spec.pattern)
    parts = {}
    for part, folder in (("train", spec.train), ("query", spec.query), ("gallery", spec.gallery)):
        names = list_images(root / folder, pattern, spec.cameras)
        parts[part] = _table([name for name in names if name.person not in spec.junk])
    return ReIDData(
        name=spec.name,
        train=parts["train"],
        query=parts["query"],
        gallery=parts["gallery"],
        protocol=f"{spec.title}: published split, single query, gallery images of the same person and camera left out",
    )


def read_cuhk01(root: str | Path, split_seed: int = 0) -> ReIDData:
    """Read CUHK01 with a seeded split of its people into 485 for training and 486 for the test.

    Camera A (images 001, 002) gives the queries, camera B (003, 004) the gallery (Li et al., ACCV 2012). `root` is
    the folder that holds `campus`. The split is a pure function of `split_seed`.
    """
    root = find_root(Path(root), ("campus",), "CUHK01")
    names = list_images(root / "campus", re.compile(r"(?P<person>\d{4})(?P<frame>\d{3})\.png"), None)
    table = _table(names)
    assert table.frame is not None
    table = ImageTable(table.path, table.person, np.where(table.frame <= 2, 1, 2), frame=table.frame)
    people = table.people
    if len(people) < 2:
        raise InputError(f"CUHK01 in {root} has {len(people)} person; a split needs at least 2.")
    shuffled = np.random.Generator(np.random.Philox(key=[split_seed, 0xC01])).permutation(people)
    learned = np.isin(table.person, shuffled[: len(people) // 2])
    return ReIDData(
        name="cuhk01",
        train=table.select(learned),
        query=table.select(~learned & (table.camera == 1)),
        gallery=table.select(~learned & (table.camera == 2)),
        protocol=f"CUHK01: 485/486 split of people with seed {split_seed}, query camera A, gallery camera B",
    )


def _table(names: list[FileName]) -> ImageTable:
    return ImageTable(
        tuple(name.path for name in names),
        np.array([name.person for name in names], dtype=np.int64),
        np.array([name.camera for name in names], dtype=np.int64),
        frame=np.array([name.frame for name in names], dtype=np.int64),
    )
