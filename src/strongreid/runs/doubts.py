"""Doubts about own data that pictures have to settle: labels that a model contradicts, and images that are poor.

The rules are `evaluation.label_doubts` and `data.quality`; here the images are embedded, and the doubts are said and
put on a page side by side.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from strongreid.data.check import CheckReport
from strongreid.data.pictures import Pictures
from strongreid.data.quality import Quality
from strongreid.data.table import ImageTable
from strongreid.evaluation import Embeddings
from strongreid.evaluation.label_doubts import LabelDoubts, doubt_labels
from strongreid.reports.console import Console
from strongreid.reports.found import NamedPictures
from strongreid.reports.page import Section, Text, Tile, TileRow, Tiles, write_page
from strongreid.runs.embed import Choices, embed_pictures
from strongreid.runs.used_model import UsedModel

MOST_SAID: Final = 20
"""Doubts of a kind that are written out on the console."""
MOST_ON_PAGE: Final = 100
"""Doubts of a kind on a page: each takes about 50 kB."""
SHOWN_IMAGES: Final = 4
"""Images of a person beside those of another."""
SIDE_COLORS: Final = ("#3b6fb6", "#b8560f")
POOR_IMAGES: Final = 24
"""Poor images of a kind on a page."""


class JudgedLabels:
    """What a model says of a set's labels, with the images that it looked at."""

    def __init__(self, images: ImageTable, doubts: LabelDoubts, people: Mapping[int, str]) -> None:
        self.images = images
        self.doubts = doubts
        self.people = people
        """What the data call the people that each number stands for."""

    def name(self, person: int) -> str:
        """Return what a person is called in the data, so that it can be found there."""
        return f"person {self.people.get(person, person)}"

    def name_and_image(self, person: int) -> str:
        """Return what a person is called, and one of the images."""
        return f"{self.name(person)} ({self.images.path[self._rows(person)[0]]})"

    def verdict(self) -> str:
        """Return how well the model tells these people apart, and how many labels it doubts, in sentences."""
        doubts = self.doubts
        if np.isnan(doubts.within):
            return "Labels are not judged: too few people have two images."
        measured = (
            f"The model: images of one person lie {doubts.within:.3f} apart, of two people {doubts.between:.3f} "
            "(medians of cosine distances)."
        )
        if not doubts.judged:
            advice = "Take one that was trained on images like these."
            return f"{measured} Labels are not judged: it does not tell these people apart well enough. {advice}"
        same, two = len(doubts.same), len(doubts.two)
        return (
            f"{measured} Labels that it doubts: {same} pair{'s' * (same != 1)} of ids, probably one "
            f"person each, and {two} id{'s' * (two != 1)}, probably two people each."
        )

    def said(self) -> list[str]:
        """Return a sentence for each doubt, the surest of each kind first."""
        same = [
            f"probably one person: {' and '.join(map(self.name_and_image, one.people))}, {one.distance:.3f} apart"
            for one in self.doubts.same
        ]
        two = [
            f"probably two people: {self.name(one.person)}, "
            f"{' and '.join(self.images.path[rows[0]] for rows in one.rows)}, {one.distance:.3f} apart"
            for one in self.doubts.two
        ]
        return [*_first(same, MOST_SAID, "pairs of ids"), *_first(two, MOST_SAID, "ids")]

    def sections(self) -> Iterator[Section]:
        """Yield the sections of a page: the two people, or the two groups of images, of each doubt side by side."""
        yield Section("Labels", [Text(self.verdict())])
        if not self.doubts.judged:
            return
        pictures = NamedPictures(self.images)
        same = [
            _side_by_side(
                f"{' and '.join(map(self.name, one.people))}, {one.distance:.3f} apart",
                {self.name(person): self._rows(person).tolist() for person in one.people},
                pictures,
            )
            for one in self.doubts.same[:MOST_ON_PAGE]
        ]
        two = [
            _side_by_side(
                f"{self.name(one.person)}, {one.distance:.3f} apart",
                {"one": one.rows[0].tolist(), "the other": one.rows[1].tolist()},
                pictures,
            )
            for one in self.doubts.two[:MOST_ON_PAGE]
        ]
        for title, rows in (("Probably one person under two ids", same), ("Probably two people under one id", two)):
            yield Section(title, [Tiles(rows)] if rows else [Text("None.")], "The surest first." if rows else "")

    def _rows(self, person: int) -> npt.NDArray[np.int64]:
        return np.flatnonzero(self.images.person == person)


def judge_labels(found: CheckReport, used: UsedModel, console: Console) -> JudgedLabels:
    """Embed all images of a set and judge their labels; images that cannot be read are left out.

    Where person 0 is no query's, it is the distractors' number and not judged.
    """
    images = found.images.select(~np.isin(found.images.person, list(found.distractors)))
    pictures = Pictures(images, images.person)
    stored = embed_pictures(pictures, used, Choices(skip_bad=True), console, title="Embedding images")
    features = stored.embeddings
    seen = ImageTable(stored.path, features.person, features.camera, box=stored.box)
    judged = doubt_labels(Embeddings(features.features, features.person, features.camera))
    return JudgedLabels(seen, judged, found.people)


def say_doubts(judged: JudgedLabels, console: Console) -> None:
    """Write what a model says of the labels."""
    console.say(judged.verdict(), *(f"    {sentence}" for sentence in judged.said()))


def write_doubts(path: Path, found: CheckReport, judged: JudgedLabels | None) -> None:
    """Write a page of what pictures have to settle; `judged` is None where no model was asked."""
    sections = [] if judged is None else list(judged.sections())
    sections += _poor_images(found.quality, NamedPictures(found.images))
    if not sections:
        sections = [Section("Nothing to look at", [Text("No image is poor, and no model was asked about labels.")])]
    write_page(path, f"Doubts about {found.title}", found.protocol, sections)


def _poor_images(quality: Quality, pictures: NamedPictures) -> Iterator[Section]:
    """Yield a section for each kind of poor images that there are."""
    for title, rows in (("Blurred", quality.blurred), ("Tiny", quality.tiny)):
        if rows:
            tiles = [Tile(pictures.picture(row), label=pictures.name(row)) for row in rows[:POOR_IMAGES]]
            yield Section(title, [Tiles([TileRow("", "", tiles)])], f"{len(rows):,} images, the worst first.")
    if quality.repeated:
        pairs = [
            _side_by_side(pictures.name(row), {"before": [before], "after": [row]}, pictures)
            for row, before in quality.repeated[:POOR_IMAGES]
        ]
        lead = f"{len(quality.repeated):,} images, each beside the one before it in its track."
        yield Section("Almost copies", [Tiles(pairs, compact=True)], lead)


def _side_by_side(title: str, sides: Mapping[str, Sequence[int]], pictures: NamedPictures) -> TileRow:
    """Images of two sides, by what each is called, in frames of two colours."""
    tiles = [
        Tile(pictures.picture(row), label=side, color=color)
        for (side, rows), color in zip(sides.items(), SIDE_COLORS, strict=True)
        for row in rows[:SHOWN_IMAGES]
    ]
    return TileRow(title, ", ".join(pictures.name(rows[0]) for rows in sides.values()), tiles)


def _first(sentences: Sequence[str], most: int, what: str) -> list[str]:
    more = [f"... and {len(sentences) - most} more {what}; a page shows them (--page)"] if len(sentences) > most else []
    return [*sentences[:most], *more]
