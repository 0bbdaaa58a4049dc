"""Tables as columns of text: CSV with Python's own reader, Parquet where pyarrow is installed."""

import csv
import importlib
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from strongreid.errors import InputError
from strongreid.files import read_text, unreadable

COLUMNS = ("path", "person", "camera", "split", "frame", "x", "y", "w", "h", "track", "confidence", "time")
"""The columns of a table that mean something; others are passed over."""
LARGEST_CSV = 2**30
"""Bytes of a table of text at most: ten million rows. It is held in memory."""
_REMEDY = "Save the table as CSV in UTF-8."


@dataclass(frozen=True)
class Columns:
    """A table's columns as text, and where it came from, for errors.

    `lines` are the numbers that people give the rows: those of a CSV file's lines, else 1, 2, ...
    """

    path: Path
    values: Mapping[str, list[str]]
    lines: Sequence[int]

    def needed(self, name: str) -> list[str]:
        """A column that must be there, without an empty value."""
        column = self.optional(name)
        if column is None:
            raise InputError(
                f"{self.path} has no column `{name}`; it has {', '.join(sorted(self.values)) or 'none'}. If one of "
                f"them is it, say so by `columns`: {name}=ITS_NAME."
            )
        return column

    def optional(self, name: str) -> list[str] | None:
        """A column that may be missing, but has no empty value if it is there."""
        column = self.values.get(name)
        for row, value in enumerate(column or []):
            if not value:
                raise self.wrong(row, name, value, "a value in every row, or no such column")
        return column

    def numbers(self, name: str, end: int) -> list[float]:
        """A column of numbers between -`end` and `end`, as whole numbers where they are written so."""
        column = self.needed(name)
        numbers = [_number(value) for value in column]
        for row, number in enumerate(numbers):
            if not -end < number < end:  # nor is NaN
                raise self.wrong(row, name, column[row], f"a number of less than {end}")
        return numbers

    def wrong(self, row: int, name: str, value: str, allowed: str) -> InputError:
        """The error for one value."""
        return InputError(f"{self.path}, row {self.lines[row]}: `{name}` is {value!r}; it must be {allowed}.")


def _number(text: str) -> float:
    """A number, NaN for what is none; whole ones are exact."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return math.nan


def column_names(text: str) -> dict[str, str]:
    """What columns are called in a table, from `person=pid,camera=camid`. Raises `InputError` for another form."""
    names: dict[str, str] = {}
    for pair in filter(None, text.split(",")):
        column, equals, name = (word.strip() for word in pair.partition("="))
        if not equals or not name or column not in COLUMNS or column in names:
            raise InputError(
                f"`columns` is {text!r}; write it as person=pid,camera=camid, with each of {', '.join(COLUMNS)} once "
                "at most on the left, and what it is called in the table on the right."
            )
        names[column] = name
    return names


def read_columns(path: Path, names: Mapping[str, str]) -> Columns:
    """Read a table's columns; `names` says what some are called in it. Raises `InputError` for what is no table."""
    if not path.is_file():
        kind = "; this is a folder, and one for each person is read by the name `folder`" if path.is_dir() else ""
        raise InputError(f"There is no table {path}{kind}. Give a .csv or .parquet file with columns path and person.")
    match path.suffix.lower():
        case ".csv" | ".tsv" | ".txt":
            columns = _read_csv(path)
        case ".parquet":
            columns = _read_parquet(path)
        case other:
            raise InputError(f"{path} ends in {other or 'nothing'}; tables end in .csv, .tsv, .txt or .parquet.")
    for name in names.values():
        if name not in columns.values:
            raise InputError(
                f"{path} has no column `{name}`, which `columns` names; it has {', '.join(sorted(columns.values))}."
            )
    renamed = {column: columns.values[name] for column, name in names.items()}
    columns = replace(columns, values={**columns.values, **renamed})
    if not columns.needed("path"):
        raise InputError(f"{path} has no rows.")
    return columns


def _read_csv(path: Path) -> Columns:
    text = read_text(path, limit=LARGEST_CSV, remedy=_REMEDY)
    header = text.partition("\n")[0]
    rows, lines = list[list[str]](), list[int]()
    try:
        separator = max(",;\t", key=lambda one: len(next(csv.reader([header], delimiter=one), [])))
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
        names = [name.strip() for name in next(reader, [])]
        for row in filter(None, reader):
            if len(row) != len(names):
                raise InputError(f"{path}, row {reader.line_num}: {len(row)} values for {len(names)} columns.")
            rows.append([value.strip() for value in row])
            lines.append(reader.line_num)
    except csv.Error as error:
        row_number = lines[-1] + 1 if lines else 1
        raise unreadable(path, f"row {row_number} or a later one is not CSV ({error})", _REMEDY) from error
    if len(set(names)) != len(names):
        raise InputError(f"{path} has two columns of one name: {', '.join(names)}.")
    return Columns(path, {name: [row[index] for row in rows] for index, name in enumerate(names)}, lines)


def _read_parquet(path: Path) -> Columns:
    try:
        parquet = importlib.import_module("pyarrow.parquet")
        arrow = importlib.import_module("pyarrow")
    except ImportError as error:
        raise InputError(
            f"Reading {path} needs the package pyarrow, which is not installed: `pip install pyarrow`. "
            "Or save the table as CSV."
        ) from error
    try:
        table = parquet.read_table(path)
        values = {name: [_as_text(value) for value in column] for name, column in table.to_pydict().items()}
    except (OSError, ValueError, arrow.ArrowException) as error:
        raise InputError(f"{path} is not Parquet ({error}).") from error
    return Columns(path, values, range(1, table.num_rows + 1))


def _as_text(value: object) -> str:
    """A value as text; empty where there is none (NaN is the one that does not equal itself)."""
    return "" if value is None or value != value else str(value)
