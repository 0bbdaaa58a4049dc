"""The paper's tables as data: `tables/*.yaml`, one file a table; a table of one's own has the same form.

A row is a name, what it changes and the paper's figures. It starts from the row that `from` names, or from the table's
recipe. `take` names fields whose value comes from `bag_of_tricks`: that is how a trick is switched on, at any size,
with its value written once, in the recipe. `set` gives values, `cpu` other ones for CPU size. `reranking: true` ranks
again. A row with `to_come` is shown but not run.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

from strongreid.errors import InputError

TABLES = Path(__file__).parent / "paper"
"""The folder of the tables that come with the package."""
MARKS = {
    "R": "from the authors' README",
    "N": "from public notes that transcribe the paper",
    "?": "recalled, not checked against the paper",
}
"""Where a figure of the paper comes from."""


@dataclass(frozen=True)
class PaperFigure:
    """What the paper reports for one row on one data set, in percent."""

    rank_1: float
    mean_ap: float
    mark: str
    """Where it comes from, or where rank-1 does: a key of `MARKS`."""
    mean_ap_mark: str
    """Where mAP comes from."""

    @property
    def text(self) -> str:
        """Rank-1 (mAP) with their marks, as they are shown."""
        if self.mark == self.mean_ap_mark:
            return f"{self.rank_1:.1f} ({self.mean_ap:.1f}) [{self.mark}]"
        return f"{self.rank_1:.1f} [{self.mark}] ({self.mean_ap:.1f} [{self.mean_ap_mark}])"


@dataclass(frozen=True)
class Row:
    """One row of a table."""

    name: str
    start: str | None = None
    """Name of the row it starts from; None: the table's recipe."""
    take: tuple[str, ...] = ()
    """Fields that take the value of the recipe `bag_of_tricks`."""
    values: Mapping[str, Any] = field(default_factory=dict)
    """Fields and their values."""
    cpu_values: Mapping[str, Any] = field(default_factory=dict)
    """Fields and their values at CPU size, in place of `values`."""
    reranking: bool = False
    to_come: str | None = None
    """Why the row cannot be run yet."""
    paper: Mapping[str, PaperFigure] = field(default_factory=dict)
    """By data set; across domains by `A -> B`."""


@dataclass(frozen=True)
class ResultTable:
    """A table of the paper, or one's own."""

    name: str
    title: str
    source: str
    recipe: str
    """The recipe that rows start from; at CPU size the one with `_small`."""
    values: Mapping[str, Any]
    """Fields that have these values in every row."""
    across: bool
    """Trained on one data set and tested on another, both ways."""
    rows: tuple[Row, ...]

    def changed_fields(self) -> set[str]:
        """Return the fields that rows change: a user cannot set them for all rows at once."""
        fields = set(self.values)
        for row in self.rows:
            fields |= {*row.take, *row.values, *row.cpu_values}
        return fields

    def changes(self, row: Row, scale: Literal["paper", "cpu"]) -> tuple[dict[str, Any], tuple[str, ...]]:
        """Return what a row changes of the recipe, its starting rows included: values, and fields to take."""
        values: dict[str, Any] = dict(self.values)
        take: tuple[str, ...] = ()
        if row.start is not None:
            values, take = self.changes(self.row(row.start), scale)
        own = row.cpu_values if scale == "cpu" and row.cpu_values else row.values
        return {**values, **own}, tuple(name for name in take if name not in own) + row.take

    def row(self, name: str) -> Row:
        """Return the row of that name."""
        return next(row for row in self.rows if row.name == name)


def table_names() -> list[str]:
    """Return the names of the tables that come with the package."""
    return sorted(path.stem for path in TABLES.glob("*.yaml"))


