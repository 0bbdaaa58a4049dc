"""The paper's tables as data: `tables/paper/*.yaml`, one file a table; a table of one's own has the same form.

A row is a name, what it changes and the paper's figures. It starts from the row that `from` names, from a `recipe` of
its own, or from the table's. `take` names fields whose value comes from `bag_of_tricks`: that is how a trick is
switched on, at any size, with its value written once, in the recipe. `set` gives values, `cpu` other ones for CPU size.
`reranking: true` ranks again, by other settings where they stand there: `reranking: {k1: 10}`.
"""

import reprlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from strongreid.errors import InputError, did_you_mean
from strongreid.files import read_yaml
from strongreid.recipes.values import checked

if TYPE_CHECKING:
    from strongreid.evaluation import Reranking

TABLES = Path(__file__).parent / "paper"
"""The folder of the tables that come with the package."""
DRAWN_WORLD = "drawn "
"""What the names of drawn sets in a matrix begin with; the number of their world follows."""
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
    """Name of the row it starts from; None: a recipe."""
    recipe: str | None = None
    """Which recipe, where it starts from one; None: the table's."""
    take: tuple[str, ...] = ()
    """Fields that take the value of the recipe `bag_of_tricks`."""
    values: Mapping[str, Any] = field(default_factory=dict)
    """Fields and their values."""
    cpu_values: Mapping[str, Any] = field(default_factory=dict)
    """Fields and their values at CPU size, in place of `values`."""
    reranking: "Reranking | None" = None
    """How the row is ranked again; None: it is not."""
    paper: Mapping[str, PaperFigure] = field(default_factory=dict)
    """By data set; across domains by `A -> B`."""


@dataclass(frozen=True)
class ResultTable:
    """A table of the paper, or one's own."""

    name: str
    """What its folder is called."""
    rows: tuple[Row, ...]
    title: str = ""
    source: str = ""
    """Where the paper's figures are from."""
    recipe: str = "bag_of_tricks"
    """The recipe that rows start from; at CPU size the one with `_small`."""
    values: Mapping[str, Any] = field(default_factory=dict)
    """Fields that have these values in every row."""
    across: bool = False
    """Trained on one data set and tested on another, both ways."""
    matrix: tuple[str, ...] = ()
    """Sets that are trained on one by one and joined, and tested on by the trainings that do not know them: `drawn N`
    for drawn people of world N, and names of data sets, which the user has."""
    where: str = "The table"
    """How messages name it."""

    def __post_init__(self) -> None:
        if not self.rows:
            raise InputError(f"{self.where} has no rows: write them as a list, each with a name and what it sets.")
        if len(self.matrix) == 1:
            raise InputError(
                f"{self.where}: `matrix` has {self.matrix[0]!r} alone; it needs two sets or more, one to train on and "
                "another to test on, such as drawn 0 and drawn 1."
            )
        for name in self.matrix:
            world = name.removeprefix(DRAWN_WORLD)
            if self.matrix.count(name) > 1 or (name != world and not world.isdecimal()):
                raise InputError(
                    f"{self.where}: `matrix` has {name!r}; each set stands there once, drawn ones as drawn 0."
                )
        known: list[str] = []
        for row in self.rows:
            if row.name in known:
                raise InputError(f"{self.where} has two rows named {row.name!r}.")
            if row.start is not None and row.recipe is not None:
                raise InputError(f"{self.where}, row {row.name!r}: it starts from a row or from a recipe, not both.")
            if row.start is not None and row.start not in known:
                near = did_you_mean(row.start, known)
                raise InputError(f"{self.where}, row {row.name!r}: `from` names {row.start!r}, no row above it.{near}")
            known.append(row.name)

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

    def recipe_of(self, row: Row) -> str:
        """Return the recipe that a row starts from, by way of its starting rows."""
        return row.recipe or (self.recipe if row.start is None else self.recipe_of(self.row(row.start)))

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
    known = [*table_names(), "own"]
    if name not in known:
        raise InputError(f"There is no table {name!r}: name one of {', '.join(known)}.{did_you_mean(name, known)}")
    path = file or TABLES / f"{name}.yaml"
    where = f"The table {path}"
    content = read_yaml(path)
    _only(content, {"title", "source", "recipe", "set", "across", "matrix", "rows"}, where)
    rows = content.get("rows", [])
    if not isinstance(rows, list):
        raise InputError(f"{where}: `rows` is {reprlib.repr(rows)}; it must be a list of rows.")
    return ResultTable(
        name=path.stem if name == "own" else name,
        rows=tuple(_row(item, number, where) for number, item in enumerate(rows, 1)),
        title=checked(str, content.get("title", path.stem), f"{where}: `title`"),
        source=checked(str, content.get("source", ""), f"{where}: `source`"),
        recipe=checked(str, content.get("recipe", "bag_of_tricks"), f"{where}: `recipe`"),
        values=_mapping(content, "set", where),
        across=checked(bool, content.get("across", False), f"{where}: `across`"),
        matrix=checked(tuple[str, ...], content.get("matrix", []), f"{where}: `matrix`"),
        where=where,
    )


def _row(item: Any, number: int, where: str) -> Row:
    where = f"{where}, row {number}"
    _only(item, {"name", "from", "recipe", "take", "set", "cpu", "reranking", "paper"}, where)
    if "name" not in item:
        raise InputError(f"{where} has no name: {reprlib.repr(item)}.")
    name = checked(str, item["name"], f"{where}: `name`")
    where += f", {name!r}"
    reranking = item.get("reranking", False)
    if reranking is not False:
        from strongreid.evaluation import Reranking  # loads PyTorch, for which a faulty table should not wait

        reranking = Reranking() if reranking is True else checked(Reranking, reranking, f"{where}: `reranking`")
    return Row(
        name=name,
        start=checked(str | None, item.get("from"), f"{where}: `from`"),
        recipe=checked(str | None, item.get("recipe"), f"{where}: `recipe`"),
        take=checked(tuple[str, ...], item.get("take", []), f"{where}: `take`"),
        values=_mapping(item, "set", where),
        cpu_values=_mapping(item, "cpu", where),
        reranking=reranking or None,
        paper={str(data): _figure(value, where) for data, value in _mapping(item, "paper", where).items()},
    )


def _figure(value: Any, where: str) -> PaperFigure:
    match value:
        case [int() | float() as rank_1, int() | float() as mean_ap, str() as mark, *more] if mark in MARKS:
            match more:
                case []:
                    return PaperFigure(float(rank_1), float(mean_ap), mark, mark)
                case [str() as mean_ap_mark] if mean_ap_mark in MARKS:
                    return PaperFigure(float(rank_1), float(mean_ap), mark, mean_ap_mark)
    raise InputError(
        f"{where}: a figure of the paper is [rank-1, mAP, mark], mark one of {', '.join(MARKS)}, a fourth value the "
        f"mark of mAP if it is another; not {reprlib.repr(value)}."
    )


def _only(item: Any, allowed: set[str], where: str) -> None:
    names = ", ".join(sorted(allowed))
    if not isinstance(item, dict):
        raise InputError(f"{where} is {reprlib.repr(item)}; it must be a mapping of {names}.")
    for key in item:
        if key not in allowed:
            raise InputError(
                f"{where} has {key!r}, which is not known; known are {names}.{did_you_mean(str(key), allowed)}"
            )


def _mapping(item: Mapping[str, Any], key: str, where: str) -> dict[str, Any]:
    value = item.get(key, {})
    if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
        raise InputError(f"{where}: `{key}` is {reprlib.repr(value)}; it must map names to values.")
    return value
