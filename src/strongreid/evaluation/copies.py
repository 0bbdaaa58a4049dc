"""Gallery images whose features repeat another's exactly, found once and cheaply, so that they can be made to tie."""

from collections.abc import Iterator, Sequence
from typing import Final

import torch
from torch import Tensor

_SAMPLED_COLUMNS: Final = 8
_ROWS_AT_ONCE: Final = 1024


def find_copies(parts: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Rows that repeat an earlier row, and the first such row of each: two int64 `[n]`, counted over all parts.

    Rows that agree in a few columns are candidates; only they are read in full.
    """
    width = parts[0].shape[1]
    columns = torch.linspace(0, width - 1, min(width, _SAMPLED_COLUMNS), device=parts[0].device).long()
    candidates = _repeated(torch.cat([_fingerprints(part[:, columns]) for part in parts]))
    prints = [_fingerprints(_take(parts, candidates[rows])) for rows in slices(len(candidates), _ROWS_AT_ONCE)]
    if not prints:
        return candidates, candidates
    values, order = torch.cat(prints).sort(stable=True)
    starts = torch.ones_like(values, dtype=torch.bool)
    starts[1:] = values[1:] != values[:-1]
    first_of_group = starts.nonzero()[:, 0][starts.cumsum(0) - 1]
    copies, originals = candidates[order], candidates[order[first_of_group]]
    copies, originals = copies[copies != originals], originals[copies != originals]
    same = torch.ones_like(copies, dtype=torch.bool)
    for rows in slices(len(copies), _ROWS_AT_ONCE):
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
