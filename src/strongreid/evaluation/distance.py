"""Distances between rows of features, float32 `[rows, columns]`.

Gallery images are rows and queries columns because `gallery @ query.T` is the faster operand order on CPUs. No
normalised copy of the gallery is made (at Market-1501's size it would be 130 MB): the plain products are scaled in
place. So products of whole numbers stay exact, and every later step is rounded element by element, the same in any
block and on any device.

Where images lie much closer together than their features are long (a common offset, say), a difference of float32
products is mostly rounding. A sample of pairs tells, and one of the longest; then, and where squares of tiny features
would vanish, products are made in float64 around the middle of the sample, from pieces converted on the way: about
three times slower, and right. For usual features, of which hardly any but those of one person are so close, float32 has
five digits or more.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from strongreid.evaluation.lengths import SMALLEST_NORM, Metric, by_length, extremes, squared_lengths
from strongreid.evaluation.workers import Task, slices

__all__ = ["Distance", "FeatureBlock", "KnownLengths", "Metric", "known_lengths", "measure", "take"]

_SAMPLED_ROWS: Final = 128
_CLOSE: Final = 1 / 32  # of both squared lengths: a float32 distance has five digits there
_MANY_OTHERS: Final = 1 / 50  # of a sample: more than those of one person, but in small sets
_MANY_IMAGES: Final = 1 / 20
_FAR: Final = 64  # times the median of squared lengths: no usual feature is so long
_FLOAT64_AT_ONCE: Final = 256


@dataclass(frozen=True)
class FeatureBlock:
    """Features `[N, D]` with what their lengths add to a distance `[N]`: squares, or inverse lengths for cosine."""

    features: Tensor
    by_length: Tensor

    def __getitem__(self, rows: slice | Tensor) -> "FeatureBlock":
        return FeatureBlock(self.features[rows], self.by_length[rows])

    def __len__(self) -> int:
        return len(self.features)


@final
@dataclass(frozen=True, eq=False)
class Distance:
    """A metric, and how it is computed for certain features.

    `cosine`: 1 - cosine of the angle, 0..2 (a feature of length 0 is at distance 1 from everything).
    `euclidean`: SQUARED distances: they rank alike and cost no root.
    """

    metric: Metric
    float64: bool = False
    """Whether products are made in float64."""
    unit: float = 1.0
    """What Euclidean distances are counted in: squares of tiny ones would be 0 in float32."""
    center: Tensor | None = None
    """float64 `[D]`: subtracted before products in float64 from features in the unit, or of length 1 for cosine."""

    def pairwise(self, rows: FeatureBlock, columns: FeatureBlock, out: Tensor) -> Tensor:
        """Distances of every row to every column, into `out`, float32 `[rows, columns]`."""
        if self.float64:
            for some in slices(len(rows), _FLOAT64_AT_ONCE):
                for others in slices(len(columns), _FLOAT64_AT_ONCE):
                    out[some, others] = self.pairwise64(rows.features[some], columns.features[others])
            return out
        torch.mm(rows.features, columns.features.T, out=out)
        if self.metric == "cosine":
            return out.mul_(rows.by_length.neg()[:, None]).mul_(columns.by_length).add_(1)
        return out.mul_(-2).add_(rows.by_length[:, None]).add_(columns.by_length).clamp_min_(0)

    def rowwise(self, first: Tensor, second: Tensor) -> Tensor:
        """Distance of row i of `first` to row i of `second`, `[n, D]` both: float32 `[n]`."""
        return self._of_squared(self.converted(first).sub_(self.converted(second)).square_().sum(dim=1)).float()

    def actual(self, values: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """The distances that people mean, of computed ones: with the root for `euclidean`."""
        exact = values.astype(np.float64)
        return np.sqrt(exact) * self.unit if self.metric == "euclidean" else exact

    def pairwise64(self, rows: Tensor, columns: Tensor) -> Tensor:
        """The same for features alone, in float64: float64 `[rows, columns]`."""
        rows, columns = self.converted(rows), self.converted(columns)
        out = rows @ columns.T
        squares, others = rows.square_().sum(dim=1), columns.square_().sum(dim=1)
        return self._of_squared(out.mul_(-2).add_(squares[:, None]).add_(others).clamp_min_(0))

    def converted(self, features: Tensor) -> Tensor:
        """Centered float64 features, a copy: of length 1 for cosine (NaN if 0), in the unit for Euclidean distances."""
        features = features.to(torch.float64, copy=True)
        if self.metric == "cosine":
            features.div_(features.square().sum(dim=1, keepdim=True).sqrt_())
        else:
            features.div_(self.unit)
        return features if self.center is None else features.sub_(self.center)

    def _of_squared(self, squared: Tensor) -> Tensor:
        """Distances of converted features, in place, from squared Euclidean ones."""
        return squared.div_(2).nan_to_num_(nan=1.0) if self.metric == "cosine" else squared


@dataclass(frozen=True)
class KnownLengths:
    """What `measure` needs of a gallery that is searched again and again, measured once: `known_lengths`."""

    squares: Sequence[Tensor]
    terms: Sequence[Tensor]
    smallest: float
    largest: float
    sample: Tensor


def known_lengths(gallery: Sequence[Tensor], metric: Metric) -> KnownLengths:
    """Measure the parts of a gallery, `[G_i, D]`, none empty. Use within `full_precision`."""
    squares = squared_lengths(gallery)
    smallest, largest = extremes(squares)
    return KnownLengths(squares, by_length(squares, metric), smallest, largest, _sampled(gallery))


def measure(
    query: Tensor,
    gallery: Sequence[Tensor],
    metric: Metric,
    *further: Task,
    known: KnownLengths | None = None,
) -> tuple[list[FeatureBlock], Distance]:
    """Measure the lengths of `query`, `[Q, D]`, and of a gallery's parts, `[G_i, D]`; choose how to compute distances.

    Returns a block for the query and for each part. `further` tasks run beside; `known` is what is known of the
    gallery, where the caller has it. Use within `full_precision`.
    """
    features = [query, *gallery]
    samples = [_sampled([query])]
    if gallery:
        samples.append(_sampled(gallery) if known is None else known.sample)
    chosen: list[Distance] = []

    def choose() -> Sequence[Task]:
        chosen.append(_distance_for(torch.cat(samples).double(), metric))
        return ()

    squares = squared_lengths(features if known is None else features[:1], *further, choose)
    smallest, largest = extremes(squares)
    terms = by_length(squares, metric)
    if known is not None:
        squares, terms = [*squares, *known.squares], [*terms, *known.terms]
        smallest, largest = min(smallest, known.smallest), max(largest, known.largest)
    distance = chosen[0]
    if largest > _FAR * smallest:  # else the longest is not so far from the median either
        distance = _for_far(distance, features, squares)
    if smallest < SMALLEST_NORM**2:
        distance = _for_tiny(distance, features, squares)
    return [FeatureBlock(*block) for block in zip(features, terms, strict=True)], distance


def _sampled(parts: Sequence[Tensor]) -> Tensor:
    """A few rows spread over all parts."""
    total = sum(map(len, parts))
    return take(parts, torch.linspace(0, total - 1, min(total, _SAMPLED_ROWS), device=parts[0].device).long())


def _distance_for(sample: Tensor, metric: Metric) -> Distance:
    """Choose float64 where many images of a float64 sample have many others close by, for the lengths of both."""
    in_float64 = Distance(metric, float64=True)
    # Rounded, so that differences of whole numbers (for cosine, of simple fractions) stay exact and ties remain ties.
    steps = 1 if metric == "euclidean" else 1024
    center = in_float64.converted(sample).nanmean(dim=0).nan_to_num_().mul_(steps).round_().div_(steps)
    in_float64 = replace(in_float64, center=center)
    distances = in_float64.pairwise64(sample, sample)
    if metric == "euclidean":
        squares = sample.square().sum(dim=1)
        distances /= squares[:, None] + squares
    close = (distances < _CLOSE).sum(dim=1) - 1  # each is close to itself
    crowded = int((close > _MANY_OTHERS * len(sample)).sum())
    return in_float64 if crowded > _MANY_IMAGES * len(sample) else Distance(metric)


def _for_far(distance: Distance, features: Sequence[Tensor], squares: Sequence[Tensor]) -> Distance:
    """Choose float64 where a few images lie close together and far from all others: a sample would hardly meet them."""
    lengths = torch.cat(list(squares))
    longest = lengths.topk(min(_SAMPLED_ROWS, len(lengths)))
    far = longest.indices[longest.values > _FAR * lengths.median()]
    if distance.float64 or len(far) < 2:
        return distance
    sample = take(features, far.sort().values).double()
    in_float64 = replace(distance, float64=True)
    distances = in_float64.pairwise64(sample, sample)
    if distance.metric == "euclidean":
        own = sample.square().sum(dim=1)
        distances /= own[:, None] + own
    return in_float64 if int((distances < _CLOSE).sum()) > len(far) else distance  # each is close to itself


def _for_tiny(distance: Distance, features: Sequence[Tensor], squares: Sequence[Tensor]) -> Distance:
    """Choose float64 where squares vanish in float32: of any feature for cosine, of all for Euclidean distances."""
    tiny = [lengths < SMALLEST_NORM**2 for lengths in squares]
    if distance.metric == "cosine":
        vanishing = any(bool(part[rows].any()) for part, rows in zip(features, tiny, strict=True))  # features of 0 stay
        return replace(distance, float64=True) if vanishing else distance
    if not all(bool(rows.all()) for rows in tiny):
        return distance
    largest = max(float(part.abs().max()) for part in features if len(part))
    return replace(
        distance, float64=True, unit=2.0 ** math.frexp(largest)[1], center=None
    )  # a power of 2 rounds nothing


def take(parts: Sequence[Tensor], rows: Tensor) -> Tensor:
    """The rows of all parts laid one after another."""
    taken = parts[0].new_empty((len(rows), parts[0].shape[1]))
    start = 0
    for part in parts:
        here = (rows >= start) & (rows < start + len(part))
        taken[here] = part[rows[here] - start]
        start += len(part)
    return taken
