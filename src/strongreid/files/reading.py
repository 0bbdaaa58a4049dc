"""Reading small text files that anybody may have written: bounded, checked, and never a traceback.

The size is looked at before the content, so that no file can take minutes to refuse. JSON and YAML come back as a
mapping of plain values: no aliases or tags (a few lines of YAML can stand for gigabytes), no deep nesting, no key
twice, no NaN. Whatever is wrong is an `InputError` that names the file, the line where there is one, and the remedy.
"""

import json
import math
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final, NoReturn

import yaml

from strongreid.errors import InputError
from strongreid.files.system import why

JSON_LIMIT: Final = 8 * 2**20
"""Most bytes of a JSON file: the labels of hundreds of thousands of people."""
YAML_LIMIT: Final = 2**18
"""Most bytes of a YAML file, which people write and which is slow to parse; recipes take 3,000."""
DEEPEST: Final = 50
"""Most levels of nesting in a YAML file."""


def open_regular(path: Path, remedy: str = "") -> BinaryIO:
    """Open a regular file for reading bytes.

    `InputError` says why it cannot be (there is none, permission denied, a folder), then `remedy`: sentences that say
    what to do about it.
    """
    try:
        kind = path.stat().st_mode
        if stat.S_ISREG(kind):
            return path.open("rb")
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise unreadable(path, why(error), remedy) from error
    raise unreadable(path, "it is a folder" if stat.S_ISDIR(kind) else "it is no regular file", remedy)


def unreadable(path: Path, reason: str, remedy: str = "") -> InputError:
    """Return the error that says why a file cannot be read and what to do about it."""
    return InputError(f"{path} cannot be read: {reason}. {remedy}".rstrip())


def read_text(path: Path, *, limit: int, remedy: str = "") -> str:
    """Return the text of a UTF-8 file of at most `limit` bytes. Errors as in `open_regular`."""
    with open_regular(path, remedy) as stream:
        try:
            content = stream.read(limit + 1)
        except OSError as error:
            raise unreadable(path, why(error), remedy) from error
    if len(content) > limit:
        raise unreadable(path, f"it has more than {limit:,} bytes, the most that such a file may have", remedy)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise unreadable(path, f"line {line} is no text in UTF-8", remedy) from error


def read_json(path: Path, *, limit: int = JSON_LIMIT, remedy: str = "") -> dict[str, Any]:
    """Return the mapping in a JSON file. Errors as in `read_text`, and for what is no JSON or no mapping."""
    return parse_json(read_text(path, limit=limit, remedy=remedy), path, remedy)


def parse_json(text: str, path: Path, remedy: str = "") -> dict[str, Any]:
    """Return the mapping in a JSON text that `path` holds; `InputError` for what is no JSON or no mapping."""
    try:
        content = json.loads(text, object_pairs_hook=_once, parse_constant=_no_number, parse_float=_finite)
    except json.JSONDecodeError as error:
        raise unreadable(path, f"line {error.lineno} is no JSON ({error.msg})", remedy) from error
    except (ValueError, RecursionError) as error:
        raise unreadable(path, f"its JSON is not valid ({why(error)})", remedy) from error
    return _mapping(content, path, remedy)


def read_yaml(path: Path, *, limit: int = YAML_LIMIT, remedy: str = "") -> dict[str, Any]:
    """Return the mapping in a YAML file. Errors as in `read_text`, and for what is no YAML or no mapping.

    Numbers such as 1e-3 are numbers, as in YAML 1.2. An empty file is an empty mapping.
    """
    text = read_text(path, limit=limit, remedy=remedy)
    try:
        _refuse_tricks(text)
        content = yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f"line {mark.line + 1}" if mark else "its text"
        raise unreadable(path, f"{line} is no YAML ({error.problem or error.context})", remedy) from error
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date that there is not
        raise unreadable(path, f"it is no YAML ({why(error)})", remedy) from error
    return _mapping({} if content is None else content, path, remedy)


def dotted(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested settings as one mapping of dotted names, such as `model.last_stride`, to values."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        found |= dotted(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return found


def _mapping(content: object, path: Path, remedy: str) -> dict[str, Any]:
    if not isinstance(content, dict):
        kinds: dict[type, str] = {list: "a list", str: "a text", bool: "true or false", type(None): "null"}
        raise unreadable(path, f"it holds {kinds.get(type(content), 'a number')}, not names with values", remedy)
    for key in content:
        if not isinstance(key, str):
            raise unreadable(path, f"{key!r} is no name; names are text", remedy)
    return content


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{name!r} stands there twice")
        found[name] = value
    return found


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is too large")
    return value


_Parser: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The safe loader in C where PyYAML was built with it: ten times as fast."""


class _Loader(_Parser):  # type: ignore[misc]
    """Plain values, and no key twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        found: set[str] = set()
        for key, _ in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else ""
            if name in found:
                raise yaml.MarkedYAMLError(problem=f"{name!r} stands there twice", problem_mark=key.start_mark)
            found.add(name)
        content: dict[Any, Any] = super().construct_mapping(node, deep)
        return content


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+[eE][-+]?[0-9]+"), list("-+0123456789")
)


def _refuse_tricks(text: str) -> None:
    """Raise `MarkedYAMLError` for what a few lines can blow up or turn into objects: aliases, tags, deep nesting."""
    depth = 0
    event: Any
    for event in yaml.parse(text, _Parser):
        problem = ""
        match event:
            case yaml.AliasEvent():
                problem = "aliases are not read: write the value out"
            case yaml.CollectionStartEvent():
                depth += 1
                problem = "it is nested too deep" if depth > DEEPEST else ""
            case yaml.CollectionEndEvent():
                depth -= 1
        if isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent) and event.tag not in (None, "!"):
            problem = f"tags such as {event.tag} are not read"
        if problem:
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)
