"""Distances of blocks of queries to a whole gallery, piece by piece, and the images in it that are the same.

Two images with the same features must tie, but matrix libraries may add in another order near the edge of a block:
copies are found once, and get the distances of the first of their kind.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, final

import torch
from torch import Tensor

from strongreid.evaluation.distance import FeatureBlock, KnownLengths, Metric, known_lengths, measure, take
from strongreid.evaluation.facts import Indices
from strongreid.evaluation.workers import Task, slices

_ROWS_ON_CPU: Final = 1024
_ROWS_ON_GPU: Final = 4096
_SAMPLED_COLUMNS: Final = 8
_COPIES_AT_ONCE: Final = 256
_FINGERPRINTS_AT_ONCE: Final = 8192


@dataclass(frozen=True)
class KnownGallery:
    """What distances need to know of a gallery alone: found once where it is searched again and again."""

    lengths: KnownLengths
    copies: Tensor
    """Rows that repeat an earlier row, int64 `[n]`, counted over all parts."""
    originals: Tensor
    """The first such row of each."""


def know(parts: Sequence[Tensor], metric: Metric) -> KnownGallery:
    """Measure the parts of a gallery, none empty. Use within `full_precision`."""
    return KnownGallery(known_lengths(parts, metric), *find_copies(parts))


@final
class GalleryDistances:
    """Distances of the queries to one gallery that may come in parts. Use within `full_precision`.

    Args:
        query: float32 `[Q, D]`.
        parts: float32 `[G_i, D]` each, none empty; together the gallery, in this order.
        metric: which distance.
        known: of this gallery, where it was found before.
    """

    def __init__(
        self, query: Tensor, parts: Sequence[Tensor], metric: Metric, known: KnownGallery | None = None
    ) -> None:
        def find() -> Sequence[Task]:
            self._copies, self._originals = find_copies(parts)
            return ()

        if known is None:
            (self.query, *self.parts), self.distance = measure(query, parts, metric, find)
        else:
            self._copies, self._originals = known.copies, known.originals
            (self.query, *self.parts), self.distance = measure(query, parts, metric, known=known.lengths)

    @property
    def has_copies(self) -> bool:
        """Whether rows repeat earlier ones, so that `finish` has something to do."""
        return len(self._copies) > 0

    def __len__(self) -> int:
        return sum(len(part) for part in self.parts)

    def columns(self, rows: Indices) -> FeatureBlock:
        """The queries at `rows`, as a copy."""
        return self.query[torch.from_numpy(rows).to(self.query.features.device)]

    def pieces(self, times: int = 1) -> Iterator[tuple[slice, FeatureBlock]]:
        """Cut the gallery into pieces, each for one product, with the indices of their images.

        `times` makes them so many times as large, for a few queries, whose products would be small otherwise.
        """
        start, size = 0, times * (_ROWS_ON_CPU if self.query.features.device.type == "cpu" else _ROWS_ON_GPU)
        for part in self.parts:
            for rows in slices(len(part), size):
                yield slice(start + rows.start, start + rows.stop), part[rows]
            start += len(part)

    def finish(self, rows: Indices, out: Tensor) -> None:
        """Complete a block of distances `[G, B]` whose pieces are filled: copies get those of their originals."""
        for some in slices(len(self._copies), _ROWS_ON_CPU):  # there may be as many copies as images
            out[self._copies[some]] = out[self._originals[some]]


def find_copies(parts: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Rows that repeat an earlier row, and the first such row of each: two int64 `[n]`, counted over all parts.

    Rows that agree in a few columns are candidates; only they are read in full.
    """
    width = parts[0].shape[1]
    columns = torch.linspace(0, width - 1, min(width, _SAMPLED_COLUMNS), device=parts[0].device).long()
    prints = [
        _fingerprints(part[rows][:, columns]) for part in parts for rows in slices(len(part), _FINGERPRINTS_AT_ONCE)
    ]
    candidates = _repeated(torch.cat(prints))
    prints = [_fingerprints(take(parts, candidates[rows])) for rows in slices(len(candidates), _COPIES_AT_ONCE)]
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
        same[rows] = (take(parts, copies[rows]) == take(parts, originals[rows])).all(dim=1)
    return copies[same], originals[same]


def _repeated(values: Tensor) -> Tensor:
    """Indices at which the value occurs more than once, ascending."""
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
