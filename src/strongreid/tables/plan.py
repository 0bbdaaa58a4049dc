"""From a table to what has to be done: trainings, and measurements of them.

A training's folder carries a hash of all that it depends on (settings and training images), a measurement's file one
of the training, the feature, the distance and the test images. So rows that need the same training share it, also
across tables in one output folder; what is finished is found again; and what has changed has another name.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from strongreid import build
from strongreid.config import Config, as_plain
from strongreid.data import ReIDData
from strongreid.errors import InputError
from strongreid.recipes import read_config, recipe_path
from strongreid.tables.spec import ResultTable, Row

Scale = Literal["paper", "cpu"]
NOT_LEARNED = ("name", "output", "evaluation", "data")
"""Settings that do not change what is learned; the training images count by their fingerprint."""


@dataclass(frozen=True)
class Direction:
    """Where a table's rows are trained and tested; a table across domains has two of them."""

    label: str
    train: Sequence[str]
    """The words that choose the training set, such as `--data.name=market1501`."""
    test: Sequence[str]
    """The words that choose the test set."""
    paper: str
    """The key of the paper's figures to show beside."""
    like_paper: bool = False
    """Whether what is measured can be set against them: the paper's own data sets and settings."""


@dataclass(frozen=True)
class Training:
    """One training: rows that differ only in how features are compared share it."""

    config: Config
    folder: Path

    @property
    def finished(self) -> bool:
        """Whether it has run to its end."""
        return (self.folder / "result.json").is_file()


@dataclass(frozen=True)
class Measurement:
    """One row, one seed, one direction: a training, tested in one way."""

    row: Row
    seed: int
    direction: Direction
    training: Training
    test: Config
    """The row's settings with the test set as its data."""
    file: Path
    """Where its result is kept (.npz)."""

    @property
    def done(self) -> bool:
        """Whether it has been measured, of a training that is there."""
        return self.file.is_file() and self.training.finished


@dataclass(frozen=True)
class Sweep:
    """A table with everything that fills it."""

    table: ResultTable
    rows: tuple[Row, ...]
    """The rows that are shown, in the table's order."""
    directions: tuple[Direction, ...]
    seeds: tuple[int, ...]
    measurements: tuple[Measurement, ...]
    """Seed by seed, each in the order of the rows."""
    folder: Path
    """Where the table is written."""

    @property
    def trainings(self) -> list[Training]:
        """All trainings, each once, in the order in which they are needed."""
        return list({item.training.folder: item.training for item in self.measurements}.values())

    def so_far(self) -> "Sweep":
        """Return the sweep of those seeds that are measured in every row; of the first one where none is."""
        left = {item.seed for item in self.measurements if not item.done}
        seeds = tuple(seed for seed in self.seeds if seed not in left) or self.seeds[:1]
        return replace(self, seeds=seeds, measurements=tuple(i for i in self.measurements if i.seed in seeds))


def plan_sweep(
    table: ResultTable,
    directions: Sequence[Direction],
    output: Path,
    *,
    scale: Scale,
    seeds: Sequence[int],
    rows: Sequence[int] = (),
    epochs: int | None = None,
    overrides: Sequence[str] = (),
) -> Sweep:
    """Work out what fills a table.

    table: which; directions: the data sets; output: the folder for everything; scale: recipes at the paper's size or
    those for CPUs; seeds: of the trainings; rows: numbers of the rows to fill, from 1, none for all; epochs: length of
    each training in place of the recipe's, with warm-up and milestones at the same fractions of it; overrides: settings
    of all rows, as words of the command line. Raises `InputError` for impossible choices.
    """
    if len(set(seeds)) != len(seeds) or not seeds:
        raise InputError(f"--seeds is {list(seeds)}; name at least one seed, and each once.")
    taken = table.changed_fields()
    if epochs is not None and (fixed := taken & {"schedule.epochs", "schedule.milestones"}):
        raise InputError(f"--epochs cannot change what {table.name} itself sets: {', '.join(sorted(fixed))}.")
    for word in overrides:
        field = word.removeprefix("--").split("=")[0]
        if field in taken:
            raise InputError(f"{field} is what the rows of {table.name} change; it cannot be set for all of them.")
    chosen = _chosen(table, rows)
    sets: dict[tuple[str, ...], ReIDData] = {}
    measurements = []
    for seed in seeds:
        for row in chosen:
            for direction in () if row.to_come else directions:
                common = [*overrides, f"--seed={seed}", f"--output={output / 'trainings'}"]
                common.append(f"--data.cache={output / 'packed'}")
                train = row_config(table, row, scale, epochs, [*common, *direction.train])
                chosen_test = [f"--data.cache={output / 'packed'}", *direction.test]
                test = replace(train, data=read_config(recipe_path("bag_of_tricks"), chosen_test).data)
                for words, config in ((tuple(direction.train), train), (tuple(direction.test), test)):
                    if words not in sets:
                        sets[words] = build.build_data(config)
                training = _training(train, sets[tuple(direction.train)])
                file = _measurement_file(output, training, test, row, sets[tuple(direction.test)])
                measurements.append(Measurement(row, seed, direction, training, test, file))
    if not measurements:
        reasons = "; ".join(f"{row.name}: {row.to_come}" for row in chosen)
        raise InputError(f"None of these rows can be run yet ({reasons}).")
    name = f"{table.name}-{_plain_name(' '.join(direction.label for direction in directions[:1]))}"
    return Sweep(table, chosen, tuple(directions), tuple(seeds), tuple(measurements), output / name)


