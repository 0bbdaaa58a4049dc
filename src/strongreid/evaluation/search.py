"""What ranking, thresholds and search share: checked input, blocks of queries, and their distances one by one.

The nearest gallery images themselves, for looking at: strips, search. Metrics need none of it.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from strongreid.errors import InputError
from strongreid.evaluation.distance import GalleryDistances, Metric, full_precision
from strongreid.evaluation.embeddings import JUNK, Embeddings
from strongreid.evaluation.ground_truth import Indices, Labels, MatchIndex, Pairs, SameCamera
from strongreid.evaluation.ranking import most_queries
from strongreid.evaluation.rerank import RerankedDistances, Reranking
from strongreid.evaluation.topk import Nearest

Progress = Callable[[int, int], None]

MOST_QUERIES: Final = 512
"""Queries in a block, at most."""
WORKING_MB: Final = 48
"""Part of the budget that is left to ranking, beside a block of distances."""
_BYTES_PER_PAIR: Final = 96
_SEARCH_STEPS: Final = 3  # for each query: with re-ranking the search for neighbours takes about 3/4 of the time


def check(query: Embeddings, gallery: Sequence[Embeddings], metric: str, same_camera: str) -> None:
    """Raise `InputError` for what cannot be evaluated: choices, no query, an empty gallery, widths, devices."""
    for name, value, allowed in (
        ("metric", metric, get_args(Metric)),
        ("same_camera", same_camera, get_args(SameCamera)),
    ):
        if value not in allowed:
            raise InputError(f"{name} is {value!r}; it must be one of {', '.join(map(repr, allowed))}.")
    if not len(query):
        raise InputError("There are no queries: the query features have 0 rows. Give at least one image to search for.")
    require_gallery(gallery)
    for part in gallery:
        widths = query.features.shape[1], part.features.shape[1]
        if widths[0] != widths[1]:
            raise InputError(
                f"Query features are {widths[0]} wide but gallery features {widths[1]}. "
                "Both must come from the same model and layer."
            )
        if query.features.device != part.features.device:
            raise InputError(
                f"Query features are on {query.features.device}, gallery features on {part.features.device}. "
                "Move one with .to(device)."
            )


def require_gallery(parts: Sequence[Embeddings]) -> None:
    """Raise `InputError` for a gallery without an image that counts."""
    if not any(bool((part.person != JUNK).any()) for part in parts):
        images = sum(map(len, parts))
        why = f"all its {images} images are junk (person -1), which does not count" if images else "it has no images"
        raise InputError(f"The gallery is empty: {why}. Give at least one image to search in.")


def require_count(count: int) -> None:
    """Raise `InputError` for a number of images below 1."""
    if count < 1:
        raise InputError(f"count is {count}; it must be at least 1.")


def join(parts: Sequence[Embeddings]) -> Labels:
    """People and cameras of all parts, one after another."""
    return Labels(np.concatenate([part.person for part in parts]), np.concatenate([part.camera for part in parts]))


def query_blocks(queries: Indices, of_person: Indices, gallery_count: int, memory_mb: float) -> list[Indices]:
    """Cut the queries, `[n]`, into blocks whose distances and pairs fit the budget; `of_person` is `[Q]`.

    A block has one query at least, however small the budget is. Raises `InputError` for a budget that is not above 0.
    """
    if not memory_mb > 0:
        raise InputError(f"memory_mb is {memory_mb}; it must be above 0. The default suits any size of set.")
    most_pairs = int(of_person[queries].max(initial=0))
    room = max(memory_mb - WORKING_MB, memory_mb / 2) * 2**20
    fitting = room / (4 * gallery_count + _BYTES_PER_PAIR * most_pairs)
    size = max(1, int(min(fitting, MOST_QUERIES, most_queries(gallery_count))))
    size = size if size < 16 else size // 16 * 16
    return [queries[start : start + size] for start in range(0, len(queries), size)]


def distance_blocks(
    query: Tensor,
    gallery: Sequence[Tensor],
    metric: Metric,
    blocks: Sequence[Indices],
    reranking: Reranking | None = None,
    progress: Progress | None = None,
) -> Iterator[tuple[Indices, Tensor]]:
    """Yield each block's queries with their distances `[G, B]`, overwritten by the next block's.

    Progress counts a query as one step; with re-ranking the search for neighbours, which comes first, is three more.
    """
    total = sum(map(len, blocks))
    searching = 0 if reranking is None else _SEARCH_STEPS * total
    steps = searching + total

    def report(done: int, of: int) -> None:
        if progress is not None:
            progress(searching * done // of, steps)

    if reranking is None:
        distances: GalleryDistances | RerankedDistances = GalleryDistances(gallery, metric)
    else:
        distances = RerankedDistances(query, gallery, metric, reranking, report)
    done = searching
    for rows in blocks:
        if isinstance(distances, RerankedDistances):
            yield rows, distances.block(rows)
        else:
            yield rows, distances.block(query[torch.from_numpy(rows).to(query.device)])
        done += len(rows)
        if progress is not None:
            progress(done, steps)


def leave_out(distances: Tensor, gallery_person: Indices, pairs: Pairs) -> None:
    """Take junk and the given pairs out of the lists of a block `[G, B]`, by putting them infinitely far away."""
    junk = np.flatnonzero(gallery_person == JUNK)
    if len(junk):
        distances[torch.from_numpy(junk).to(distances.device)] = torch.inf
    distances[torch.from_numpy(pairs.gallery), torch.from_numpy(pairs.query)] = torch.inf


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
