"""The distance below which a model takes two images for the same person, kept in the model's own file.

It stands beside the model's header, under a key of its own: files from before there was one load as they did, and
calibrating writes the file anew with the very same weights.
"""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from strongreid.errors import InputError
from strongreid.files import whole_file
from strongreid.models.model_file import model_file, read_header

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
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"The entry {CALIBRATED_KEY} in the header of {model_file(path)} is damaged ({error!r}). Copy it again."
        ) from error


def write_calibrated(path: str | Path, calibrated: Calibrated) -> None:
    """Put a threshold into a model file or folder, in place of an older one: whole or not at all.

    Weights and all other metadata stay as they are, bit for bit. Raises `InputError` where the file is no model.
    """
    file = model_file(path)
    metadata = {**read_header(file), CALIBRATED_KEY: calibrated_text(calibrated)}
    try:
        weights = load_file(file)
    except (SafetensorError, OSError) as error:
        raise InputError(f"The model file {file} cannot be read ({error}). Copy it again.") from error
    with whole_file(file) as partial:
        save_file(weights, partial, metadata=metadata)
