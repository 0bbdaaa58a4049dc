"""One HTML page that needs nothing else: styles and pictures lie in it, it asks no network and runs no script.

A page is a list of sections, a section a list of blocks; blocks are plain values, so that any room can put a page
together without knowing HTML. Every text is escaped by the template (Jinja2, autoescape on): file names, ids and
settings come from outside. A Content-Security-Policy forbids the browser to load anything that is not in the file.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar, Literal

from jinja2 import Environment, PackageLoader, StrictUndefined

from strongreid.files import write_text

Frame = Literal["none", "query", "right", "wrong", "left_out"]
"""What the frame of a tile says: full for right, dashed for wrong; `left_out` greys what is not counted."""


@dataclass(frozen=True)
class Picture:
    """A picture that lies in the page; `strongreid.reports.images` makes them.

    Attributes:
        uri: a data URI.
        alt: what it shows, for those who cannot see it.
        caption: a line below it.
        wide: keep it readable on a phone by scrolling it in its own box, rather than shrinking it.
    """

    uri: str
    alt: str
    caption: str = ""
    wide: bool = False


@dataclass(frozen=True)
class Headline:
    """A figure in large type, with its interval below it where there is one.

    Attributes:
        name: what it is, such as "mAP".
        value: as text, such as "85.9 %".
        note: a few words below it.
        span: (low, value, high) on the scale 0 to 1: drawn as a bar.
    """

    name: str
    value: str
    note: str = ""
    span: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class Tile:
    """A small picture in a row: what its frame says (or a frame of one `color`, as #rrggbb), and lines below it.

    Where there is no picture, `picture` is words that stand in its frame.
    """

    picture: Picture | str
    frame: Frame = "none"
    label: str = ""
    color: str = ""


@dataclass(frozen=True)
class TileRow:
    """Pictures side by side under a title; the row scrolls in its own box where it is too wide."""

    title: str
    note: str
    tiles: Sequence[Tile]


@dataclass(frozen=True)
class Headlines:
    """A row of figures in large type."""

    kind: ClassVar[str] = "headlines"
    figures: Sequence[Headline]


@dataclass(frozen=True)
class Table:
    """Rows of text.

    Attributes:
        columns: the head, one a column; no head is drawn where all are empty.
        rows: each as long as `columns`.
        title: a line above the table.
        note: a line below it.
        align: "numbers" puts all columns but the first to the right; "text" puts all to the left.
        folded: where it is not empty, the table is folded away behind these words.
    """

    kind: ClassVar[str] = "table"
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""
    align: Literal["numbers", "text"] = "numbers"
    folded: str = ""
    title: str = ""


@dataclass(frozen=True)
class Pictures:
    """Pictures beside each other where there is room, each on a white card."""

    kind: ClassVar[str] = "pictures"
    pictures: Sequence[Picture]


@dataclass(frozen=True)
class Tiles:
    """Rows of small pictures under a title; `compact` rows stand side by side where there is room."""

    kind: ClassVar[str] = "tiles"
    rows: Sequence[TileRow]
    title: str = ""
    compact: bool = False


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    kind: ClassVar[str] = "text"
    text: str


Block = Headlines | Table | Pictures | Tiles | Text


@dataclass(frozen=True)
class Section:
    """A part of the page with a title, which the table of contents names, and a sentence that says what is seen."""

    title: str
    blocks: Sequence[Block]
    lead: str = ""


def write_page(path: Path, title: str, subtitle: str, sections: Sequence[Section]) -> None:
    """Write the page atomically. What UTF-8 cannot say (file names of other systems) is spelt out."""
    html = (
        _templates()
        .get_template("page.html")
        .render(title=title, subtitle=subtitle, sections=list(zip(_anchors(sections), sections, strict=True)))
    )
    write_text(path, html)


@cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("strongreid.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _anchors(sections: Sequence[Section]) -> list[str]:
    """Return an address within the page for each section, different for each."""
    anchors: list[str] = []
    for number, section in enumerate(sections, start=1):
        words = "-".join(re.findall("[a-z0-9]+", section.title.lower()))
        anchors.append(words if words and words not in anchors else f"section-{number}-{words}".rstrip("-"))
    return anchors
