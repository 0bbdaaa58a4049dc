"""What open-set identification says: facts of each search, and rates as counts of them.

FPIR, the false-positive identification rate: the share of searches for people who are NOT enrolled that get an answer;
in older papers false-alarm or false-accept rate, FAR (Phillips, Grother and Micheals 2011).
FNIR, the false-negative identification rate at rank 1: the share of searches for enrolled people that do not get THEIR
person, because somebody else is nearest or because nothing is near enough (ISO/IEC 19795-1).
DIR, the detection and identification rate at rank 1: 1 - FNIR.

Nothing is fitted or interpolated: thresholds are distances that were seen, and an answer is one that is nearer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, get_args, overload

import numpy as np
import numpy.typing as npt

from strongreid.errors import InputError
from strongreid.evaluation.distance import Metric
from strongreid.evaluation.embeddings import read_arrays
from strongreid.evaluation.facts import Floats, Indices
from strongreid.files import atomic_file

Rates = Sequence[float] | npt.NDArray[np.floating]
USUAL_RATES: Final = (0.01, 0.1)
"""False-positive identification rates at which misses are usually told."""
_ARRAYS: Final = ("protocol", "metric", "person", "enrolled", "nearest", "right")


@dataclass(frozen=True)
class OperatingPoints:
    """What n thresholds do; float64 `[n]` each."""

    threshold: Floats
    """Accepted where distance < threshold."""
    fpir: Floats
    """Share of the searches for unknown people that are accepted; NaN where there are none."""
    fnir: Floats
    """Share of the searches for enrolled people that do not give their person; NaN where there are none."""
    detection_rate: Floats
    """The others: 1 - FNIR."""


@dataclass(frozen=True, eq=False)
class Identification:
    """What n searches found. Made by `identify`; checked when made (`InputError`).

    Rates are given and returned as fractions: a number for a number, an array for an array or a list.
    """

    protocol: str
    """In words: distance, rule for the same camera, how many people are enrolled."""
    metric: Metric
    """What distances are: cosine, or Euclidean ones (with the root)."""
    person: Indices
    """int64 `[n]`: whom each search is for."""
    enrolled: npt.NDArray[np.bool_]
    """bool `[n]`: whether that person is enrolled."""
    nearest: Floats
    """float64 `[n]`: distance of rank 1."""
    right: npt.NDArray[np.bool_]
    """bool `[n]`: whether rank 1 is that person."""

    def __post_init__(self) -> None:
        wanted = {"person": np.int64, "enrolled": np.bool_, "nearest": np.float64, "right": np.bool_}
        for name, dtype in wanted.items():
            array = getattr(self, name)
            if array.dtype != dtype or array.shape != (len(self.nearest),):
                raise InputError(
                    f"The searches' {name} is {array.dtype} {list(array.shape)}; it must be {np.dtype(dtype)} "
                    f"[{len(self.nearest)}]."
                )
        if not (np.isfinite(self.nearest) & (self.nearest >= 0)).all():
            raise InputError("The searches' nearest must be distances, from 0 on and finite.")
        if (self.right & ~self.enrolled).any():
            raise InputError("The searches' right cannot be true where the person is not enrolled.")
        if self.metric not in get_args(Metric):
            raise InputError(f"metric is {self.metric!r}; it must be one of {', '.join(map(repr, get_args(Metric)))}.")

    @property
    def enrolled_searches(self) -> int:
        """How many searches are for enrolled people."""
        return int(self.enrolled.sum())

    @property
    def unknown_searches(self) -> int:
        """How many are not."""
        return len(self.enrolled) - self.enrolled_searches

    @overload
    def threshold(self, fpir: float) -> float: ...
    @overload
    def threshold(self, fpir: Rates) -> Floats: ...
    def threshold(self, fpir: float | Rates) -> float | Floats:
        """Return the threshold at which at most this share of unknown people's searches is accepted, 0..1.

        Of n such searches it is the (k + 1)-th smallest distance of their rank 1, with k = floor(fpir x n), and
        infinite at a rate of 1. k is the largest number with k / n <= fpir, so that 0.7 of 90 is 63, and not the 62 of
        a product in floating point. NaN where there are no such searches (but for a rate of 1): nothing is known then
        of strangers.
        """
        return _like(fpir, self._thresholds(_rates(fpir)))

    @overload
    def fnir(self, fpir: float) -> float: ...
    @overload
    def fnir(self, fpir: Rates) -> Floats: ...
    def fnir(self, fpir: float | Rates) -> float | Floats:
        """Return the false-negative identification rate at a false-positive one of at most this, both 0..1.

        NaN where no search is for somebody enrolled, or none is for a stranger (but for a rate of 1, which asks for no
        threshold: 1 - rank-1 accuracy).
        """
        return _like(fpir, self.at(self._thresholds(_rates(fpir))).fnir)

    @overload
    def detection_rate(self, far: float) -> float: ...
    @overload
    def detection_rate(self, far: Rates) -> Floats: ...
    def detection_rate(self, far: float | Rates) -> float | Floats:
        """Return the detection and identification rate at a false-alarm rate of at most this: 1 - `fnir(far)`."""
        return _like(far, self.at(self._thresholds(_rates(far))).detection_rate)

    def at(self, threshold: float | Rates) -> OperatingPoints:
        """Return what thresholds do, such as one that was calibrated elsewhere; NaN for one that is NaN."""
        limits = np.atleast_1d(np.asarray(threshold, dtype=np.float64))
        accepted, found = (np.searchsorted(ascending, limits) for ascending in (self._unknown, self._found))
        missed = self.enrolled_searches - found
        return OperatingPoints(
            limits,
            _shares(accepted, self.unknown_searches, limits),
            _shares(missed, self.enrolled_searches, limits),
            _shares(found, self.enrolled_searches, limits),
        )

    def curve(self) -> OperatingPoints:
        """Return all operating points: a threshold for each distance of an unknown person's rank 1, and infinity."""
        return self.at(np.append(np.unique(self._unknown), np.inf))

    def to_json(self, rates: Sequence[float] = USUAL_RATES) -> dict[str, Any]:
        """The rates at some false-positive rates as plain values for `json.dump`; None where there is none."""
        points = self.at(self.threshold(rates))
        at = zip(rates, *map(np.ndarray.tolist, (points.threshold, points.fpir, points.fnir)), strict=True)
        return {
            "protocol": self.protocol,
            "metric": self.metric,
            "enrolled_searches": self.enrolled_searches,
            "unknown_searches": self.unknown_searches,
            "at_fpir": [
                {
                    "wanted_fpir": rate,
                    **{
                        name: value if np.isfinite(value) else None
                        for name, value in (("threshold", threshold), ("fpir", fpir), ("fnir", fnir))
                    },
                }
                for rate, threshold, fpir, fnir in at
            ],
        }

    def save(self, path: str | Path) -> None:
        """Write all of it as an .npz file, atomically."""
        with atomic_file(Path(path)) as partial, partial.open("wb") as stream:
            np.savez(stream, **{name: np.asarray(getattr(self, name)) for name in _ARRAYS})  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: str | Path) -> "Identification":
        """Read what `save` wrote; `InputError` where the file is missing, damaged or none of these."""
        path = Path(path)
        arrays = read_arrays(path, _ARRAYS)
        for name in ("protocol", "metric"):
            if arrays[name].ndim or arrays[name].dtype.kind != "U":
                raise InputError(f"{path} holds no searches: its {name} is no text.")
        texts: dict[str, Any] = {name: str(arrays[name]) for name in ("protocol", "metric")}
        try:
            return cls(**{**arrays, **texts})
        except InputError as error:
            raise InputError(f"{path}: {error}") from error

    @cached_property
    def _unknown(self) -> Floats:
        """Distances of rank 1 of unknown people's searches, ascending."""
        return np.sort(self.nearest[~self.enrolled])

    @cached_property
    def _found(self) -> Floats:
        """Distances of rank 1 where it is the person searched for, ascending."""
        return np.sort(self.nearest[self.right])

    def _thresholds(self, rates: Floats) -> Floats:
        none = np.inf if self.unknown_searches else np.nan
        thresholds = np.append(self._unknown, none)[count_within(rates, self.unknown_searches)]
        return np.where(rates == 1, np.inf, thresholds)


