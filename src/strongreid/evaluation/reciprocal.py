"""k-reciprocal encodings as sparse rows (Zhong et al. 2017, section 3).

Row i of the encoding V weighs the images that have i among their nearest as it has them: a few dozen of N. Sets are
sparse matrices whose pattern is the set, so that "reciprocal" is an intersection with the transpose and "overlap of
all pairs of sets" is one sparse product.
"""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import scipy.sparse

Floats = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]
Sparse = Any  # scipy.sparse.csr_array: scipy ships no types

_ROWS_AT_ONCE: Final = 8192


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
    place = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    result: Floats = distance.ravel()[order[place]]
    missing = np.flatnonzero(known[place] != wanted)
    result[missing] = pair_distances(rows[missing], columns[missing])
    return result
