"""Ranked strips for a page: which queries to show, and their lists with what is not counted left in, greyed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from strongreid.data import ImageTable, PackedImages
from strongreid.evaluation import Embeddings, RetrievalResult, nearest
from strongreid.evaluation.distance import Metric
from strongreid.evaluation.ground_truth import SameCamera
from strongreid.reports.images import pixels_uri
from strongreid.reports.page import Frame, Picture, Tile, TileRow

COUNTED = 10
"""Counted gallery images in a strip."""
MOST_LEFT_OUT = 10
"""Uncounted ones at most: some people have dozens before the first counted one."""


class ImageGallery:
    """Images of one side of a test set with what is known of them, for showing: `table` and `packed` in one order."""

    def __init__(self, table: ImageTable, packed: PackedImages) -> None:
        self.table = table
        self.packed = packed
        self.names = table.relative_path()
        self._cameras_known = bool(table.camera.any())

    def pixels(self, row: int) -> npt.NDArray[np.uint8]:
        """Return one image as the network sees it, uint8 [3, H, W]."""
        return np.asarray(self.packed[np.array([row])][0].numpy(), dtype=np.uint8)

    def words(self, row: int) -> str:
        """Say who and where, such as "person 7, camera 2"; without the camera where cameras are not known."""
        who = f"person {self.table.person[row]}"
        return f"{who}, camera {self.table.camera[row]}" if self._cameras_known else who

    def lines(self, row: int) -> str:
        """Say the same in two short lines, for below a tile."""
        return self.words(row).replace(", camera ", "\ncam. ")

    def picture(self, row: int) -> Picture:
        """Return one image; its alternative text names the file, the person and the camera."""
        return Picture(pixels_uri(self.pixels(row)), f"{self.names[row]}: {self.words(row)}")


@dataclass(frozen=True)
class RankedList:
    """What was found for a query, nearest first."""

    query: int
    gallery: npt.NDArray[np.int64]
    """Rows of the gallery, int64 [n]."""
    frames: list[Frame]
    """What each of them is: right, wrong or left out."""
    to_find: int
    """How many images of the person count, in the whole gallery."""


def pick_queries(result: RetrievalResult, person: npt.NDArray[np.int64], each: int) -> dict[str, list[int]]:
    """Return rows of the best, the median and the worst queries by average precision, `each` of different people.

    Where there are few people, a query is in the first group that takes it only.
    """
    precision = result.average_precision
    valid = np.flatnonzero(result.first_match_rank > 0)
    by_precision = valid[np.argsort(-precision[valid], kind="stable")]
    near_median = valid[np.argsort(np.abs(precision[valid] - np.median(precision[valid])), kind="stable")]
    taken: set[int] = set()
    groups: dict[str, list[int]] = {}
    for name, order in (("Best", by_precision), ("Worst", by_precision[::-1]), ("Median", near_median)):
        people: set[int] = set()
        groups[name] = []
        for row in order.tolist():
            if len(groups[name]) == each:
                break
            if row not in taken and int(person[row]) not in people:
                groups[name].append(row)
                taken.add(row)
                people.add(int(person[row]))
    return {name: groups[name] for name in ("Best", "Median", "Worst")}


def ranked_lists(
    query: Embeddings, gallery: Embeddings, rows: Sequence[int], *, metric: Metric, same_camera: SameCamera
) -> list[RankedList]:
    """Rank the gallery for the queries at `rows`, images of the same person and camera included but marked.

    Each list ends with its tenth counted image. A list with more than ten uncounted ones lacks the last of these.
    """
    chosen = query.take(np.array(rows, dtype=np.int64))
    same = (chosen.person[:, None] == gallery.person) & (chosen.camera[:, None] == gallery.camera)
    left_out = same if same_camera == "exclude" else np.zeros_like(same)
    to_find = (chosen.person[:, None] == gallery.person).sum(axis=1) - left_out.sum(axis=1)
    longest = COUNTED + int(left_out.sum(axis=1).max(initial=0))
    found = nearest(chosen, gallery, longest, metric=metric, same_camera="include")
    lists = []
    for place, row in enumerate(rows):
        listed = found[place][found[place] >= 0]
        uncounted = left_out[place, listed]
        keep = np.cumsum(~uncounted) - ~uncounted < COUNTED
        keep &= ~uncounted | (np.cumsum(uncounted) <= MOST_LEFT_OUT)
        listed = listed[keep]
        frames: list[Frame] = []
        for index in listed:
            right = gallery.person[index] == chosen.person[place]
            frames.append("left_out" if left_out[place, index] else "right" if right else "wrong")
        lists.append(RankedList(int(row), listed, frames, int(to_find[place])))
    return lists


def strip(found: RankedList, query: ImageGallery, gallery: ImageGallery, precision: float) -> TileRow:
    """Draw one list as a row: the query, then what was found, numbered as it counts."""
    tiles = [Tile(query.picture(found.query), "query", f"query\n{query.lines(found.query)}")]
    rank = 0
    for row, frame in zip(found.gallery.tolist(), found.frames, strict=True):
        rank += frame != "left_out"
        first = "left out" if frame == "left_out" else str(rank)
        tiles.append(Tile(gallery.picture(row), frame, f"{first}\n{gallery.lines(row)}"))
    note = f"{query.words(found.query)} · average precision {100 * precision:.1f} % · images to find: {found.to_find}"
    return TileRow(query.names[found.query], note, tiles)
