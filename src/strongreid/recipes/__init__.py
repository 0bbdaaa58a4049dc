"""Recipes: YAML files of settings that reproduce something, and the only way to read one.

Each opens with what it reproduces, the number expected, the cost and the command. Options on the command line and
overrides in code go through the same parser, so that unknown fields and wrong types are refused everywhere.
"""

import dataclasses
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentError, ArgumentParser, Namespace, set_parsing_settings

from strongreid.config import Config, dotted
from strongreid.errors import InputError

RECIPES = Path(__file__).parent
"""The folder of the recipes that come with the package."""


def recipe_path(recipe: str) -> Path:
    """Return the file of a recipe, given by the name of one that comes with the package or as a path to a YAML."""
    names = sorted(path.stem for path in RECIPES.glob("*.yaml"))
    if recipe in names:
        return RECIPES / f"{recipe}.yaml"
    if Path(recipe).is_file():
        return Path(recipe)
    raise InputError(f"There is no recipe {recipe!r}: name one of {', '.join(names)}, or a YAML file.")


def config_parser(recipe: Path, description: str = "", *, exit_on_error: bool = True) -> ArgumentParser:
    """Return a parser with an option for each field, whose defaults are those of `recipe`."""
    set_parsing_settings(docstring_parse_attribute_docstrings=True)
    parser = ArgumentParser(
        default_config_files=[str(recipe)],
        description=description,
        exit_on_error=exit_on_error,
        allow_abbrev=False,  # a misspelt field is an error, not another field
    )
    parser.add_class_arguments(Config, None)
    return parser


def config_from(parser: ArgumentParser, parsed: Namespace) -> Config:
    """Return the configuration among the values that `config_parser` parsed."""
    objects = parser.instantiate(parsed)
    return Config(**{item.name: objects[item.name] for item in dataclasses.fields(Config)})


def read_config(recipe: Path, overrides: Sequence[str] = ()) -> Config:
    """Return the configuration of a recipe's YAML file, with overrides such as `--schedule.epochs=24`."""
    parser = _reading_parser(recipe)
    try:
        return config_from(parser, parser.parse_args(list(overrides)))
    except (ArgumentError, TypeError) as error:
        raise InputError(f"{recipe}: {error}") from error


def read_values(words: Sequence[str]) -> dict[str, Any]:
    """Return the settings among command-line words, such as `--schedule.epochs=24`, as values by dotted name."""
    try:
        given = _reading_parser(recipe_path("bag_of_tricks")).parse_args(list(words), defaults=False)
    except (ArgumentError, TypeError) as error:
        raise InputError(str(error)) from error
    return dotted(given.as_dict())


@cache
def _reading_parser(recipe: Path) -> ArgumentParser:
    """Make the parser of a recipe once: it takes longer than parsing, and a table of the paper parses many times."""
    return config_parser(recipe, exit_on_error=False)
