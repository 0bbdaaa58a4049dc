"""Ranks of the few true matches, by counting the gallery images that come before each: no list is ever sorted.

Order is by (distance, gallery index): equal distances rank by index. A query, a distance and a gallery index make one
64-bit key, so that this order is plain integer order and ties need no case of their own.
"""

from typing import Final

import torch
from torch import Tensor

from strongreid.evaluation.matches import Indices, Pairs

_AT_ONCE: Final = 2**20


def match_ranks(distances: Tensor, matches: Pairs) -> Indices:
    """Rank of each match in its query's list: int64 `[n]`, from 1, in the order of `matches`.

    Args:
        distances: float32 `[G, B]`, finite, or infinite where a gallery image is not in the query's list.
        matches: at least one for each of the B queries, ordered by query.
    """
    gallery_count, query_count = distances.shape
    device = distances.device
    gallery = torch.from_numpy(matches.gallery).to(device)
    query = torch.from_numpy(matches.query).to(device)
    distance = distances[gallery, query]
    farthest = distance.new_full((query_count,), -torch.inf).scatter_reduce_(0, query, distance, "amax")
    bits = max(gallery_count - 1, 1).bit_length()
    keys, order = _keys(query, distance, gallery, bits).sort()
    # Query q with m matches has m + 1 slots: images up to its first match, ..., up to its last, after its last.
    before = torch.zeros(len(keys) + query_count, dtype=torch.int64, device=device)
    rows_at_once = max(1, _AT_ONCE // query_count)
    for start in range(0, gallery_count, rows_at_once):
        part = distances[start : start + rows_at_once]
        near, of_query = (part <= farthest).nonzero(as_tuple=True)
        slot = torch.searchsorted(keys, _keys(of_query, part[near, of_query], near + start, bits)).add_(of_query)
        before += torch.bincount(slot, minlength=len(before))
    before = before.cumsum_(0)
    # Sorting by key keeps the queries in order, so `query` belongs to `keys` as well.
    first = torch.searchsorted(query, torch.arange(query_count, device=device))
    slots = first + torch.arange(query_count, device=device)
    earlier = torch.where(slots > 0, before[slots - 1], 0)
    ranks = torch.empty_like(order)
    ranks[order] = before[torch.arange(len(keys), device=device) + query] - earlier[query]
    result: Indices = ranks.cpu().numpy()
    return result


def most_queries(gallery_count: int) -> int:
    """How many queries a block may have, so that the keys fit into 64 bits."""
    return int(2 ** (63 - 32 - max(gallery_count - 1, 1).bit_length() - 1))


def _keys(query: Tensor, distance: Tensor, gallery: Tensor, gallery_bits: int) -> Tensor:
    """One int64 for each place in a query's list; keys order as (query, distance, gallery index)."""
    bits = (distance + 0.0).view(torch.int32).to(torch.int64)  # + 0.0 turns -0.0 into 0.0
    bits = torch.where(bits < 0, -(2**31) - bits, bits)
    return (((query << 32) + bits) << gallery_bits) + gallery
