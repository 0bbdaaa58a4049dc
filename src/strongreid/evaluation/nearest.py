"""The nearest gallery images themselves, for looking at: strips, search. Metrics need none of it."""

from typing import Final

import numpy as np
import numpy.typing as npt
import torch

from strongreid.evaluation.distance import GalleryDistances, Metric, full_precision
from strongreid.evaluation.embeddings import JUNK, Embeddings
from strongreid.evaluation.matches import MatchIndex, SameCamera

_QUERIES_AT_ONCE: Final = 128


def nearest(
    query: Embeddings,
    gallery: Embeddings,
    count: int,
    *,
    metric: Metric = "cosine",
    same_camera: SameCamera = "exclude",
) -> npt.NDArray[np.int64]:
    """Return the rows of the `count` nearest gallery images of each query, nearest first: int64 `[Q, count]`.

    Junk is left out, and with `same_camera` "exclude" so are images of the query's person AND camera. Where fewer
    than `count` images are left, the row is filled up with -1. Equal distances rank by gallery index.
    """
    index = MatchIndex(query, gallery, same_camera)
    shown = min(count, len(gallery))
    rows = np.full((len(query), count), -1, dtype=np.int64)
    with full_precision(gallery.features.device):
        distances = GalleryDistances([gallery.features], metric)
        junk = torch.from_numpy(np.flatnonzero(gallery.person == JUNK))
        for start in range(0, len(query), _QUERIES_AT_ONCE):
            chosen = np.arange(start, min(start + _QUERIES_AT_ONCE, len(query)))
            block = distances.block(query.features[start : start + len(chosen)])
            left_out = index.left_out(chosen)
            block[junk.to(block.device)] = torch.inf
            block[torch.from_numpy(left_out.gallery), torch.from_numpy(left_out.query)] = torch.inf
            ordered, order = block.T.sort(dim=1, stable=True)
            found = torch.where(ordered[:, :shown].isinf(), -1, order[:, :shown])
            rows[chosen, :shown] = found.cpu().numpy()
    return rows