def _chosen(table: ResultTable, numbers: Sequence[int]) -> tuple[Row, ...]:
    wrong = [number for number in numbers if not 1 <= number <= len(table.rows)]
    if wrong:
        raise InputError(f"--rows names {wrong}; the table {table.name} has the rows 1 to {len(table.rows)}.")
    return tuple(row for number, row in enumerate(table.rows, 1) if not numbers or number in numbers)


def row_config(table: ResultTable, row: Row, scale: Scale, epochs: int | None, words: Sequence[str]) -> Config:
    """Return the settings of a row; `words` are settings of all rows. Arguments as in `plan_sweep`."""
    values, take = table.changes(row, scale)
    if take:
        tricks = as_plain(_scaled("bag_of_tricks", scale, epochs, words))
        values = {**values, **{field: _at(tricks, field) for field in take}}
    start = _scaled(table.recipe, scale, epochs, words)
    schedule = start.schedule
    length = [
        f"--schedule.epochs={schedule.epochs}",
        f"--schedule.warmup_epochs={schedule.warmup_epochs}",
        f"--schedule.milestones={list(schedule.milestones)}",
    ]
    own = [f"--{field}={value if isinstance(value, str) else json.dumps(value)}" for field, value in values.items()]
    return read_config(recipe_path(_recipe(table.recipe, scale)), [*words, *length, *own])


def _recipe(recipe: str, scale: Scale) -> str:
    return f"{recipe}_small" if scale == "cpu" and recipe in ("bag_of_tricks", "standard_baseline") else recipe


def _scaled(recipe: str, scale: Scale, epochs: int | None, words: Sequence[str]) -> Config:
    """Return a recipe's settings, trained for another number of epochs with its events at the same fractions."""
    config = read_config(recipe_path(_recipe(recipe, scale)), words)
    if epochs is None:
        return config
    share = epochs / config.schedule.epochs
    schedule = replace(
        config.schedule,
        epochs=epochs,
        warmup_epochs=max(1, round(config.schedule.warmup_epochs * share)) if config.schedule.warmup_epochs else 0,
        milestones=tuple(sorted({max(1, round(milestone * share)) for milestone in config.schedule.milestones})),
    )
    return replace(config, schedule=schedule)


def _at(plain: Mapping[str, Any], field: str) -> Any:
    value: Any = plain
    for part in field.split("."):
        if not isinstance(value, Mapping) or part not in value:
            raise InputError(f"`take` names {field}, which is no setting; strongreid train --help lists them.")
        value = value[part]
    return value


def _training(config: Config, data: ReIDData) -> Training:
    learned = {name: value for name, value in as_plain(config).items() if name not in NOT_LEARNED}
    for name in ("log_every", "checkpoint_every"):
        learned["runtime"].pop(name)
    key = _hash({"settings": learned, "images": data.train.fingerprint()})
    name = f"{_plain_name(data.name)}-seed{config.seed}-{key}"
    return Training(replace(config, name=name), config.output / name)


def _measurement_file(output: Path, training: Training, test: Config, row: Row, data: ReIDData) -> Path:
    key = _hash(
        {
            "training": training.folder.name,
            "feature": test.evaluation.feature,
            "metric": test.evaluation.metric,
            "reranking": row.reranking,
            "images": [data.query.fingerprint(), data.gallery.fingerprint()],
        }
    )
    return output / "measured" / f"{key}.npz"


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:12]


def _plain_name(text: str) -> str:
    return re.sub(r"[^a-z0-9_]+", "-", text.lower()).strip("-")
