"""A model's file: safetensors, with what the model is made from in its metadata.

The header is data, not code: loading can build nothing but a `ReIDModel`. Arguments that have defaults may be missing
from it, so that a model stays readable when later versions know more of them; unknown ones are refused rather than
guessed at. Objects that a model was made with, such as a backbone of one's own, are named in it and given again by
whoever loads.
"""

import json
from collections.abc import Mapping, Set
from pathlib import Path
from types import UnionType
from typing import Any, Final, Literal, NotRequired, TypedDict, get_args, get_origin, get_type_hints

from safetensors import SafetensorError

from strongreid.errors import InputError
from strongreid.files import open_regular, unreadable, why
from strongreid.models.backbones import LastStride
from strongreid.models.checkpoint import read_metadata
from strongreid.models.neck import Neck
from strongreid.models.pooling import Pooling
from strongreid.pixels import Colour, Interpolation

Feature = Literal["pooled", "necked"]
Metric = Literal["cosine", "euclidean"]

LARGEST_SIDE: Final = 4096
"""Most pixels of an image's height and width: a header cannot ask for more memory than that takes."""
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
    interpolation: NotRequired[Interpolation]
    unit_length: NotRequired[bool]
    network: NotRequired[dict[str, Any]]


_CHOICES: Final[Mapping[str, Any]] = {
    "last_stride": LastStride,
    "neck": Neck,
    "pooling": Pooling,
    "feature": Feature,
    "metric": Metric,
    "interpolation": Interpolation,
}


def check_choices(**values: object) -> None:
    """Raise `InputError` for an argument of a model that is none of its choices."""
    for name, value in values.items():
        if value not in (allowed := get_args(_CHOICES[name])):
            raise InputError(f"`{name}` is {value!r}; it must be one of {', '.join(map(repr, allowed))}.")


def check_numbers(people: int, image_size: tuple[int, int], cameras: int) -> None:
    """Raise `InputError` for numbers that no model can be made with."""
    if people < 1 or not 1 <= min(image_size) <= max(image_size) <= LARGEST_SIDE or cameras < 0:
        raise InputError(
            f"A model needs `people` above 0, `image_size` of 1 to {LARGEST_SIDE} pixels and `cameras` from 0, not "
            f"{people}, {image_size} and {cameras}."
        )


def name_of(part: object) -> str:
    """What the header calls a backbone or a pooling: its name, or the class of an object."""
    return part if isinstance(part, str) else type(part).__name__


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
        metadata = read_metadata(file)
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
        version, arguments, objects = header["format"], header["arguments"], header.get("objects", [])
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
    wrong = {name for name, value in arguments.items() if name in kinds and not _is_a(kinds[name], value)}
    if type(objects) is not list or not all(type(name) is str for name in objects):
        wrong.add("objects")
    if wrong:
        raise InputError(f"The header of the model file {file} is damaged: {_listed(wrong)} cannot be. Copy it again.")
    own = frozenset(objects)
    lacking = Arguments.__required_keys__ - set(arguments)
    unknown = (set(arguments) | own) - Arguments.__required_keys__ - Arguments.__optional_keys__
    if lacking or unknown:
        raise InputError(
            f"The header of the model file {file} lacks the arguments {_listed(lacking)} and has the unknown arguments "
            f"{_listed(unknown)}: another version of strongreid wrote it. Use that one, or train again."
        )
    checked: Arguments = arguments
    return checked, own


def require_objects(file: Path, arguments: Arguments, own: Set[str], given: Set[str]) -> None:
    """Raise `InputError` where the objects that are `given` are not those that the model in `file` was made with."""
    for name in sorted(own ^ given):
        made_with = f"The model in {file} was made with {arguments.get(name, 'the default')} as its {name}"
        if name in given:
            raise InputError(f"{made_with}, not with an object. Leave `{name}` out.")
        raise InputError(
            f"{made_with}, an object that no file holds. Give one like it: ReIDModel.load(path, {name}=...)."
        )


def _is_a(kind: Any, value: Any) -> bool:
    """Whether a value of the header is of the kind that its argument has."""
    if get_origin(kind) is Literal:
        return value in get_args(kind)
    if get_origin(kind) is tuple:
        items = get_args(kind)
        return type(value) is tuple and len(value) == len(items) and all(map(_is_a, items, value))
    if get_origin(kind) is UnionType:
        return any(_is_a(one, value) for one in get_args(kind))
    if get_origin(kind) is dict:
        return type(value) is dict
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
