"""Recipes: YAML files of settings that reproduce something, and the only way to read one.

Each opens with what it reproduces, the number expected, the cost and the command. Values in a file are checked as they
stand there (`values`); words, which have to be interpreted, go through jsonargparse (`parsing`).
"""

import dataclasses
import shlex
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import get_type_hints

from jsonargparse import ArgumentParser, Namespace

from strongreid.config import Config, as_plain
from strongreid.config_sections import ScheduleConfig
from strongreid.errors import InputError, did_you_mean
from strongreid.files import dotted, read_yaml
from strongreid.recipes.parsing import hide, new_parser, parse
from strongreid.recipes.values import checked

RECIPES = Path(__file__).parent
"""The folder of the recipes that come with the package."""


def recipe_names() -> list[str]:
    """Return the names of the recipes that come with the package."""
    return sorted(path.stem for path in RECIPES.glob("*.yaml"))


def recipe_path(recipe: str) -> Path:
    """Return the file of a recipe, given by the name of one that comes with the package or as a path to a YAML."""
    names = recipe_names()
    if recipe in names:
        return RECIPES / f"{recipe}.yaml"
    path = Path(recipe)
    if path.is_file():
        return path
    if path.is_dir():
        settings = path / "config.yaml"
        hint = f" The settings of that run: --recipe {shlex.quote(str(settings))}" if settings.is_file() else ""
        raise InputError(f"The recipe {recipe} is a folder; name a YAML file.{hint}")
    raise InputError(
        f"There is no recipe {recipe}.{did_you_mean(recipe, names)} Name one of {', '.join(names)}, or a YAML file."
    )


def add_settings(parser: ArgumentParser) -> ArgumentParser:
    """Add an option for each field of the configuration to a parser, and return the parser."""
    parser.add_class_arguments(Config, None)
    hide(parser)
    return parser


def recipe_values(parser: ArgumentParser, recipe: Path) -> Namespace:
    """Return the values in a recipe's file, checked one by one, and defaults for what it leaves open."""
    content = read_yaml(recipe)
    kinds = get_type_hints(Config)
    if not content:
        raise InputError(f"{recipe} holds no settings.")
    try:
        for key, value in content.items():
            if key not in kinds:
                raise InputError(f"{key} is no setting.{did_you_mean(key, dotted(as_plain(Config())))}")
            checked(kinds[key], value, key)
    except InputError as error:
        raise InputError(f"{recipe}: {error}") from error
    values: Namespace = parser.parse_object(content)
    return values


def config_from(parser: ArgumentParser, parsed: Namespace) -> Config:
    """Return the configuration among the values that were parsed with `add_settings`."""
    objects = parser.instantiate(parsed)
    return Config(**{item.name: objects[item.name] for item in dataclasses.fields(Config)})


def read_config(recipe: Path, overrides: Sequence[str] = ()) -> Config:
    """Return the configuration of a recipe's YAML file, with overrides such as `--schedule.epochs=24`."""
    parser = _reading_parser()
    base = recipe_values(parser, recipe)
    try:
        return config_from(parser, parse(parser, overrides, base))
    except InputError as error:
        raise InputError(f"{recipe}: {error}") from error


def scaled_schedule(schedule: ScheduleConfig, epochs: int) -> ScheduleConfig:
    """Return a schedule of another length, whose warm-up and milestones lie at the same fractions of it."""
    share = epochs / schedule.epochs
    return replace(
        schedule,
        epochs=epochs,
        warmup_epochs=max(1, round(schedule.warmup_epochs * share)) if schedule.warmup_epochs else 0,
        milestones=tuple(sorted({max(1, round(milestone * share)) for milestone in schedule.milestones})),
    )


@cache
def _reading_parser() -> ArgumentParser:
    """Make the parser once: it takes longer than parsing, and a table of the paper parses many times."""
    return add_settings(new_parser())
