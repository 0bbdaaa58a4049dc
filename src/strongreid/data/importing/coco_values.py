"""Values in a COCO file, which may be anything: read as what they should be, or told to be something else."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from strongreid.data.importing.sightings import Box
from strongreid.data.listing import FARTHEST, LARGEST

JsonObject = Mapping[str, Any]


def field(one: JsonObject, key: str) -> object:
    """A field, `attributes.name` for one inside another; None where there is none."""
    value: object = one
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def first_field(one: JsonObject, keys: Sequence[str]) -> object:
    """The first of some fields that is there; None where none is."""
    return next((value for key in keys if (value := field(one, key)) is not None), None)


def fields(one: JsonObject) -> list[str]:
    """The names of an object's fields, those of its attributes too."""
    inner = one.get("attributes")
    return [*one, *(f"attributes.{name}" for name in (inner if isinstance(inner, dict) else ()))]


def name_of(value: object) -> str | None:
    """An id or a name as text; None for what is neither."""
    if isinstance(value, str) and value:
        return value
    number = whole(value)
    return None if number is None else str(number)


def whole(value: object) -> int | None:
    """A whole number from 0 on (3.0 is 3); None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
        return None
    return int(value) if 0 <= value <= LARGEST else None


def box_of(value: object) -> Box | None:
    """x, y, width and height in pixels; None for what is no such list."""
    if not isinstance(value, list) or len(value) != 4:
        return None
    if not all(isinstance(one, int | float) and not isinstance(one, bool) and abs(one) < FARTHEST for one in value):
        return None
    x, y, width, height = map(float, value)
    return (x, y, width, height) if math.isfinite(x + y + width + height) else None


def stays_inside(name: object) -> bool:
    """Whether a file's name leads to no other folder than those below where it starts."""
    if not isinstance(name, str) or not name.strip() or "\0" in name:
        return False
    parts = name.replace("\\", "/").split("/")
    return parts[0] != "" and ".." not in parts and ":" not in parts[0]


def is_file(path: Path) -> bool:
    """Whether there is a file, by a name that need not be one that the system takes."""
    try:
        return path.is_file()
    except OSError:
        return False


def identity(value: object) -> int | str | None:
    """An id, by which objects refer to each other (3.0 is 3); None for what is none."""
    if isinstance(value, float):
        return whole(value)
    return value if isinstance(value, int | str) and not isinstance(value, bool) else None


def shown(value: object) -> str:
    """A value as `repr` shows it, of no more than a line."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
