"""Distances between a block of queries and the whole gallery, float32 `[G, B]`.

The gallery comes first because `gallery @ query.T` is the faster operand order on CPUs. No normalised copy of the
gallery is made (at Market-1501's size it would be 130 MB): the plain products are scaled in place. So products of whole
numbers stay exact, and every later step is rounded element by element, the same in any block and on any device.

Two images with the same features must tie, but matrix libraries may add in another order near the edge of a block:
copies are found once, and get the distances of the first of their kind.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Literal, final

import torch
from torch import Tensor

Metric = Literal["cosine", "euclidean"]

_SMALLEST_NORM: Final = 1e-12
_ROWS_AT_ONCE: Final = 2048
_SQUARES_AT_ONCE: Final = 256
_SAMPLED_COLUMNS: Final = 8
_COPIES_AT_ONCE: Final = 1024


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
class FeatureBlock:
    """Features `[N, D]` with what their lengths add to a distance `[N]`: squares, or inverse lengths for cosine."""

    features: Tensor
    by_length: Tensor

    def __getitem__(self, rows: slice | Tensor) -> "FeatureBlock":
        return FeatureBlock(self.features[rows], self.by_length[rows])

    def __len__(self) -> int:
        return len(self.features)


def side(features: Tensor, metric: Metric) -> FeatureBlock:
    """Measure the features' lengths."""
    squares = features.new_empty(len(features))
    for rows in slices(len(features), _SQUARES_AT_ONCE):
        torch.sum(features[rows].square(), dim=1, out=squares[rows])
    if metric == "euclidean":
        return FeatureBlock(features, squares)
    return FeatureBlock(features, squares.sqrt_().clamp_min_(_SMALLEST_NORM).reciprocal_())


def pairwise_distances(rows: FeatureBlock, columns: FeatureBlock, metric: Metric, out: Tensor) -> Tensor:
    """Distances of every row to every column, into `out`, float32 `[rows, columns]`.

    `cosine`: 1 - cosine of the angle, 0..2 (a feature of length 0 is at distance 1 from everything).
    `euclidean`: SQUARED distances, clamped at 0: they rank alike and cost no root.
    """
    torch.mm(rows.features, columns.features.T, out=out)
    if metric == "cosine":
        return out.mul_(rows.by_length.neg()[:, None]).mul_(columns.by_length).add_(1)
    return out.mul_(-2).add_(rows.by_length[:, None]).add_(columns.by_length).clamp_min_(0)


def rowwise_distances(first: FeatureBlock, second: FeatureBlock, metric: Metric) -> Tensor:
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
                pairwise_distances(chunk, columns, self._metric, out[start : start + len(chunk)])
                start += len(chunk)
        for rows in slices(len(self._copies), _ROWS_AT_ONCE):  # there may be as many copies as images
            out[self._copies[rows]] = out[self._originals[rows]]
        return out


def find_copies(parts: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Rows that repeat an earlier row, and the first such row of each: two int64 `[n]`, counted over all parts.

    Rows that agree in a few columns are candidates; only they are read in full.
    """
    width = parts[0].shape[1]
    columns = torch.linspace(0, width - 1, min(width, _SAMPLED_COLUMNS), device=parts[0].device).long()
    candidates = _repeated(torch.cat([_fingerprints(part[:, columns]) for part in parts]))
    prints = [_fingerprints(_take(parts, candidates[rows])) for rows in slices(len(candidates), _COPIES_AT_ONCE)]
    if not prints:
        return candidates, candidates
    values, order = torch.cat(prints).sort(stable=True)
    starts = torch.ones_like(values, dtype=torch.bool)
    starts[1:] = values[1:] != values[:-1]
    first_of_group = starts.nonzero()[:, 0][starts.cumsum(0) - 1]
    copies, originals = candidates[order], candidates[order[first_of_group]]
    copies, originals = copies[copies != originals], originals[copies != originals]
    same = torch.ones_like(copies, dtype=torch.bool)
    for rows in slices(len(copies), _COPIES_AT_ONCE):
        same[rows] = (_take(parts, copies[rows]) == _take(parts, originals[rows])).all(dim=1)
    return copies[same], originals[same]


def slices(count: int, size: int) -> Iterator[slice]:
    """Cut 0..count - 1 into slices of `size`, the last one shorter."""
    return (slice(start, min(start + size, count)) for start in range(0, count, size))


def _take(parts: Sequence[Tensor], rows: Tensor) -> Tensor:
    """The rows of all parts laid one after another."""
    taken = parts[0].new_empty((len(rows), parts[0].shape[1]))
    start = 0
    for part in parts:
        here = (rows >= start) & (rows < start + len(part))
        taken[here] = part[rows[here] - start]
        start += len(part)
    return taken


def _repeated(values: Tensor) -> Tensor:
    """Places whose value occurs more than once, ascending."""
    ordered, order = values.sort()
    equal = torch.zeros_like(values, dtype=torch.bool)
    equal[1:] = ordered[1:] == ordered[:-1]
    equal[:-1] |= equal[1:].clone()
    return order[equal].sort().values


def _fingerprints(rows: Tensor) -> Tensor:
    """A 64-bit number for each row, the same for equal rows wherever they stand: int64 `[N]`."""
    bits = (rows + 0.0).view(torch.int32).to(torch.int64)  # + 0.0 turns -0.0 into 0.0
    odd = torch.arange(1, 2 * bits.shape[1], 2, device=rows.device) * 0x9E3779B97F4A7C1
    return bits.mul_(odd).sum(dim=1)
