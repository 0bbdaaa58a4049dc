"""k-reciprocal re-ranking (Zhong et al. 2017), exact, without any N x N or Q x G matrix.

Needed of all distances are only the nearest neighbours of each image and each row's largest distance; encodings are
sparse; and Jaccard distances are made for a block of queries at a time, on the way into the ranking. float32 and
float64 throughout (public codes keep encodings in float16 and are up to 5e-3 off).

Row i of the encoding V (section 3) weighs the images that have i among their nearest as it has them: a few dozen of N.
Sets are sparse matrices whose pattern is the set, so that "reciprocal" is an intersection with the transpose and
"overlap of all pairs of sets" is one sparse product.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt
import scipy.sparse
import torch
from torch import Tensor

from strongreid.errors import InputError
from strongreid.evaluation.distance import Distance, Metric, take
from strongreid.evaluation.facts import Indices
from strongreid.evaluation.gallery_distances import GalleryDistances
from strongreid.evaluation.topk import find_neighbours
from strongreid.evaluation.workers import slices

Floats = npt.NDArray[np.float32]
Sparse = Any  # scipy.sparse.csr_array: scipy ships no types

_PAIRS_AT_ONCE: Final = 256
_ROWS_AT_ONCE: Final = 8192


@dataclass(frozen=True)
class Reranking:
    """Settings of k-reciprocal re-ranking; the defaults are the paper's (Zhong et al. 2017, section 4.2)."""

    k1: int = 20
    """Neighbours that make up a k-reciprocal set, at least 1."""
    k2: int = 6
    """Neighbours over which encodings are averaged (local query expansion), at least 1."""
    distance_weight: float = 0.3
    """Lambda, 0..1: weight of the original distance; the rest goes to the Jaccard distance."""

    def __post_init__(self) -> None:
        if self.k1 < 1 or self.k2 < 1:
            raise InputError(f"Re-ranking needs k1 and k2 of at least 1; k1 is {self.k1}, k2 is {self.k2}.")
        if not 0 <= self.distance_weight <= 1:
            raise InputError(f"distance_weight must lie in 0..1; it is {self.distance_weight}.")

    def warning(self, images: int) -> str | None:
        """What to say where queries and gallery together, without junk, are too few `images` for k1; None if not so."""
        if images > self.k1:
            return None
        return (
            f"Re-ranking looks at the {self.k1 + 1} nearest images of each (itself and k1 = {self.k1} more), but there "
            f"are {images} queries and gallery images: all are neighbours of all. Take a smaller k1, or more images."
        )


