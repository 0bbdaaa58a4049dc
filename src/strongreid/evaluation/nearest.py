"""The nearest gallery images of each query, in the order in which `evaluate` ranks them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from strongreid.evaluation.distance import Metric
from strongreid.evaluation.embeddings import Embeddings
from strongreid.evaluation.ground_truth import MatchIndex, SameCamera, check, require_count
from strongreid.evaluation.search import Progress, SearchBlock, search
from strongreid.evaluation.topk import Nearest


@dataclass(frozen=True)
class NearestImages:
    """The nearest gallery images of Q queries, nearest first."""

    index: npt.NDArray[np.int64]
    """Their rows in the gallery, int64 `[Q, count]`; -1 after the last."""
    distance: npt.NDArray[np.float64]
    """How far they are, float64 `[Q, count]`: cosine distance, or Euclidean distance with the root; infinite after the
    last."""


def find_nearest(
    query: Embeddings,
    gallery: Embeddings,
    count: int,
    *,
    metric: Metric = "cosine",
    same_camera: SameCamera = "exclude",
    memory_mb: float = 160,
    progress: Progress | None = None,
) -> NearestImages:
    """Return the `count` nearest gallery images of each query with their distances.

    Junk is left out, and with `same_camera` "exclude" so are images of the query's person AND camera. Equal distances
    rank by gallery index. `progress` is called with (queries done, queries in all).

    Raises `InputError` for a count below 1, and where widths or devices differ or the gallery is empty.
    """
    require_count(count)
    check(query, [gallery], metric, same_camera)
    count_found = min(count, len(gallery))

    def each(block: SearchBlock) -> tuple[Tensor, npt.NDArray[np.float64]]:
        found = _nearest(block, count_found)
        return _index(found), block.distance.actual(found.distance.clamp_min(0).cpu().numpy())

    truth = MatchIndex(query, gallery, same_camera)
    blocks = search(query, [gallery], truth, each, metric=metric, memory_mb=memory_mb, progress=progress)
    index = np.full((len(query), count), -1, dtype=np.int64)
    distance = np.full((len(query), count), np.inf)
    index[:, :count_found] = torch.cat([rows for rows, _ in blocks]).cpu()
    distance[:, :count_found] = np.concatenate([far for _, far in blocks])
    return NearestImages(index, distance)


def nearest(
    query: Embeddings,
    gallery: Embeddings,
    count: int,
    *,
    metric: Metric = "cosine",
    same_camera: SameCamera = "exclude",
    memory_mb: float = 160,
) -> npt.NDArray[np.int64]:
    """Return the rows that `find_nearest` finds, without their distances: int64 `[Q, count]`, -1 after the last."""
    found = find_nearest(query, gallery, count, metric=metric, same_camera=same_camera, memory_mb=memory_mb)
    return found.index


def nearest_of_block(block: SearchBlock, count: int) -> Tensor:
    """Indices of each query's `count` nearest gallery images, nearest first, -1 after the last: int64 `[B, count]`."""
    return _index(_nearest(block, count))


def _nearest(block: SearchBlock, count: int) -> Nearest:
    found = Nearest(len(block.rows), len(block.distances), count, block.distances.device)
    found.update(0, 0, block.distances)
    return found


def _index(found: Nearest) -> Tensor:
    return found.index.masked_fill(found.distance.isinf(), -1)