def count_within(rates: Floats, total: int | npt.NDArray[np.signedinteger]) -> Indices:
    """The largest k of 0..`total` with k / total <= rate, for each rate: int64, the shape of `rates`; 0 of none."""
    k = np.floor(rates * total).astype(np.int64)
    size = np.maximum(total, 1)
    k += ((k + 1) / size <= rates) & (k < total)  # both are off by one at most: a product is rounded once
    return k - (k / size > rates)


def _rates(given: float | Rates) -> Floats:
    """Check rates and return them as float64 of any shape."""
    try:
        rates = np.asarray(given)
    except ValueError:  # lists of different lengths
        rates = np.asarray(None)
    if rates.dtype.kind not in "fiu":
        raise InputError(f"A rate is a number in 0..1, or an array of them; {given!r} was asked for.")
    outside = rates[~((rates >= 0) & (rates <= 1))]
    if outside.size:
        raise InputError(f"A rate lies in 0..1; {outside.flat[0]} was asked for.")
    return rates.astype(np.float64)


def _like(given: float | Rates, values: Floats) -> float | Floats:
    """Values as an array in the shape of what was given, or as a number for a number."""
    shape = np.shape(given)
    return values.reshape(shape) if shape else float(values.item())


def _shares(counts: Indices, total: int, limits: Floats) -> Floats:
    """Counts as shares of `total`; NaN of none, and where the limit is NaN."""
    if not total:
        return np.full(limits.shape, np.nan)
    return np.where(np.isnan(limits), np.nan, counts / total)
