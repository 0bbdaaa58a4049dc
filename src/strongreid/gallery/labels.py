"""People, cameras and tracks, each a whole number or a name.

A gallery compares numbers: a name stands for the number that is made of it (`names.number_of_name`), beside which the
name is kept, in the row that has it, so that it is erased with its last row. Conditions, too, turn names into numbers:
no name ever reaches a database's language. Text that reads as a whole number is that number, as in tables.
"""

import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from torch import Tensor

from strongreid.errors import InputError
from strongreid.gallery.where import UNKNOWN, Integers
from strongreid.names import FIRST_OF_NAMES, number_of_name

Texts = npt.NDArray[np.object_]
NAMED: Final = ("person", "camera", "track")
"""Columns of numbers that may have names."""
NAMES: Final = tuple(f"{column}_name" for column in NAMED)
"""Columns of their names."""
LONGEST_NAME: Final = 512
"""Most bytes of a name: each can be asked for in a condition."""
_LARGEST: Final = 2**63 - 1
_LARGEST_EXACT: Final = 2**53
"""Beyond it floats are rounded, so that a number would be another one's."""
_ALLOWED: Final = "give whole numbers from 0 on (integers where beyond 2**53) or names, and -1 or None for unknown."
_RANGE: Final = "numbers go from 0 to 2**63 - 1, -1 stands for unknown."
_NUMBER: Final = re.compile(r"(-?)(\d+)(?:\.0+)?")


@dataclass(frozen=True, eq=False)
class Labels:
    """A column of people, cameras or tracks."""

    number: Integers
    """int64 `[N]`, -1 where it is not known."""
    name: Texts
    """`[N]` text, empty where there is none."""

    def in_several_forms(self) -> dict[int, tuple[int, ...]]:
        """All numbers of each name that has several (`numbers_of`), by the one that is here."""
        found = {number_of_name(name): numbers_of(name) for name in set(self.name.tolist()) if not name.isascii()}
        return {number: forms for number, forms in found.items() if len(forms) > 1}


def labels(argument: str, given: Any, count: int) -> Labels:
    """Read a column: one number or name for all, or `[count]`, also of pandas or pyarrow.

    Unknown is None, also within a list, and what pandas has in its place. Raises `InputError` for what is neither,
    naming the argument.
    """
    given = _values(given)
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
    number = whole_numbers(
        argument, [number_of_name(value) if isinstance(value, str) else value for value in read], count
    )
    for row, value in enumerate(read):
        if isinstance(value, str):
            name[row] = value
    return Labels(number, name)


def label(argument: str, text: str) -> int | str:
    """Return the number that a text says, or else the name that it is; `InputError` where it can be neither."""
    said = _NUMBER.fullmatch(text)
    if said is not None:
        digits = said[2].lstrip("0") or "0"
        number = int(said[1] + digits) if len(digits) <= len(str(_LARGEST)) else _LARGEST + 1
        if number > _LARGEST or (said[1] and number != UNKNOWN):
            raise InputError(f"{argument} {text[:40]} is none: {_RANGE}")
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
    given = UNKNOWN if given is None else _values(given)
    if isinstance(given, list | tuple):
        # One by one: NumPy rounds whole numbers that stand beside fractions, and takes True beside a number for 1.
        given = np.array([_whole_number(name, value) for value in given], dtype=np.int64)
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
    if column.dtype.kind == "f":
        column = np.where(np.isnan(column), UNKNOWN, column.astype(np.float64))
        if bool(((np.abs(column) <= _LARGEST_EXACT) & (column == np.floor(column))).all()):
            column = column.astype(np.int64)
    if column.size and column.dtype.kind not in "iu":
        raise InputError(f"{name} has dtype {column.dtype}; {_ALLOWED}")
    if column.size and (int(column.max()) > _LARGEST or int(column.min()) < UNKNOWN):
        wrong = column[(column < UNKNOWN) | (column > _LARGEST)][0]
        raise InputError(f"{name} {wrong} is none: {_RANGE}")
    return column.astype(np.int64)


def _values(given: Any) -> Any:
    """What an array holds: a list of one of pandas or pyarrow, and where NumPy's or torch's is of numbers, that."""
    if isinstance(given, Tensor):
        given = given.detach().cpu()
        return (given.double() if given.is_floating_point() else given).numpy()  # NumPy has no bfloat16
    if isinstance(given, np.ndarray) and given.dtype.kind not in "OU":
        return given
    listed = getattr(given, "to_pylist", None) or getattr(given, "tolist", None)  # exact beside what is missing
    return given if listed is None else listed()


def _whole_number(name: str, value: Any) -> int:
    """One value of a list."""
    if isinstance(value, np.generic | np.ndarray | Tensor) and value.ndim == 0:
        value = value.item()
    if isinstance(value, list | tuple | np.ndarray):
        raise InputError(
            f"{name} has the wrong shape, a {type(value).__name__} in a list; give one value for each row."
        )
    if value is None or type(value).__name__ in ("NAType", "NaTType"):  # those of pandas, which need not be installed
        return UNKNOWN
    if isinstance(value, float):
        if math.isnan(value):
            return UNKNOWN
        value = int(value) if value.is_integer() and abs(value) <= _LARGEST_EXACT else value
    if isinstance(value, bool) or not isinstance(value, int):
        raise InputError(f"{name} has {str(value)[:80]!r}, a {type(value).__name__}; {_ALLOWED}")
    if not UNKNOWN <= value <= _LARGEST:
        raise InputError(f"{name} {value} is none: {_RANGE}")
    return value


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
