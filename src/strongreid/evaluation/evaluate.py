"""`evaluate`: query and gallery in, `RetrievalResult` out, in blocks of queries.

Only one block of distances exists at a time; its size follows from the memory budget. Metrics need nothing but the
ranks of the true matches, so whole lists are never sorted.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from strongreid.evaluation.distance import Metric, full_precision
from strongreid.evaluation.embeddings import JUNK, Embeddings
from strongreid.evaluation.facts import AveragePrecision, MatchRanks
from strongreid.evaluation.ground_truth import MatchIndex, SameCamera, require_valid
from strongreid.evaluation.ranking import match_ranks
from strongreid.evaluation.rerank import Reranking
from strongreid.evaluation.result import RetrievalResult, require_rule
from strongreid.evaluation.search import Progress, check, distance_blocks, join, leave_out, query_blocks


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
        memory_mb: memory to use above the features, in MB, above 0; smaller blocks where it is small. Re-ranking
            also needs some kB an image for the encodings, and a copy of the gallery where that holds junk.
        progress: called with (steps done, steps in all) after each block; a query is one step, with re-ranking four.

    Raises `InputError` where widths or devices differ, the gallery is empty, or no query has a match (and says why).
    """
    return evaluate_in_parts(
        query,
        [gallery],
        metric=metric,
        reranking=reranking,
        same_camera=same_camera,
        average_precision=average_precision,
        memory_mb=memory_mb,
        progress=progress,
    )


def evaluate_in_parts(
    query: Embeddings,
    gallery: Sequence[Embeddings],
    *,
    metric: Metric = "cosine",
    reranking: Reranking | None = None,
    same_camera: SameCamera = "exclude",
    average_precision: AveragePrecision = "rectangular",
    memory_mb: float = 160,
    progress: Progress | None = None,
) -> RetrievalResult:
    """`evaluate` with a gallery that comes in parts, which are never copied together.

    For Market-1501 with its 500,000 distractors: `evaluate_in_parts(query, [gallery, distractors])`. The gallery index
    by which equal distances rank counts through the parts in their order. Arguments and errors as in `evaluate`.
    """
    require_rule(average_precision)
    check(query, gallery, metric, same_camera)
    if reranking is not None:  # junk must not be anybody's neighbour either
        gallery = [part.take(part.person != JUNK) if (part.person == JUNK).any() else part for part in gallery]
    labels = join(gallery)
    index = MatchIndex(query, labels, same_camera)
    require_valid(index, query, labels)
    ranks: list[npt.NDArray[np.int32]] = []
    features = [part.features for part in gallery if len(part)]
    with full_precision(query.features.device):
        blocks = query_blocks(index.valid, index.of_person, len(labels.person), memory_mb)
        for rows, distances in distance_blocks(query.features, features, metric, blocks, reranking, progress):
            leave_out(distances, labels.person, index.left_out(rows))
            matches = index.matches(rows)
            ranks.append(match_ranks(distances, matches).astype(np.int32))
    facts = MatchRanks(np.concatenate(ranks), index.counts)
    return RetrievalResult(_protocol(metric, reranking, same_camera, average_precision), facts, average_precision)


def _protocol(
    metric: Metric, reranking: Reranking | None, same_camera: SameCamera, average_precision: AveragePrecision
) -> str:
    order = "not re-ranked"
    if reranking is not None:
        order = f"re-ranked (k1 {reranking.k1}, k2 {reranking.k2}, distance weight {reranking.distance_weight:g})"
    camera = "same camera excluded" if same_camera == "exclude" else "same camera included"
    return f"{metric} distance, {camera}, {average_precision} average precision, {order}"
