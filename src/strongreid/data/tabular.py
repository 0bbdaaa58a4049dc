"""Tables of own data: CSV with Python's own reader, Parquet where pyarrow is installed."""

import csv
import importlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from strongreid.errors import InputError

_WHOLE = re.compile(r"^(-?\d+)\.0+$")


@dataclass(frozen=True)
class Columns:
    """A table's columns as text, and where it came from, for errors.

    `lines` are the numbers that people give the rows: those of a CSV file's lines, else 1, 2, ...
    """

    path: Path
    values: dict[str, list[str]]
    lines: Sequence[int]

    def needed(self, name: str) -> list[str]:
        """A column that must be there, without an empty value."""
        column = self.optional(name)
        if column is None:
            raise InputError(f"{self.path} has no column `{name}`; it has {', '.join(sorted(self.values)) or 'none'}.")
        return column

    def optional(self, name: str) -> list[str] | None:
        """A column that may be missing, but has no empty value if it is there."""
        column = self.values.get(name)
        for row, value in enumerate(column or []):
            if not value:
                raise self.wrong(row, name, value, "a value in every row, or no such column")
        return column

    def integers(self, names: Sequence[str]) -> npt.NDArray[np.int64] | None:
        """Columns that belong together, rounded: int64 [N, names], or None if none of them is there."""
        if not any(name in self.values for name in names):
            return None
        result = np.empty((len(self.needed(names[0])), len(names)), dtype=np.int64)
        for place, name in enumerate(names):
            for row, value in enumerate(self.needed(name)):
                try:
                    result[row, place] = round(float(value))
                except (ValueError, OverflowError) as error:
                    raise self.wrong(row, name, value, "a number") from error
        return result

    def wrong(self, row: int, name: str, value: str, allowed: str) -> InputError:
        """The error for one value."""
        return InputError(f"{self.path}, row {self.lines[row]}: `{name}` is {value!r}; it must be {allowed}.")


def labels(column: Sequence[str]) -> list[str]:
    """Names and numbers of a column, where 3.0 is 3: so programs write it whose columns hold floats."""
    return [_WHOLE.sub(r"\1", value) for value in column]


def read_columns(path: Path) -> Columns:
    """Read a .csv or .parquet file. Raises `InputError` if it is missing, empty or of another kind."""
    if not path.is_file():
        raise InputError(f"There is no table {path}. Give a .csv or .parquet file with the columns path and person.")
    match path.suffix.lower():
        case ".csv":
            columns = _read_csv(path)
        case ".parquet":
            columns = _read_parquet(path)
        case other:
            raise InputError(f"{path} ends in {other or 'nothing'}; tables end in .csv or .parquet.")
    if not columns.needed("path"):
        raise InputError(f"{path} has no rows.")
    return columns


def _read_csv(path: Path) -> Columns:
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.reader(stream, strict=True)
            names = [name.strip() for name in next(reader, [])]
            if len(set(names)) != len(names):
                raise InputError(f"{path} has two columns of one name: {', '.join(names)}.")
            rows, lines = list[list[str]](), list[int]()
            for row in reader:
                if row and len(row) != len(names):
                    raise InputError(f"{path}, row {reader.line_num}: {len(row)} values for {len(names)} columns.")
                if row:
                    rows.append([value.strip() for value in row])
                    lines.append(reader.line_num)
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} is not CSV in UTF-8 ({error}).") from error
    return Columns(path, {name: [row[place] for row in rows] for place, name in enumerate(names)}, lines)


def _read_parquet(path: Path) -> Columns:
    try:
        parquet = importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        raise InputError(
            f"Reading {path} needs the package pyarrow, which is not installed: `pip install pyarrow`. "
            "Or save the table as CSV."
        ) from error
    try:
        table = parquet.read_table(path)
    except (OSError, ValueError) as error:  # pyarrow's errors are kinds of these
        raise InputError(f"{path} is not Parquet ({error}).") from error
    values = {name: [_text(value) for value in column] for name, column in table.to_pydict().items()}
    return Columns(path, values, range(1, table.num_rows + 1))


def _text(value: object) -> str:
    """A value as text; empty where there is none (NaN is the one that does not equal itself)."""
    return "" if value is None or value != value else str(value)
