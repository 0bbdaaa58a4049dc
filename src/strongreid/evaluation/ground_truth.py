"""Which gallery images count as matches of a query, and which are left out of its list.

The gallery is sorted once by (person, camera), so that both are index ranges in that order. Pairs are expanded for a
block of queries at a time: with few people they are as many as queries times gallery images.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, final, get_args

import numpy as np
import numpy.typing as npt

from strongreid.errors import InputError
from strongreid.evaluation.distance import Metric
from strongreid.evaluation.embeddings import JUNK, Embeddings
from strongreid.evaluation.facts import Indices

SameCamera = Literal["exclude", "include"]


@dataclass(frozen=True)
class Labels:
    """People and cameras alone, both int64 `[N]`."""

    person: Indices
    camera: Indices


@dataclass(frozen=True)
class Pairs:
    """Pairs of a query (its index within a block) and a gallery image (its index), each int64 `[n]`."""

    query: Indices
    gallery: Indices


@final
class MatchIndex:
    """Matches of every query: `counts[q]` of them; `valid` lists the queries that have any; `images` in the gallery."""

    def __init__(self, query: Embeddings | Labels, gallery: Embeddings | Labels, same_camera: SameCamera) -> None:
        people, gallery_person = np.unique(gallery.person, return_inverse=True)
        cameras, gallery_camera = np.unique(gallery.camera, return_inverse=True)
        query_person, known = _index_of(people, query.person)
        query_camera, camera_known = _index_of(cameras, query.camera)
        known &= query.person != JUNK
        key = gallery_person * len(cameras) + gallery_camera
        self._order = np.argsort(key, kind="stable")
        key = key[self._order]
        query_key = query_person * len(cameras) + query_camera
        self._start = np.searchsorted(key, query_person * len(cameras))
        self._stop = np.where(known, np.searchsorted(key, (query_person + 1) * len(cameras)), self._start)
        self._left_out_start = np.where(known, np.searchsorted(key, query_key), self._start)
        self._left_out_stop = np.searchsorted(key, query_key, side="right")
        nothing = ~(known & camera_known) | (same_camera == "include")
        self._left_out_stop = np.where(nothing, self._left_out_start, self._left_out_stop)
        self.of_person: Indices = self._stop - self._start
        """Gallery images of the same person, left out or not, int64 `[Q]`."""
        self.counts: Indices = self.of_person - (self._left_out_stop - self._left_out_start)
        self.valid: Indices = np.flatnonzero(self.counts > 0)
        self.images: int = len(gallery.person)
        self.junk: Indices = np.flatnonzero(gallery.person == JUNK)

    def matches(self, rows: Indices) -> Pairs:
        """Every match of the queries at `rows`, ordered by the query's index within `rows`."""
        return _sorted(
            _expand(self._order, self._start[rows], self._left_out_start[rows]),
            _expand(self._order, self._left_out_stop[rows], self._stop[rows]),
        )

    def left_out(self, rows: Indices) -> Pairs:
        """Every gallery image of the same person and camera as the query, for the queries at `rows`."""
        return Pairs(*_expand(self._order, self._left_out_start[rows], self._left_out_stop[rows]))


def check(query: Embeddings, gallery: Sequence[Embeddings], metric: str, same_camera: str) -> None:
    """Raise `InputError` for what cannot be evaluated: choices, no query, an empty gallery, widths, devices."""
    for name, side in (("query", query), *(("gallery", part) for part in gallery)):
        if not isinstance(side, Embeddings):
            raise InputError(f"The {name} is a {type(side).__name__}; give Embeddings(features, person, camera).")
    for name, value, allowed in (
        ("metric", metric, get_args(Metric)),
        ("same_camera", same_camera, get_args(SameCamera)),
    ):
        if value not in allowed:
            raise InputError(f"{name} is {value!r}; it must be one of {', '.join(map(repr, allowed))}.")
    if not len(query):
        raise InputError("There are no queries: the query features have 0 rows. Give at least one image to search for.")
    require_gallery(gallery)
    for part in gallery:
        widths = query.features.shape[1], part.features.shape[1]
        if widths[0] != widths[1]:
            raise InputError(
                f"Query features are {widths[0]} wide but gallery features {widths[1]}. "
                "Both must come from the same model and layer."
            )
        if query.features.device != part.features.device:
            raise InputError(
                f"Query features are on {query.features.device}, gallery features on {part.features.device}. "
                "Move one with .to(device)."
            )


def require_gallery(parts: Sequence[Embeddings]) -> None:
    """Raise `InputError` for a gallery without an image that counts."""
    if not any(bool((part.person != JUNK).any()) for part in parts):
        images = sum(map(len, parts))
        why = f"all its {images} images are junk (person -1), which does not count" if images else "it has no images"
        raise InputError(f"The gallery is empty: {why}. Give at least one image to search in.")


def require_count(count: int) -> None:
    """Raise `InputError` for a number of images below 1."""
    if count < 1:
        raise InputError(f"count is {count}; it must be at least 1.")


def join(parts: Sequence[Embeddings]) -> Labels:
    """People and cameras of all parts, one after another."""
    return Labels(np.concatenate([part.person for part in parts]), np.concatenate([part.camera for part in parts]))


def require_valid(index: MatchIndex, query: Embeddings | Labels, gallery: Embeddings | Labels) -> None:
    """Raise `InputError` that says why, where no query has a match."""
    if len(index.valid):
        return
    if (query.person == JUNK).all():
        raise InputError(
            f"No query can be counted: all {len(query.person)} are junk (person -1). Give their people's numbers."
        )
    if not index.of_person.any():
        raise InputError(
            "No query can be counted: no person of the queries is in the gallery "
            f"({_some(query.person)} against {_some(gallery.person)}). Check that both use the same numbers for people."
        )
    cameras = np.unique(np.concatenate([query.camera, gallery.camera]))
    why = (
        f"every image has camera {cameras[0]}"
        if len(cameras) == 1
        else "each person's gallery images are all of the query's own camera"
    )
    raise InputError(
        f"No query can be counted: {why}, and images of the same person and camera are left out. "
        'Where cameras are unknown or there is only one, use same_camera="include" '
        "(strongreid evaluate --same_camera include)."
    )


def _index_of(values: Indices, wanted: Indices) -> tuple[Indices, npt.NDArray[np.bool_]]:
    """Index of each wanted value in the sorted `values`, and whether it is there at all."""
    index = np.minimum(np.searchsorted(values, wanted), len(values) - 1)
    return index, values[index] == wanted


def _expand(order: Indices, start: Indices, stop: Indices) -> tuple[Indices, Indices]:
    """Expand the ranges `start[i]:stop[i]` of `order` to pairs (i, order value)."""
    counts = stop - start
    row = np.repeat(np.arange(len(counts)), counts)
    within = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
    return row, order[start[row] + within]


def _sorted(first: tuple[Indices, Indices], second: tuple[Indices, Indices]) -> Pairs:
    query = np.concatenate([first[0], second[0]])
    order = np.argsort(query, kind="stable")
    return Pairs(query[order], np.concatenate([first[1], second[1]])[order])


def _some(values: Indices) -> str:
    """The first few different values, for a message."""
    few = np.unique(values)
    return ", ".join(map(str, few[:5])) + (", ..." if len(few) > 5 else "")