@final
class RerankedDistances:
    """Re-ranked distances of blocks of queries to the gallery. Use within `full_precision`.

    Final distance: weight * D + (1 - weight) * Jaccard, D being the distance (cosine, or squared Euclidean) divided
    by the largest of the query's row over queries and gallery together.

    Args:
        query: float32 `[Q, D]`, every query, since queries are each other's neighbours.
        gallery: float32 `[G_i, D]` each, the gallery's parts without junk.
        metric: which distance.
        settings: k1, k2 and the weight.
        progress: called with (steps done, steps in all) of the neighbour search, the long part.
    """

    def __init__(
        self,
        query: Tensor,
        gallery: Sequence[Tensor],
        metric: Metric,
        settings: Reranking,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        plain = GalleryDistances(query, gallery, metric)
        self.columns, self.pieces, self.distance = plain.columns, plain.pieces, plain.distance
        self._plain, self._settings = plain, settings
        parts = [plain.query, *plain.parts]
        found = find_neighbours(parts, plain.distance, max(settings.k1 + 1, settings.k2), progress)
        pairs = partial(_pair_distances, [part.features for part in parts], plain.distance)
        farthest = found.farthest.cpu().numpy()
        encoding = encode(
            found.index.cpu().numpy(), found.distance.cpu().numpy(), farthest, settings.k1, settings.k2, pairs
        )
        self._farthest = torch.from_numpy(np.where(farthest > 0, farthest, 1)[: len(query)]).to(query.device)
        self._queries = len(query)
        del found  # now memory is at its fullest
        self._sums = encoding.sum(axis=1)
        self._encoded_query, by_row = encoding[: len(query)], encoding[len(query) :]
        del encoding  # both sides are copies: never three of it
        by_column = by_row.tocsc()
        self._columns = by_column.indptr.astype(np.int64), by_column.indices, by_column.data

    def __len__(self) -> int:
        return len(self._plain)

    def finish(self, rows: Indices, out: Tensor) -> None:
        """Turn the distances of the queries at `rows`, `[G, B]`, into re-ranked ones."""
        self._plain.finish(rows, out)
        weight = self._settings.distance_weight
        out.mul_(weight / self._farthest[torch.from_numpy(rows).to(out.device)]).add_(1 - weight)
        similar = [self._jaccard_similarity(int(row)) for row in rows]
        images = np.concatenate([image for image, _ in similar])
        values = torch.from_numpy(np.concatenate([value for _, value in similar])).to(out.device)
        queries = np.repeat(np.arange(len(rows)), [len(image) for image, _ in similar])
        out[torch.from_numpy(images), torch.from_numpy(queries)] -= values.mul_(1 - weight)

    def _jaccard_similarity(self, row: int) -> tuple[Indices, npt.NDArray[np.float32]]:
        """Gallery images whose encoding overlaps one query's, and by how much: sum of minima / sum of maxima.

        Maxima and minima of two rows add up to the sums of both, so only the minima are computed; and only gallery
        images that share a column with the query have any.
        """
        starts, images, weights = self._columns
        begin, end = self._encoded_query.indptr[row : row + 2]
        columns, values = self._encoded_query.indices[begin:end], self._encoded_query.data[begin:end]
        first, counts = starts[columns], starts[columns + 1] - starts[columns]
        entries = np.arange(counts.sum()) + np.repeat(first - (np.cumsum(counts) - counts), counts)
        smaller = np.minimum(weights[entries], np.repeat(values, counts))
        minima = np.bincount(images[entries], weights=smaller, minlength=len(self._plain))
        overlapping = np.flatnonzero(minima)
        minima = minima[overlapping]
        sums = self._sums[row] + self._sums[self._queries + overlapping]
        return overlapping, (minima / (sums - minima)).astype(np.float32)


def _pair_distances(parts: Sequence[Tensor], distance: Distance, first: Indices, second: Indices) -> Floats:
    """Distances of given pairs of images, numbered over all parts `[N_i, D]`."""
    result = np.empty(len(first), dtype=np.float32)
    for rows in slices(len(first), _PAIRS_AT_ONCE):
        both = (take(parts, torch.from_numpy(images[rows]).to(parts[0].device)) for images in (first, second))
        result[rows] = distance.rowwise(*both).cpu().numpy()
    return result


def encode(
    nearest: Indices,
    distance: Floats,
    farthest: Floats,
    k1: int,
    k2: int,
    pair_distances: Callable[[Indices, Indices], Floats],
) -> Sparse:
    """Encode N images: CSR float32 `[N, N]`; a row sums to 1, or is empty where so many copies of an image come
    before it that it is not among its own nearest.

    Args:
        nearest: int64 `[N, k]`, nearest first, k the larger of k1 + 1 and k2 (or N, where that is fewer).
        distance: float32 `[N, k]`, to those.
        farthest: float32 `[N]`, the largest distance of each row, by which it is scaled.
        k1: neighbours that make up a set.
        k2: neighbours over which rows are averaged.
        pair_distances: distances of pairs of images, for the few that are in a set without being near.
    """
    scale = np.where(farthest > 0, farthest, 1)
    sets = _expanded_sets(nearest, k1)
    rows = np.repeat(np.arange(len(nearest)), np.diff(sets.indptr))
    near = _distances_of(rows, sets.indices.astype(np.int64), nearest, distance, pair_distances)
    weight = np.exp(-near.astype(np.float64) / scale[rows])
    weight /= np.bincount(rows, weights=weight, minlength=len(nearest))[rows]
    encoding = scipy.sparse.csr_array((weight.astype(np.float32), sets.indices, sets.indptr), shape=sets.shape)
    members = nearest[:, :k2]
    mean = _pattern(members, len(nearest)).astype(np.float32)
    mean.data[:] = 1 / members.shape[1]
    return mean @ encoding


def _expanded_sets(nearest: Indices, k1: int) -> Sparse:
    """Each image's reciprocal set with the half-size sets of its members that lie in it by more than 2/3."""
    reciprocal = _reciprocal(nearest[:, : k1 + 1])
    half = _reciprocal(nearest[:, : round(k1 / 2) + 1])  # `round` takes halves to the even number, as the paper's code
    size = np.diff(half.indptr)
    parts = []
    for start in range(0, len(nearest), _ROWS_AT_ONCE):
        rows = reciprocal[start : start + _ROWS_AT_ONCE]
        overlap = ((rows @ half.T) * rows).tocsr()  # |half set of j within the set of i|, for each member j of i
        overlap.data = (3 * overlap.data > 2 * size[overlap.indices]).astype(np.int32)
        overlap.eliminate_zeros()
        parts.append(rows + overlap @ half)
    result = scipy.sparse.vstack(parts, format="csr")
    result.sort_indices()
    return result


def _reciprocal(nearest: Indices) -> Sparse:
    """Pairs that are among each other's nearest, as ones: CSR int32 `[N, N]`. An image may miss itself (copies)."""
    pattern = _pattern(nearest, len(nearest))
    return (pattern * pattern.T.tocsr()).tocsr()


def _pattern(columns: Indices, count: int) -> Sparse:
    """Ones at the columns given for each row: CSR int32 `[N, count]`."""
    width = columns.shape[1]
    starts = np.arange(0, columns.size + 1, width)
    ones = np.ones(columns.size, dtype=np.int32)
    pattern = scipy.sparse.csr_array((ones, columns.flatten(), starts), shape=(len(columns), count))
    pattern.sort_indices()  # in place: hence `flatten`, which copies
    return pattern


def _distances_of(
    rows: Indices,
    columns: Indices,
    nearest: Indices,
    distance: Floats,
    pair_distances: Callable[[Indices, Indices], Floats],
) -> Floats:
    """Distances of the pairs (rows, columns): looked up among the nearest, computed where they are not there."""
    count = len(nearest)
    known = (np.arange(count)[:, None] * count + nearest).ravel()
    order = np.argsort(known, kind="stable")
    known = known[order]
    wanted = rows * count + columns
    index = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    result: Floats = distance.ravel()[order[index]]
    missing = np.flatnonzero(known[index] != wanted)
    result[missing] = pair_distances(rows[missing], columns[missing])
    return result
