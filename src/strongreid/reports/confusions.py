"""Where a model errs most: for each query the most similar image of another person, and the least similar of its own.

Distances stream past in blocks, as in evaluation: every pair is looked at, none is kept but the two of each query.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from strongreid.evaluation import Embeddings
from strongreid.evaluation.distance import Metric
from strongreid.evaluation.embeddings import JUNK
from strongreid.evaluation.ground_truth import MatchIndex, SameCamera, check
from strongreid.evaluation.search import SearchBlock, search


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
    found = search(
        query,
        [gallery],
        MatchIndex(query, gallery, same_camera),
        _hardest_of_each,
        metric=metric,
        queries=np.flatnonzero(query.person != JUNK),
        memory_mb=memory_mb,
        progress=progress,
    )
    different = sorted((pair for block, _ in found for pair in block), key=lambda pair: pair.distance)
    same = sorted((pair for _, block in found for pair in block), key=lambda pair: -pair.distance)
    return Confusions(_distinct(different, query, gallery, count), _distinct(same, query, gallery, count))


def _hardest_of_each(block: SearchBlock) -> tuple[list[Pair], list[Pair]]:
    """Each query's nearest image of another person, and farthest of its own, where there are any."""
    matches = block.matches
    at_matches = torch.from_numpy(matches.gallery), torch.from_numpy(matches.query)
    of_own = block.distances[at_matches].cpu().numpy()
    order = np.lexsort((matches.gallery, -of_own, matches.query))
    farthest = order[np.unique(matches.query[order], return_index=True)[1]]
    block.distances[at_matches] = torch.inf
    other, nearest = (values.cpu().numpy() for values in block.distances.min(dim=0))
    valid = np.flatnonzero(np.isfinite(other))
    return (
        _pairs(block, valid, nearest[valid], other[valid]),
        _pairs(block, matches.query[farthest], matches.gallery[farthest], of_own[farthest]),
    )


def _pairs(
    block: SearchBlock,
    query: npt.NDArray[np.int64],
    gallery: npt.NDArray[np.int64],
    distances: npt.NDArray[np.float32],
) -> list[Pair]:
    actual = block.distance.actual(distances)
    return [Pair(*pair) for pair in zip(block.rows[query].tolist(), gallery.tolist(), actual.tolist(), strict=True)]


def _distinct(pairs: Sequence[Pair], query: Embeddings, gallery: Embeddings, count: int) -> list[Pair]:
    """Return the first `count` pairs, one for each two people, or for each person."""
    first: dict[tuple[int, ...], Pair] = {}
    for pair in pairs:
        first.setdefault(tuple(sorted((int(query.person[pair.query]), int(gallery.person[pair.gallery])))), pair)
        if len(first) == count:
            break
    return list(first.values())
