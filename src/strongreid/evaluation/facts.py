"""What is kept of the searches of Q queries: the ranks of each query's matches.

Everything that this field reports of a ranking follows from them. Results written before they were kept (`.npz` files
of version 0.1) hold three figures of each query instead, and can tell no more than those.

Two rules for the area under the precision-recall curve are in use, and differ by up to 2.4 points of what was seen:
`rectangular` (scikit-learn, most Python tools, the paper's code) and `trapezoid` (the official Market-1501 MATLAB).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal, NoReturn

import numpy as np
import numpy.typing as npt

from strongreid.errors import InputError

AveragePrecision = Literal["rectangular", "trapezoid"]
Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

_MATCHES_AT_ONCE: Final = 2**20


@dataclass(frozen=True, eq=False)
class MatchRanks:
    """Ranks of the matches of Q queries. Raises `InputError` where they are no ranks, or no query has a match."""

    rank: npt.NDArray[np.int32]
    """int32 `[n]`, from 1, query by query; those of one query strictly ascending."""
    count: Indices
    """int64 `[Q]`: how many of them each query has."""

    def __post_init__(self) -> None:
        for name, dtype in (("rank", np.int32), ("count", np.int64)):
            given = np.asarray(getattr(self, name))
            if given.ndim != 1 or given.dtype.kind not in "iu":
                raise InputError(
                    f"The matches' {name} has shape {given.shape} and type {given.dtype}; give whole numbers in a row."
                )
            array = given.astype(dtype)
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        if not self.count.any() or self.count.min() < 0 or self.count.sum() != len(self.rank):
            raise InputError(f"There are {len(self.rank)} ranks of matches, but counts of {self.count.sum()} (over 0).")
        ascending = np.diff(self.rank, prepend=0) > 0
        ascending[self.start[self.count > 0]] = True
        if not ascending.all() or self.rank.min() < 1:
            raise InputError("The ranks of a query's matches must count from 1 and ascend.")

    @cached_property
    def start(self) -> Indices:
        """int64 `[Q]`: where each query's ranks begin."""
        return np.cumsum(self.count) - self.count

    def average_precision(self, rule: AveragePrecision) -> Floats:
        """float64 `[Q]`, 0..1; NaN where a query has no match.

        With r_j the rank of the j-th of m matches: rectangular is (1/m) sum_j j/r_j, trapezoid is
        (1/m) sum_j (j/r_j + (j-1)/(r_j-1)) / 2, the second fraction 1 where r_j = 1.
        """
        result = np.full(len(self.count), np.nan)
        for queries in self._some_at_once():
            count = self.count[queries]
            first = np.cumsum(count) - count
            rank = self.rank[self.start[queries[0]] :][: count.sum()]
            found = np.arange(1, len(rank) + 1) - np.repeat(first, count)
            precision = found / rank
            if rule == "trapezoid":
                precision = (precision + np.where(rank == 1, 1.0, (found - 1) / np.maximum(rank - 1, 1))) / 2
            result[queries] = np.minimum(np.add.reduceat(precision, first) / count, 1.0)
        return result

    @property
    def inverse_negative_penalty(self) -> Floats:
        """float64 `[Q]`, 0..1: number of matches / rank of the last; NaN where a query has no match."""
        result = np.full(len(self.count), np.nan)
        valid = np.flatnonzero(self.count)
        result[valid] = self.count[valid] / self.rank[self.start[valid] + self.count[valid] - 1]
        return result

    @property
    def first_match_rank(self) -> Indices:
        """int64 `[Q]`, from 1; 0 where a query has no match."""
        result = np.zeros(len(self.count), dtype=np.int64)
        valid = np.flatnonzero(self.count)
        result[valid] = self.rank[self.start[valid]]
        return result

    def _some_at_once(self) -> Iterator[Indices]:
        """Cut the queries that have a match into groups with a bounded number of matches."""
        valid = np.flatnonzero(self.count)
        group = self.start[valid] // _MATCHES_AT_ONCE
        yield from np.split(valid, np.flatnonzero(np.diff(group)) + 1)


@dataclass(frozen=True, eq=False)
class QueryFigures:
    """Three figures of each of Q queries: all that older files hold. Raises `InputError` where they are no figures."""

    precision: Floats
    """float64 `[Q]`: average precision by `rule`, 0..1; NaN where a query has no match."""
    inverse_negative_penalty: Floats
    """float64 `[Q]`, 0..1; NaN where a query has no match."""
    first_match_rank: Indices
    """int64 `[Q]`, from 1; 0 where a query has no match."""
    rule: AveragePrecision = "rectangular"

    def __post_init__(self) -> None:
        ap, inp, first = self.precision, self.inverse_negative_penalty, self.first_match_rank
        if ap.ndim != 1 or ap.shape != inp.shape or ap.shape != first.shape:
            raise InputError(f"A result's arrays have shapes {ap.shape}, {inp.shape}, {first.shape}; all must be [Q].")
        if first.dtype != np.int64 or ap.dtype != np.float64 or inp.dtype != np.float64:
            raise InputError(f"A result's arrays have dtypes {ap.dtype}, {inp.dtype}, {first.dtype}.")
        valid = first > 0
        if not valid.any():
            raise InputError("A result without a single valid query has no figures.")
        for values in (ap, inp):
            inside = (values[valid] > 0) & (values[valid] <= 1)
            if not (inside.all() and np.isnan(values[~valid]).all()):
                raise InputError("A result's figures must lie in 0..1 for valid queries and be NaN for the others.")

    def average_precision(self, rule: AveragePrecision) -> Floats:
        """float64 `[Q]`; only by the rule it was written with."""
        if rule != self.rule:
            self._refuse(f"{rule} average precision")
        return self.precision

    @property
    def rank(self) -> npt.NDArray[np.int32]:
        """Not known."""
        return self._refuse("the ranks of all matches")

    @property
    def count(self) -> Indices:
        """Not known."""
        return self._refuse("the numbers of matches")

    def _refuse(self, wanted: str) -> NoReturn:
        raise InputError(
            f"This result was written by an older version, which did not keep {wanted}. Evaluate the features again."
        )
