"""What an evaluation says: facts, and metrics as pure functions of them, so that no two figures can disagree.

All figures are fractions from 0 to 1. A query without any match in the gallery is not counted (Zheng et al. 2015).
`METRICS` lists the usual figures; whatever writes or compares figures goes through it, and takes a further
`RetrievalMetric` as an object.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final, TypeVar, cast, get_args

import numpy as np
import numpy.typing as npt

from strongreid.errors import InputError
from strongreid.evaluation.embeddings import read_arrays
from strongreid.evaluation.facts import AveragePrecision, Floats, Indices, MatchRanks, QueryFigures
from strongreid.files import atomic_file

CMC_LENGTH: Final = 50
_Array = TypeVar("_Array", Floats, Indices)

_ARRAYS: Final = ("protocol", "rule", "match_rank", "match_count")
_OLDER_ARRAYS: Final = ("protocol", "average_precision", "inverse_negative_penalty", "first_match_rank")


@dataclass(frozen=True)
class RetrievalMetric:
    """A figure of a result; to be called with one."""

    label: str
    """As people write it: "mAP"."""
    figure: Callable[["RetrievalResult"], float]
    """The figure itself."""
    per_query: Callable[["RetrievalResult"], Floats] | None = None
    """float64 `[Q]`, NaN where a query has no match, for figures that are the mean of these: they have intervals and
    paired tests."""
    fraction: bool = True
    """Whether it lies in 0..1 and is written in percent."""

    def __call__(self, result: "RetrievalResult") -> float:
        """Compute it."""
        return self.figure(result)

    def text(self, value: float) -> str:
        """Write a value of it for a table: fractions in percent, without the sign."""
        return f"{100 * value:.1f}" if self.fraction else f"{value:.4g}"

    @classmethod
    def mean_of(
        cls, label: str, per_query: Callable[["RetrievalResult"], Floats], *, fraction: bool = True
    ) -> "RetrievalMetric":
        """The mean over valid queries of float64 `[Q]`, NaN where a query has no match."""
        return cls(label, lambda result: float(np.nanmean(per_query(result))), per_query, fraction)


@dataclass(frozen=True, eq=False)
class RetrievalResult:
    """Retrieval quality of Q queries against one gallery. Made by `evaluate`."""

    protocol: str
    """In words: metric, rule for the same camera, kind of average precision, re-ranking."""
    facts: MatchRanks | QueryFigures
    """The ranks of all matches; of older files only three figures of each query."""
    rule: AveragePrecision = "rectangular"
    """How average precision is read."""

    @property
    def match_rank(self) -> npt.NDArray[np.int32]:
        """int32 `[n]`: ranks of all matches from 1, query by query, ascending within one. `InputError` if not kept."""
        return self.facts.rank

    @property
    def match_count(self) -> Indices:
        """int64 `[Q]`: how many of `match_rank` belong to each query. `InputError` if not kept."""
        return self.facts.count

    @cached_property
    def average_precision(self) -> Floats:
        """float64 `[Q]`, 0..1, by `rule`; NaN where a query has no match."""
        return _read_only(self.facts.average_precision(self.rule))

    @cached_property
    def inverse_negative_penalty(self) -> Floats:
        """float64 `[Q]`, 0..1: number of matches / rank of the last one (Ye et al. 2021); NaN where there is none."""
        return _read_only(self.facts.inverse_negative_penalty)

    @cached_property
    def first_match_rank(self) -> Indices:
        """int64 `[Q]`, from 1; 0 where a query has no match."""
        return _read_only(self.facts.first_match_rank)

    def reading(self, rule: AveragePrecision) -> "RetrievalResult":
        """Return the same facts with average precision by `rule`."""
        require_rule(rule)
        protocol = self.protocol.replace(f"{self.rule} average precision", f"{rule} average precision")
        return replace(self, protocol=protocol, rule=rule)

    @property
    def mean_ap(self) -> float:
        """Mean average precision over valid queries, 0..1."""
        return METRICS["mean_ap"](self)

    @property
    def mean_inp(self) -> float:
        """Mean inverse negative penalty over valid queries, 0..1 (Ye et al. 2021)."""
        return METRICS["mean_inp"](self)

    @property
    def valid_queries(self) -> int:
        """How many queries have a match and are counted."""
        return int(np.count_nonzero(self.first_match_rank))

    @property
    def invalid_queries(self) -> int:
        """How many queries have no match and are left out of every figure."""
        return len(self.first_match_rank) - self.valid_queries

    @cached_property
    def cmc(self) -> Floats:
        """Cumulative matching characteristic, float64 `[50]`: entry k - 1 is rank-k, 0..1."""
        first = self.first_match_rank[self.first_match_rank > 0]
        counts = np.bincount(np.minimum(first, CMC_LENGTH + 1), minlength=CMC_LENGTH + 2)
        return np.cumsum(counts[1 : CMC_LENGTH + 1]) / len(first)

    def rank(self, k: int) -> float:
        """Fraction of valid queries with a match among their k nearest gallery images, k from 1 on."""
        return rank_metric(k)(self)

    def to_json(self, metrics: "Mapping[str, RetrievalMetric] | None" = None) -> dict[str, Any]:
        """Every figure with the protocol's name, as plain values for `json.dump`: those of `METRICS` if not given."""
        return {
            "protocol": self.protocol,
            **{name: metric(self) for name, metric in (METRICS if metrics is None else metrics).items()},
            "valid_queries": self.valid_queries,
            "invalid_queries": self.invalid_queries,
            "cmc": self.cmc.tolist(),
        }

    def save(self, path: str | Path) -> None:
        """Write facts and protocol as an .npz file, atomically: for `paired_test` later."""
        older = isinstance(self.facts, QueryFigures)
        arrays = {name: np.asarray(getattr(self, name)) for name in (_OLDER_ARRAYS if older else _ARRAYS)}
        with atomic_file(Path(path)) as partial, partial.open("wb") as stream:
            np.savez(stream, **arrays)  # type: ignore[arg-type]  # its `allow_pickle` is none of these names

    @classmethod
    def load(cls, path: str | Path) -> "RetrievalResult":
        """Read what `save` wrote, now or in an older version.

        Raises `InputError` where the file is missing, cut short, lacks an array, holds pickles or is no result.
        """
        path = Path(path)
        arrays = read_arrays(path, _ARRAYS, _OLDER_ARRAYS)
        for name in ("protocol", "rule"):
            if name in arrays and (arrays[name].ndim or arrays[name].dtype.kind != "U"):
                raise InputError(f"{path} is no result: its {name} is no text. Write it with RetrievalResult.save.")
        protocol = str(arrays["protocol"])
        try:
            if "rule" in arrays:
                rule = require_rule(str(arrays["rule"]))
                return cls(protocol, MatchRanks(arrays["match_rank"], arrays["match_count"]), rule)
            rule = "trapezoid" if "trapezoid" in protocol else "rectangular"
            precision, penalty, first = (arrays[name] for name in _OLDER_ARRAYS[1:])
            return cls(protocol, QueryFigures(precision, penalty, first, rule), rule)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error


