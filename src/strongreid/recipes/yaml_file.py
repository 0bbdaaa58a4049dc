"""One reader for the YAML files of runs and users: plain values only, and nothing that takes long or means two things.

Beside what YAML itself forbids it refuses large files (before parsing), aliases (a few of them make billions of values)
and repeated keys (of which YAML would take the last in silence).
"""

import re
from pathlib import Path
from typing import Any, Final

import yaml

from strongreid.errors import InputError

MOST_BYTES: Final = 100_000
"""Size of the largest file that is read; a hundred rows of a table take about 20,000 bytes."""


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, which also takes 1e-3 for a number, as YAML 1.2 does."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.get_mark()
            raise yaml.MarkedYAMLError(problem="an alias (*) stands here or just before", problem_mark=mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if repeated := [key for key in keys if keys.count(key) > 1]:
            raise yaml.MarkedYAMLError(problem=f"{repeated[0]!r} stands here twice", problem_mark=node.start_mark)
        return super().construct_mapping(node, deep=deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9][0-9_]*(\.[0-9_]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def read_yaml(file: Path, *, whole: bool = False) -> Any:
    """Return the content of a YAML file as plain values.

    whole: refuse a file that does not end with a line break: a value cut short, 12 of 120, would still be one.
    Raises `InputError` for a file that is too large, no UTF-8 text or no YAML of plain values.
    """
    with file.open("rb") as stream:
        content = stream.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise InputError(f"{file} has more than {MOST_BYTES:,} bytes; no file of settings is as large.")
    if whole and not content.endswith(b"\n"):
        raise InputError(f"{file} is cut short: its last line does not end.")
    try:
        return yaml.load(content.decode(), _Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}: " if mark else ""
        raise InputError(f"{file} cannot be read: {where}{error.problem}.") from error
    except RecursionError as error:
        raise InputError(f"{file} cannot be read: its values are nested too deeply.") from error
    # What PyYAML raises for values that no tag allows differs from tag to tag.
    except (yaml.YAMLError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise InputError(f"{file} cannot be read: {' '.join(str(error).split())}.") from error
