"""From words to values, through jsonargparse; whatever is refused is said in one plain sentence.

Slips are looked for before the parser sees the words: an option that does not exist (the nearest is named), one whose
value is missing or empty (a variable of the shell that is not set): the empty word is never a path, for that would be
the working folder. Values of a wrong type are found by the parser, and told here by what the option takes.
"""

import argparse
import dataclasses
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce
from types import UnionType
from typing import Any, Final, Union, get_args, get_origin

import yaml
from jsonargparse import (
    ArgumentError,
    ArgumentParser,
    DefaultHelpFormatter,
    Namespace,
    get_loader,
    set_loader,
    set_parsing_settings,
)

from strongreid.errors import InputError
from strongreid.recipes.in_words import COUNT, type_in_words, unknown, written, wrong_value

_MODE: Final = "words"
"""What the parser calls our way of reading words."""


class HelpInWords(DefaultHelpFormatter):
    """Help whose types and defaults read like the values that a user writes."""

    def _get_help_string(self, action: argparse.Action) -> str:
        hint, notes = getattr(action, "_typehint", None), []
        if hint is not None:
            notes.append(type_in_words(hint, several=action.nargs not in (None, "?")))
        if action.default in (None, argparse.SUPPRESS, []):
            notes = [note.removesuffix(" or null") for note in notes]
        elif action.option_strings and action.nargs != 0:
            notes.append(f"default {written(action.default)}")
        return f"{action.help or ''} ({'; '.join(notes)})" if notes else action.help or ""


def new_parser(description: str = "", usage: str | None = None) -> ArgumentParser:
    """Return an empty parser, for `parse`."""
    set_parsing_settings(docstring_parse_attribute_docstrings=True)
    set_loader(_MODE, _loaded, exceptions=(yaml.YAMLError,))
    return ArgumentParser(
        parser_mode=_MODE,
        description=description,
        usage=usage,
        exit_on_error=False,
        allow_abbrev=False,  # a misspelt field is an error, not another field
        formatter_class=HelpInWords,
    )


def _loaded(word: str) -> Any:
    """Return what a word of the command line means: as in YAML, but only `null` is nothing, not ~, #1 or &a too."""
    value = get_loader("yaml")(word)
    return word if value is None else value


def hide(parser: ArgumentParser, *sections: str) -> None:
    """Leave out of `--help` the options of these sections, and what jsonargparse adds to any: --model FILE and help."""
    for action in parser._actions:
        added = action.metavar == "CONFIG" or action.dest.endswith(".help")
        if added or action.dest.split(".")[0] in sections:
            action.help = argparse.SUPPRESS


@dataclass
class Given:
    """The words of a command line told apart: options with their values, and words that stand alone."""

    options: dict[str, list[str]] = field(default_factory=dict)
    alone: list[str] = field(default_factory=list)
    with_dashes: list[str] = field(default_factory=list)
    """The options again, as they were written."""

    def value(self, name: str) -> str | None:
        """Return the value of an option that takes one, the last where it was given several times."""
        return self.options[name][-1] if name in self.options else None


def tell_apart(parser: ArgumentParser, words: Sequence[str]) -> Given:
    """Tell options from other words; `InputError` for an option that does not exist, or whose value is missing."""
    known = _options(parser)
    given, left = Given(), list(words)
    while left:
        word = left.pop(0)
        name, equals, value = word.partition("=")
        if not _is_option(word):
            if not word.strip():
                raise InputError("One of the words is empty: is the variable in its place set?")
            given.alone.append(word)
        elif name not in known:
            if os.path.lexists(word):
                raise InputError(f"{word} looks like an option; for what is called so here write ./{word}")
            raise InputError(unknown("option", name, list(known), "--help lists what there is."))
        else:
            values = [value] if equals else _taken(name, known[name], left)
            if not all(value.strip() for value in values):
                raise InputError(_empty(name, left))
            if equals and known[name].nargs == 0:
                raise InputError(f"{name} takes no value, but {value!r} came.")
            given.options.setdefault(name.lstrip("-").rstrip("+"), []).extend(values)
            given.with_dashes += [word] if equals else [word, *values]
    return given


def _taken(name: str, action: argparse.Action, left: list[str]) -> list[str]:
    """Take the values of an option from the words that follow it."""
    fixed = action.nargs if isinstance(action.nargs, int) else None
    most = len(left) if action.nargs == "+" else 1 if fixed is None else fixed
    values: list[str] = []
    while len(values) < most and left and not _is_option(left[0]):
        values.append(left.pop(0))
    if most and not values:
        raise InputError(_empty(name, left))
    if fixed is not None and len(values) < fixed:
        raise InputError(f"{name} takes {COUNT[fixed]} values: {name} {' '.join(action.metavar or ())}.")
    return values


def parse(parser: ArgumentParser, words: Sequence[str], base: Namespace | None = None) -> Namespace:
    """Parse words, on top of the values in `base` where given; `InputError` says in words what is wrong."""
    given = tell_apart(parser, words)
    try:
        return parser.parse_args(list(words), namespace=base)
    except ArgumentError as error:
        raise InputError(_refusal(parser, str(error), given)) from error


def given_values(parser: ArgumentParser, words: Sequence[str]) -> dict[str, Any]:
    """Return the values of the options among words, by dotted name, and nothing for what was not given."""
    objects = parser.instantiate(parse(parser, words))
    names = {name: name.split(".") for name in tell_apart(parser, words).options}
    return {name: reduce(getattr, fields, objects[first]) for name, (first, *fields) in names.items()}


def _refusal(parser: ArgumentParser, message: str, given: Given) -> str:
    """Say what jsonargparse refused."""
    actions = {action.dest: action for action in parser._actions}
    if (key := re.match(r'Parser key "([^"]+)"', message)) is not None:
        name, action = key[1], actions[key[1]]
        hint, label = getattr(action, "_typehint", None), f"--{name}" if action.option_strings else name.upper()
        if hint is None:
            return f"{label} is a group of settings; give its fields, such as {label}.FIELD VALUE."
        return wrong_value(label, given.value(name), hint, action.default)
    if (missing := re.match(r"the following arguments are required: (.+)", message)) is not None:
        return " ".join(_missing(actions[name]) for name in missing[1].split(", "))
    if (extra := re.match(r"unrecognized arguments: (.+)", message, re.DOTALL)) is not None:
        return f"There is no room for {extra[1]!r} here; --help shows what the command takes."
    return " ".join(message.split())


def _missing(action: argparse.Action) -> str:
    """Say which word a command lacks, and what it is."""
    return f"{(action.option_strings or [action.dest.upper()])[0]} is missing: {action.help}"


def _options(parser: ArgumentParser) -> dict[str, argparse.Action]:
    """Return all options by what they are called, with the fields of those that take a dataclass among others."""
    found: dict[str, argparse.Action] = dict(parser._option_string_actions)
    for name, action in list(found.items()):
        hint = getattr(action, "_typehint", None)
        for kind in get_args(hint) if get_origin(hint) in (Union, UnionType) else ():
            if dataclasses.is_dataclass(kind):
                found |= {f"{name}.{item.name}": action for item in dataclasses.fields(kind)}
    return found


def _is_option(word: str) -> bool:
    return len(word) > 1 and word.startswith("-") and not re.match(r"-\.?\d", word)


def _empty(name: str, left: Sequence[str]) -> str:
    follows = f" ({left[0]} follows it directly)" if left else ""
    if name.endswith("root"):
        return f"{name} is empty{follows}: is the variable $MARKET1501 set?"
    return f"{name} needs a value, but it is empty{follows}: is the variable in its place set?"
