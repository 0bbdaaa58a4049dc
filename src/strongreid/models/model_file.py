"""The header of a model file: what a model is made from, as JSON in the metadata of a safetensors file.

Data, not code: loading a file can build nothing but a `ReIDModel`. A header of another version, or with other
arguments than this version's, is refused rather than guessed at.
"""

import json
from pathlib import Path
from typing import Literal, TypedDict

from safetensors import SafetensorError, safe_open

from strongreid.errors import InputError
from strongreid.models.backbones import LastStride
from strongreid.models.neck import Neck

Feature = Literal["pooled", "necked"]
Metric = Literal["cosine", "euclidean"]

FORMAT = 1
"""Version of the header."""
HEADER_KEY = "strongreid"
"""Where in the file's metadata the header is."""
FILE_NAME = "model.safetensors"
"""What the model is called in the folder of a run."""


class Arguments(TypedDict):
    """What a model is made from, but for its first weights; see `ReIDModel`."""

    backbone: str
    people: int
    last_stride: LastStride
    stem_relu: bool
    neck: Neck
    image_size: tuple[int, int]
    feature: Feature
    metric: Metric


def header_text(arguments: Arguments) -> str:
    """Write the header as JSON."""
    return json.dumps({"format": FORMAT, "arguments": arguments})


def read_header(path: str | Path) -> dict[str, str]:
    """Read all metadata of a model file or folder, but no weights: "strongreid" is our JSON, the rest as saved.

    Raises `InputError` if there is no such file, if it is cut short, or if strongreid did not write it.
    """
    file = model_file(path)
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


def read_arguments(file: Path) -> Arguments:
    """Read what the model in `file` is made from; `InputError` for a damaged header or one of another version."""
    text = read_header(file)[HEADER_KEY]
    try:
        header = json.loads(text)
        version, arguments = header["format"], header["arguments"]
        if version == FORMAT:
            height, width = arguments["image_size"]
            arguments["image_size"] = (height, width)
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"The header of the model file {file} is damaged ({error!r}). Copy it again.") from error
    if version != FORMAT:
        raise InputError(
            f"The model file {file} has format {version}; this version of strongreid reads {FORMAT}. Use the version "
            "that wrote it, or train again."
        )
    if differing := set(arguments) ^ Arguments.__required_keys__:
        raise InputError(
            f"The header of the model file {file} lacks or adds the arguments {', '.join(sorted(differing))}: another "
            "version of strongreid wrote it. Use that one, or train again."
        )
    checked: Arguments = arguments
    return checked


def model_file(path: str | Path) -> Path:
    """Find the model file: `path` itself, or `model.safetensors` in the folder `path`; else `InputError`."""
    path = Path(path)
    if path.is_dir():
        found = sorted(entry.name for entry in path.iterdir())
        if FILE_NAME not in found:
            listed = ", ".join(found[:10]) + (" ..." if len(found) > 10 else "")
            raise InputError(f"The folder {path} holds no {FILE_NAME}. It holds: {listed or 'nothing'}.")
        return path / FILE_NAME
    if not path.is_file():
        raise InputError(f"There is no model {path}. Give a .safetensors file or a folder that holds {FILE_NAME}.")
    return path
