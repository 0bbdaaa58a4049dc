"""What a model was calibrated to do: a threshold in its file's metadata, under a key of its own.

Calibrating writes the file anew with the same weights.
"""

import json
import math
import operator
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from strongreid.errors import InputError
from strongreid.files import inside
from strongreid.models.model_file import model_file, read_header
from strongreid.models.weights import CHECKSUM_KEY, read_weights, save_weights, verify_weights

CALIBRATED_KEY: Final = "strongreid_calibrated"
"""Where in the file's metadata the threshold is."""


@dataclass(frozen=True)
class CalibratedOn:
    """Whom a threshold was measured on. Checked when made (`InputError`)."""

    people: int
    cameras: int
    different_pairs: int
    """Pairs of images of different people."""
    tested: bool | None
    """Whether the model's figures are reported on the same people: the rate is then a little too good; None: nobody
    here knows."""
    interval: tuple[float, float]
    """95 % interval of the false-match rate on other people, 0..1, by bootstrap over people."""

    def __post_init__(self) -> None:
        if not 0 <= self.interval[0] <= self.interval[1] <= 1:
            raise InputError(f"The interval of a false-match rate lies in 0..1 and rises, unlike {self.interval}.")
        if min(self.people, self.cameras, self.different_pairs) < 1:
            raise InputError("A threshold is measured on people, cameras and pairs; none of their numbers can be 0.")


@dataclass(frozen=True)
class Calibrated:
    """A threshold and what it was measured to do. Checked when made (`InputError`)."""

    threshold: float
    """Same person where distance < threshold: cosine distance or, where the model's `metric` is "euclidean", Euclidean
    distance with the root."""
    false_match_rate: float
    """The rate it was calibrated for, 0..1: at most this share of pairs of different people is taken for the same."""
    true_match_rate: float
    """Share of pairs of the same person that is recognised, 0..1."""
    measured_on: str
    """The set whose images it was measured on."""
    on: CalibratedOn | None = None
    """Whom of that set; None where an earlier version calibrated, on the run's own test people."""
    rates: tuple[tuple[float, float, float], ...] = ()
    """Other thresholds, ascending, each with its false-match and its true-match rate; none where an earlier version
    calibrated."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.threshold) and self.threshold >= 0):
            raise InputError(f"A threshold is a distance; it cannot be {self.threshold}.")
        if not all(math.isfinite(threshold) for threshold, _, _ in self.rates):
            raise InputError("A threshold is a distance; it cannot be infinite.")
        rates = [rate for _, *both in self.rates for rate in both]
        for rate in (self.false_match_rate, self.true_match_rate, *rates):
            if not 0 <= rate <= 1:
                raise InputError(f"The rates of a threshold lie in 0..1, not {rate}.")

    def words(self, metric: str) -> str:
        """Say what it does, on whom that was measured and how far to trust it; `metric`: the model's."""
        rate, recognised = f"{100 * self.false_match_rate:g} %", f"{100 * self.true_match_rate:.1f} %"
        said = (
            f"The same person where the {metric} distance is below {self.threshold:.4g}: at a false-match rate of "
            f"{rate} (at most {rate} of the pairs of different people are taken for one) {recognised} of the pairs of "
            "one person are recognised."
        )
        if self.on is None:
            return f"{said} Measured on the test images of {self.measured_on}; on other people expect somewhat worse."
        low, high = (100 * end for end in self.on.interval)
        return (
            f"{said} Measured on {self.on.people:,} people of {self.measured_on}, {self.on.cameras:,} cameras, "
            f"{self.on.different_pairs:,} pairs of different people; 95 % interval of that rate {low:.2g} to "
            f"{high:.2g} %, by bootstrap over people. {_TESTED[self.on.tested]}"
        )


_TESTED: Final = {
    True: "The model's figures are reported on these people too; on others expect somewhat worse.",
    False: "Nobody of them was learned from or reported on.",
    None: "Whether the model had learned from them is not recorded.",
}


def calibrated_text(calibrated: Calibrated) -> str:
    """Write a threshold as JSON, for the file's metadata."""
    plain = asdict(calibrated)
    return json.dumps({name: value for name, value in plain.items() if value is not None})


def read_calibrated(path: str | Path) -> Calibrated | None:
    """Read the threshold of a model file or folder; None where it was never calibrated.

    Raises `InputError` where the file is no model (see `read_header`) or the entry is damaged.
    """
    text = read_header(path).get(CALIBRATED_KEY)
    return None if text is None else parse_calibrated(text, f"{CALIBRATED_KEY} in the header of {model_file(path)}")


def parse_calibrated(text: str, entry: str) -> Calibrated:
    """Read what `calibrated_text` wrote; `InputError`, naming the `entry`, for what is damaged."""
    try:
        fields = json.loads(text)
        on = fields.get("on")
        return Calibrated(
            threshold=float(fields["threshold"]),
            false_match_rate=float(fields["false_match_rate"]),
            true_match_rate=float(fields["true_match_rate"]),
            measured_on=str(fields["measured_on"]),
            on=None if on is None else _calibrated_on(on),
            rates=tuple((float(at), float(false), float(true)) for at, false, true in fields.get("rates", ())),
        )
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise InputError(f"The entry {entry} is damaged ({error!r}). Copy it again.") from error


def _calibrated_on(fields: Mapping[str, Any]) -> CalibratedOn:
    low, high = map(float, fields["interval"])
    people, cameras, pairs = (operator.index(fields[name]) for name in ("people", "cameras", "different_pairs"))
    tested = None if fields["tested"] is None else bool(fields["tested"])
    return CalibratedOn(people, cameras, pairs, tested, (low, high))


def write_calibrated(path: str | Path, calibrated: Calibrated) -> None:
    """Put a threshold into a model file or folder, in place of an older one, atomically.

    Weights and all other metadata stay as they are, bit for bit. Raises `InputError` where the file is no model.
    """
    file = model_file(path)
    if file != Path(path):
        inside(Path(path), file.name)
    metadata = {**read_header(file), CALIBRATED_KEY: calibrated_text(calibrated)}
    weights = read_weights(file)
    verify_weights(file, weights)
    metadata.pop(CHECKSUM_KEY, None)
    save_weights(weights, file, metadata)
