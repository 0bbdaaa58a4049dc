"""What a gallery asks of the database that keeps its rows. `lance` and `milvus` are the two there are."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
from torch import Tensor

from strongreid.gallery.labels import Labels, Texts
from strongreid.gallery.rows import About, Rows
from strongreid.gallery.where import Integers, Where


@dataclass(frozen=True)
class Added:
    """What became of the rows that were given to `add`."""

    added: int
    """New ones."""
    updated: int
    """Known ones whose person was another."""
    known: int
    """Known ones as they are."""


@dataclass(frozen=True, eq=False)
class Found:
    """The nearest rows of Q queries, nearest first; after the last one distance is infinite and numbers are -1."""

    distance: npt.NDArray[np.float64]
    """`[Q, k]`: cosine distance, or Euclidean distance with the root."""
    person: Integers
    """int64 `[Q, k]`, -1 where it is not known; likewise `camera` and `track`."""
    camera: Integers
    track: Integers
    person_name: Texts
    """`[Q, k]` text, empty where there is none; likewise `camera_name` and `track_name`."""
    camera_name: Texts
    track_name: Texts
    time: Integers
    """int64 `[Q, k]`, microseconds since 1970; `NO_TIME` where it is not known."""
    path: Texts
    """`[Q, k]` text, empty where there is none."""
    key: Texts
    """`[Q, k]` text, empty after the last row."""
    exact: bool
    """Whether every row was looked at; False where an index chose candidates."""


@dataclass(frozen=True, eq=False)
class Facts:
    """The columns of numbers of all rows, int64 `[N]` each, in the order of addition."""

    person: Integers
    camera: Integers
    track: Integers
    time: Integers
    added: Integers
    names: Mapping[int, str]
    """Names of people, cameras and tracks, by the numbers that stand for them."""

    def __len__(self) -> int:
        return len(self.person)


@dataclass(frozen=True)
class KnownPath:
    """The row of a path; of several the one that was added last."""

    key: str
    person: int
    added: int
    """Nanoseconds since 1970."""


@dataclass(frozen=True)
class Tuned:
    """How the index of a gallery is used."""

    probes: int
    """Groups that a search looks into."""
    recall: float
    """Share of the ten nearest that it found when it was tuned."""
    from_rows: int
    """It is used from so many rows on."""


class Store(Protocol):
    """A database with the rows of one gallery. Every method may raise `InputError` for what the database refuses."""

    @property
    def proves_erasure(self) -> bool:
        """Whether `erase` leaves no byte of an erased row, and looks."""

    @property
    def most_found(self) -> int:
        """How many rows `search` can return for a query."""

    def about(self) -> About | None:
        """Return what all rows share; None where nothing was ever added."""

    def put(self, about: About, rows: Rows) -> Added:
        """Add rows; where a key is known, only its person is changed. They are kept when this returns."""

    def search(
        self, features: Tensor, count: int, where: Where | None, query_camera: Integers | None, exact: bool | None
    ) -> Found:
        """Return the nearest rows of queries, float32 `[Q, D]`; `exact` None leaves the choice to the store."""

    def facts(self) -> Facts:
        """Return the columns of all rows."""

    def known_paths(self) -> dict[str, KnownPath]:
        """Return the rows that have a path, by it."""

    def relabel(self, keys: Sequence[str], people: Labels) -> None:
        """Change the people of rows, which must be there."""

    def thumbnails(self, keys: Sequence[str]) -> dict[str, bytes]:
        """Return the thumbnails of rows that have one, by key."""

    def erase(self, where: Where) -> None:
        """Erase the rows for which a condition holds."""

    def compact(self) -> None:
        """Bring rows into few files, and remove what earlier states of the gallery left."""

    def batches(self) -> Iterator[Rows]:
        """Yield all rows, some thousand at a time."""

    def size(self) -> int | None:
        """Return how many bytes the gallery takes; None where that is not known."""
