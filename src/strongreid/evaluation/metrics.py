"""Average precision, inverse negative penalty and first rank from the ranks of a query's matches.

Two rules for the area under the precision-recall curve are in use and differ by about half a point to one point:
`rectangular` (scikit-learn, most Python tools, the paper's code) and `trapezoid` (the official Market-1501 MATLAB).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from strongreid.evaluation.ground_truth import Indices

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
