"""Which rows of a gallery a search may find: conditions as values, which hold whole numbers alone.

A name in a condition is the number that stands for it (`labels`). A store is given text that is made of such a value:
no word of the user's ever reaches a database. `grammar` reads conditions from text.

An unknown person, camera, track or time (`UNKNOWN`, `NO_TIME`) equals nothing: only `!=` and `not in` hold for it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from strongreid.gallery.times import NO_TIME

UNKNOWN: Final = -1
"""Person, camera or track that is not known."""

Column = Literal["person", "camera", "track", "time", "added"]
Operator = Literal["in", "not in", "<", "<=", ">", ">="]
Mask = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Compare:
    """A column against whole numbers: any of several for `in` and `not in`, one for the others."""

    column: Column
    operator: Operator
    values: tuple[int, ...]

    def mask(self, columns: Mapping[str, Integers], query_camera: Integers | None) -> Mask:
        """Where it holds: of the shape of the columns."""
        column = columns[self.column]
        if self.operator in ("in", "not in"):
            values = [value for value in self.values if value != _unknown(self.column)]
            found = np.isin(column, values) if len(values) != 1 else column == values[0]
            return found if self.operator == "in" else ~found
        compare = {"<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal}[self.operator]
        held: Mask = compare(column, self.values[0]) & (column != _unknown(self.column))
        return held

    def text(self, brackets: str, query_camera: int) -> str:
        """The same for a database."""
        # The smallest of int64 is no number that SQL can write: a minus stands before one that is too large.
        known = f"time >= {NO_TIME + 1}" if self.column == "time" else f"{self.column} != {UNKNOWN}"
        if self.operator in ("in", "not in"):
            values = [value for value in self.values if value != _unknown(self.column)]
            listed = f"{self.column} {self.operator} {brackets[0]}{', '.join(map(str, values))}{brackets[1]}"
            nothing = "added < 0"
            return listed if values else nothing if self.operator == "in" else f"not ({nothing})"
        return f"({self.column} {self.operator} {self.values[0]} and {known})"


@dataclass(frozen=True)
class OfQuery:
    """Whether the camera is the query's own. A query without a known camera shares it with no row."""

    equal: bool
    called: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    """All numbers under which a gallery may have a query's camera, by the query's, of those that have several."""

    def mask(self, columns: Mapping[str, Integers], query_camera: Integers | None) -> Mask:
        """Where it holds: of the shape to which columns and cameras of queries broadcast."""
        assert query_camera is not None
        same: Mask = (columns["camera"] == query_camera) & (query_camera != UNKNOWN)
        for number, forms in self.called.items():
            same = same | ((query_camera == number) & np.isin(columns["camera"], forms))
        return same if self.equal else ~same

    def text(self, brackets: str, query_camera: int) -> str:
        """The same for a database."""
        numbers = self.called.get(query_camera, (query_camera,))
        return Compare("camera", "in" if self.equal else "not in", numbers).text(brackets, query_camera)


@dataclass(frozen=True)
class Joined:
    """Two conditions, both of which or one of which must hold."""

    word: Literal["and", "or"]
    first: "Where"
    second: "Where"

    def mask(self, columns: Mapping[str, Integers], query_camera: Integers | None) -> Mask:
        """Where it holds."""
        first, second = self.first.mask(columns, query_camera), self.second.mask(columns, query_camera)
        return first & second if self.word == "and" else first | second

    def text(self, brackets: str, query_camera: int) -> str:
        """The same for a database."""
        chain, rest = list[Where](), [self.second, self.first]
        while rest:
            match rest.pop():
                case Joined(self.word, first, second):
                    rest += [second, first]
                case one:
                    chain.append(one)
        return _halved([one.text(brackets, query_camera) for one in chain], self.word)


@dataclass(frozen=True)
class Not:
    """A condition that must not hold."""

    condition: "Where"

    def mask(self, columns: Mapping[str, Integers], query_camera: Integers | None) -> Mask:
        """Where it holds."""
        return ~self.condition.mask(columns, query_camera)

    def text(self, brackets: str, query_camera: int) -> str:
        """The same for a database."""
        return f"not ({self.condition.text(brackets, query_camera)})"


Where = Compare | OfQuery | Joined | Not
"""A condition. `mask(columns, query_camera)` says for which rows it holds, `text(brackets, query_camera)` writes it for
a database: "()" around lists in SQL, "[]" for Milvus."""


def compares_with_query(where: Where) -> bool:
    """Whether a condition needs to know the query."""
    match where:
        case Joined():
            return compares_with_query(where.first) or compares_with_query(where.second)
        case Not():
            return compares_with_query(where.condition)
    return isinstance(where, OfQuery)


def of_cameras(where: Where, called: Mapping[int, tuple[int, ...]]) -> Where:
    """Return a condition that knows queries' cameras by all their numbers, of those that have several."""
    match where:
        case Joined(word, first, second):
            return Joined(word, of_cameras(first, called), of_cameras(second, called))
        case Not(condition):
            return Not(of_cameras(condition, called))
        case OfQuery(equal):
            return OfQuery(equal, called)
    return where


def _halved(texts: Sequence[str], word: str) -> str:
    """Join a chain by halves: databases bound how deep a condition may go, and one of n words would go n deep."""
    middle = len(texts) // 2
    return f"({_halved(texts[:middle], word)} {word} {_halved(texts[middle:], word)})" if middle else texts[0]


def _unknown(column: Column) -> int:
    return NO_TIME if column == "time" else UNKNOWN
