"""What a search found, for the console and for a page: for each query the nearest pictures, with a verdict on each."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final, Literal, Protocol
from unicodedata import east_asian_width

from strongreid.data import ImageTable
from strongreid.data.decoding import decode_row
from strongreid.errors import InputError
from strongreid.reports.images import SHOWN_SIZE, pixels_uri
from strongreid.reports.page import Frame, Picture, Section, Tile, TileRow, Tiles
from strongreid.reports.terminal import printable

Verdict = Literal["same person", "no match", "not sure", "the query itself"]
FRAMES: Final[dict[Verdict, Frame]] = {
    "same person": "right",
    "no match": "none",
    "not sure": "none",
    "the query itself": "left_out",
}
COLUMNS: Final = ("nearest pictures", "distance", "verdict")
LONGEST_NAME: Final = 40
"""Characters of a picture's name in a table: with the other columns it fits a terminal of 80."""


@dataclass(frozen=True)
class Hit:
    """A picture that was found."""

    row: int
    """Of the gallery."""
    distance: float
    verdict: Verdict
    note: str = ""
    """More that is known of it, in a few words."""


@dataclass(frozen=True)
class FoundFor:
    """What was found for a query."""

    query: int
    """Row of the queries."""
    hits: Sequence[Hit]
    """Nearest first."""


class Named(Protocol):
    """Pictures with short names."""

    def name(self, row: int) -> str:
        """Return what a picture is called."""

    def picture(self, row: int) -> Picture | str:
        """Return a picture; where it is gone or cannot be read, its name."""


class NamedPictures:
    """Pictures with short names: their paths below the folder that all share, and their boxes."""

    def __init__(self, images: ImageTable) -> None:
        self._images = images
        self._names = images.relative_path()

    def name(self, row: int) -> str:
        """Return what a picture is called."""
        box = "" if self._images.box is None else f" {self._images.box[row].tolist()}"
        return f"{self._names[row]}{box}"

    def picture(self, row: int) -> Picture | str:
        """Return a picture; where it is gone or cannot be read, its name."""
        try:
            pixels = decode_row(self._images, row, SHOWN_SIZE)
        except InputError:
            return self.name(row)
        return Picture(pixels_uri(pixels), self.name(row))


def found_rows(found: FoundFor, gallery: NamedPictures) -> list[list[str]]:
    """Return what was found for a query as rows of a table with `COLUMNS`."""
    return [
        [f"{rank:>2}  {with_its_end(gallery.name(hit.row))}", f"{hit.distance:.4f}", hit.verdict]
        for rank, hit in enumerate(found.hits, start=1)
    ]


def with_its_end(name: str, most: int = LONGEST_NAME) -> str:
    """Return a name that takes at most `most` columns of a terminal: what tells files apart is mostly at their end."""
    shown = printable(name)
    widths = [2 if east_asian_width(letter) in "WF" else 1 for letter in shown]
    if sum(widths) <= most:
        return shown
    kept = sum(room < most for room in accumulate(reversed(widths)))  # one column is for the dots
    return f"…{shown[len(shown) - kept :]}"


def found_section(found: Sequence[FoundFor], query: Named, gallery: Named, lead: str) -> Section:
    """Return a row of pictures for each query: itself, then what was found, with distance and verdict below each."""
    rows = []
    for one in found:
        tiles = [Tile(query.picture(one.query), "query", "query")]
        for rank, hit in enumerate(one.hits, start=1):
            label = f"{rank}\n{hit.distance:.4f}\n{hit.verdict}" + (f"\n{hit.note}" if hit.note else "")
            tiles.append(Tile(gallery.picture(hit.row), FRAMES[hit.verdict], label))
        names = ", ".join(gallery.name(hit.row) for hit in one.hits[:1])
        rows.append(TileRow(query.name(one.query), f"nearest: {names}", tiles))
    return Section("What was found", [Tiles(rows)], lead)