def rank_metric(k: int) -> RetrievalMetric:
    """rank-k, k from 1 on: whether a match is among a query's k nearest gallery images."""
    if k < 1:
        raise InputError(f"There is no rank-{k}; ranks count from 1.")

    def found(result: RetrievalResult) -> Floats:
        first = result.first_match_rank
        return np.where(first > 0, (first <= k).astype(np.float64), np.nan)

    return RetrievalMetric.mean_of(f"rank-{k}", found)


METRICS: Final[Mapping[str, RetrievalMetric]] = {
    "mean_ap": RetrievalMetric.mean_of("mAP", lambda result: result.average_precision),
    **{f"rank_{k}": rank_metric(k) for k in (1, 5, 10, 20)},
    "mean_inp": RetrievalMetric.mean_of("mINP", lambda result: result.inverse_negative_penalty),
}
"""The usual figures, by the names that JSON files and commands use."""
HEADLINE: Final = ("mean_ap", "rank_1")
"""The two of them by which models are compared: these are given with an interval and tested."""


def find_metric(metric: str | RetrievalMetric) -> RetrievalMetric:
    """Look a metric up by its name in `METRICS`, or take one's own. Raises `InputError` for an unknown name."""
    if isinstance(metric, RetrievalMetric):
        return metric
    if metric not in METRICS:
        raise InputError(f"There is no metric {metric!r}; it must be one of {', '.join(map(repr, METRICS))}.")
    return METRICS[metric]


def require_rule(rule: str) -> AveragePrecision:
    """Raise `InputError` for what is no rule of average precision."""
    if rule not in get_args(AveragePrecision):
        raise InputError(
            f"average_precision is {rule!r}; it must be one of {', '.join(map(repr, get_args(AveragePrecision)))}."
        )
    return cast(AveragePrecision, rule)


def _read_only(array: _Array) -> _Array:
    array.setflags(write=False)
    return array
