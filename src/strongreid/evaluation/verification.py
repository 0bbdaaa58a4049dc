"""Same person or not, by a threshold on the distance: ROC, equal error rate, and calibrating the threshold.

Every pair of a query and a gallery image is a decision, but for junk and pairs of the same person and camera. Pairs are
counted in 2^21 bins of their float32 distances, by their leading bits (a bin is 0.012 % wide), while they stream past:
rates are exact counts at the bins' edges, and only such edges are thresholds.
"""

import threading
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from strongreid.errors import InputError
from strongreid.evaluation.distance import Distance, Metric
from strongreid.evaluation.embeddings import JUNK, Embeddings
from strongreid.evaluation.facts import Indices
from strongreid.evaluation.ground_truth import MatchIndex, SameCamera, check, require_valid
from strongreid.evaluation.search import Progress, SearchBlock, search
from strongreid.evaluation.workers import slices

_DROPPED_BITS: Final = 10
_FINITE_BINS: Final = 0x7F800000 >> _DROPPED_BITS
_AT_ONCE: Final = 2**20


@dataclass(frozen=True)
class Verification:
    """Rates of "same person" answers at every threshold: a pair is accepted where distance < threshold."""

    metric: Metric
    """Cosine distances, or Euclidean ones (with the root)."""
    threshold: npt.NDArray[np.float64]
    """float64 `[n]`, ascending."""
    false_match_rate: npt.NDArray[np.float64]
    """float64 `[n]`, ascending: accepted share of pairs of different people."""
    true_match_rate: npt.NDArray[np.float64]
    """float64 `[n]`, ascending: accepted share of pairs of the same person."""
    same_pairs: int
    """How many pairs of the same person."""
    different_pairs: int
    """How many pairs of different people."""

    def true_match_rate_at(self, false_match_rate: float) -> float:
        """Largest true-match rate at a false-match rate of at most this, 0..1."""
        return float(self.true_match_rate[self._index(false_match_rate)])

    def calibrate(self, false_match_rate: float) -> "Calibration":
        """Choose the largest threshold whose false-match rate is at most the one wanted, 0..1."""
        index = self._index(false_match_rate)
        return Calibration(
            metric=self.metric,
            threshold=float(self.threshold[index]),
            wanted_false_match_rate=false_match_rate,
            false_match_rate=float(self.false_match_rate[index]),
            true_match_rate=float(self.true_match_rate[index]),
        )

    @property
    def equal_error_rate(self) -> float:
        """Error where false matches and false non-matches are equally frequent, linear between thresholds."""
        missed = 1 - self.true_match_rate
        after = int(np.argmax(self.false_match_rate >= missed))
        before = max(after - 1, 0)
        gap = missed - self.false_match_rate
        share = gap[before] / (gap[before] - gap[after]) if gap[before] != gap[after] else 0.0
        return float(missed[before] + share * (missed[after] - missed[before]))

    @property
    def area(self) -> float:
        """Area under the ROC curve, 0..1."""
        return float(np.trapezoid(self.true_match_rate, self.false_match_rate))

    def to_json(self) -> dict[str, Any]:
        """The usual figures as plain values for `json.dump`."""
        return {
            "metric": self.metric,
            "equal_error_rate": self.equal_error_rate,
            "area_under_roc": self.area,
            "true_match_rate_at_1e-2": self.true_match_rate_at(1e-2),
            "true_match_rate_at_1e-3": self.true_match_rate_at(1e-3),
            "true_match_rate_at_1e-4": self.true_match_rate_at(1e-4),
            "same_pairs": self.same_pairs,
            "different_pairs": self.different_pairs,
        }

    def _index(self, false_match_rate: float) -> int:
        require_rate(false_match_rate)
        return int(np.searchsorted(self.false_match_rate, false_match_rate, side="right")) - 1


@dataclass(frozen=True)
class Calibration:
    """A threshold and what it was measured to do, for the model's metadata."""

    metric: Metric
    threshold: float
    """Same person where distance < threshold: cosine distance, or Euclidean distance with the root."""
    wanted_false_match_rate: float
    false_match_rate: float
    """Measured, at most the one wanted."""
    true_match_rate: float

    def to_json(self) -> dict[str, Any]:
        """As plain values for `json.dump`."""
        return asdict(self)


