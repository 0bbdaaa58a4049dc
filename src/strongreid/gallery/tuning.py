"""Choosing how an index is used: as little work as finds nearly all that exact search finds, as was measured."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Final

import numpy as np
import numpy.typing as npt
import torch

from strongreid.errors import InputError
from strongreid.gallery.gallery import Gallery
from strongreid.gallery.store import Found, Tuned

QUERIES: Final = 100
"""Rows of the gallery that are searched for, each among all others."""
NEAREST: Final = 10
_PROBES: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
_SLACK: Final = 1e-5  # rows as near as the last of the nearest count as found


@dataclass(frozen=True)
class Tried:
    """A way to use the index."""

    probes: int
    recall: float
    """Share of the ten nearest rows that were found."""
    milliseconds: float
    """Of one query, the median."""


@dataclass(frozen=True)
class Tuning:
    """What was measured, and what was chosen."""

    building_seconds: float
    exact_milliseconds: float
    """Of one query with all vectors in memory, the median."""
    tried: tuple[Tried, ...]
    chosen: Tuned


def tune(
    gallery: Gallery,
    least_recall: float = 0.95,
    from_rows: int = 500_000,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Tuning:
    """Build an index, and choose the fewest groups to look into that find that share of the ten nearest rows.

    Searches use it from `from_rows` rows on. `progress` is called with (steps done, steps in all). Raises `InputError`
    for a gallery in Milvus, which builds its own, for fewer than 1,000 rows, and where the recall is not reached.
    """
    gallery.require()
    from strongreid.gallery.lance import LanceStore  # which the gallery has imported already, if it stands on it

    store = gallery.store
    if not isinstance(store, LanceStore):
        raise InputError(f"{gallery.address} is in Milvus, which builds and uses its own index.")
    if not 0 < least_recall <= 1:
        raise InputError(f"recall is {least_recall}; it must be above 0 and at most 1.")
    if from_rows < 0:
        raise InputError(f"from_rows is {from_rows}; it must not be negative.")
    steps = len(_PROBES) + 2
    start = time.perf_counter()
    store.build_index()
    building = time.perf_counter() - start
    progress(1, steps)
    keys, features = store.sample(QUERIES)
    exact, exact_ms = _searched(features, lambda one: store.search(one, NEAREST + 1, None, None, True))
    truth = _without_itself(exact, keys)
    progress(2, steps)
    tried = list[Tried]()
    for probes in _PROBES:
        look = partial(store.indexed, count=NEAREST + 1, where=None, probes=probes)
        found, milliseconds = _searched(features, look)
        within = _without_itself(found, keys) <= truth[:, -1:] + _SLACK
        tried.append(Tried(probes, float(within.mean()), milliseconds))
        progress(2 + len(tried), steps)
        if tried[-1].recall >= least_recall:
            break
    best = next((one for one in tried if one.recall >= least_recall), None)
    if best is None:
        raise InputError(
            f"No index reaches a recall of {least_recall} here; the best is {max(one.recall for one in tried):.3f}. "
            "Search stays exact."
        )
    progress(steps, steps)
    chosen = Tuned(best.probes, best.recall, from_rows)
    store.keep_tuned(chosen)
    return Tuning(building, exact_ms, tuple(tried), chosen)


def _searched(features: npt.NDArray[np.float32], search: Callable[[torch.Tensor], Found]) -> tuple[list[Found], float]:
    """Search for each of some rows; return what was found, and the median milliseconds."""
    found, taken = list[Found](), list[float]()
    for row in range(len(features)):
        start = time.perf_counter()
        found.append(search(torch.from_numpy(features[row : row + 1])))
        taken.append((time.perf_counter() - start) * 1000)
    return found, median(taken)


def _without_itself(found: list[Found], keys: list[str]) -> npt.NDArray[np.float64]:
    """Distances [queries, 10] of what was found but the query's own row."""
    rows = []
    for one, key in zip(found, keys, strict=True):
        others = one.distance[0][one.key[0] != key]
        rows.append(others[:NEAREST])
    return np.stack(rows)
