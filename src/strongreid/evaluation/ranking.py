"""Ranks of the few true matches, by counting the gallery images that come before each: no list is ever sorted.

Order is by (distance, gallery index): equal distances rank by index. Counting goes in two steps. Each query's span of
match distances is cut into equal bins and the images in each bin are counted; a bin without a match needs no more.
The few images that share a bin with a match are compared exactly: query, distance and gallery index make one 64-bit
key, so that the order is plain integer order and ties need no case of their own. Most such bins hold one match, and one
comparison tells on which side of it an image is. The cost hardly depends on how many matches there are or how good the
features are, and the same code runs on CPU and GPU. (Nine lines with `searchsorted` give the same ranks in two to seven
times the time.)
"""

from typing import Final

import numpy as np
import torch
from torch import Tensor

from strongreid.evaluation.facts import Indices
from strongreid.evaluation.ground_truth import Pairs


def ordered_bits(distances: Tensor) -> Tensor:
    """Whole numbers, int64 within 32 bits, that order and tie like float32 `distances` (no NaN); -0.0 is 0.0."""
    bits = distances.view(torch.int32).to(torch.int64)
    return torch.where(bits < 0, -(2**31) - bits, bits)


def distances_of_bits(bits: Tensor) -> Tensor:
    """The float32 numbers behind `ordered_bits`."""
    return torch.where(bits < 0, -(2**31) - bits, bits).to(torch.int32).view(torch.float32)


_BINS: Final = 512
_PAIRS_ON_CPU: Final = 2**19
_PAIRS_ON_GPU: Final = 2**22  # larger ones would not fit what the memory budget leaves for ranking
_FEW: Final = 1 / 8  # of all pairs: so few are cheaper picked out first (measured: up to about 16 %)
_STEEPEST: Final = 1e30
_FLATTEST: Final = 1e-36  # of a span that float32 cannot hold; every other one is steeper


