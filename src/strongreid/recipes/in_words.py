"""What a setting takes, in the words of people: "two whole numbers", never `<class 'tuple'>`."""

import dataclasses
import json
import re
import reprlib
from collections.abc import Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from strongreid.errors import did_you_mean, nearest_name

ONE = {int: "a whole number", float: "a number", bool: "true or false", str: "text", Path: "a path"}
MANY = {int: "whole numbers", float: "numbers", str: "words", Path: "paths"}
COUNT = ("no", "one", "two", "three", "four")


def type_in_words(hint: Any, *, several: bool = False) -> str:
    """Return what a setting of this type takes, such as "a number or null"; `several`: more than one of it."""
    origin, inner = get_origin(hint), get_args(hint)
    if several and hint in MANY:
        return MANY[hint]
    if origin in (Union, UnionType):
        kinds = [type_in_words(kind) for kind in inner if kind is not NoneType]
        return _either([*kinds, *(["null"] if NoneType in inner else [])])
    if origin is Literal:
        return _either([*map(str, inner)])
    if origin is tuple and inner[-1] is not Ellipsis:
        return f"{COUNT[len(inner)]} {MANY[inner[0]]}"
    if origin in (tuple, list):
        return f"a list of {MANY.get(inner[0], _fields(inner[0]))}"
    return ONE.get(hint) or _fields(hint)


def wrong_value(name: str, value: Any, hint: Any, default: Any = ...) -> str:
    """Return a sentence for a value of a wrong type, with what to write in its place.

    `default` gives an example; where it is None, as of an option that may be left out, null is not offered.
    """
    words, shown = type_in_words(hint), reprlib.repr(value)
    if default is None:
        words = words.removesuffix(" or null")
    kinds = (hint, *get_args(hint))
    choices = [str(choice) for kind in kinds if get_origin(kind) is Literal for choice in get_args(kind)]
    if choices:
        return f"{name} is {shown}.{did_you_mean(str(value), choices)} Write {words}."
    example = _meant(value, hint)
    if example is not None:
        return f"{name} is {shown}; write {example}: {words}."
    such = isinstance(default, int | float | tuple) and not isinstance(default, bool)
    return f"{name} is {shown}; write {words}{f', such as {written(default)}' if such else ''}."


def written(value: Any) -> str:
    """Return a value as a user writes it: true, [256,128], cosine."""
    if isinstance(value, tuple | list):
        return f"[{','.join(map(written, value))}]"
    return str(value) if isinstance(value, str | Path) else json.dumps(value)


def unknown(kind: str, name: str, known: Sequence[str], otherwise: str) -> str:
    """Return a sentence about a name that does not exist, with the one that was probably meant, by all or its end."""
    near = nearest_name(name, known)
    if near is None:
        ends = {one.rpartition(".")[2].lstrip("-"): one for one in reversed(known)}
        near = ends.get(nearest_name(name.rpartition(".")[2], ends) or "")
    return f"There is no {kind} {name}. " + (f"Did you mean {near}?" if near else otherwise)


def _either(words: Sequence[str]) -> str:
    *others, last = words
    return f"{', '.join(others)} or {last}" if others else last


def _meant(value: Any, hint: Any) -> str | None:
    """Return how `value` would be written right, where that can be guessed: 128,64 for a list, 0,5 for a number."""
    origin, inner = get_origin(hint), get_args(hint)
    numbers = re.findall(r"\d+", str(value))
    if origin is tuple and inner[0] is int and numbers and (inner[-1] is Ellipsis or len(numbers) == len(inner)):
        return f"[{','.join(numbers)}]"
    if float in (hint, *inner) and re.fullmatch(r"\d*,\d+", str(value)):
        return str(value).replace(",", ".")
    return None


def _fields(kind: Any) -> str:
    """Return how a group of settings is written: its fields that have no default, or the names of all."""
    if not dataclasses.is_dataclass(kind):
        return str(getattr(kind, "__name__", kind))
    fields = dataclasses.fields(kind)
    needed = [item.name for item in fields if item.default is item.default_factory is dataclasses.MISSING]
    if needed:
        return f"{{{', '.join(f'{name}: {name.upper()}' for name in needed)}}}"
    return f"a mapping of {', '.join(item.name for item in fields)}"
