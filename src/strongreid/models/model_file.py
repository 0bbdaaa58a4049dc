"""A model's file: safetensors, with what the model is made from and what it was calibrated to do in its metadata.

The header is data, not code: loading can build nothing but a `ReIDModel`. Arguments that have defaults may be missing
from it, so that a model stays readable when later versions know more of them; unknown ones are refused rather than
guessed at. Objects that a model was made with, such as a backbone of one's own, are named in it and given again by
whoever loads. The threshold stands under a key of its own: calibrating writes the file anew with the same weights.
"""

import json
import math
from collections.abc import Set
from dataclasses import asdict, dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Final, Literal, NotRequired, TypedDict, get_args, get_origin, get_type_hints

from safetensors import SafetensorError, safe_open

from strongreid.errors import InputError
from strongreid.files import inside, open_regular, unreadable, why
from strongreid.models.backbones import LastStride
from strongreid.models.neck import Neck
from strongreid.models.weights import CHECKSUM_KEY, read_weights, save_weights, verify_weights
from strongreid.pixels import Colour

Feature = Literal["pooled", "necked"]
Metric = Literal["cosine", "euclidean"]

FORMAT = 1
"""Version of the header."""
HEADER_KEY = "strongreid"
"""Where in the file's metadata the header is."""
FILE_NAME = "model.safetensors"
"""What the model is called in the folder of a run."""


class Arguments(TypedDict):
    """What a model is made from, but for its first weights; see `ReIDModel`. What may be missing has a default there.

    An object in place of a name, such as a backbone of one's own, is here by the name of its class.
    """

    backbone: str
    people: int
    last_stride: NotRequired[LastStride]
    stem_relu: NotRequired[bool]
    pooling: NotRequired[str]
    neck: NotRequired[Neck]
    image_size: NotRequired[tuple[int, int]]
    feature: NotRequired[Feature]
    metric: NotRequired[Metric]
    mean: NotRequired[Colour]
    std: NotRequired[Colour]
    patch_stride: NotRequired[int | None]
    cameras: NotRequired[int]


def header_text(arguments: Arguments, own: frozenset[str]) -> str:
    """Write the header as JSON; `own` names the arguments that were objects."""
    objects = {"objects": sorted(own)} if own else {}
    return json.dumps({"format": FORMAT, "arguments": arguments, **objects})


def read_header(path: str | Path) -> dict[str, str]:
    """Read all metadata of a model file or folder, but no weights: "strongreid" is our JSON, the rest as saved.

    Raises `InputError` if there is no such file, if it is cut short, or if strongreid did not write it.
    """
    file = model_file(path)
    open_regular(file).close()  # which says why it cannot be opened
    try:
        with safe_open(file, framework="pt") as stream:
            metadata: dict[str, str] = stream.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise InputError(
            f"The model file {file} cannot be read ({error}). It is cut short or no safetensors file: copy it again."
        ) from error
    if HEADER_KEY not in metadata:
        raise InputError(
            f"The file {file} was not written by strongreid: its metadata has no entry {HEADER_KEY}. Bare weights are "
            "given as the backbone's weights when a model is made."
        )
    return metadata


def read_arguments(file: Path) -> tuple[Arguments, frozenset[str]]:
    """Read what the model in `file` is made from, and which of these arguments were objects.

    Raises `InputError` for a damaged header or one of another version.
    """
    text = read_header(file)[HEADER_KEY]
    try:
        header = json.loads(text)
        version, arguments, own = header["format"], header["arguments"], frozenset(header.get("objects", ()))
        if version == FORMAT:
            arguments = {name: tuple(value) if type(value) is list else value for name, value in arguments.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"The header of the model file {file} is damaged ({error!r}). Copy it again.") from error
    if version != FORMAT:
        raise InputError(
            f"The model file {file} has format {version}; this version of strongreid reads {FORMAT}. Use the version "
            "that wrote it, or train again."
        )
    kinds = get_type_hints(Arguments)
    wrong = {
        name for name, value in arguments.items() if name in kinds and name not in own and not _is_a(kinds[name], value)
    }
    if wrong:
        raise InputError(f"The header of the model file {file} is damaged: {_listed(wrong)} cannot be. Copy it again.")
    lacking = Arguments.__required_keys__ - set(arguments)
    unknown = (set(arguments) | own) - Arguments.__required_keys__ - Arguments.__optional_keys__
    if lacking or unknown:
        raise InputError(
            f"The header of the model file {file} lacks the arguments {_listed(lacking)} and has the unknown arguments "
            f"{_listed(unknown)}: another version of strongreid wrote it. Use that one, or train again."
        )
    checked: Arguments = arguments
    return checked, own


def _is_a(kind: Any, value: Any) -> bool:
    """Whether a value of the header is of the kind that its argument has."""
    if get_origin(kind) is Literal:
        return value in get_args(kind)
    if get_origin(kind) is tuple:
        items = get_args(kind)
        return type(value) is tuple and len(value) == len(items) and all(map(_is_a, items, value))
    if get_origin(kind) is UnionType:
        return any(_is_a(one, value) for one in get_args(kind))
    return type(value) is kind or (kind is float and type(value) is int)


def _listed(names: Set[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def model_file(path: str | Path) -> Path:
    """Find the model file: `path` itself, or `model.safetensors` in the folder `path`; else `InputError`."""
    path = Path(path)
    try:
        found = sorted(entry.name for entry in path.iterdir()) if path.is_dir() else None
    except OSError as error:
        raise unreadable(path, why(error)) from error
    if found is not None:
        if FILE_NAME not in found:
            listed = ", ".join(found[:10]) + (" ..." if len(found) > 10 else "")
            raise InputError(f"The folder {path} holds no {FILE_NAME}. It holds: {listed or 'nothing'}.")
        return path / FILE_NAME
    if not path.is_file():
        raise InputError(f"There is no model {path}. Give a .safetensors file or a folder that holds {FILE_NAME}.")
    return path


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
