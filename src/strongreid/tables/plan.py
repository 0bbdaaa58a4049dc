"""From a table to what has to be done: trainings, and measurements of them.

A training's folder carries a hash of all that it depends on (settings and training images), a measurement's file one
of the training, the feature, the distance and the test images. So rows that need the same training share it, also
across tables in one output folder; what is finished is found again; and what has changed has another name.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from strongreid import build
from strongreid.config import ADDED_FIELDS, Config, as_plain
from strongreid.config_sections import DataConfig
from strongreid.data import ReIDData
from strongreid.errors import InputError, did_you_mean
from strongreid.evaluation import Reranking
from strongreid.files import dotted, path_part
from strongreid.recipes import read_config, recipe_names, recipe_path, scaled_schedule
from strongreid.recipes.values import with_values
from strongreid.tables.spec import ResultTable, Row

Scale = Literal["paper", "cpu"]
NOT_LEARNED = ("name", "output", "evaluation", "data", "runtime.log_every", "runtime.checkpoint_every")
"""Settings, or sections of them, that do not change what is learned; training images count by their fingerprint."""
OF_THE_SWEEP = ("name", "output", "seed")
"""Settings that a row cannot have of its own."""


@dataclass(frozen=True)
class Direction:
    """Where a table's rows are trained and tested; a table across domains has two of them."""

    label: str
    train: DataConfig
    """The data set to train on."""
    test: DataConfig
    """The data set to test on."""
    paper: str = ""
    """The key of the paper's figures to show beside."""
    like_paper: bool = False
    """Whether what is measured can be set against them: the paper's own data sets and settings."""
    cell: tuple[tuple[str, ...], str] | None = None
    """Of a matrix: the sets that are trained on, and the set to test on."""


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
    seeds: Sequence[int] = (0,),
    rows: Sequence[int] = (),
    epochs: int | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Sweep:
    """Work out what fills a table.

    table: which; directions: the data sets; output: the folder for everything; scale: recipes at the paper's size or
    those for CPUs; seeds: of the trainings; rows: numbers of the rows to fill, from 1, none for all; epochs: length of
    each training in place of the recipe's, with warm-up and milestones at the same fractions of it; overrides: settings
    of all rows, by dotted name, as they are to be after that. Raises `InputError` for impossible choices.
    """
    if len(set(seeds)) != len(seeds) or not seeds:
        raise InputError(f"--seeds is {list(seeds)}; name at least one seed, and each once.")
    taken = table.changed_fields()
    if epochs is not None and (fixed := taken & {"schedule.epochs", "schedule.milestones"}):
        raise InputError(f"--epochs cannot change what {table.name} itself sets: {', '.join(sorted(fixed))}.")
    if epochs is not None and "schedule.epochs" in (overrides or {}):
        raise InputError("--epochs and --schedule.epochs both say how long to train; give one of them.")
    for name in overrides or {}:
        if name in taken:
            raise InputError(f"{name} is what the rows of {table.name} change; it cannot be set for all of them.")
    chosen = _chosen(table, rows)
    common = {**(overrides or {}), "output": output / "trainings"}
    read: dict[str, ReIDData] = {}

    def data_of(config: Config) -> ReIDData:
        key = repr(config.data)
        if key not in read:
            read[key] = build.build_data(config)
        return read[key]

    measurements = []
    for seed in seeds:
        for row in chosen:
            for direction in directions:
                here, there = (replace(data, cache=output / "packed") for data in (direction.train, direction.test))
                config = row_config(table, row, scale, epochs, {**common, "seed": seed, "data": here})
                test = config if here == there else replace(config, data=there)
                training = _training(config, data_of(config))
                file = _measurement_file(output, training, test, row, data_of(test))
                measurements.append(Measurement(row, seed, direction, training, test, file))
    folder = output / path_part(f"{table.name}-{_plain_name(directions[0].label)}")
    return Sweep(table, chosen, tuple(directions), tuple(seeds), tuple(measurements), folder)


