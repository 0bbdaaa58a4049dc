"""How the files of a set may lie: values that the readers follow.

Most sets are three folders and a pattern of file names; MSMT17 comes with lists, CUHK03 with .mat files, CUHK01
without a split.
"""

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
