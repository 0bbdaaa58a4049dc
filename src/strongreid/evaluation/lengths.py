"""How long features are, measured by workers: what distances need beside the products."""

import math
from collections.abc import Sequence
from functools import partial
from typing import Final, Literal

import torch
from torch import Tensor

from strongreid.evaluation.workers import Task, run, slices

Metric = Literal["cosine", "euclidean"]

SMALLEST_NORM: Final = 1e-12
_ROWS_AT_ONCE: Final = 1024
_SQUARES_AT_ONCE: Final = 64


def by_length(squares: Sequence[Tensor], metric: Metric) -> list[Tensor]:
    """What lengths add to a distance: see `FeatureBlock`."""
    if metric == "euclidean":
        return list(squares)
    return [part.sqrt().clamp_min_(SMALLEST_NORM).reciprocal_() for part in squares]


def extremes(squares: Sequence[Tensor]) -> tuple[float, float]:
    """The smallest and the largest of squared lengths; infinity and 0 of none."""
    some = [part for part in squares if len(part)]
    smallest = min((float(part.min()) for part in some), default=math.inf)
    return smallest, max((float(part.max()) for part in some), default=0.0)


def squared_lengths(parts: Sequence[Tensor], *further: Task) -> list[Tensor]:
    """Squared lengths `[n]` of each part's rows, `[n, D]`. `further` tasks run beside. Use within `full_precision`."""
    squares = [part.new_empty(len(part)) for part in parts]

    def measure_some(part: int, some: slice) -> Sequence[Task]:
        for rows in slices(some.stop, _SQUARES_AT_ONCE, some.start):
            torch.sum(parts[part][rows].square(), dim=1, out=squares[part][rows])
        return ()

    tasks: list[Task] = list(further)
    for part in range(len(parts)):
        tasks += [partial(measure_some, part, some) for some in slices(len(parts[part]), _ROWS_AT_ONCE)]
    run(tasks, parts[0].device)
    return squares
