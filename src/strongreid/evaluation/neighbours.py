"""The nearest images of every image of a set, and its farthest distance, without the N x N matrix.

Distances are symmetric, so each pair of row blocks is multiplied once and read both ways: half the work of a plain
product. Every row keeps its nearest so far; of a new block only the few distances below the worst of them are looked
at. Equal distances are ordered by index, like in a stable sort.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, final

import torch
from torch import Tensor

from strongreid.evaluation.copies import slices
from strongreid.evaluation.distance import Metric, Side, between

_ROWS_ON_CPU: Final = 1024
_ROWS_ON_GPU: Final = 4096


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
    sides: Sequence[Side], metric: Metric, count: int, progress: Callable[[int, int], None] | None = None
) -> Neighbours:
    """Find the `count` nearest of all images for each of them; use within `full_precision`.

    Args:
        sides: parts of the set, N images together, numbered through.
        metric: which distance.
        count: how many, the image itself among them; all where there are fewer.
        progress: called with (block pairs done, block pairs in all).
    """
    size = _ROWS_ON_CPU if sides[0].features.device.type == "cpu" else _ROWS_ON_GPU
    blocks: list[tuple[int, Side]] = []
    total = 0
    for part in sides:
        blocks += [(total + rows.start, part[rows]) for rows in slices(len(part), size)]
        total += len(part)
    nearest = Nearest(total, total, min(count, total), sides[0].features.device)
    buffer = sides[0].features.new_empty(size * size)
    # The blocks on the diagonal come first: they give every row a bound that lets little through later.
    pairs = [(i, i) for i in range(len(blocks))]
    pairs += [(i, j) for i in range(len(blocks)) for j in range(i + 1, len(blocks))]
    for done, (i, j) in enumerate(pairs, start=1):
        (column, columns), (row, rows) = blocks[i], blocks[j]
        out = buffer[: len(rows) * len(columns)].view(len(rows), len(columns))
        between(rows, columns, metric, out)
        nearest.update(column, row, out)
        if i != j:
            nearest.update(row, column, out.T)
        if progress is not None:
            progress(done, len(pairs))
    return Neighbours(nearest.index, nearest.distance, nearest.farthest)


@final
class Nearest:
    """The `count` nearest of `images` images so far for each of `rows` rows, ordered by (distance, index).

    A place that is not filled yet has an infinite distance and the index `images`.
    """

    def __init__(self, rows: int, images: int, count: int, device: torch.device) -> None:
        self._bits = images.bit_length()
        self.index = torch.full((rows, count), images, dtype=torch.int64, device=device)
        self.distance = torch.full((rows, count), torch.inf, device=device)
        self.farthest = torch.full((rows,), -torch.inf, device=device)

    def update(self, start: int, other: int, distances: Tensor) -> None:
        """Take in `distances`, `[others, rows]`, of the rows from `start` to the images from `other`."""
        others, rows = distances.shape
        here = slice(start, start + rows)
        torch.maximum(self.farthest[here], distances.amax(0), out=self.farthest[here])
        count = self.index.shape[1]
        bound = self.distance[here, -1]
        if others >= count and bool(bound.isinf().any()):
            bound = torch.minimum(bound, distances.topk(count, dim=0, largest=False).values[-1])
        new, of_row = (distances <= bound).nonzero(as_tuple=True)
        if not len(new):
            return
        row = torch.cat([torch.arange(rows, device=new.device).repeat_interleave(count), of_row])
        distance = torch.cat([self.distance[here].reshape(-1), distances[new, of_row]]) + 0.0
        index = torch.cat([self.index[here].reshape(-1), new + other])
        bits = distance.view(torch.int32).to(torch.int64)
        bits = torch.where(bits < 0, -(2**31) - bits, bits)
        order = ((((row << 32) + bits) << self._bits) + index).argsort()
        counts = torch.bincount(row, minlength=rows)
        best = (counts.cumsum(0) - counts)[:, None] + torch.arange(count, device=new.device)
        self.index[here] = index[order[best]]
        self.distance[here] = distance[order[best]]
