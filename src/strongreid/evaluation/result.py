"""What an evaluation says. Only per-query facts are stored; every summary is computed from them, so none can disagree.

All figures are fractions from 0 to 1. A query without any match in the gallery is not counted (Zheng et al. 2015).

Average precision, inverse negative penalty and first rank from the ranks of a query's matches.

Two rules for the area under the precision-recall curve are in use and differ by about half a point to one point:
`rectangular` (scikit-learn, most Python tools, the paper's code) and `trapezoid` (the official Market-1501 MATLAB).
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from strongreid.errors import InputError
from strongreid.evaluation.embeddings import read_arrays
from strongreid.evaluation.ground_truth import Indices
from strongreid.files import atomic_file

AveragePrecision = Literal["rectangular", "trapezoid"]


@dataclass(frozen=True)
class QueryMetrics:
    """Figures of each query, all `[B]`."""

    average_precision: npt.NDArray[np.float64]
    """0..1."""
    inverse_negative_penalty: npt.NDArray[np.float64]
    """Number of matches / rank of the last, 0..1."""
    first_match_rank: Indices
    """From 1."""


def query_metrics(query: Indices, rank: Indices, kind: AveragePrecision) -> QueryMetrics:
    """Figures of B queries from the ranks of their matches.

    With r_j the rank of the j-th of m matches: rectangular is (1/m) sum_j j/r_j, trapezoid is
    (1/m) sum_j (j/r_j + (j-1)/(r_j-1)) / 2, the second fraction 1 where r_j = 1.

    Args:
        query: int64 `[n]`, ascending, 0..B-1, each at least once: which query each match belongs to.
        rank: int64 `[n]`, from 1, in any order within a query.
        kind: rule for the average precision.
    """
    rank = rank[np.lexsort((rank, query))]
    first = np.flatnonzero(np.diff(query, prepend=-1))
    last = np.append(first[1:], len(query)) - 1
    matches = last - first + 1
    found = np.arange(len(query)) - np.repeat(first, matches) + 1
    precision = found / rank
    if kind == "trapezoid":
        earlier = np.where(rank == 1, 1.0, (found - 1) / np.maximum(rank - 1, 1))
        precision = (precision + earlier) / 2
    return QueryMetrics(
        average_precision=np.minimum(np.add.reduceat(precision, first) / matches, 1.0),
        inverse_negative_penalty=matches / rank[last],
        first_match_rank=rank[first],
    )


CMC_LENGTH: Final = 50

_ARRAYS: Final = ("protocol", "average_precision", "inverse_negative_penalty", "first_match_rank")


@dataclass(frozen=True, eq=False)
class RetrievalResult:
    """Retrieval quality of Q queries against one gallery.

    Made by `evaluate`; checked when made (`InputError`): at least one valid query, figures in their range, and all
    arrays agreeing on which queries are valid.
    """

    protocol: str
    """In words: metric, rule for the same camera, kind of average precision, re-ranking."""
    average_precision: npt.NDArray[np.float64]
    """float64 `[Q]`, 0..1; NaN where a query has no match."""
    inverse_negative_penalty: npt.NDArray[np.float64]
    """float64 `[Q]`, 0..1: number of matches / rank of the last one (Ye et al. 2021); NaN where there is no match."""
    first_match_rank: npt.NDArray[np.int64]
    """int64 `[Q]`, from 1; 0 where a query has no match."""

    def __post_init__(self) -> None:
        ap, inp, first = self.average_precision, self.inverse_negative_penalty, self.first_match_rank
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
        for array in (ap, inp, first):
            array.setflags(write=False)

    @cached_property
    def mean_ap(self) -> float:
        """Mean average precision over valid queries, 0..1."""
        return float(np.nanmean(self.average_precision))

    @cached_property
    def mean_inp(self) -> float:
        """Mean inverse negative penalty over valid queries, 0..1 (Ye et al. 2021)."""
        return float(np.nanmean(self.inverse_negative_penalty))

    @property
    def valid_queries(self) -> int:
        """How many queries have a match and are counted."""
        return int(np.count_nonzero(self.first_match_rank))

    @property
    def invalid_queries(self) -> int:
        """How many queries have no match and are left out of every figure."""
        return len(self.first_match_rank) - self.valid_queries

    @cached_property
    def cmc(self) -> npt.NDArray[np.float64]:
        """Cumulative matching characteristic, float64 `[50]`: entry k - 1 is rank-k, 0..1."""
        first = self.first_match_rank[self.first_match_rank > 0]
        counts = np.bincount(np.minimum(first, CMC_LENGTH + 1), minlength=CMC_LENGTH + 2)
        return np.cumsum(counts[1 : CMC_LENGTH + 1]) / len(first)

    def rank(self, k: int) -> float:
        """Fraction of valid queries with a match among their k nearest gallery images, k from 1 on."""
        if k < 1:
            raise InputError(f"There is no rank-{k}; ranks count from 1.")
        first = self.first_match_rank[self.first_match_rank > 0]
        return float(np.mean(first <= k))

    def to_json(self) -> dict[str, Any]:
        """Every figure with the protocol's name, as plain values for `json.dump`."""
        return {
            "protocol": self.protocol,
            "mean_ap": self.mean_ap,
            "rank_1": self.rank(1),
            "rank_5": self.rank(5),
            "rank_10": self.rank(10),
            "rank_20": self.rank(20),
            "mean_inp": self.mean_inp,
            "valid_queries": self.valid_queries,
            "invalid_queries": self.invalid_queries,
            "cmc": self.cmc.tolist(),
        }

    def save(self, path: str | Path) -> None:
        """Write the queries' figures and the protocol as an .npz file, whole or not at all: for `paired_test` later."""
        with atomic_file(Path(path)) as partial, partial.open("wb") as stream:
            np.savez(
                stream,
                protocol=np.array(self.protocol),
                average_precision=self.average_precision,
                inverse_negative_penalty=self.inverse_negative_penalty,
                first_match_rank=self.first_match_rank,
            )

    @classmethod
    def load(cls, path: str | Path) -> "RetrievalResult":
        """Read what `save` wrote.

        Raises `InputError` where the file is missing, cut short, lacks an array, holds pickles or is no result.
        """
        path = Path(path)
        protocol, *figures = read_arrays(path, _ARRAYS)
        if protocol.ndim or protocol.dtype.kind != "U":
            raise InputError(f"{path} is no result: its protocol is no text. Write it with RetrievalResult.save.")
        try:
            return cls(str(protocol), *figures)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
