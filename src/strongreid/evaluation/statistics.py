"""How sure a figure is, and whether a difference is real: resampling over queries.

Queries are drawn again with replacement (bootstrap) for intervals, and for the test between two models the signs of the
per-query differences are flipped by chance: under "no difference" either sign is equally likely. Both treat queries as
independent. Queries of one person are not quite that, so that intervals are rather too narrow than too wide; and
neither knows the spread between training runs, which the paper's authors put at about half a point.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from strongreid.errors import InputError
from strongreid.evaluation.result import RetrievalMetric, RetrievalResult, find_metric

_AT_ONCE: Final = 2**21


@dataclass(frozen=True)
class Interval:
    """A figure with its bootstrap confidence interval, fractions 0..1 (differences: -1..1)."""

    value: float
    low: float
    high: float
    confidence: float


@dataclass(frozen=True)
class PairedTest:
    """Second model minus first, over the same queries; a model of several trainings counts by their mean."""

    metric: RetrievalMetric
    difference: Interval
    """Fractions, -1..1."""
    p_value: float
    """Two-sided: how often chance alone gives a difference at least as large."""

    @property
    def sentence(self) -> str:
        """The answer in one line; fractions in points (percent)."""
        scale, unit = (100, " points") if self.metric.fraction else (1, "")
        return difference_sentence(self.difference, self.p_value, f"{unit} {self.metric.label}", "queries", scale)

    def to_json(self) -> dict[str, float]:
        """The difference with its interval, and p, as plain values."""
        part = self.difference
        return {"value": part.value, "low": part.low, "high": part.high, "p_value": self.p_value}


def bootstrap_interval(
    result: RetrievalResult,
    metric: str | RetrievalMetric = "mean_ap",
    *,
    confidence: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> Interval:
    """Bootstrap percentile interval of a metric over the valid queries (Efron 1979).

    The metric is one's own, or named as in `METRICS`. Raises `InputError` for one without values of each query, for a
    confidence outside 0..1 or fewer than 1 resample.
    """
    return _bootstrap(_per_query(result, find_metric(metric)), confidence, resamples, seed)


def paired_test(
    first: RetrievalResult | Sequence[RetrievalResult],
    second: RetrievalResult | Sequence[RetrievalResult],
    metric: str | RetrievalMetric = "mean_ap",
    *,
    confidence: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> PairedTest:
    """Test whether `second` differs from `first` on the same queries: "is +0.3 mAP real?".

    `print(paired_test(baseline, tricks).sentence)` answers in one line. A side may be several results, of trainings
    that differ in their seed alone: each query's figure is their mean. The answer is then about these very trainings:
    how far another seed would be off is not in the interval, but the more seeds, the less it matters.

    The metric is one's own, or named as in `METRICS`.

    Raises `InputError` where a side is empty, or the results differ in their number of queries, in which queries are
    valid, or in the rule for average precision. That query i is the same image in all is the caller's to see to.
    """
    sides = [[side] if isinstance(side, RetrievalResult) else list(side) for side in (first, second)]
    if not all(sides):
        raise InputError("One side of the comparison is empty. Give one result or several on either side.")
    results = [*sides[0], *sides[1]]
    valid = results[0].first_match_rank > 0
    if not all(np.array_equal(result.first_match_rank > 0, valid) for result in results):
        raise InputError("The results are not all of the same queries: their numbers or their valid queries differ.")
    if len({result.rule for result in results}) > 1:
        raise InputError("The results use different average precisions; evaluate all in the same way.")
    found = find_metric(metric)
    before, after = (np.mean([_per_query(result, found) for result in side], axis=0) for side in sides)
    difference = after - before
    interval = _bootstrap(difference, confidence, resamples, seed)
    return PairedTest(found, interval, _sign_flip(difference, resamples, seed))


def difference_sentence(difference: Interval, p_value: float, what: str, over: str, scale: float = 100) -> str:
    """Return a difference, times `scale`, its interval and what it means, over what was resampled."""
    value, low, high = (scale * x for x in (difference.value, difference.low, difference.high))
    verdict = f"more than chance over these {over}" if p_value < 1 - difference.confidence else "may well be chance"
    interval = f"{difference.confidence:.0%} interval {low:+.2f} to {high:+.2f}"
    return f"{value:+.2f}{what} ({interval}, p = {p_value:.2g}): {verdict}."


def require_resampling(confidence: float, resamples: int) -> None:
    """Raise `InputError` for a confidence outside 0..1 and for fewer than 1 resample."""
    if not 0 < confidence < 1:
        raise InputError(f"confidence is {confidence}; it must lie between 0 and 1.")
    if resamples < 1:
        raise InputError(f"resamples is {resamples}; it must be at least 1.")


def _per_query(result: RetrievalResult, metric: RetrievalMetric) -> npt.NDArray[np.float64]:
    if metric.per_query is None:
        raise InputError(f"{metric.label} is no mean over queries, so that there is no interval and no test for it.")
    return metric.per_query(result)[result.first_match_rank > 0]


def _bootstrap(values: npt.NDArray[np.float64], confidence: float, resamples: int, seed: int) -> Interval:
    require_resampling(confidence, resamples)
    rng = np.random.default_rng((seed, 0))
    size = max(1, _AT_ONCE // len(values))
    means = np.concatenate(
        [
            values[rng.integers(0, len(values), (min(size, resamples - start), len(values)))].mean(axis=1)
            for start in range(0, resamples, size)
        ]
    )
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(values.mean()), float(low), float(high), confidence)


def _sign_flip(difference: npt.NDArray[np.float64], resamples: int, seed: int) -> float:
    """Two-sided p-value; the sample itself counts as one of the flips, so it is never 0 (Phipson and Smyth 2010)."""
    rng = np.random.default_rng((seed, 1))
    size = max(1, _AT_ONCE // len(difference))
    # A hair below, so that flips which only round differently count as equally large.
    seen = abs(float(difference.sum())) * (1 - 1e-9)
    as_large = 0
    for start in range(0, resamples, size):
        signs = rng.integers(0, 2, (min(size, resamples - start), len(difference)), dtype=np.int8)
        as_large += int((np.abs(difference.sum() - 2 * (signs @ difference)) >= seen).sum())
    return (as_large + 1) / (resamples + 1)
