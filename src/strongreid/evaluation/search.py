"""One blocked search under everything that compares queries with a gallery: ranking, thresholds, nearest images.

Distances exist for a few blocks of queries at a time. A block is filled piece by piece of the gallery and then handed
to a function, all by a few workers (`workers`), who go on with the next block meanwhile.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Final, Generic, TypeVar, final

import numpy as np
import torch
from torch import Tensor

from strongreid.errors import InputError
from strongreid.evaluation.distance import Distance, FeatureBlock, Metric
from strongreid.evaluation.embeddings import Embeddings
from strongreid.evaluation.facts import Indices
from strongreid.evaluation.gallery_distances import GalleryDistances
from strongreid.evaluation.ground_truth import MatchIndex, Pairs
from strongreid.evaluation.ranking import most_queries
from strongreid.evaluation.rerank import RerankedDistances, Reranking
from strongreid.evaluation.workers import Task, full_precision, run, worker_count

Progress = Callable[[int, int], None]
T = TypeVar("T")

MOST_QUERIES: Final = 192
"""Queries in a block, at most: products of 192 or 384 columns were the fastest of all from 128 to 512."""
MOST_BLOCKS: Final = 4
"""Blocks at a time, at most, and no more than workers: while one ranks a block, the others fill the rest."""
WORKING_MB: Final = 48
"""Part of the budget that is left to ranking, beside the blocks of distances."""
_FEW_QUERIES: Final = 144  # where the budget has room for so few only, there are fewer blocks instead of smaller ones
_FEW_QUERIES_OF_TWO: Final = 96  # but two, so that one is filled while the other is ranked
_BYTES_PER_PAIR: Final = 96
_BYTES_PER_IMAGE: Final = 64  # people and cameras in order, and the fingerprints that find copies
_SEARCH_STEPS: Final = 3  # for each query: with re-ranking the search for neighbours takes about 3/4 of the time


@dataclass(frozen=True)
class SearchBlock:
    """Some queries against the whole gallery."""

    rows: Indices
    """int64 `[B]`: which queries."""
    distances: Tensor
    """float32 `[G, B]`, infinite where a gallery image is not in the query's list; the next block overwrites it."""
    distance: Distance
    """What these distances are."""
    truth: MatchIndex

    @cached_property
    def matches(self) -> Pairs:
        """Indices `[n]` of query (within the block) and gallery image of every match, ordered by query."""
        return self.truth.matches(self.rows)


