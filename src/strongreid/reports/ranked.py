"""Ranked strips for a page: which queries to show, and their lists with what is not counted left in, greyed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from strongreid.data import ImageTable, PackedImages
from strongreid.evaluation import Embeddings, RetrievalResult, nearest
from strongreid.evaluation.distance import Metric
from strongreid.evaluation.ground_truth import SameCamera
from strongreid.reports.images import ImageFiles, pixels_uri
from strongreid.reports.page import Frame, Picture, Tile, TileRow

COUNTED = 10
"""Counted gallery images in a strip."""
MOST_LEFT_OUT = 10
"""Uncounted ones at most: some people have dozens before the first counted one."""


class ImageGallery:
    """Images of one side of a test set with what is known of them, for showing, all in one order.

    Args:
        side: whom the images show, and by which camera: their table, or their features where there is no table.
        packed: the images; None where only features are at hand: their names are then shown in their stead.
        names: what the images are called, by default the table's relative paths, or the rows of the features.
    """

    def __init__(
        self,
        side: ImageTable | Embeddings,
        packed: PackedImages | ImageFiles | None = None,
        names: Sequence[str] | None = None,
    ) -> None:
        self.packed = packed
        self._side = side
        self._names = side.relative_path() if names is None and isinstance(side, ImageTable) else names
        self._cameras_known = bool(side.camera.any())

    def name(self, row: int) -> str:
        """Return what an image is called."""
        return f"row {row}" if self._names is None else self._names[row]

    def words(self, row: int) -> str:
        """Say who and where, such as "person 7, camera 2"; without the camera where cameras are not known."""
        who = f"person {self._side.person[row]}"
        return f"{who}, camera {self._side.camera[row]}" if self._cameras_known else who

    def lines(self, row: int) -> str:
        """Say the same in two short lines, for below a tile."""
        return self.words(row).replace(", camera ", "\ncam. ")

    def pixels(self, row: int) -> npt.NDArray[np.uint8]:
        """Return one image as the network sees it, uint8 [3, H, W]; only where there are images."""
        assert self.packed is not None
        return np.asarray(self.packed[np.array([row])][0].numpy(), dtype=np.uint8)

    def picture(self, row: int) -> Picture | str:
        """Return one image, its alternative text naming file, person and camera; its name where there are no images."""
        if self.packed is None:
            return self.name(row)
        return Picture(pixels_uri(self.pixels(row)), f"{self.name(row)}: {self.words(row)}")


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
    """Return rows of the best, the median and the worst queries by average precision, up to `each` of different people.

    Args:
        result: of Q queries.
        person: int64 [Q], whom the queries show.
        each: how many of either group; fewer where there are fewer than three times as many valid queries.

    No query is in two groups, so groups can be empty.
    """
    precision = result.average_precision
    valid = np.flatnonzero(result.first_match_rank > 0)
    each = min(each, -(-len(valid) // 3))
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
    if not len(rows):
        return []
    chosen = query.take(np.array(rows, dtype=np.int64))
    same = (chosen.person[:, None] == gallery.person) & (chosen.camera[:, None] == gallery.camera)
    left_out = same if same_camera == "exclude" else np.zeros_like(same)
    to_find = (chosen.person[:, None] == gallery.person).sum(axis=1) - left_out.sum(axis=1)
    longest = COUNTED + int(left_out.sum(axis=1).max(initial=0))
    found = nearest(chosen, gallery, longest, metric=metric, same_camera="include")
    lists = []
    for number, row in enumerate(rows):
        listed = found[number][found[number] >= 0]
        uncounted = left_out[number, listed]
        keep = np.cumsum(~uncounted) - ~uncounted < COUNTED
        keep &= ~uncounted | (np.cumsum(uncounted) <= MOST_LEFT_OUT)
        listed = listed[keep]
        right = gallery.person[listed] == chosen.person[number]
        frames: list[Frame] = [
            "left_out" if out else "right" if same else "wrong"
            for out, same in zip(left_out[number, listed], right, strict=True)
        ]
        lists.append(RankedList(int(row), listed, frames, int(to_find[number])))
    return lists


def strip(found: RankedList, query: ImageGallery, gallery: ImageGallery, precision: float, label: str = "") -> TileRow:
    """Draw one list as a row: the query, then what was found, numbered as it counts.

    `precision` is the query's average precision, 0 to 1; `label` says more of the query, such as "occluded".
    """
    tiles = [Tile(query.picture(found.query), "query", f"query\n{query.lines(found.query)}")]
    rank = 0
    for row, frame in zip(found.gallery.tolist(), found.frames, strict=True):
        rank += frame != "left_out"
        first = "left out" if frame == "left_out" else str(rank)
        tiles.append(Tile(gallery.picture(row), frame, f"{first}\n{gallery.lines(row)}"))
    note = f"{query.words(found.query)} · average precision {100 * precision:.1f} % · images to find: {found.to_find}"
    return TileRow(query.name(found.query), f"{label} · {note}" if label else note, tiles)