def _chosen(table: ResultTable, numbers: Sequence[int]) -> tuple[Row, ...]:
    wrong = [number for number in numbers if not 1 <= number <= len(table.rows)]
    if wrong:
        raise InputError(f"--rows names {wrong}; the table {table.name} has the rows 1 to {len(table.rows)}.")
    return tuple(row for number, row in enumerate(table.rows, 1) if not numbers or number in numbers)


def row_config(
    table: ResultTable, row: Row, scale: Scale, epochs: int | None = None, values: Mapping[str, Any] | None = None
) -> Config:
    """Return the settings of a row; `values` are those of all rows. Other arguments as in `plan_sweep`.

    Raises `InputError` that names table, row and field.
    """
    own, take = table.changes(row, scale)
    try:
        if take:
            tricks = dotted(as_plain(_scaled("bag_of_tricks", scale, epochs, values or {})))
            for name in take:
                if name not in tricks:
                    raise InputError(f"`take` names {name}, which is no setting.{did_you_mean(name, tricks)}")
                own[name] = tricks[name]
        if wrong := own.keys() & OF_THE_SWEEP:
            raise InputError(f"{', '.join(sorted(wrong))} cannot be set by a row.")
        return with_values(_scaled(table.recipe_of(row), scale, epochs, values or {}), own)
    except InputError as error:
        raise InputError(f"{table.where}, row {row.name!r}: {error}") from error


def _scaled(recipe: str, scale: Scale, epochs: int | None, values: Mapping[str, Any]) -> Config:
    """Return a recipe's settings, trained for another number of epochs with its events at the same fractions."""
    small = f"{recipe}_small"
    name = small if scale == "cpu" and small in recipe_names() else recipe
    config = read_config(recipe_path(name))
    if epochs is not None:
        config = replace(config, schedule=scaled_schedule(config.schedule, epochs))
    return with_values(config, values)  # after the scaling: what somebody asks for is meant as it is written


def _training(config: Config, data: ReIDData) -> Training:
    key = _hash({"settings": _learned(config), "images": data.train.fingerprint()})
    # earlier versions called drawn people by the name of the layout in which they lie
    names = [f"{_plain_name(one)}-seed{config.seed}-{key}" for one in (config.data.name, data.name)]
    name = next((one for one in names if (config.output / one).is_dir()), names[-1])
    return Training(replace(config, name=name), config.output / name)


def _learned(config: Config) -> dict[str, Any]:
    """Return the settings that change what is learned, nested.

    A field that came later and has the value it had before it was there is left out, so that the trainings of earlier
    versions are found again.
    """
    learned: dict[str, Any] = {}
    for name, value in dotted(as_plain(config)).items():
        sections = name.split(".")
        # batch.domain_balanced came before the first sweep: it is in every hash
        as_before = name in ADDED_FIELDS and ADDED_FIELDS[name] == value and name != "batch.domain_balanced"
        if not as_before and name not in NOT_LEARNED and sections[0] not in NOT_LEARNED:
            section = learned
            for part in sections[:-1]:
                section = section.setdefault(part, {})
            section[sections[-1]] = value
    return learned


def _measurement_file(output: Path, training: Training, test: Config, row: Row, data: ReIDData) -> Path:
    reranking: bool | dict[str, Any] = row.reranking is not None
    if row.reranking not in (None, Reranking()):
        reranking = asdict(row.reranking)
    key = _hash(
        {
            "training": training.folder.name,
            "feature": test.evaluation.feature,
            "metric": test.evaluation.metric,
            "reranking": reranking,
            "images": [data.query.fingerprint(), data.gallery.fingerprint()],
        }
    )
    return output / "measured" / f"{key}.npz"


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:12]


def _plain_name(text: str) -> str:
    plain = re.sub(r"[^a-z0-9_]+", "-", text.lower()).strip("-")
    return plain if plain and text.isascii() else path_part(text)
