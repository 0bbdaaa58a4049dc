"""A gallery in memory that is searched again and again: what a search needs to know of it alone is found once.

Distances and order are those of `find_nearest`. What is searched is a column of distances for each query; of every 64
rows only the smallest is looked at first, and the few groups whose smallest is small enough are read in full. So the
search costs hardly more than the product, and a filter no more than a mask.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from strongreid.evaluation.distance import FeatureBlock, Metric
from strongreid.evaluation.facts import Indices
from strongreid.evaluation.gallery_distances import GalleryDistances, know
from strongreid.evaluation.nearest import NearestImages
from strongreid.evaluation.search import MOST_QUERIES
from strongreid.evaluation.workers import Task, full_precision, run, slices

Allowed = Callable[[slice, Indices], npt.NDArray[np.bool_]]
"""Which rows of a slice of the gallery each query, by its index, may find: `[n, B]`, or `[n, 1]` for all alike."""

_GROUP: Final = 64
_FEW_QUERIES: Final = 8
"""For fewer, pieces are larger: a product of one column costs less than to ask for it."""
_TASKS: Final = 32
"""A task of one piece would cost more to hand over than to do, for a single query."""
_BUFFER_MB: Final = 256


@final
class HeldGallery:
    """Features of G images, measured once.

    Args:
        parts: float32 `[G_i, D]` each, on a CPU, none empty, at least one; together the gallery, in this order.
        metric: which distance.
    """

    def __init__(self, parts: Sequence[Tensor], metric: Metric) -> None:
        self.parts, self.metric = list(parts), metric
        with full_precision(parts[0].device):
            self._known = know(self.parts, metric)

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def nearest(self, query: Tensor, count: int, allowed: Allowed | None = None) -> NearestImages:
        """Return the `count` nearest images of each query, float32 `[Q, D]`, of those that are `allowed`.

        Equal distances rank by index; after the last image the index is -1 and the distance infinite.
        """
        size = int(min(MOST_QUERIES, max(1, _BUFFER_MB * 2**20 // (4 * len(self)))))
        index = np.full((len(query), count), -1, dtype=np.int64)
        far = np.full((len(query), count), np.inf, dtype=np.float32)
        if not len(query):
            return NearestImages(index, far.astype(np.float64))
        measured: list[GalleryDistances] = []

        def distances() -> GalleryDistances:  # made by a worker, whose operations wait for nobody
            if not measured:
                measured.append(GalleryDistances(query, self.parts, self.metric, self._known))
            return measured[0]

        with full_precision(query.device):
            buffer = query.new_empty(len(self) * min(size, len(query)))
            for some in slices(len(query), size):
                block = _Block(distances, np.arange(some.start, some.stop), buffer, allowed)
                index[some], far[some] = block.nearest(count)
        return NearestImages(index, distances().distance.actual(far.clip(min=0)))


class _Block:
    """Some queries against the whole gallery: distances, and the smallest of every group of rows."""

    def __init__(
        self, distances: Callable[[], GalleryDistances], queries: Indices, buffer: Tensor, allowed: Allowed | None
    ) -> None:
        self._make, self._queries, self._buffer, self._allowed = distances, queries, buffer, allowed

    def nearest(self, count: int) -> tuple[Indices, npt.NDArray[np.float32]]:
        """Fill the block; return the `count` nearest rows of each query, -1 after the last, and their distances."""
        run([self._begin], self._buffer.device)
        if self._distances.has_copies:  # they may be allowed where their originals are not
            self._distances.finish(self._queries, self._out)
            run(self._each_piece(self._narrow), self._buffer.device)
        return self._sorted(*self._candidates(count), count)

    def _begin(self) -> Sequence[Task]:
        """Prepare, and return the tasks that fill the block."""
        self._distances = self._make()
        images, queries = len(self._distances), len(self._queries)
        self._columns = self._distances.columns(self._queries)
        self._out = self._buffer[: images * queries].view(images, queries)
        self._pieces = list(self._distances.pieces(max(1, _FEW_QUERIES // queries)))
        starts = [np.arange(place.start, place.stop, _GROUP) for place, _ in self._pieces]
        self._first_group = np.cumsum([0, *map(len, starts)])
        self._starts = np.concatenate(starts)
        self._stops = np.append(self._starts[1:], images)
        self._smallest = self._buffer.new_empty(len(self._starts), queries)
        return self._each_piece(partial(self._fill, wait=self._distances.has_copies))

    def _each_piece(self, work: Callable[[int, slice, FeatureBlock], None]) -> list[Task]:
        size = -(-len(self._pieces) // _TASKS)

        def do(some: slice) -> Sequence[Task]:
            for number in range(some.start, some.stop):
                work(number, *self._pieces[number])
            return ()

        return [partial(do, some) for some in slices(len(self._pieces), size)]

    def _fill(self, number: int, place: slice, piece: FeatureBlock, *, wait: bool) -> None:
        if not wait and self._allowed is not None and not (mask := self._allowed(place, self._queries)).any():
            self._smallest[self._groups_of(number)] = torch.inf
            return
        self._distances.distance.pairwise(piece, self._columns, self._out[place])
        if not wait:
            self._narrow(number, place, piece, None if self._allowed is None else mask)

    def _narrow(
        self, number: int, place: slice, piece: FeatureBlock, mask: npt.NDArray[np.bool_] | None = None
    ) -> None:
        """Leave out what is not allowed, and find the smallest of every group of a piece's rows."""
        part = self._out[place]
        if self._allowed is not None:
            mask = self._allowed(place, self._queries) if mask is None else mask
            part.masked_fill_(torch.from_numpy(~mask), torch.inf)
        smallest = self._smallest[self._groups_of(number)]
        whole = len(part) // _GROUP
        torch.amin(part[: whole * _GROUP].view(whole, _GROUP, part.shape[1]), dim=1, out=smallest[:whole])
        if whole < len(smallest):
            torch.amin(part[whole * _GROUP :], dim=0, out=smallest[whole])

    def _groups_of(self, number: int) -> slice:
        return slice(int(self._first_group[number]), int(self._first_group[number + 1]))

    def _candidates(self, count: int) -> tuple[Indices, Indices, npt.NDArray[np.float32]]:
        """Queries, rows and distances of all that may be among the nearest `count`, in no certain order."""
        smallest = self._smallest.numpy()
        bound = np.full(len(self._queries), np.inf, dtype=np.float32)
        if count < len(smallest):  # as many groups hold a distance up to the count-th smallest
            bound = np.partition(smallest, count - 1, axis=0)[count - 1]
        group, query = np.nonzero((smallest <= bound) & np.isfinite(smallest))
        first = self._starts[group][:, None]
        rows = first + np.arange(_GROUP)
        inside = rows < self._stops[group][:, None]
        rows = np.where(inside, rows, first)
        values = self._out.numpy()[rows, query[:, None]]
        kept = inside & (values <= bound[query][:, None]) & np.isfinite(values)
        return np.broadcast_to(query[:, None], rows.shape)[kept], rows[kept], values[kept]

    def _sorted(
        self, query: Indices, rows: Indices, values: npt.NDArray[np.float32], count: int
    ) -> tuple[Indices, npt.NDArray[np.float32]]:
        order = np.lexsort((rows, values, query))
        query, rows, values = query[order], rows[order], values[order]
        rank = np.arange(len(query)) - np.searchsorted(query, query)
        kept = rank < count
        index = np.full((len(self._queries), count), -1, dtype=np.int64)
        far = np.full((len(self._queries), count), np.inf, dtype=np.float32)
        index[query[kept], rank[kept]] = rows[kept]
        far[query[kept], rank[kept]] = values[kept]
        return index, far
