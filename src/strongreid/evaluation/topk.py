"""The nearest images of every image of a set, and its farthest distance, without the N x N matrix.

Distances are symmetric, so each pair of row blocks is multiplied once and read both ways: half the work of a plain
product. Every row keeps its nearest so far; of a new block only the few distances below the worst of them are looked
at. Equal distances are ordered by index, like in a stable sort.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import Final, final

import torch
from torch import Tensor

from strongreid.evaluation.distance import Distance, FeatureBlock
from strongreid.evaluation.ranking import distances_of_bits, ordered_bits, true_indices
from strongreid.evaluation.workers import Task, run, slices

_ROWS_ON_CPU: Final = 1024
_ROWS_ON_GPU: Final = 4096
_MOST_OTHERS: Final = 4096


@dataclass(frozen=True)
class Neighbours:
    """Nearest images of N images: each is its own neighbour, mostly the first."""

    index: Tensor
    """int64 `[N, k]`, nearest first."""
    distance: Tensor
    """float32 `[N, k]`."""
    farthest: Tensor
    """float32 `[N]`: the largest distance of each row."""


def find_neighbours(
    parts: Sequence[FeatureBlock],
    distance: Distance,
    count: int,
    progress: Callable[[int, int], None] | None = None,
) -> Neighbours:
    """Find the `count` nearest of all images for each of them; use within `full_precision`.

    Args:
        parts: parts of the set, N images together, numbered through.
        distance: which distance.
        count: how many, the image itself among them; all where there are fewer.
        progress: called with (block pairs done, block pairs in all).
    """
    device = parts[0].features.device
    size = _ROWS_ON_CPU if device.type == "cpu" else _ROWS_ON_GPU
    blocks: list[tuple[int, FeatureBlock]] = []
    total = 0
    for part in parts:
        blocks += [(total + rows.start, part[rows]) for rows in slices(len(part), size)]
        total += len(part)
    nearest = Nearest(total, total, min(count, total), device)
    locks = [threading.Lock() for _ in blocks]

    def compare(i: int, j: int) -> Sequence[Task]:
        (column, columns), (row, rows) = blocks[i], blocks[j]
        out = columns.features.new_empty((len(rows), len(columns)))
        distance.pairwise(rows, columns, out)
        with locks[i]:
            nearest.update(column, row, out)
        if i != j:
            with locks[j]:
                nearest.update(row, column, out.T)
        return ()

    # The blocks on the diagonal come first: they give every row a bound that lets little through later. Then, as in a
    # tournament, pairs that follow one another have no block in common, so that workers seldom wait for a lock.
    pairs = [(i, i) for i in range(len(blocks))]
    pairs += sorted(combinations(range(len(blocks)), 2), key=lambda pair: sum(pair) % len(blocks))
    done = 0

    def report() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, len(pairs))

    run([partial(compare, *pair) for pair in pairs], device, report)
    return Neighbours(nearest.index, nearest.distance, nearest.farthest)


@final
class Nearest:
    """The `count` nearest of `images` images so far for each of `rows` rows, ordered by (distance, index).

    Each is kept as one 64-bit key, distance above index. What is not filled yet has an infinite distance and the
    index `images`.
    """

    def __init__(self, rows: int, images: int, count: int, device: torch.device) -> None:
        self._bits = images.bit_length()
        nothing = ordered_bits(torch.full((1, 1), torch.inf, device=device)) << self._bits
        self._keys = (nothing + images).repeat(rows, count)
        self.farthest = torch.full((rows,), -torch.inf, device=device)

    @property
    def index(self) -> Tensor:
        """int64 `[rows, count]`, nearest first."""
        return self._keys & ((1 << self._bits) - 1)

    @property
    def distance(self) -> Tensor:
        """float32 `[rows, count]`."""
        return distances_of_bits(self._keys >> self._bits)

    def update(self, start: int, other: int, distances: Tensor) -> None:
        """Take in `distances`, `[others, rows]`, of the rows from `start` to the images from `other`."""
        for part in slices(len(distances), _MOST_OTHERS):
            self._update(slice(start, start + distances.shape[1]), other + part.start, distances[part])

    def _update(self, here: slice, other: int, distances: Tensor) -> None:
        keys = self._keys[here]
        (rows, count), others = keys.shape, len(distances)
        torch.maximum(self.farthest[here], distances.amax(0), out=self.farthest[here])
        bound = distances_of_bits(keys[:, -1] >> self._bits)
        if others >= count and bool(bound.isinf().any()):
            bound = torch.minimum(bound, distances.topk(count, dim=0, largest=False).values[-1])
        found = true_indices((distances <= bound).T.reshape(-1))
        if not len(found):
            return
        row, new = found // others, found % others
        counts = torch.bincount(row, minlength=rows)
        number = torch.arange(len(row), device=row.device) - (counts.cumsum(0) - counts)[row]
        candidates = keys.new_full((rows, count + int(counts.max())), torch.iinfo(torch.int64).max)
        candidates[:, :count] = keys
        candidates[row, count + number] = (ordered_bits(distances[new, row]) << self._bits) + (new + other)
        self._keys[here] = candidates.sort(dim=1).values[:, :count]
