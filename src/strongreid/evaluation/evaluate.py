"""`evaluate`: query and gallery in, `RetrievalResult` out.

Metrics need nothing but the ranks of the true matches, so whole lists are never sorted.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from strongreid.evaluation.distance import Metric
from strongreid.evaluation.embeddings import JUNK, Embeddings
from strongreid.evaluation.facts import AveragePrecision, MatchRanks
from strongreid.evaluation.ground_truth import MatchIndex, SameCamera, check, join, require_valid
from strongreid.evaluation.ranking import match_ranks
from strongreid.evaluation.rerank import Reranking
from strongreid.evaluation.result import RetrievalResult, require_rule
from strongreid.evaluation.search import Progress, SearchBlock, search


def evaluate(
    query: Embeddings,
    gallery: Embeddings | Sequence[Embeddings],
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
        gallery: G images, with features of the same width and on the same device. Or several sets of images, which
            count as one, in this order, and are never copied together: `[gallery, distractors]` for Market-1501 + 500k.
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
    require_rule(average_precision)
    parts = [gallery] if isinstance(gallery, Embeddings) else gallery
    check(query, parts, metric, same_camera)
    if reranking is not None:  # junk must not be anybody's neighbour either
        parts = [part.take(part.person != JUNK) if (part.person == JUNK).any() else part for part in parts]
    labels = join(parts)
    truth = MatchIndex(query, labels, same_camera)
    require_valid(truth, query, labels)
    ranks = search(
        query,
        parts,
        truth,
        _ranks,
        metric=metric,
        queries=truth.valid,
        reranking=reranking,
        memory_mb=memory_mb,
        progress=progress,
    )
    facts = MatchRanks(np.concatenate(ranks), truth.counts)
    return RetrievalResult(_protocol(metric, reranking, same_camera, average_precision), facts, average_precision)


evaluate_in_parts = evaluate
"""The older name of `evaluate` with a gallery in parts."""


def _ranks(block: SearchBlock) -> npt.NDArray[np.int32]:
    return match_ranks(block.distances, block.matches).astype(np.int32)


def _protocol(
    metric: Metric, reranking: Reranking | None, same_camera: SameCamera, average_precision: AveragePrecision
) -> str:
    order = "not re-ranked"
    if reranking is not None:
        order = f"re-ranked (k1 {reranking.k1}, k2 {reranking.k2}, distance weight {reranking.distance_weight:g})"
    camera = "same camera excluded" if same_camera == "exclude" else "same camera included"
    return f"{metric} distance, {camera}, {average_precision} average precision, {order}"
