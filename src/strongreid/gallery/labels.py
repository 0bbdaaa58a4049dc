"""People, cameras and tracks, each a whole number or a name.

A gallery compares numbers: a name stands for the number that is made of it (`names.number_of_name`), beside which the
name is kept, in the row that has it, so that it is erased with its last row. Conditions, too, turn names into numbers:
no name ever reaches a database's language. Text that reads as a whole number is that number, as in tables.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from torch import Tensor

from strongreid.errors import InputError
from strongreid.gallery.where import UNKNOWN
from strongreid.names import FIRST_OF_NAMES, number_of_name

Integers = npt.NDArray[np.int64]
Texts = npt.NDArray[np.object_]
NAMED: Final = ("person", "camera", "track")
"""Columns of numbers that may have names."""
NAMES: Final = tuple(f"{column}_name" for column in NAMED)
"""Columns of their names."""
LONGEST_NAME: Final = 512
"""Most bytes of a name: each can be asked for in a condition."""
_LARGEST: Final = 2**63 - 1
_NUMBER: Final = re.compile(r"(-?)(\d+)(?:\.0+)?")


@dataclass(frozen=True, eq=False)
class Labels:
    """A column of people, cameras or tracks."""

    number: Integers
    """int64 `[N]`, -1 where it is not known."""
    name: Texts
    """`[N]` text, empty where there is none."""


def labels(argument: str, given: Any, count: int) -> Labels:
    """Read a column: one number or name for all, or `[count]`; None is unknown, also within a list.

    Raises `InputError` for what is neither, naming the argument.
    """
    if hasattr(given, "__array__") and not isinstance(given, Tensor):
        given = np.asarray(given)
        given = given.tolist() if given.dtype.kind in "OU" else given
    name = np.full(count, "", dtype=np.object_)
    if isinstance(given, str):
        found = label(argument, given)
        if isinstance(found, str):
            name[:] = found
            found = number_of_name(found)
        return Labels(np.full(count, found, dtype=np.int64), name)
    if not isinstance(given, list | tuple) or not any(isinstance(value, str) for value in given):
        return Labels(whole_numbers(argument, given, count), name)
    read = [label(argument, value) if isinstance(value, str) else value for value in given]
    number = whole_numbers(argument, [0 if isinstance(value, str) else value for value in read], count)
    for row, value in enumerate(read):
        if isinstance(value, str):  # only now: beside a fraction NumPy would round its number
            name[row], number[row] = value, number_of_name(value)
    return Labels(number, name)


def label(argument: str, text: str) -> int | str:
    """Return the number that a text says, or else the name that it is; `InputError` where it can be neither."""
    said = _NUMBER.fullmatch(text)
    if said is not None:
        digits = said[2].lstrip("0") or "0"
        number = int(said[1] + digits) if len(digits) <= len(str(_LARGEST)) else _LARGEST + 1
        if number > _LARGEST or (said[1] and number != UNKNOWN):
            raise InputError(f"{argument} {text[:40]} is none: numbers go from 0 to 2**63 - 1, -1 stands for unknown.")
        return number
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise InputError(f"{argument} {text[:80]!r} is not UTF-8, which a gallery needs. Rename it.") from error
    if "\0" in text or size > LONGEST_NAME or not text.strip():
        raise InputError(
            f"{argument} {text[:80]!r} is no name: it is empty, has a NUL or more than {LONGEST_NAME:,} bytes. Give "
            "another name, a whole number, or None for unknown."
        )
    return text


def whole_numbers(name: str, given: Any, count: int) -> Integers:
    """A column of people, cameras or tracks: one number for all, or `[count]`; None is unknown, also within a list."""
    if isinstance(given, Tensor):
        given = given.detach().cpu().numpy()
    if given is None:
        given = UNKNOWN
    elif isinstance(given, np.ndarray) and given.dtype == np.object_:
        given = given.tolist()
    if isinstance(given, list | tuple):
        given = [UNKNOWN if value is None else value for value in given]
    try:
        column = np.asarray(given)
    except (ValueError, TypeError) as error:
        raise InputError(f"{name} is no column of whole numbers ({error}).") from error
    if column.ndim == 0:
        column = np.broadcast_to(column, (count,))
    if column.shape != (count,):
        raise InputError(
            f"{name} has shape {list(column.shape)}; with {count} rows of features give [{count}], or one for all."
        )
    if column.dtype.kind == "f" and bool(((np.abs(column) < 2**63) & (column == np.floor(column))).all()):
        column = column.astype(np.int64)
    if column.size and column.dtype.kind not in "iu":
        raise InputError(
            f"{name} has dtype {column.dtype}; give whole numbers from 0 on or names, and -1 or None for unknown."
        )
    if column.size and (int(column.max()) > np.iinfo(np.int64).max or int(column.min()) < UNKNOWN):
        wrong = column[(column < UNKNOWN) | (column > np.iinfo(np.int64).max)][0]
        raise InputError(f"{name} {wrong} is none: numbers go from 0 to 2**63 - 1, -1 stands for unknown.")
    return column.astype(np.int64)


def numbers_of(label: int | str) -> tuple[int, ...]:
    """Return the numbers under which a gallery may have a label.

    The letters of a name can be written in two ways (an umlaut is one character or two), which depends on the machine
    that wrote it; each has a number.
    """
    if isinstance(label, int):
        return (label,)
    forms = (label, unicodedata.normalize("NFC", label), unicodedata.normalize("NFD", label))
    return tuple(dict.fromkeys(map(number_of_name, forms)))


def names_by_number(columns: Mapping[str, npt.NDArray[Any]]) -> dict[int, str]:
    """Return the names in `NAMES`, by the numbers in `NAMED` that stand for them."""
    found: dict[int, str] = {}
    for column, named in zip(NAMED, NAMES, strict=True):
        rows = np.flatnonzero(columns[named] != "")
        found |= dict(zip(columns[column][rows].tolist(), columns[named][rows].tolist(), strict=True))
    return found


def names_of(numbers: Integers, names: Mapping[int, str]) -> Texts:
    """Return the name of each number, in the shape of `numbers`; empty where it has none."""
    found = np.full(numbers.shape, "", dtype=np.object_)
    for row in np.flatnonzero(numbers >= FIRST_OF_NAMES) if names else ():
        found.flat[row] = names.get(int(numbers.flat[row]), "")
    return found


def either(number: Integers, name: Texts) -> list[int | str]:
    """Return what `labels` was given: the name where there is one, else the number."""
    return [text or one for one, text in zip(number.tolist(), name.tolist(), strict=True)]


def listed(numbers: Integers, names: Mapping[int, str]) -> Sequence[str]:
    """Return how the known ones of these are called, each once: numbers in their order, then names in theirs."""
    known = np.unique(numbers[numbers != UNKNOWN]).tolist()
    return [str(one) for one in known if one not in names] + sorted(names[one] for one in known if one in names)