def search(
    query: Embeddings,
    gallery: Sequence[Embeddings],
    truth: MatchIndex,
    each: Callable[[SearchBlock], T],
    *,
    metric: Metric,
    queries: Indices | None = None,
    reranking: Reranking | None = None,
    memory_mb: float = 160,
    progress: Progress | None = None,
) -> list[T]:
    """Compute the distances of blocks of queries to all gallery images, and return what `each` makes of every block.

    Args:
        query: Q images.
        gallery: parts that count as one, G images together.
        truth: of these; junk and what it leaves out is at an infinite distance.
        each: called with each block, in other threads and any order; results come in the queries' order.
        metric: which distance.
        queries: rows of the queries to search for, int64, ascending; all if not given.
        reranking: settings of re-ranking, if any.
        memory_mb: as in `evaluate`.
        progress: called with (steps done, steps in all); a query is one step, with re-ranking four.
    """
    queries = np.arange(len(query)) if queries is None else queries
    device, total = query.features.device, len(queries)
    before = 0 if reranking is None else _SEARCH_STEPS * total

    def report(done: int, of: int) -> None:
        if progress is not None:
            progress(before * done // of, before + total)

    blocks, at_once = _blocks(queries, truth, memory_mb)
    if not blocks:
        return []
    parts = [part.features for part in gallery if len(part)]
    with full_precision(device):
        distances = (
            GalleryDistances(query.features, parts, metric)
            if reranking is None
            else RerankedDistances(query.features, parts, metric, reranking, report)
        )
        work = _Search(blocks, distances, truth, each)
        workers = worker_count(device)
        size = len(blocks[0]) * len(distances)
        buffers = [parts[0].new_empty(size) for _ in range(min(at_once, len(blocks), workers))]
        reported = 0

        def report_finished() -> None:
            nonlocal reported
            if progress is not None and work.finished > reported:
                reported = work.finished
                progress(before + reported, before + total)

        run([partial(work.begin, buffer) for buffer in buffers], device, report_finished)
    return work.results


@final
class _Search(Generic[T]):
    """The blocks of one search: as many at a time as there are buffers, each followed by the next in its buffer."""

    def __init__(
        self,
        blocks: Sequence[Indices],
        distances: GalleryDistances | RerankedDistances,
        truth: MatchIndex,
        each: Callable[[SearchBlock], T],
    ) -> None:
        self._blocks, self._distances, self._truth, self._each = blocks, distances, truth, each
        self._lock = threading.Lock()
        self._begun = 0
        self._made: dict[int, T] = {}
        self.finished = 0
        """How many queries are done."""

    @property
    def results(self) -> list[T]:
        """What was made of the blocks, in their order."""
        return [self._made[number] for number in range(len(self._blocks))]

    def begin(self, buffer: Tensor) -> Sequence[Task]:
        """The tasks of the next block, if there is one: a product for each piece of the gallery."""
        with self._lock:
            number = self._begun
            self._begun += 1
        if number >= len(self._blocks):
            return ()
        rows, images = self._blocks[number], len(self._distances)
        out = buffer[: images * len(rows)].view(images, len(rows))
        columns = self._distances.columns(rows)
        pieces = list(self._distances.pieces())
        left = len(pieces)

        def fill(place: slice, piece: FeatureBlock) -> Sequence[Task]:
            nonlocal left
            self._distances.distance.pairwise(piece, columns, out[place])
            with self._lock:
                left -= 1
                if left:
                    return ()
            self._finish(number, out)
            return self.begin(buffer)

        return [partial(fill, *piece) for piece in pieces]

    def _finish(self, number: int, out: Tensor) -> None:
        rows = self._blocks[number]
        self._distances.finish(rows, out)
        out[torch.from_numpy(self._truth.junk).to(out.device)] = torch.inf
        left_out = self._truth.left_out(rows)
        out[torch.from_numpy(left_out.gallery), torch.from_numpy(left_out.query)] = torch.inf
        made = self._each(SearchBlock(rows, out, self._distances.distance, self._truth))
        with self._lock:
            self._made[number] = made
            self.finished += len(rows)


def _blocks(queries: Indices, truth: MatchIndex, memory_mb: float) -> tuple[list[Indices], int]:
    """Cut the queries, int64 `[n]`, into blocks; return them, and how many at a time fit the budget.

    A block has one query at least, however small the budget is. Raises `InputError` for a budget that is not above 0.
    """
    if not memory_mb > 0:
        raise InputError(f"memory_mb is {memory_mb}; it must be above 0. The default suits any size of set.")
    most_pairs = int(truth.of_person[queries].max(initial=0))
    room = max(memory_mb - WORKING_MB, memory_mb / 2) * 2**20
    room = max(room - _BYTES_PER_IMAGE * truth.images, room / 2)
    fitting = room / (4 * truth.images + _BYTES_PER_PAIR * most_pairs)
    at_once = int(max(1, min(2, fitting / _FEW_QUERIES_OF_TWO), min(MOST_BLOCKS, fitting / _FEW_QUERIES)))
    size = max(1, int(min(fitting / at_once, MOST_QUERIES, most_queries(truth.images))))
    step = next(step for step in (48, 16, 1) if step <= size)
    size = size // step * step
    return [queries[start : start + size] for start in range(0, len(queries), size)], at_once
