"""What is known of the public benchmarks: where their files lie, how they are named, what was published of them.

A benchmark is a value, not a class. Its layout says how to read it: most are three folders and a pattern of file
names; MSMT17 comes with lists, CUHK03 with .mat files, CUHK01 without a split.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Counts:
    """How many people, images and cameras a part of a set has; None where it was not published.

    Junk images are not counted; distractors count as images, and person 0 as one person.
    """

    people: int | None = None
    images: int | None = None
    cameras: int | None = None


@dataclass(frozen=True)
class Names:
    """How a set names its files.

    Attributes:
        pattern: a regular expression with the groups `person`, `camera` and perhaps `frame`.
        example: a name as people read it, for errors.
    """

    pattern: str
    example: str


@dataclass(frozen=True)
class Folders:
    """Three folders of images whose names say all.

    Attributes:
        train, query, gallery: the folders, below the root.
        names: of the files.
        junk: person numbers of boxes that are neither right nor wrong: dropped and counted.
        distractors: a further folder, with the names there; its images, all of them person 0, join the gallery.
        multi_query: a folder that may be there, with more images of each query's person and camera.
    """

    train: str
    query: str
    gallery: str
    names: Names
    junk: frozenset[int] = frozenset()
    distractors: tuple[str, Names] | None = None
    multi_query: str | None = None


@dataclass(frozen=True)
class Lists:
    """Two folders of images and text files that list them, a line `path person` for each (MSMT17).

    Attributes:
        train, test: the folders, below the root.
        train_lists: the lists whose images make up the training set.
    """

    train: str
    test: str
    train_lists: tuple[str, ...]


@dataclass(frozen=True)
class Campus:
    """CUHK01: one folder, no split."""


@dataclass(frozen=True)
class Cuhk03:
    """CUHK03 with the new protocol: which of its two sets of boxes."""

    boxes: Literal["detected", "labeled"]


@dataclass(frozen=True)
class Benchmark:
    """A public benchmark.

    Attributes:
        name: as the command line takes it.
        title: as papers print it.
        layout: how its files lie.
        cameras: how many cameras there are; their numbers in file names are 1 to this.
        published: the counts of "train", "query" and "gallery", as published.
        terms: on what terms the images may be used.
        source: who made it, and where it is described.
        url: where its makers offer or describe it.
        note: what else a user should know.
        known_copies: pairs of files with one image as the set ships them: told when checking, but no reason to stop.
    """

    name: str
    title: str
    layout: Folders | Lists | Campus | Cuhk03
    cameras: int
    published: Mapping[str, Counts]
    terms: str
    source: str
    url: str
    note: str = ""
    known_copies: frozenset[frozenset[str]] = frozenset()


_RESEARCH = "Real people; academic research only."
MARKET_NAMES = Names(
    r"(?P<person>-?\d+)_c(?P<camera>\d+)s\d+_(?P<frame>\d+)_\d+(?:\.jpg|\.png)+", "0002_c1s1_000451_03.jpg"
)
"""File names of Market-1501: person, camera, sequence, frame, box."""
_DUKE_NAMES = Names(r"(?P<person>\d+)_c(?P<camera>\d+)_f(?P<frame>\d+)(?:\.jpg|\.png)+", "0001_c2_f0046182.jpg")
_MARKET_SOURCE = "Zheng et al., Scalable Person Re-identification: A Benchmark, ICCV 2015"
_MARKET_URL = "https://zheng-lab.cecs.anu.edu.au/Project/project_reid.html"
_MSMT17_SOURCE = "Wei et al., Person Transfer GAN to Bridge Domain Gap for Person Re-Identification, CVPR 2018"
_MSMT17_URL = "https://www.pkuvmc.com/dataset.html"
_MSMT17_TEST = {"query": Counts(3_060, 11_659, 15), "gallery": Counts(3_060, 82_161, 15)}
_CUHK03_SOURCE = (
    "Li et al., DeepReID, CVPR 2014; new protocol: Zhong et al., Re-ranking Person Re-identification with "
    "k-reciprocal Encoding, CVPR 2017"
)
_CUHK03_PARTS: tuple[tuple[Literal["detected", "labeled"], int, int], ...] = (
    ("detected", 7_365, 5_332),
    ("labeled", 7_368, 5_328),
)
_CUHK03_URL = "https://github.com/zhunzhong07/person-re-ranking/tree/master/CUHK03-NP"
_MARKET_COUNTS = {"train": Counts(751, 12_936, 6), "query": Counts(750, 3_368, 6), "gallery": Counts(751, 15_913, 6)}

_ALL = (
    Benchmark(
        name="market1501",
        title="Market-1501",
        layout=Folders(
            "bounding_box_train", "query", "bounding_box_test", MARKET_NAMES, frozenset({-1}), multi_query="gt_bbox"
        ),
        cameras=6,
        published=_MARKET_COUNTS,
        terms=_RESEARCH,
        source=_MARKET_SOURCE,
        url=_MARKET_URL,
    ),
    Benchmark(
        name="market1501_500k",
        title="Market-1501 + 500k distractors",
        layout=Folders(
            "bounding_box_train",
            "query",
            "bounding_box_test",
            MARKET_NAMES,
            frozenset({-1}),
            distractors=(
                "images",
                Names(r"(?P<person>-?\d+)_c(?P<camera>\d).*\.(?:jpg|png)", "0000_c1s1_000151_01.jpg"),
            ),
            multi_query="gt_bbox",
        ),
        cameras=6,
        published=_MARKET_COUNTS | {"gallery": Counts(751, None, 6)},
        terms=_RESEARCH,
        source=_MARKET_SOURCE,
        url=_MARKET_URL,
        note="The distractors lie in the folder `images` beside the others; they join the gallery as person 0.",
    ),
    Benchmark(
        name="dukemtmc_reid",
        title="DukeMTMC-reID",
        layout=Folders("bounding_box_train", "query", "bounding_box_test", _DUKE_NAMES),
        cameras=8,
        published={
            "train": Counts(702, 16_522, 8),
            "query": Counts(702, 2_228, 8),
            "gallery": Counts(1_110, 17_661, 8),
        },
        terms="Real people; withdrawn by its authors in 2019.",
        source="Ristani et al., ECCV Workshops 2016; Zheng et al., Unlabeled Samples Generated by GAN, ICCV 2017",
        url="https://exposing.ai/duke_mtmc/",
        note="Withdrawn in 2019 because the people were filmed without their consent. It is read where a user has it, "
        "for comparison with older papers, and fetched never. Prefer another set for new work.",
    ),
    Benchmark(
        name="occluded_duke",
        title="Occluded-Duke",
        layout=Folders("bounding_box_train", "query", "bounding_box_test", _DUKE_NAMES),
        cameras=8,
        published={
            "train": Counts(702, 15_618, 8),
            "query": Counts(519, 2_210, 8),
            "gallery": Counts(1_110, 17_661, 8),
        },
        terms="Made of DukeMTMC-reID, withdrawn by its authors in 2019.",
        source="Miao et al., Pose-Guided Feature Alignment for Occluded Person Re-Identification, ICCV 2019",
        url="https://github.com/lightas/Occluded-DukeMTMC-Dataset",
        note="A list of files that is applied to DukeMTMC-reID; see the note on that set.",
    ),
    *(
        Benchmark(
            name=f"msmt17_v{version}{suffix}",
            title=f"MSMT17 V{version}{', without val' if suffix else ''}",
            layout=Lists(*folders, lists),
            cameras=15,
            published={"train": Counts(1_041, images, 15), **_MSMT17_TEST},
            terms=f"{_RESEARCH} To be asked for from its authors.",
            source=_MSMT17_SOURCE,
            url=_MSMT17_URL,
            note="V2 is V1 with blurred faces and other folder names." if version == 2 else "",
        )
        for version, folders in ((1, ("train", "test")), (2, ("mask_train_v2", "mask_test_v2")))
        for suffix, lists, images in (
            ("", ("list_train.txt", "list_val.txt"), 32_621),
            ("_no_val", ("list_train.txt",), 30_248),
        )
    ),
    *(
        Benchmark(
            name=f"cuhk03_{boxes}",
            title=f"CUHK03, new protocol, {boxes}",
            layout=Cuhk03(boxes),
            cameras=2,
            published={
                "train": Counts(767, images, 2),
                "query": Counts(700, 1_400, 2),
                "gallery": Counts(700, gallery, 2),
            },
            terms=_RESEARCH,
            source=_CUHK03_SOURCE,
            url=_CUHK03_URL,
            note="Read from CUHK03-NP's folders, or from cuhk-03.mat (extracted first) and the protocol's .mat files.",
        )
        for boxes, images, gallery in _CUHK03_PARTS
    ),
    Benchmark(
        name="cuhk01",
        title="CUHK01",
        layout=Campus(),
        cameras=2,
        published={"train": Counts(485, 1_940, 2), "query": Counts(486, 972, 1), "gallery": Counts(486, 972, 1)},
        terms=_RESEARCH,
        source="Li, Zhao, Wang: Human Reidentification with Transferred Metric Learning, ACCV 2012",
        url="https://www.ee.cuhk.edu.hk/~xgwang/CUHK_identification.html",
        note="No published split: papers average over 10 random ones; `split_seed` chooses. Two images show another "
        "person than their names say: 0162002 is 0257001 and 0231002 is 0331002.",
        known_copies=frozenset({frozenset({"0162002.png", "0257001.png"}), frozenset({"0231002.png", "0331002.png"})}),
    ),
    Benchmark(
        name="veri776",
        title="VeRi-776 (cars)",
        layout=Folders(
            "image_train",
            "image_query",
            "image_test",
            Names(r"(?P<person>\d+)_c(?P<camera>\d+)_(?P<frame>\d+)_\d+\.jpg", "0001_c001_00016450_0.jpg"),
        ),
        cameras=20,
        published={"train": Counts(576, 37_778, 20), "query": Counts(200, 1_678), "gallery": Counts(200, 11_579)},
        terms="Academic research only; to be asked for from its authors.",
        source="Liu et al., A Deep Learning-based Approach to Progressive Vehicle Re-identification, ECCV 2016",
        url="https://vehiclereid.github.io/VeRi/",
        note="Query images are in the gallery too; the rule on same person and camera leaves them out.",
    ),
)

BENCHMARKS: Mapping[str, Benchmark] = {benchmark.name: benchmark for benchmark in _ALL}
"""Every benchmark that can be read, by its name."""

NOT_READ = (
    "Video sets (MARS, LS-VID): tracklets are no images; bring them as a table of frames and boxes.",
    "Search sets (CUHK-SYSU, PRW): whole frames; bring them as a table of frames and boxes.",
    "Sets with changed clothes (PRCC, LTCC) and visible-infrared sets (SYSU-MM01, RegDB): protocols of their own.",
    "VIPeR, GRID, PRID2011, iLIDS: too small to train on; bring them as a table.",
    "VehicleID, VERI-Wild: list formats of their own; bring them as a table.",
)
"""What is not read, and what to do instead."""
