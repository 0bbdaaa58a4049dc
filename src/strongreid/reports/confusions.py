"""Where a model errs most: for each query the most similar image of another person, and the least similar of its own.

Distances stream past in blocks, as in evaluation: every pair is looked at, none is kept but the two of each query.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from strongreid.evaluation import Embeddings
from strongreid.evaluation.distance import Metric, full_precision
from strongreid.evaluation.embeddings import JUNK
from strongreid.evaluation.ground_truth import MatchIndex, SameCamera
from strongreid.evaluation.search import check, distance_blocks, leave_out, query_blocks


@dataclass(frozen=True)
class Pair:
    """A query and a gallery image, by their rows, and the distance between them."""

    query: int
    gallery: int
    distance: float


@dataclass(frozen=True)
class Confusions:
    """The hardest pairs of a test set, the hardest first: each query offers one of either kind."""

    different: list[Pair]
    """Different people who look alike: at most one pair for each two people."""
    same: list[Pair]
    """One person who looks unlike: at most one pair a person."""


def hardest_pairs(
    query: Embeddings,
    gallery: Embeddings,
    count: int,
    *,
    metric: Metric = "cosine",
    same_camera: SameCamera = "exclude",
    memory_mb: float = 160,
    progress: Callable[[int, int], None] | None = None,
) -> Confusions:
    """Of each query's nearest image of another person, and farthest of its own, return the `count` hardest.

    Arguments as in `evaluate`; with "exclude" no pair of the same person and camera is looked at.
    """
    check(query, [gallery], metric, same_camera)
    index = MatchIndex(query, gallery, same_camera)
    nearest_other = np.full(len(query), -1, dtype=np.int64)
    farthest_own = np.full(len(query), -1, dtype=np.int64)
    other, own = np.full(len(query), np.inf), np.full(len(query), -np.inf)
    queries = np.flatnonzero(query.person != JUNK)
    blocks = query_blocks(queries, index.of_person, len(gallery), memory_mb)
    with full_precision(query.features.device):
        for rows, distances in distance_blocks(query.features, [gallery.features], metric, blocks, None, progress):
            leave_out(distances, gallery.person, index.left_out(rows))
            pairs = index.matches(rows)
            places = torch.from_numpy(pairs.gallery), torch.from_numpy(pairs.query)
            of_own = distances[places].cpu().numpy()
            hardest = np.lexsort((pairs.gallery, -of_own, pairs.query))
            found, first = np.unique(pairs.query[hardest], return_index=True)
            farthest_own[rows[found]] = pairs.gallery[hardest][first]
            own[rows[found]] = of_own[hardest][first]
            distances[places] = torch.inf
            closest = distances.min(dim=0)
            other[rows] = closest.values.cpu().numpy()
            nearest_other[rows] = closest.indices.cpu().numpy()
    if metric == "euclidean":
        other, own = np.sqrt(other), np.sqrt(np.maximum(own, 0))
    return Confusions(
        _distinct(other, nearest_other, np.isfinite(other), query, gallery, count),
        _distinct(own, farthest_own, farthest_own >= 0, query, gallery, count, falling=True),
    )


def _distinct(
    distance: npt.NDArray[np.float64],
    found: npt.NDArray[np.int64],
    valid: npt.NDArray[np.bool_],
    query: Embeddings,
    gallery: Embeddings,
    count: int,
    *,
    falling: bool = False,
) -> list[Pair]:
    """Return the first `count` pairs by distance, one for each two people, or for each person."""
    rows = np.flatnonzero(valid)
    rows = rows[np.argsort(-distance[rows] if falling else distance[rows], kind="stable")]
    seen: set[tuple[int, int]] = set()
    pairs: list[Pair] = []
    for row in rows.tolist():
        people = sorted((int(query.person[row]), int(gallery.person[found[row]])))
        key = (people[0], people[1])
        if key not in seen:
            seen.add(key)
            pairs.append(Pair(row, int(found[row]), float(distance[row])))
        if len(pairs) == count:
            break
    return pairs