def verify(
    query: Embeddings,
    gallery: Embeddings,
    *,
    metric: Metric = "cosine",
    same_camera: SameCamera = "exclude",
    memory_mb: float = 160,
    progress: Progress | None = None,
) -> Verification:
    """Measure "same person or not" over all pairs of a query and a gallery image.

    Arguments and errors as in `evaluate`; queries without a match take part, with pairs of different people.

    Raises `InputError` also where there is no pair of different people.
    """
    check(query, [gallery], metric, same_camera)
    truth = MatchIndex(query, gallery, same_camera)
    require_valid(truth, query, gallery)
    every = torch.zeros(_FINITE_BINS + 1, dtype=torch.int64, device=query.features.device)
    same = torch.zeros_like(every)
    one = torch.ones(1, dtype=torch.int64, device=query.features.device)
    counting = threading.Lock()

    def add_to(counts: Tensor, distances: Tensor) -> None:
        bins = _bins(distances).view(-1)
        with counting:
            counts.index_add_(0, bins, one.expand(len(bins)))  # unlike bincount, makes no second array of all bins

    def count(block: SearchBlock) -> Distance:
        matches = block.matches
        add_to(same, block.distances[torch.from_numpy(matches.gallery), torch.from_numpy(matches.query)])
        for rows in slices(len(block.distances), max(1, _AT_ONCE // len(block.rows))):
            add_to(every, block.distances[rows])
        return block.distance

    queries = np.flatnonzero(query.person != JUNK)
    used = search(
        query, [gallery], truth, count, metric=metric, queries=queries, memory_mb=memory_mb / 2, progress=progress
    )
    return _verification(used[0], every.cpu().numpy()[:-1], same.cpu().numpy()[:-1])


def calibrate(
    query: Embeddings,
    gallery: Embeddings,
    false_match_rate: float,
    *,
    metric: Metric = "cosine",
    same_camera: SameCamera = "exclude",
    memory_mb: float = 160,
    progress: Progress | None = None,
) -> Calibration:
    """Find the largest distance threshold with at most the wanted false-match rate, 0..1, among all pairs.

    Calibrate on people that the thresholds will not be reported on. Arguments and errors otherwise as in `verify`.
    """
    found = verify(query, gallery, metric=metric, same_camera=same_camera, memory_mb=memory_mb, progress=progress)
    return found.calibrate(false_match_rate)


def require_rate(false_match_rate: float) -> None:
    """Raise `InputError` for what is no false-match rate, 0..1."""
    if not 0 <= false_match_rate <= 1:
        raise InputError(f"A false-match rate lies in 0..1; {false_match_rate} was asked for.")


def _bins(distances: Tensor) -> Tensor:
    """Leading bits of distances, int32, which order like the distances; infinite ones fall into the last bin."""
    return distances.clamp_min(0).add_(0.0).view(torch.int32).bitwise_right_shift_(_DROPPED_BITS)


def _verification(distance: Distance, every: Indices, same: Indices) -> Verification:
    """Turn counts by bin into rates at the upper edges of the bins that hold anything."""
    filled = np.flatnonzero(every)
    edges = np.concatenate([[0], (filled + 1) << _DROPPED_BITS]).astype(np.int32).view(np.float32)
    accepted_same = np.concatenate([[0], np.cumsum(same[filled])])
    accepted = np.concatenate([[0], np.cumsum(every[filled])])
    different = accepted - accepted_same
    if not different[-1]:
        raise InputError("There is no pair of different people, so no false-match rate. Give a gallery of more people.")
    return Verification(
        metric=distance.metric,
        threshold=distance.actual(edges),
        false_match_rate=different / different[-1],
        true_match_rate=accepted_same / accepted_same[-1],
        same_pairs=int(accepted_same[-1]),
        different_pairs=int(different[-1]),
    )
