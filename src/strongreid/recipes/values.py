"""Settings as values: a run's config.yaml read exactly, and overrides from code or from a row of a table.

Nothing is guessed here: no default takes the place of what is missing, no text becomes a number, and whatever is not
known or not of its field's type is refused by the field's name. (Words of the command line, which have to be
interpreted, go through jsonargparse: `parsing`.)
"""

import dataclasses
import re
import types
import typing
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from strongreid.config import ADDED_FIELDS, Config, as_plain
from strongreid.errors import InputError, did_you_mean
from strongreid.files import dotted, read_text, read_yaml, unreadable
from strongreid.files.reading import YAML_LIMIT
from strongreid.recipes.in_words import wrong_value

_RESTORE: Final = "A run's settings are read exactly as its training wrote them: restore the file."


def with_values(config: Config, values: Mapping[str, Any]) -> Config:
    """Return `config` with other values in some of its fields, such as `{"model.last_stride": 1}`.

    A section can be replaced as a whole by its dataclass: `{"data": DataConfig(...)}`. Raises `InputError` for unknown
    fields (it names the nearest), values of another type, and combinations that `Config` refuses.
    """
    plain = as_plain(config)
    for name, value in values.items():
        *sections, last = name.split(".")
        target: Any = plain
        for section in sections:
            target = target.get(section) if isinstance(target, dict) else None
        if not isinstance(target, dict) or last not in target:
            raise InputError(f"{name} is no setting.{did_you_mean(name, dotted(as_plain(config)))}")
        if isinstance(target[last], dict) and isinstance(value, Mapping):
            raise InputError(f"{name} is a section: name its fields, such as {name}.{next(iter(target[last]))}.")
        target[last] = value
    changed: Config = _section(Config, plain, "", exact=False)
    return changed


def read_run_config(file: Path) -> Config:
    """Return the settings in a run's config.yaml, exactly as they stand there.

    All fields are required, but for `ADDED_FIELDS`, which earlier versions did not have. Raises `InputError` for a file
    that is cut short or damaged.
    """
    if not read_text(file, limit=YAML_LIMIT, remedy=_RESTORE).endswith("\n"):  # a value cut short is still a value
        raise unreadable(file, "it is cut short, its last line does not end", _RESTORE)
    content = read_yaml(file, remedy=_RESTORE)
    try:
        config: Config = _section(Config, content, "", exact=True)
    except InputError as error:
        raise InputError(f"{file} is damaged: {error} {_RESTORE}") from error
    return config


def _section(kind: type[Any], content: Any, name: str, *, exact: bool) -> Any:
    """Make the dataclass `kind` of a mapping from its fields to values; `name` is its own dotted name, "" the whole.

    exact: refuse what is missing; otherwise that has its field's default.
    """
    if not isinstance(content, Mapping):
        raise _wrong(kind, content, name or "The content")
    prefix = f"{name}." if name else ""
    fields = {item.name: item for item in dataclasses.fields(kind)}
    for key in content:
        if key not in fields:
            raise InputError(f"{prefix}{key} is no setting.{did_you_mean(str(key), fields)}")
    hints = typing.get_type_hints(kind)
    found = {}
    for key, item in fields.items():
        if key in content:
            found[key] = checked(hints[key], content[key], prefix + key, exact=exact)
        elif exact and (later := re.sub(r"\[\d+\]", "[]", prefix + key)) in ADDED_FIELDS:
            found[key] = checked(hints[key], ADDED_FIELDS[later], later)
        elif exact or (item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING):
            raise InputError(f"{prefix}{key} is missing.")
    try:
        return kind(**found)
    except InputError as error:  # the values do not go together
        raise InputError(f"{name}: {error}" if name else str(error)) from error


def checked(kind: Any, value: Any, name: str, *, exact: bool = False) -> Any:
    """Return a plain value as a field of type `kind` holds it; `InputError`, with the field's name, for another type.

    kind: a simple type, Path, a dataclass, or a Literal, union, list or tuple of these; exact: as in `_section`.
    """
    inner = typing.get_args(kind)
    outer = typing.get_origin(kind) or kind
    if outer in (typing.Union, types.UnionType):
        for one in inner:
            with suppress(InputError):
                return checked(one, value, name, exact=exact)
    elif outer is typing.Literal:
        if any(value == one and type(value) is type(one) for one in inner):
            return value
    elif dataclasses.is_dataclass(kind):
        return value if isinstance(value, outer) else _section(outer, value, name, exact=exact)
    elif outer in (list, tuple):
        if isinstance(value, list | tuple):
            kinds = [inner[0]] * len(value) if _any_length(kind) else inner
            if len(kinds) == len(value):
                items = enumerate(zip(kinds, value, strict=True))
                return outer(checked(one, item, f"{name}[{index}]", exact=exact) for index, (one, item) in items)
    elif isinstance(value, bool) == (kind is bool):  # True is no whole number here
        if kind is float and isinstance(value, int):
            with suppress(OverflowError):
                return float(value)
        if kind is Path and isinstance(value, str):
            return Path(value)
        if isinstance(value, kind):
            return value
    raise _wrong(kind, value, name)


def _any_length(kind: Any) -> bool:
    return typing.get_origin(kind) is list or typing.get_args(kind)[-1] is ...


def _wrong(kind: Any, value: Any, name: str) -> InputError:
    return InputError(wrong_value(name, value, kind))