def match_ranks(distances: Tensor, matches: Pairs) -> Indices:
    """Ranks of the matches in their query's list: int64 `[n]`, from 1, query by query, ascending within one.

    Args:
        distances: float32 `[G, B]`, contiguous; infinite where a gallery image is not in the query's list.
        matches: at least one for each of the B queries, ordered by query; their distances are finite.
    """
    device, (gallery_count, query_count) = distances.device, distances.shape
    gallery = torch.from_numpy(matches.gallery).to(device)
    query = torch.from_numpy(matches.query).to(device)
    distance = distances[gallery, query]
    bits = max(gallery_count - 1, 1).bit_length()
    keys, order = _keys(query, distance, gallery, bits).sort()  # queries stay in order, so `query` fits both
    at_once = max(1, (_PAIRS_ON_CPU if device.type == "cpu" else _PAIRS_ON_GPU) // query_count)
    bins = _Bins(query, distance, query_count)
    match_bins = bins.of_queries(distance, query)
    matches_in = torch.bincount(match_bins, minlength=query_count * _BINS)
    shared = matches_in > 0
    match_in = torch.zeros_like(matches_in)  # one of the bin's matches, which is the only one of nearly every bin
    match_in[match_bins[order]] = torch.arange(len(keys), device=device)

    in_bin = torch.zeros(len(shared), dtype=torch.int64, device=device)
    # A query with m matches has m + 1 gaps: up to its first match, ..., up to its last, after its last.
    in_gap = torch.zeros(len(keys) + query_count, dtype=torch.int64, device=device)
    for start in range(0, gallery_count, at_once):
        part = distances[start : start + at_once]
        near = _up_to(bins.high, part, _FEW * part.numel())
        if near is None:
            bin_of = bins.of(part).view(-1)
        else:
            bin_of = bins.of_queries(part.view(-1).index_select(0, near), near % query_count)
        in_bin += torch.bincount(bin_of, minlength=len(in_bin))
        close = true_indices(shared.index_select(0, bin_of))
        close_bins = bin_of.index_select(0, close)
        close = close if near is None else near.index_select(0, close)
        of_query = close % query_count
        close_keys = _keys(of_query, part.view(-1).index_select(0, close), close // query_count + start, bits)
        match = match_in.index_select(0, close_bins)
        gap = match + (keys.index_select(0, match) < close_keys)  # how many matches come before the image
        several = true_indices(matches_in.index_select(0, close_bins) > 1)
        gap[several] = torch.searchsorted(keys, close_keys.index_select(0, several))
        in_gap += torch.bincount(gap.add_(of_query), minlength=len(in_gap))

    in_bin[shared] = 0
    in_bin = in_bin.view(_BINS, query_count)
    before = (in_bin.cumsum(0) - in_bin).view(-1)[match_bins[order]]
    in_gap = in_gap.cumsum_(0)
    first = torch.searchsorted(query, torch.arange(query_count, device=device))
    first += torch.arange(query_count, device=device)
    earlier = torch.where(first > 0, in_gap[first - 1], 0)
    ranks: Indices = (before + in_gap[torch.arange(len(keys), device=device) + query] - earlier[query]).cpu().numpy()
    return ranks


def most_queries(gallery_count: int) -> int:
    """How many queries a block may have, so that the keys fit into 64 bits."""
    return int(2 ** (63 - 32 - max(gallery_count - 1, 1).bit_length() - 1))


class _Bins:
    """Bin of each distance, by query: 0 is below all matches, the last above all.

    Only monotone rounding is relied on: subtraction, product and truncation are each rounded the same way wherever
    they are computed (a fused multiply-add would not be), so a lower bin always means a smaller distance.
    """

    def __init__(self, query: Tensor, distance: Tensor, query_count: int) -> None:
        nothing = distance.new_zeros(query_count)
        self._low = nothing.scatter_reduce(0, query, distance, "amin", include_self=False)
        self.high = nothing.scatter_reduce(0, query, distance, "amax", include_self=False)
        """Distance of each query's last match."""
        self._scale = ((_BINS - 3) / (self.high - self._low)).clamp_(_FLATTEST, _STEEPEST)
        self._query = torch.arange(query_count, dtype=torch.int32, device=distance.device)

    def of(self, distances: Tensor) -> Tensor:
        """Bin numbers, int32 `[n, B]`, of distances `[n, B]`.

        Bin by bin, not query by query: neighbours in memory then belong to different queries, so that counting
        never waits for the counter it has just changed.
        """
        return torch.add(self._query, _number(distances, self._low, self._scale), alpha=len(self._query))

    def of_queries(self, distances: Tensor, query: Tensor) -> Tensor:
        """Bin numbers, int32 `[n]`, of distances `[n]` of the queries given, int64 `[n]`."""
        number = _number(distances, self._low.index_select(0, query), self._scale.index_select(0, query))
        return number.mul_(len(self._query)).add_(query)


def _number(distances: Tensor, low: Tensor, scale: Tensor) -> Tensor:
    """Which of its query's bins each distance is in, int32."""
    return (distances - low).mul_(scale).add_(1).clamp_(0, _BINS - 1).to(torch.int32)


def _up_to(high: Tensor, distances: Tensor, most: float) -> Tensor | None:
    """Where distances `[n, B]` are up to `high` `[B]`: int64, ascending, in the flat tensor. None if more than `most`.

    On a CPU they are counted before indices are made, which would take twice the memory of the distances.
    """
    if distances.device.type == "cpu":
        mask = distances.numpy() <= high.numpy()  # a third of torch's time
        return torch.from_numpy(np.flatnonzero(mask)) if np.count_nonzero(mask) <= most else None
    near = true_indices((distances <= high).view(-1))
    return near if len(near) <= most else None


def true_indices(mask: Tensor) -> Tensor:
    """Where a mask `[n]` is true: int64, ascending. On a CPU, NumPy needs a third of torch's time."""
    if mask.device.type == "cpu":
        return torch.from_numpy(np.flatnonzero(mask.numpy()))
    return mask.nonzero()[:, 0]


def _keys(query: Tensor, distance: Tensor, gallery: Tensor, gallery_bits: int) -> Tensor:
    """One int64 for each image of a query's list; keys order as (query, distance, gallery index)."""
    return (((query << 32) + ordered_bits(distance)) << gallery_bits) + gallery
