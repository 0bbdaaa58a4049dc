"""How sure FNIR at a wanted FPIR is, and whether two models differ in it: resampling over people.

The images of one person are hit or missed together, and so are the false answers to one stranger: people are drawn
again, with replacement, and each brings all searches for them (a cluster bootstrap). Enrolled people and strangers are
drawn apart. The threshold is found anew in each resample, because it rests on the strangers seen: with few of them that
is most of what is not known.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from strongreid.errors import InputError
from strongreid.evaluation.facts import Floats, Indices
from strongreid.evaluation.identification_result import Identification, count_within
from strongreid.evaluation.statistics import Interval, difference_sentence, require_resampling

_AT_ONCE: Final = 2**21


@dataclass(frozen=True)
class MissDifference:
    """FNIR of the second model minus that of the first at the same FPIR, over the same searches."""

    fpir: float
    difference: Interval
    """Fractions, -1..1; below 0 the second misses fewer."""
    p_value: float
    """Two-sided: twice the share of resamples on the other side of 0, at least 1 of resamples + 1."""

    @property
    def sentence(self) -> str:
        """The answer in one line, in points (percent)."""
        what = f" points FNIR at FPIR {100 * self.fpir:g} %"
        return difference_sentence(self.difference, self.p_value, what, "people")


def fnir_interval(
    found: Identification, fpir: float = 0.01, *, confidence: float = 0.95, resamples: int = 2_000, seed: int = 0
) -> Interval:
    """Bootstrap percentile interval, over people, of the false-negative identification rate at a wanted FPIR, 0..1.

    Raises `InputError` where there are no searches for enrolled people or for strangers, for a confidence outside 0..1
    or fewer than 1 resample.
    """
    value = _value(found, fpir)
    rates = np.concatenate([rates for (rates,) in _resampled([found], fpir, confidence, resamples, seed)])
    low, high = np.quantile(rates, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(value, float(low), float(high), confidence)


def compare_misses(
    first: Identification,
    second: Identification,
    fpir: float = 0.01,
    *,
    confidence: float = 0.95,
    resamples: int = 2_000,
    seed: int = 0,
) -> MissDifference:
    """Test whether `second` misses more or fewer enrolled people than `first`, each at its own threshold for this FPIR.

    Both meet the same people in every resample. Raises `InputError` as `fnir_interval` does, and where the results are
    not of the same searches; that search i is the same image in both is the caller's to see to.
    """
    same = all(np.array_equal(getattr(first, name), getattr(second, name)) for name in ("person", "enrolled"))
    if not same:
        raise InputError(
            "The results are not of the same searches: their people, or who of them is enrolled, differ. Use one test "
            "set, share and seed for both."
        )
    value = _value(second, fpir) - _value(first, fpir)
    pairs = _resampled([first, second], fpir, confidence, resamples, seed)
    difference = np.concatenate([after - before for before, after in pairs])
    low, high = np.quantile(difference, [(1 - confidence) / 2, (1 + confidence) / 2])
    beyond = min(int((difference <= 0).sum()), int((difference >= 0).sum()))
    p_value = min(1.0, 2 * (beyond + 1) / (resamples + 1))
    return MissDifference(fpir, Interval(value, float(low), float(high), confidence), p_value)


def _value(found: Identification, fpir: float) -> float:
    if not (found.enrolled_searches and found.unknown_searches):
        missing = "enrolled people" if not found.enrolled_searches else "strangers"
        raise InputError(f"There is no search for {missing}, so there is no FNIR at an FPIR, and no interval.")
    return found.fnir(fpir)


def _resampled(
    results: list[Identification], fpir: float, confidence: float, resamples: int, seed: int
) -> Iterator[list[Floats]]:
    """Yield FNIR of each result in some resamples at a time, float64 `[some]` each, the same people for all."""
    require_resampling(confidence, resamples)
    rng = np.random.default_rng(seed)
    known = results[0].enrolled
    groups = [_People(results[0].person[known]), _People(results[0].person[~known])]
    size = max(1, _AT_ONCE // len(known))
    for start in range(0, resamples, size):
        enrolled, strangers = (group.draw(rng, min(size, resamples - start)) for group in groups)
        yield [_fnir(result, enrolled, strangers, fpir) for result in results]


class _People:
    """The people of n searches, drawn with replacement."""

    def __init__(self, person: Indices) -> None:
        self._people, self._index = np.unique(person, return_inverse=True)

    def draw(self, rng: np.random.Generator, resamples: int) -> npt.NDArray[np.int32]:
        """How often each search counts in each resample: int32 `[resamples, n]`."""
        people = len(self._people)
        drawn = rng.integers(0, people, (resamples, people)) + people * np.arange(resamples)[:, None]
        times = np.bincount(drawn.reshape(-1), minlength=resamples * people).reshape(resamples, people)
        return times.astype(np.int32)[:, self._index]


def _fnir(
    found: Identification, enrolled: npt.NDArray[np.int32], strangers: npt.NDArray[np.int32], fpir: float
) -> Floats:
    """FNIR at an FPIR where each search counts as often as its column says, `[resamples, searches]`: `[resamples]`."""
    unknown = found.nearest[~found.enrolled]
    order = np.argsort(unknown, kind="stable")
    counts = np.cumsum(strangers[:, order], axis=1)
    total = counts[:, -1]
    accepted = count_within(np.full(len(total), fpir), total)
    first = (counts <= accepted[:, None]).sum(axis=1)  # the first search that must not be accepted
    threshold = np.append(unknown[order], np.inf)[first]
    nearest, right = found.nearest[found.enrolled], found.right[found.enrolled]
    detected = np.flatnonzero(right)[np.argsort(nearest[right], kind="stable")]
    hits = np.zeros((len(threshold), len(detected) + 1), dtype=np.int64)
    np.cumsum(enrolled[:, detected], axis=1, out=hits[:, 1:])
    below = np.searchsorted(nearest[detected], threshold)
    missed: Floats = 1 - hits[np.arange(len(threshold)), below] / enrolled.sum(axis=1)
    return missed
