"""Results that are a mean over repeated draws or splits, and single-gallery-shot, which needs them.

Small sets (VIPeR, CUHK01, the old CUHK03 protocol) are evaluated with ONE gallery image of each person. Which one is
chance, so the draw is repeated and the mean reported, with the spread beside it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from strongreid.errors import InputError
from strongreid.evaluation.distance import Metric
from strongreid.evaluation.embeddings import JUNK, Embeddings
from strongreid.evaluation.evaluate import evaluate
from strongreid.evaluation.facts import AveragePrecision, Indices
from strongreid.evaluation.ground_truth import SameCamera
from strongreid.evaluation.result import METRICS, RetrievalMetric, RetrievalResult, find_metric, rank_metric


@dataclass(frozen=True)
class RepeatedResult:
    """Results of repeated draws or splits of one protocol; figures are fractions 0..1.

    Checked when made (`InputError`): at least one result, all by the same protocol.
    """

    results: tuple[RetrievalResult, ...]

    def __post_init__(self) -> None:
        if not self.results:
            raise InputError("There is no result to average.")
        if len({result.protocol for result in self.results}) != 1:
            raise InputError("Results of different protocols must not be averaged.")

    def mean(self, metric: str | RetrievalMetric) -> float:
        """Mean over the draws of a metric, one's own or by its name in `METRICS`."""
        return float(np.mean([find_metric(metric)(result) for result in self.results]))

    def spread(self, metric: str | RetrievalMetric) -> float:
        """Standard deviation over the draws (with n - 1; 0 for a single one)."""
        values = [find_metric(metric)(result) for result in self.results]
        return float(np.std(values, ddof=1)) if len(values) > 1 else 0.0

    @property
    def mean_ap(self) -> float:
        """Mean over the draws of the mean average precision."""
        return self.mean("mean_ap")

    @property
    def mean_ap_spread(self) -> float:
        """Standard deviation over the draws."""
        return self.spread("mean_ap")

    @property
    def mean_inp(self) -> float:
        """Mean over the draws of the mean inverse negative penalty."""
        return self.mean("mean_inp")

    @property
    def mean_inp_spread(self) -> float:
        """Standard deviation over the draws."""
        return self.spread("mean_inp")

    def rank(self, k: int) -> float:
        """Mean over the draws of rank-k, k from 1 on."""
        return self.mean(rank_metric(k))

    def rank_spread(self, k: int) -> float:
        """Standard deviation over the draws of rank-k."""
        return self.spread(rank_metric(k))

    def to_json(self, metrics: Mapping[str, RetrievalMetric] | None = None) -> dict[str, Any]:
        """Means and spreads with the protocol's name, as plain values for `json.dump`: of `METRICS` if not given."""
        figures: dict[str, Any] = {
            "protocol": f"{self.results[0].protocol}, mean of {len(self.results)} draws",
            "draws": len(self.results),
        }
        for name, metric in (METRICS if metrics is None else metrics).items():
            figures[name] = self.mean(metric)
            figures[f"{name}_spread"] = self.spread(metric)
        return figures


def evaluate_single_shot(
    query: Embeddings,
    gallery: Embeddings,
    *,
    draws: int = 10,
    seed: int = 0,
    metric: Metric = "cosine",
    same_camera: SameCamera = "exclude",
    average_precision: AveragePrecision = "rectangular",
) -> RepeatedResult:
    """Evaluate with one gallery image of each person, drawn `draws` times (Gray et al. 2007; Li et al. 2012).

    Give queries of one camera and a gallery of another, as CUHK01 and VIPeR have them: an image of the query's own
    camera that is drawn for its person leaves that query without a match in that draw. Draw i depends on (seed, i).

    Args:
        query: Q images.
        gallery: G images; junk (person -1) is never drawn.
        draws: how often, at least 1.
        seed: of the draws.
        metric: as in `evaluate`.
        same_camera: as in `evaluate`.
        average_precision: as in `evaluate`.

    Raises `InputError` as `evaluate` does, or for fewer than one draw.
    """
    if draws < 1:
        raise InputError(f"draws is {draws}; it must be at least 1.")
    results = []
    for draw in range(draws):
        drawn = gallery.take(one_of_each(gallery.person, np.random.default_rng((seed, draw))))
        result = evaluate(query, drawn, metric=metric, same_camera=same_camera, average_precision=average_precision)
        results.append(replace(result, protocol=f"{result.protocol}, single gallery shot"))
    return RepeatedResult(tuple(results))


def one_of_each(person: Indices, rng: np.random.Generator) -> Indices:
    """Draw one row for each person but junk, each of their rows being equally likely: int64, ascending."""
    shuffled = rng.permutation(len(person))
    people, first = np.unique(person[shuffled], return_index=True)
    return np.sort(shuffled[first[people != JUNK]])
