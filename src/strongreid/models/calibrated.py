"""What a model was calibrated to do: a threshold in its file's metadata, under a key of its own.

Calibrating writes the file anew with the same weights.
"""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from strongreid.errors import InputError
from strongreid.files import inside
from strongreid.models.model_file import model_file, read_header
from strongreid.models.weights import CHECKSUM_KEY, read_weights, save_weights, verify_weights

CALIBRATED_KEY: Final = "strongreid_calibrated"
"""Where in the file's metadata the threshold is."""


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
    """The set whose test images it was measured on."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.threshold) and self.threshold >= 0):
            raise InputError(f"A threshold is a distance; it cannot be {self.threshold}.")
        for rate in (self.false_match_rate, self.true_match_rate):
            if not 0 <= rate <= 1:
                raise InputError(f"The rates of a threshold lie in 0..1, not {rate}.")


def calibrated_text(calibrated: Calibrated) -> str:
    """Write a threshold as JSON, for the file's metadata."""
    return json.dumps(asdict(calibrated))


def read_calibrated(path: str | Path) -> Calibrated | None:
    """Read the threshold of a model file or folder; None where it was never calibrated.

    Raises `InputError` where the file is no model (see `read_header`) or the entry is damaged.
    """
    text = read_header(path).get(CALIBRATED_KEY)
    if text is None:
        return None
    try:
        fields = json.loads(text)
        return Calibrated(
            threshold=float(fields["threshold"]),
            false_match_rate=float(fields["false_match_rate"]),
            true_match_rate=float(fields["true_match_rate"]),
            measured_on=str(fields["measured_on"]),
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(
            f"The entry {CALIBRATED_KEY} in the header of {model_file(path)} is damaged ({error!r}). Copy it again."
        ) from error


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
