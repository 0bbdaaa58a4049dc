"""`evaluate`: query and gallery in, `RetrievalResult` out, in blocks of queries.

Only one block of distances exists at a time; its size follows from the memory budget. Metrics need nothing but the
ranks of the true matches, so whole lists are never sorted.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, get_args

import numpy as np
import torch
from torch import Tensor

from strongreid.errors import InputError
from strongreid.evaluation.distance import GalleryDistances, Metric, full_precision
from strongreid.evaluation.embeddings import JUNK, Embeddings
from strongreid.evaluation.matches import Indices, MatchIndex, Pairs, SameCamera, require_valid
from strongreid.evaluation.metrics import AveragePrecision, query_metrics
from strongreid.evaluation.ranking import match_ranks, most_queries
from strongreid.evaluation.rerank import RerankedDistances, Reranking
from strongreid.evaluation.result import RetrievalResult

Progress = Callable[[int, int], None]

_MOST_QUERIES: Final = 512
_WORKING_MB: Final = 48
_BYTES_PER_PAIR: Final = 96


def evaluate(
    query: Embeddings,
    gallery: Embeddings,
    *,
    metric: Metric = "cosine",
    reranking: Reranking | None = None,
    same_camera: SameCamera = "exclude",
    average_precision: AveragePrecision = "rectangular",
    memory_mb: float = 160,
    progress: Progress | None = None,
) -> RetrievalResult:
    """Search each query in the gallery and measure the ranking (Zheng et al. 2015; Luo et al. 2019, section 4).

    Gallery images of person -1 (junk) are dropped. Equal distances rank by gallery index. Distances are float32.

    Args:
        query: Q images, each searched for.
        gallery: G images, with features of the same width and on the same device.
        metric: `cosine` or `euclidean`.
        reranking: settings of k-reciprocal re-ranking (Zhong et al. 2017); None ranks by the distance itself.
        same_camera: `exclude` leaves gallery images of the query's person AND camera out of its list;
            `include` keeps them, for sets with one camera or with unknown cameras.
        average_precision: `rectangular` or `trapezoid`; never compare one with the other.
        memory_mb: memory to use above the features, in MB; smaller blocks where it is small.
        progress: called with (steps done, steps in all) after each block; a query is one step, with re-ranking two.

    Raises `InputError` where widths or devices differ, the gallery is empty, or no query has a match (and says why).
    """
    _check(query, gallery, metric, same_camera, average_precision)
    if reranking is not None and bool((gallery.person == JUNK).any()):
        gallery = gallery.take(gallery.person != JUNK)  # junk must not be anybody's neighbour either
    index = MatchIndex(query, gallery, same_camera)
    require_valid(index, query, gallery, same_camera)
    precision = np.full(len(query), np.nan)
    penalty = np.full(len(query), np.nan)
    first = np.zeros(len(query), dtype=np.int64)
    with full_precision(gallery.features.device):
        blocks = _blocks(index, len(gallery), memory_mb)
        for rows, distances in _distances(query, [gallery.features], metric, reranking, blocks, progress):
            leave_out(distances, gallery.person, index.left_out(rows))
            matches = index.matches(rows)
            figures = query_metrics(matches.query, match_ranks(distances, matches), average_precision)
            precision[rows] = figures.average_precision
            penalty[rows] = figures.inverse_negative_penalty
            first[rows] = figures.first_match_rank
    return RetrievalResult(_protocol(metric, reranking, same_camera, average_precision), precision, penalty, first)


def leave_out(distances: Tensor, gallery_person: Indices, pairs: Pairs) -> None:
    """Take junk and the given pairs out of the lists of a block `[G, B]`, by putting them infinitely far away."""
    junk = np.flatnonzero(gallery_person == JUNK)
    if len(junk):
        distances[torch.from_numpy(junk).to(distances.device)] = torch.inf
    distances[torch.from_numpy(pairs.gallery), torch.from_numpy(pairs.query)] = torch.inf


def _distances(
    query: Embeddings,
    gallery: Sequence[Tensor],
    metric: Metric,
    reranking: Reranking | None,
    blocks: list[Indices],
    progress: Progress | None,
) -> Iterator[tuple[Indices, Tensor]]:
    """Yield each block's queries with their distances `[G, B]`, overwritten by the next block's."""
    total = sum(map(len, blocks))
    steps = total if reranking is None else 2 * total
    if reranking is None:
        plain = GalleryDistances(gallery, metric)
    else:

        def preparing(done: int, of: int) -> None:
            if progress is not None:
                progress(total * done // of, steps)

        reranked = RerankedDistances(query.features, gallery, metric, reranking, preparing)
    done = steps - total
    for rows in blocks:
        if reranking is None:
            yield rows, plain.block(query.features[torch.from_numpy(rows).to(query.features.device)])
        else:
            yield rows, reranked.block(rows)
        done += len(rows)
        if progress is not None:
            progress(done, steps)


def _check(query: Embeddings, gallery: Embeddings, metric: str, same_camera: str, average_precision: str) -> None:
    for name, value, allowed in (
        ("metric", metric, get_args(Metric)),
        ("same_camera", same_camera, get_args(SameCamera)),
        ("average_precision", average_precision, get_args(AveragePrecision)),
    ):
        if value not in allowed:
            raise InputError(f"{name} is {value!r}; it must be one of {', '.join(map(repr, allowed))}.")
    if not len(query):
        raise InputError("There are no queries.")
    if not bool((gallery.person != JUNK).any()):
        raise InputError("The gallery is empty (images of person -1 are junk and do not count).")
    widths = query.features.shape[1], gallery.features.shape[1]
    if widths[0] != widths[1]:
        raise InputError(
            f"Query features are {widths[0]} wide but gallery features {widths[1]}. "
            "Both must come from the same model and layer."
        )
    if query.features.device != gallery.features.device:
        raise InputError(
            f"Query features are on {query.features.device}, gallery features on {gallery.features.device}. "
            "Move one with .to(device)."
        )


def _blocks(index: MatchIndex, gallery_count: int, memory_mb: float) -> list[Indices]:
    """Cut the valid queries into blocks whose distances and pairs fit the budget."""
    most_pairs = int(index.of_person[index.valid].max())
    room = max(memory_mb - _WORKING_MB, memory_mb / 2) * 2**20
    size = int(room / (4 * gallery_count + _BYTES_PER_PAIR * most_pairs))
    size = max(1, min(size, _MOST_QUERIES, most_queries(gallery_count)))
    size = size if size < 16 else size // 16 * 16
    return [index.valid[start : start + size] for start in range(0, len(index.valid), size)]


def _protocol(
    metric: Metric, reranking: Reranking | None, same_camera: SameCamera, average_precision: AveragePrecision
) -> str:
    order = "not re-ranked"
    if reranking is not None:
        order = f"re-ranked (k1 {reranking.k1}, k2 {reranking.k2}, distance weight {reranking.distance_weight:g})"
    camera = "same camera excluded" if same_camera == "exclude" else "same camera included"
    return f"{metric} distance, {camera}, {average_precision} average precision, {order}"
