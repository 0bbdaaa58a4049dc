"""Searching pictures in a folder or in a file of features: the nearest, in the order in which `evaluate` ranks them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from strongreid.data import ImageTable
from strongreid.data.pictures import list_pictures, read_pictures
from strongreid.errors import InputError
from strongreid.evaluation import Embeddings, NearestImages, find_nearest
from strongreid.files import write_json
from strongreid.models.calibrated import calibrated_text
from strongreid.reports.console import Console
from strongreid.reports.found import (
    COLUMNS,
    FoundFor,
    Hit,
    NamedPictures,
    Verdict,
    found_rows,
    found_section,
    with_its_end,
)
from strongreid.reports.page import write_page
from strongreid.runs.embed import Choices, embed_pictures, tell
from strongreid.runs.feature_files import StoredFeatures
from strongreid.runs.used_model import UsedModel

MOST_SHOWN: Final = 20
"""Queries whose tables are shown; a JSON file holds all."""
MOST_ON_PAGE: Final = 200
"""Queries on a page: each takes about 100 kB."""
THE_SAME: Final = 1e-4
"""Features that differ by less than this, in shares of their root mean square, are of the same picture: so much may one
engine differ from another, and no two pictures are so alike."""


@dataclass(frozen=True)
class Search:
    """What was searched, where, and what was found."""

    query: StoredFeatures
    gallery: StoredFeatures
    found: Sequence[FoundFor]
    used: UsedModel


def embed_gallery(folder: Path, used: UsedModel, choices: Choices, console: Console, columns: str) -> StoredFeatures:
    """Embed the pictures of a folder or a table to search in."""
    pictures = read_pictures(folder, columns)
    tell(pictures, folder, console)
    return embed_pictures(pictures, used, choices, console, title="Embedding the gallery")


def search(
    queries: Sequence[Path], gallery: StoredFeatures, used: UsedModel, count: int, choices: Choices, console: Console
) -> Search:
    """Search the `count` nearest pictures of each query, a picture or a folder of pictures.

    Raises `InputError` where the gallery's features are another model's.
    """
    if gallery.made_by.fingerprint != used.made_by.fingerprint:
        raise InputError(
            f"The features are of another model than {used.made_by.path} (their fingerprints differ), so distances "
            f"would mean nothing. They were made with {gallery.made_by.path}: name that with --model (for an ONNX file "
            "with the same options), or embed the pictures anew."
        )
    query = embed_pictures(list_pictures(queries), used, choices, console, title="Embedding queries")
    with console.bar("Searching") as report:
        nearest = find_nearest(
            _anybody(query.embeddings),
            _anybody(gallery.embeddings),
            min(count, max(len(gallery.embeddings), 1)),
            metric=used.network.metric,
            same_camera="include",
            progress=report,
        )
    found = [FoundFor(row, _hits(row, nearest, query, gallery, used)) for row in range(len(query.embeddings))]
    return Search(query, gallery, found, used)


def _anybody(side: Embeddings) -> Embeddings:
    """The same features without people, so that nothing is left out as junk."""
    nobody = np.zeros(len(side), dtype=np.int64)
    return Embeddings(side.features, nobody, nobody)


def _hits(
    row: int, nearest: NearestImages, query: StoredFeatures, gallery: StoredFeatures, used: UsedModel
) -> list[Hit]:
    index, distance = nearest.index[row], nearest.distance[row]
    own = query.embeddings.features[row].numpy()
    found = gallery.embeddings.features[index].numpy()
    limit = THE_SAME * float(np.sqrt(np.square(own, dtype=np.float64).mean()))
    itself = np.abs(found - own).max(axis=1) <= limit
    verdicts: list[Verdict] = [
        "the query itself" if same else verdict(far, used)
        for same, far in zip(itself.tolist(), distance.tolist(), strict=True)
    ]
    return [Hit(*hit) for hit in zip(index.tolist(), distance.tolist(), verdicts, strict=True)]


def verdict(distance: float, used: UsedModel) -> Verdict:
    """Say whether a distance is one of the same person, as the model was calibrated."""
    if used.calibrated is None:
        return "not sure"
    return "same person" if distance < used.calibrated.threshold else "no match"


def show(search: Search, console: Console) -> None:
    """Write a table for each query, and what the verdicts rest on."""
    query, gallery = _named(search.query), _named(search.gallery)
    for one in search.found[:MOST_SHOWN]:
        console.table(with_its_end(search.query.path[one.query], 76), COLUMNS, found_rows(one, gallery))
    if len(search.found) > MOST_SHOWN:
        console.say(
            f"Shown: {MOST_SHOWN} of {len(search.found):,} queries. --html FILE shows {MOST_ON_PAGE}, --json FILE all."
        )
    themselves = [one for one in search.found if any(hit.verdict == "the query itself" for hit in one.hits)]
    if themselves:
        console.say(
            f"Note: {len(themselves):,} of {len(search.found):,} queries are in the gallery themselves, such as "
            f"{query.name(themselves[0].query)}, and find themselves first."
        )
    console.say(words(search.used))


def words(used: UsedModel) -> str:
    """Say what the verdicts rest on."""
    metric, known = used.network.metric, used.calibrated
    if known is None:
        return (
            f"Distances are {metric}. The model is not calibrated, so nobody can say below which distance two pictures "
            "show the same person: not sure."
        )
    return known.words(metric)


def write_html(search: Search, path: Path) -> None:
    """Write one HTML page: a row of pictures for each query."""
    query, gallery = _named(search.query), _named(search.gallery)
    lead = (
        f"A query and its nearest pictures, with their distances. ✓ and a full frame: same person. {words(search.used)}"
    )
    shown = search.found[:MOST_ON_PAGE]
    if len(shown) < len(search.found):
        lead += f" Shown: the first {len(shown)} of {len(search.found):,} queries."
    title = f"{len(search.found):,} searches in {len(search.gallery.embeddings):,} pictures"
    write_page(path, title, search.used.words(), [found_section(shown, query, gallery, lead)])


def write_found(search: Search, path: Path) -> None:
    """Write what was found as JSON."""
    known, gallery = search.used.calibrated, search.gallery

    def picture(side: StoredFeatures, row: int) -> dict[str, Any]:
        box: dict[str, Any] = {} if side.box is None else {"box": side.box[row].tolist()}
        person, camera = int(side.embeddings.person[row]), int(side.embeddings.camera[row])
        return {"path": side.path[row], **box, "person": person, "camera": camera}

    queries = [
        {
            **picture(search.query, one.query),
            "nearest": [
                {**picture(gallery, hit.row), "distance": hit.distance, "verdict": hit.verdict} for hit in one.hits
            ],
        }
        for one in search.found
    ]
    threshold = None if known is None else known.threshold
    content = {"metric": search.used.network.metric, "threshold": threshold, "queries": queries}
    write_json(path, content if known is None else {**content, "calibrated": json.loads(calibrated_text(known))})


def _named(side: StoredFeatures) -> NamedPictures:
    nobody: npt.NDArray[np.int64] = np.zeros(len(side.path), dtype=np.int64)
    return NamedPictures(ImageTable(side.path, nobody, nobody, box=side.box))
