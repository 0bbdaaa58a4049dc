"""Searching a gallery by photograph: a table in the console, a page with the pictures, JSON for programs."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from strongreid.data import ImageTable
from strongreid.data.pictures import list_pictures
from strongreid.files import write_json
from strongreid.gallery import UNKNOWN, Found, Gallery, Where
from strongreid.gallery.boxes import split_box
from strongreid.gallery.labels import NAMED, NAMES
from strongreid.gallery.times import NO_TIME, shown_time
from strongreid.reports.console import Console
from strongreid.reports.found import FoundFor, Hit, NamedPictures, found_section, with_its_end
from strongreid.reports.page import Picture, write_page
from strongreid.reports.terminal import printable
from strongreid.runs.embed import Choices, embed_pictures
from strongreid.runs.feature_files import StoredFeatures
from strongreid.runs.search import MOST_ON_PAGE, MOST_SHOWN, verdict, words
from strongreid.runs.used_model import UsedModel

COLUMNS: Final = ("nearest pictures", "person", "camera", "time", "distance", "verdict")
_LONGEST_NAME: Final = 30
_LONGEST_LABEL: Final = 19  # a whole number that stands for a name


@dataclass(frozen=True)
class Asked:
    """What to search for."""

    count: int
    where: Where | None = None
    camera: int | str | None = None
    """Number or name, of the one that took the queries."""
    by: Literal["image", "track"] = "image"


@dataclass(frozen=True, eq=False)
class GallerySearch:
    """What was searched for, where, and what was found."""

    query: StoredFeatures
    gallery: Gallery
    rows: Found
    used: UsedModel

    def hits(self, query: int) -> list[Hit]:
        """Return what was found for a query; `row` numbers the rows of all queries one after another."""
        count = self.rows.distance.shape[1]
        return [
            Hit(query * count + rank, distance, verdict(distance, self.used), self._note(query, rank))
            for rank, distance in enumerate(self.rows.distance[query].tolist())
            if np.isfinite(distance)
        ]

    def called(self, what: Literal["person", "camera", "track"], query: int, rank: int) -> str:
        """Return the name of a hit's person, camera or track, or else its number; empty where it is not known."""
        number = int(getattr(self.rows, what)[query, rank])
        return str(getattr(self.rows, f"{what}_name")[query, rank]) or ("" if number == UNKNOWN else str(number))

    def _note(self, query: int, rank: int) -> str:
        said = {what: self.called(what, query, rank) for what in ("person", "camera")}
        lines = [f"{what} {printable(called)}" for what, called in said.items() if called]
        time = int(self.rows.time[query, rank])
        return "\n".join([*lines, *([shown_time(time)] if time != NO_TIME else [])])


def search_gallery(
    queries: Sequence[Path], gallery: Gallery, used: UsedModel, asked: Asked, choices: Choices, console: Console
) -> GallerySearch:
    """Search the rows nearest to each query, a picture or a folder of them.

    Raises `InputError` where the gallery's features are another model's, or are compared otherwise.
    """
    gallery.require_model(used.made_by.fingerprint, used.network.width)
    used.require_metric(gallery.require().metric, gallery.address)
    query = embed_pictures(list_pictures(queries), used, choices, console, title="Embedding queries")
    rows = gallery.search(
        query.embeddings.features,
        asked.count,
        asked.where,
        used.made_by.fingerprint,
        camera=asked.camera,
        by=asked.by,
    )
    return GallerySearch(query, gallery, rows, used)


