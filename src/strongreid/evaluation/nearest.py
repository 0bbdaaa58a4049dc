"""The nearest gallery images themselves, for looking at: strips, search. Metrics need none of it."""

import numpy as np
import numpy.typing as npt

from strongreid.evaluation.distance import Metric, full_precision
from strongreid.evaluation.embeddings import Embeddings
from strongreid.evaluation.ground_truth import MatchIndex, SameCamera
from strongreid.evaluation.search import check, distance_blocks, leave_out, query_blocks, require_count
from strongreid.evaluation.topk import Nearest


def nearest(
    query: Embeddings,
    gallery: Embeddings,
    count: int,
    *,
    metric: Metric = "cosine",
    same_camera: SameCamera = "exclude",
    memory_mb: float = 160,
) -> npt.NDArray[np.int64]:
    """Return the rows of the `count` nearest gallery images of each query, nearest first: int64 `[Q, count]`.

    Junk is left out, and with `same_camera` "exclude" so are images of the query's person AND camera. Where fewer
    than `count` images are left, the row is filled up with -1. Equal distances rank by gallery index.

    Raises `InputError` for a count below 1, and where widths or devices differ or the gallery is empty.
    """
    require_count(count)
    check(query, [gallery], metric, same_camera)
    index = MatchIndex(query, gallery, same_camera)
    found = Nearest(len(query), len(gallery), min(count, len(gallery)), query.features.device)
    blocks = query_blocks(np.arange(len(query)), index.of_person, len(gallery), memory_mb)
    with full_precision(query.features.device):
        for rows, distances in distance_blocks(query.features, [gallery.features], metric, blocks):
            leave_out(distances, gallery.person, index.left_out(rows))
            found.update(int(rows[0]), 0, distances)
    result = np.full((len(query), count), -1, dtype=np.int64)
    result[:, : found.index.shape[1]] = np.where(found.distance.isinf().cpu(), -1, found.index.cpu())
    return result
