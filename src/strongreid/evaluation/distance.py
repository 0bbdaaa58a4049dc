"""Distances between a block of queries and the whole gallery, float32 `[G, B]`.

The gallery comes first because `gallery @ query.T` is the faster operand order on CPUs. No normalised copy of the
gallery is made (at Market-1501's size it would be 130 MB): the plain products are scaled in place. So products of whole
numbers stay exact, and every later step is rounded element by element, the same in any block and on any device.

Two images with the same features must tie, but matrix libraries may add in another order near the edge of a block:
copies are found once, and get the distances of the first of their kind (`copies.py`).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Literal, final

import torch
from torch import Tensor

from strongreid.evaluation.copies import find_copies, slices

Metric = Literal["cosine", "euclidean"]

_SMALLEST_NORM: Final = 1e-12
_ROWS_AT_ONCE: Final = 2048
_SQUARES_AT_ONCE: Final = 256


@contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """No gradients, no autocast, products in full float32; the caller's settings come back afterwards."""
    cuda, cpu = torch.backends.cuda.matmul, torch.backends.mkldnn.matmul  # type: ignore[attr-defined]
    before = cuda.fp32_precision, cpu.fp32_precision
    cuda.fp32_precision = cpu.fp32_precision = "ieee"
    try:
        with torch.inference_mode(), torch.autocast(device.type, enabled=False):
            yield
    finally:
        cuda.fp32_precision, cpu.fp32_precision = before


@dataclass(frozen=True)
class Side:
    """Features `[N, D]` with what their lengths add to a distance `[N]`: squares, or inverse lengths for cosine."""

    features: Tensor
    by_length: Tensor

    def __getitem__(self, rows: slice | Tensor) -> "Side":
        return Side(self.features[rows], self.by_length[rows])

    def __len__(self) -> int:
        return len(self.features)


def side(features: Tensor, metric: Metric) -> Side:
    """Measure the features' lengths."""
    squares = features.new_empty(len(features))
    for rows in slices(len(features), _SQUARES_AT_ONCE):
        torch.sum(features[rows].square(), dim=1, out=squares[rows])
    if metric == "euclidean":
        return Side(features, squares)
    return Side(features, squares.sqrt_().clamp_min_(_SMALLEST_NORM).reciprocal_())


def between(rows: Side, columns: Side, metric: Metric, out: Tensor) -> Tensor:
    """Distances of every row to every column, into `out`, float32 `[rows, columns]`.

    `cosine`: 1 - cosine of the angle, 0..2 (a feature of length 0 is at distance 1 from everything).
    `euclidean`: SQUARED distances, clamped at 0: they rank alike and cost no root.
    """
    torch.mm(rows.features, columns.features.T, out=out)
    if metric == "cosine":
        return out.mul_(rows.by_length.neg()[:, None]).mul_(columns.by_length).add_(1)
    return out.mul_(-2).add_(rows.by_length[:, None]).add_(columns.by_length).clamp_min_(0)


def of_pairs(first: Side, second: Side, metric: Metric) -> Tensor:
    """Distance of row i of `first` to row i of `second`: float32 `[n]`."""
    if metric == "euclidean":
        return (first.features - second.features).square_().sum(dim=1)
    cosine = (first.features * second.features).sum(dim=1)
    return cosine.mul_(first.by_length).mul_(second.by_length).neg_().add_(1)


@final
class GalleryDistances:
    """Distances (see `between`) of any queries to one gallery that may come in parts. Use within `full_precision`.

    Args:
        parts: float32 `[G_i, D]` each; together the gallery, in this order.
        metric: which distance.
    """

    def __init__(self, parts: Sequence[Tensor], metric: Metric) -> None:
        self._metric: Metric = metric
        self.sides = [side(part, metric) for part in parts]
        self._copies, self._originals = find_copies(parts)
        self._buffer = parts[0].new_empty(0)

    def __len__(self) -> int:
        return sum(len(part) for part in self.sides)

    def block(self, query: Tensor) -> Tensor:
        """Distances of `query`, float32 `[B, D]`, to every gallery image: float32 `[G, B]`.

        The block is overwritten by the next one: fresh memory for each would cost more than the scaling.
        """
        columns = side(query, self._metric)
        if self._buffer.numel() < len(self) * len(query):
            self._buffer = query.new_empty(len(self) * len(query))
        out = self._buffer[: len(self) * len(query)].view(len(self), len(query))
        start = 0
        for part in self.sides:
            for rows in slices(len(part), _ROWS_AT_ONCE):
                chunk = part[rows]
                between(chunk, columns, self._metric, out[start : start + len(chunk)])
                start += len(chunk)
        for rows in slices(len(self._copies), _ROWS_AT_ONCE):  # there may be as many copies as images
            out[self._copies[rows]] = out[self._originals[rows]]
        return out
