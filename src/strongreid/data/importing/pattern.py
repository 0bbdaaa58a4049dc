"""Patterns of file names, such as `{person}_c{camera}_{frame}`: what a name means, if it can mean one thing only.

A pattern is what a name looks like, with words in braces where people, cameras and frames stand; all else is literal.
It is no regular expression: nothing in it has to be escaped, and no name takes long to read.
"""

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from strongreid.errors import InputError
from strongreid.pixels import image_suffixes

FIELDS: Final = ("person", "camera", "frame", "track", "*")
"""What may stand in braces; `*` is anything that does not matter."""
_BRACES: Final = re.compile(r"\{([^{}:]*)(?::([0-9]{1,3}))?\}")
_EXAMPLE: Final = "{person}_c{camera}_{frame}"


@dataclass(frozen=True)
class Field:
    """One of `FIELDS` in a pattern; `width` is how many characters it has, None for one or more."""

    name: str
    width: int | None = None

    def takes(self, text: str) -> bool:
        """Whether `text` may be its value: frames are numbers, and only `*` reaches into other folders."""
        if not text or (self.width is not None and len(text) != self.width):
            return False
        if self.name == "frame":
            return text.isascii() and text.isdecimal()
        return self.name == "*" or "/" not in text


Meaning = tuple[tuple[str, str], ...]
"""What a name says: pairs of a field and its text, in the pattern's order."""


@dataclass(frozen=True)
class Pattern:
    """A pattern of names, as it was written and in its parts: texts that stand there, and fields."""

    text: str
    parts: tuple[str | Field, ...]

    @property
    def of_paths(self) -> bool:
        """Whether it speaks of folders too, not of a file's name alone."""
        return "/" in self.text

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that matter, in their order."""
        return tuple(part.name for part in self.parts if isinstance(part, Field) and part.name != "*")

    def meanings(self, name: str) -> list[Meaning]:
        """What `name` can mean: nothing, one thing, or the first two of several.

        `name` is a file's name, or its path below the folder with `/`; its ending is left off unless the pattern has
        one.
        """
        if not self.text.lower().endswith(image_suffixes()):
            ending = next((suffix for suffix in image_suffixes() if name.lower().endswith(suffix)), "")
            name = name[: len(name) - len(ending)]
        return self._meanings(name, 0, 0, {})

    def _meanings(
        self, name: str, index: int, start: int, known: dict[tuple[int, int], list[Meaning]]
    ) -> list[Meaning]:
        """What the parts from `index` on can mean in `name` from `start` on, two at most; `known` is what was found."""
        if index == len(self.parts):
            return [()] if start == len(name) else []
        if (index, start) in known:
            return known[index, start]
        part, found = self.parts[index], list[Meaning]()
        if isinstance(part, str):
            if name.startswith(part, start):
                found = self._meanings(name, index + 1, start + len(part), known)
        else:
            for end in self._ends(name, index, start):
                if part.takes(name[start:end]):
                    own = () if part.name == "*" else ((part.name, name[start:end]),)
                    found += [(*own, *rest) for rest in self._meanings(name, index + 1, end, known)]
                    found = list(dict.fromkeys(found))[:2]
                if len(found) == 2:
                    break
        known[index, start] = found
        return found

    def _ends(self, name: str, index: int, start: int) -> list[int]:
        """Where the field at `index`, which begins at `start`, may end.

        Cameras and tracks end where what follows them first stands: else `c1_000451_03` had a camera `1_000451`.
        """
        part = self.parts[index]
        if isinstance(part, Field) and part.width is not None:
            return [start + part.width]
        after = self.parts[index + 1] if index + 1 < len(self.parts) else None
        if after is None:
            return [len(name)]
        if isinstance(after, Field):
            return list(range(start + 1, len(name) + 1))
        ends, end = list[int](), name.find(after, start + 1)
        while end >= 0:
            ends.append(end)
            end = name.find(after, end + 1)
        return ends[:1] if isinstance(part, Field) and part.name in ("camera", "track") else ends


def parse_pattern(text: str) -> Pattern:
    """Read a pattern. Raises `InputError` for one without people, with a field twice, or that could mean anything."""

    def wrong(reason: str) -> InputError:
        allowed = ", ".join(f"{{{name}}}" for name in FIELDS)
        return InputError(
            f"`pattern` is {text!r}: {reason}. Write it as a name looks, such as {_EXAMPLE} or {{person}}/{{*}}, with "
            f"{allowed}; {{person:4}} is one of 4 characters."
        )

    parts, position = list[str | Field](), 0
    for match in _BRACES.finditer(text):
        if match.start() > position:
            parts.append(text[position : match.start()])
        if match[1] not in FIELDS:
            raise wrong(f"there is no {{{match[1]}}}")
        parts.append(Field(match[1], None if match[2] is None else int(match[2])))
        position = match.end()
    parts += [text[position:]] if position < len(text) else []
    literal = "".join(part for part in parts if isinstance(part, str))
    names = [part.name for part in parts if isinstance(part, Field)]
    if "{" in literal or "}" in literal:
        raise wrong("a brace stands alone")
    if "person" not in names:
        raise wrong("{person} is missing")
    if any(names.count(name) > 1 for name in FIELDS if name != "*"):
        raise wrong("a field stands there twice")
    if any(isinstance(part, Field) and part.width == 0 for part in parts):
        raise wrong("a field has no characters")
    for one, two in pairwise(parts):
        if isinstance(one, Field) and isinstance(two, Field) and one.width is None and two.width is None:
            raise wrong(f"nothing says where {{{one.name}}} ends and {{{two.name}}} begins")
    if len(parts) > 12:
        raise wrong("it has too many parts")
    return Pattern(text, tuple(parts))
