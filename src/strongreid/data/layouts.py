"""How the files of a set may lie: values that the readers follow.

Most sets are three folders and a pattern of file names; MSMT17 and the vehicles come with lists, CUHK03 and the video
sets with .mat files, CUHK01 and the small ones without a split.
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
        pattern: a regular expression with the groups `person` and perhaps `camera` and `frame`.
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
class Pairs:
    """Two folders, in each an image of every person, and no split that is read (VIPeR, PRID2011, GRID).

    Attributes:
        query, gallery: the folders, below the root. Where names say no camera, these are cameras 1 and 2.
        names: of the files.
        shared: people up to this number are one in both folders, those above it are others in each; None: all are one.
            Person 0 of the gallery is a distractor.
    """

    query: str
    gallery: str
    names: Names
    shared: int | None = None


@dataclass(frozen=True)
class VehicleId:
    """VehicleID: images, and lists of `image vehicle`; which of its test lists."""

    test: int


@dataclass(frozen=True)
class VeriWild:
    """VERI-Wild: images by vehicle, lists of `vehicle/image`, cameras in a file; which of its test lists."""

    test: int


@dataclass(frozen=True)
class Mars:
    """MARS: frames by person, .mat files that say which of them are a track and which tracks are queries."""


@dataclass(frozen=True)
class IlidsVid:
    """iLIDS-VID: frames by camera and person, and a .mat file of ten splits."""


Layout = Folders | Lists | Campus | Cuhk03 | Pairs | VehicleId | VeriWild | Mars | IlidsVid

RESEARCH = "Real people; academic research only."


@dataclass(frozen=True)
class Benchmark:
    """A public benchmark.

    Attributes:
        name: as the command line takes it.
        title: as papers print it.
        layout: how its files lie.
        cameras: how many cameras there are; their numbers in file names are 1 to this. None where any number will do.
        published: the counts of "train", "query" and "gallery", as published.
        terms: on what terms the images may be used.
        source: who made it, and where it is described.
        url: where its makers offer or describe it.
        getting: how a user comes by it.
        note: what else a user should know.
        known_copies: names, in small letters, of files with one image as the set ships them: told when checking, but
            no reason to stop.
    """

    name: str
    title: str
    layout: Layout
    cameras: int | None
    published: Mapping[str, Counts]
    terms: str
    source: str
    url: str
    getting: str = "download by hand"
    note: str = ""
    known_copies: frozenset[frozenset[str]] = frozenset()
