"""Rows that come in parts, and work that is done in pieces."""

from collections.abc import Iterator, Sequence

from torch import Tensor


def slices(stop: int, size: int, start: int = 0) -> Iterator[slice]:
    """Cut start..stop - 1 into slices of `size`, the last one shorter."""
    return (slice(first, min(first + size, stop)) for first in range(start, stop, size))


def take(parts: Sequence[Tensor], rows: Tensor) -> Tensor:
    """The rows of all parts laid one after another."""
    taken = parts[0].new_empty((len(rows), parts[0].shape[1]))
    start = 0
    for part in parts:
        here = (rows >= start) & (rows < start + len(part))
        taken[here] = part[rows[here] - start]
        start += len(part)
    return taken