def show(search: GallerySearch, console: Console) -> None:
    """Write a table for each query, and what the verdicts rest on."""
    pictures = _RowPictures(search)
    for query in range(len(search.query.path))[:MOST_SHOWN]:
        cells = [
            [
                f"{rank:>2}  {with_its_end(pictures.name(hit.row), _LONGEST_NAME)}",
                with_its_end(search.called("person", query, rank - 1) or "-", _LONGEST_LABEL),
                with_its_end(search.called("camera", query, rank - 1) or "-", _LONGEST_LABEL),
                shown_time(int(search.rows.time[query, rank - 1])),
                f"{hit.distance:.4f}",
                hit.verdict,
            ]
            for rank, hit in enumerate(search.hits(query), start=1)
        ]
        name = with_its_end(search.query.path[query], 76)
        if cells:
            console.table(name, COLUMNS, cells)
        else:
            console.say(f"{name}: nothing in the gallery meets the condition.")
    if len(search.query.path) > MOST_SHOWN:
        console.say(f"Shown: {MOST_SHOWN} of {len(search.query.path):,} queries. --json FILE has all.")
    if not search.rows.exact:
        console.say("Found through the gallery's index, which may miss some: see strongreid gallery tune.")
    console.say(words(search.used))


def write_html(search: GallerySearch, path: Path) -> None:
    """Write one HTML page: a row of pictures for each query."""
    total = len(search.query.path)
    found = [FoundFor(query, search.hits(query)) for query in range(total)[:MOST_ON_PAGE]]
    nobody = np.zeros(total, dtype=np.int64)
    query = NamedPictures(ImageTable(search.query.path, nobody, nobody, box=search.query.box))
    shown = "A query and what the gallery has nearest to it, with distance and, where known, person, camera and time."
    lead = f"{shown} {words(search.used)}"
    if len(found) < total:
        lead += f" Shown: the first {len(found)} of {total:,} queries."
    title = f"{total:,} search{'es' * (total != 1)} in {search.gallery.address}"
    write_page(path, title, search.used.words(), [found_section(found, query, _RowPictures(search), lead)])


def write_found(search: GallerySearch, path: Path) -> None:
    """Write what was found as JSON."""
    rows, known = search.rows, search.used.calibrated

    def row(query: int, rank: int, hit: Hit) -> dict[str, Any]:
        return {
            "path": str(rows.path[query, rank]),
            **{name: int(getattr(rows, name)[query, rank]) for name in NAMED},
            **{name: str(getattr(rows, name)[query, rank]) or None for name in NAMES},
            "time": shown_time(int(rows.time[query, rank])),
            "key": str(rows.key[query, rank]),
            "distance": hit.distance,
            "verdict": hit.verdict,
        }

    queries = [
        {"path": name, "nearest": [row(query, rank, hit) for rank, hit in enumerate(search.hits(query))]}
        for query, name in enumerate(search.query.path)
    ]
    threshold = None if known is None else known.threshold
    write_json(path, {"metric": search.used.network.metric, "threshold": threshold, "queries": queries})


class _RowPictures:
    """The pictures of the rows that were found: thumbnails where the gallery has them, else the files."""

    def __init__(self, search: GallerySearch) -> None:
        self._keys: list[str] = search.rows.key.reshape(-1).tolist()
        self._thumbnails = search.gallery.thumbnails([key for key in self._keys if key])
        split = [split_box(path) for path in search.rows.path.reshape(-1).tolist()]
        nobody = np.zeros(len(split), dtype=np.int64)
        box = np.array([(0, 0, 1, 1) if box is None else box for _, box in split], dtype=np.int64).reshape(-1, 4)
        self._boxed = [box is not None for _, box in split]
        self._paths = [path for path, _ in split]
        named = [path or f"row {key[:12]}" for (path, _), key in zip(split, self._keys, strict=True)]
        self._whole = NamedPictures(ImageTable(tuple(named), nobody, nobody))
        self._boxes = NamedPictures(ImageTable(tuple(named), nobody, nobody, box=box))

    def name(self, row: int) -> str:
        """Return what the picture of a row is called."""
        return (self._boxes if self._boxed[row] else self._whole).name(row)

    def picture(self, row: int) -> Picture | str:
        """Return the picture of a row; where it is gone or cannot be read, its name."""
        small = self._thumbnails.get(self._keys[row])
        if small is not None:
            kind = "image/png" if small.startswith(b"\x89PNG") else "image/jpeg"
            return Picture(f"data:{kind};base64,{base64.b64encode(small).decode()}", self.name(row))
        if not self._paths[row]:
            return self.name(row)
        return (self._boxes if self._boxed[row] else self._whole).picture(row)