def read_table(name: str, file: Path | None = None) -> ResultTable:
    """Read the table `name`, or for `own` the one in `file`. Raises `InputError` for what is not of the form."""
    if name == "own" and file is None:
        raise InputError("The table own is written in a YAML file: name it by --file FILE.")
    if name != "own" and file is not None:
        raise InputError(f"--file belongs to the table own, not to {name}.")
    if name != "own" and name not in table_names():
        raise InputError(f"There is no table {name!r}: name one of {', '.join([*table_names(), 'own'])}.")
    path = file or TABLES / f"{name}.yaml"
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"The table {path} cannot be read: {error}") from error
    where = f"The table {path}"
    _only(content, {"title", "source", "recipe", "set", "across", "rows"}, where)
    rows = content.get("rows")
    if not isinstance(rows, list) or not rows:
        raise InputError(f"{where} has no rows: write them as a list, each with a name and what it sets.")
    table = ResultTable(
        name=path.stem if name == "own" else name,
        title=str(content.get("title", path.stem)),
        source=str(content.get("source", "")),
        recipe=str(content.get("recipe", "bag_of_tricks")),
        values=_mapping(content, "set", where),
        across=content.get("across", False) is True,
        rows=tuple(_row(item, where) for item in rows),
    )
    _check_names(table, where)
    return table


def _row(item: Any, where: str) -> Row:
    allowed = {"name", "from", "take", "set", "cpu", "reranking", "to_come", "paper"}
    _only(item, allowed, f"{where}: a row")
    if not isinstance(item.get("name"), str):
        raise InputError(f"{where}: a row has no name: {item}.")
    place = f"{where}, row {item['name']!r}"
    take = item.get("take", [])
    if not isinstance(take, list) or not all(isinstance(name, str) for name in take):
        raise InputError(f"{place}: `take` is {take!r}; it must be a list of fields, such as [model.last_stride].")
    if not isinstance(item.get("reranking", False), bool):
        raise InputError(f"{place}: `reranking` is {item['reranking']!r}; it must be true or false.")
    return Row(
        name=item["name"],
        start=item.get("from"),
        take=tuple(take),
        values=_mapping(item, "set", place),
        cpu_values=_mapping(item, "cpu", place),
        reranking=item.get("reranking", False),
        to_come=item.get("to_come"),
        paper={str(data): _figure(value, place) for data, value in _mapping(item, "paper", place).items()},
    )


def _figure(value: Any, place: str) -> PaperFigure:
    match value:
        case [int() | float() as rank_1, int() | float() as mean_ap, str() as mark, *more] if mark in MARKS:
            match more:
                case []:
                    return PaperFigure(float(rank_1), float(mean_ap), mark, mark)
                case [str() as mean_ap_mark] if mean_ap_mark in MARKS:
                    return PaperFigure(float(rank_1), float(mean_ap), mark, mean_ap_mark)
    raise InputError(
        f"{place}: a figure of the paper is [rank-1, mAP, mark], mark one of {', '.join(MARKS)}, a fourth value the "
        f"mark of mAP if it is another; not {value}."
    )


def _check_names(table: ResultTable, where: str) -> None:
    known: set[str] = set()
    for row in table.rows:
        if row.name in known:
            raise InputError(f"{where} has two rows named {row.name!r}.")
        if row.start is not None and row.start not in known:
            raise InputError(f"{where}, row {row.name!r}: `from` names {row.start!r}, which is no row above it.")
        known.add(row.name)


def _only(item: Any, allowed: set[str], where: str) -> None:
    if not isinstance(item, dict):
        raise InputError(f"{where} is not a mapping of {', '.join(sorted(allowed))}.")
    unknown = sorted(str(key) for key in item.keys() - allowed)
    if unknown:
        raise InputError(
            f"{where} has {', '.join(unknown)}, which is not known; allowed: {', '.join(sorted(allowed))}."
        )


def _mapping(item: Mapping[str, Any], key: str, where: str) -> dict[str, Any]:
    value = item.get(key, {})
    if not isinstance(value, dict):
        raise InputError(f"{where}: `{key}` is {value!r}; it must map fields to values.")
    return value
