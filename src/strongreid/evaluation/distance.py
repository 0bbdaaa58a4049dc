"""Distances between a block of queries and the whole gallery, float32 `[G, B]`.

The gallery comes first because `gallery @ query.T` is the faster operand order on CPUs, and because a query's block
is small: no normalised or shifted copy of the gallery is ever made (at Market-1501's size it would be 130 MB). Squared
Euclidean distances and cosine distances are scaled from the product in place. float32 throughout: TF32, bfloat16
products and autocast are switched off, whatever the caller has set for training.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Literal, final

import torch
from torch import Tensor

from strongreid.errors import InputError

Metric = Literal["cosine", "euclidean"]

_SMALLEST_NORM: Final = 1e-12
_ROWS_AT_ONCE: Final = 4096


@contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """No gradients, no autocast, products in full float32; the caller's settings come back afterwards."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.inference_mode(), torch.autocast(device.type, enabled=False):
            yield
    finally:
        torch.set_float32_matmul_precision(before)


@final
class GalleryDistances:
    """Distances of any queries to one gallery, by one metric.

    `cosine`: 1 - cosine of the angle, 0..2 (a feature of length 0 is at distance 1 from everything).
    `euclidean`: SQUARED distances: they rank alike and cost no root; clamped at 0.

    Args:
        gallery: float32 `[G, D]`.
        metric: which distance.
    """

    def __init__(self, gallery: Tensor, metric: Metric) -> None:
        self._gallery = gallery
        self._metric = metric
        squares = squared_norms(gallery, "gallery")
        self._by_row = squares if metric == "euclidean" else squares.sqrt().clamp_min_(_SMALLEST_NORM).reciprocal_()

    def block(self, query: Tensor, out: Tensor | None = None) -> Tensor:
        """Distances of `query`, float32 `[B, D]`, to every gallery image: float32 `[G, B]`, in `out` if given."""
        if out is None:
            out = query.new_empty((len(self._gallery), len(query)))
        squares = squared_norms(query, "query")
        if self._metric == "cosine":
            query = query / squares.sqrt().clamp_min_(_SMALLEST_NORM)[:, None]
        for start in range(0, len(self._gallery), _ROWS_AT_ONCE):
            rows = slice(start, start + _ROWS_AT_ONCE)
            part = out[rows]
            torch.mm(self._gallery[rows], query.T, out=part)
            if self._metric == "cosine":
                part.mul_(self._by_row[rows, None].neg()).add_(1)
            else:
                part.mul_(-2).add_(self._by_row[rows, None]).add_(squares).clamp_min_(0)
        return out


def squared_norms(features: Tensor, what: str) -> Tensor:
    """Squared length of each row, float32 `[N]`, in parts. Raises `InputError` where one overflows float32."""
    squares = features.new_empty(len(features))
    for start in range(0, len(features), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        torch.sum(features[rows].square(), dim=1, out=squares[rows])
    finite = squares.isfinite()
    if not bool(finite.all()):
        row = int((~finite).nonzero()[0])
        raise InputError(f"Row {row} of the {what} features is so large that its square overflows float32. Scale them.")
    return squares
