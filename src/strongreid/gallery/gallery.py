"""A gallery: rows of features, each with person, camera, time, track and picture, behind one small interface."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal, final

import numpy as np
import numpy.typing as npt
from torch import Tensor

from strongreid.errors import InputError
from strongreid.evaluation.distance import Metric
from strongreid.evaluation.embeddings import float32_rows
from strongreid.gallery.address import open_store
from strongreid.gallery.by_track import nearest_tracks
from strongreid.gallery.erasing import what_to_erase
from strongreid.gallery.grammar import parse_where
from strongreid.gallery.labels import labels
from strongreid.gallery.rows import About, Rows, make_rows, require_keys
from strongreid.gallery.store import Added, Found, KnownPath, Store
from strongreid.gallery.summary import Erased, Stats, summary
from strongreid.gallery.where import Where, compares_with_query, of_cameras

MOST_HITS: Final = 1_000_000
"""Rows that a search may ask for, for each query."""


@final
class Gallery:
    """Rows of features at an address; made by `Gallery.open`."""

    def __init__(self, address: str, store: Store, metric: Metric | None) -> None:
        self.address = address
        self.store, self._metric = store, metric

    @classmethod
    def open(cls, address: str | Path, *, metric: Metric | None = None) -> "Gallery":
        """Open the gallery at an address; where there is none, the first `add` makes it.

        Args:
            address: a folder, s3://..., gs:// or az://... (LanceDB); a file that ends in .db (Milvus Lite) or
                http://host:port (Milvus).
            metric: how a new gallery compares features, "cosine" where not given; an old one must agree with it.

        Raises `InputError` where the address cannot be a gallery, or a library is missing.
        """
        gallery = cls(str(address), open_store(str(address)), metric)
        about = gallery.store.about()
        if about is not None and metric not in (None, about.metric):
            raise InputError(f"{address} compares features by {about.metric}, not {metric}.")
        return gallery

    def add(
        self,
        features: Tensor | npt.ArrayLike,
        *,
        model: str,
        person: Any = None,
        camera: Any = None,
        time: Any = None,
        track: Any = None,
        path: Any = None,
        thumbnail: Sequence[bytes | None] | None = None,
        added: npt.NDArray[np.int64] | None = None,
    ) -> Added:
        """Add rows, and return when they are kept: a writer that is killed later loses none of them.

        A row that is there already (same vector, model, camera, time, track and path) is not added again; if it comes
        with another person, that becomes its person.

        Args:
            features: `[n, D]` real numbers, kept as float32.
            model: fingerprint of the model that made them; a gallery holds one model's features.
            person: names or whole numbers from 0 on, one for each row or one for all; None or -1 where it is not known.
                Text that reads as a whole number is that number.
            camera: likewise.
            time: when each picture was taken: ISO 8601, datetime, datetime64 or seconds since 1970; UTC unless it says
                a zone.
            track: likewise: which pictures of a camera a tracker joined.
            path: where each picture lies.
            thumbnail: bytes of a small JPEG or PNG file for each row.
            added: when each row was first added, of rows that come from another gallery; by default now.

        Raises `InputError` for what cannot be a row, for another model or width, and where the store cannot be written.
        """
        _require_text(model)
        vectors = float32_rows(features).cpu().numpy()
        about = self.store.about() or About(model, vectors.shape[1], self._metric or "cosine")
        self._require_same(about, model, vectors.shape[1])
        columns = {"person": person, "camera": camera, "time": time, "track": track, "path": path}
        rows = make_rows(vectors, about, **columns, thumbnail=thumbnail, added=added)
        return self.store.put(about, rows) if len(rows) else Added(0, 0, 0)

    def search(
        self,
        features: Tensor | npt.ArrayLike,
        k: int = 10,
        where: str | Where | None = None,
        model: str | None = None,
        *,
        camera: Any = None,
        by: Literal["image", "track"] = "image",
        exact: bool | None = None,
    ) -> Found:
        """Return the `k` nearest rows of each query, nearest first, as `find_nearest` ranks them.

        Args:
            features: `[q, D]`, of the gallery's model.
            k: how many, at most 1,000,000 (16,384 in Milvus); where fewer rows qualify, the rest has an infinite
                distance, person and camera -1, path "".
            where: a condition, such as "camera != 'lobby' and time > 2026-11-01T12:00 and person in (1, 2)"; "camera
                != query" leaves out the query's own.
            model: fingerprint of the model that made the queries; another one than the gallery's is refused.
            camera: of the queries, names or whole numbers `[q]` or one for all.
            by: "track" returns of each track only its nearest row. Rows without a track stand for themselves.
            exact: True looks at every row, False takes candidates from an index; by default as `tune` decided.

        Raises `InputError` for another model or width, a condition that cannot be read, and where there is no gallery.
        """
        if model is not None:
            _require_text(model)
        about = self.require()
        queries = float32_rows(features).cpu()
        self._require_same(about, model, queries.shape[1])
        most = min(MOST_HITS, self.store.most_found)
        if isinstance(k, bool) or not isinstance(k, int | np.integer) or not 1 <= k <= most:
            limit = (
                "" if most == MOST_HITS else f", all that {self.address} returns; a gallery in a folder returns more"
            )
            raise InputError(f"k is {k!r}; it must be a whole number from 1 to {most:,}{limit}.")
        if by not in ("image", "track"):
            raise InputError(f'by is {by!r}; it must be "image" or "track".')
        condition = parse_where(where) if isinstance(where, str) else where
        if condition is not None and not isinstance(condition, Where):
            raise InputError(f'where is {where!r}; give a text, such as "camera != 3".')
        if condition is not None and camera is None and compares_with_query(condition):
            raise InputError(
                'The condition compares with the camera of the query, but the search was given none: say "camera" of '
                "each query."
            )
        cameras = labels("camera", camera, len(queries))
        if condition is not None:
            condition = of_cameras(condition, cameras.in_several_forms())
        of_query = None if camera is None else cameras.number

        def nearest(rows: slice, count: int) -> Found:
            of_these = None if of_query is None else of_query[rows]
            return self.store.search(queries[rows], count, condition, of_these, exact)

        if by == "track":
            return nearest_tracks(nearest, len(queries), int(k), most=self.store.most_found)
        return nearest(slice(0, len(queries)), int(k))

    def erase(
        self,
        *,
        person: int | str | None = None,
        track: int | str | None = None,
        older_than: timedelta | datetime | str | None = None,
        dry_run: bool = False,
    ) -> Erased:
        """Erase the rows of a person, of a track, or older than a length of time (30d, 12h) or a moment, for good.

        The age of a row without a time counts from when it was added. With `dry_run` rows are only counted. Raises
        `InputError` unless exactly one of the three is given, and where files from before cannot be removed.
        """
        condition = what_to_erase(person, track, older_than)
        self.require()
        facts = self.store.facts()
        columns = {name: getattr(facts, name) for name in ("person", "track", "time", "added")}
        count = int(condition.mask(columns, None).sum())
        if dry_run:
            return Erased(count, proven=False)
        self.store.erase(condition)
        return Erased(count, self.store.proves_erasure)

    def stats(self) -> Stats:
        """Return what the gallery holds; nothing of a gallery that nothing was added to yet."""
        return summary(self.address, self.store)

    def require(self) -> About:
        """Return what all rows share; `InputError` where nothing was ever added."""
        about = self.store.about()
        if about is None:
            raise InputError(
                f"There is no gallery at {self.address} yet. Add something to it, or name another address."
            )
        return about

    def require_model(self, model: str, width: int) -> None:
        """Raise `InputError` where the gallery holds the features of another model."""
        about = self.store.about()
        if about is not None:
            self._require_same(about, model, width)

    def known_paths(self) -> dict[str, KnownPath]:
        """Return the rows that have a path, by it."""
        return self.store.known_paths()

    def relabel(self, keys: Sequence[str], people: Sequence[int | str]) -> None:
        """Change the people of rows that are there, given by their keys."""
        if len(keys):
            self.store.relabel(require_keys(keys), labels("people", list(people), len(keys)))

    def thumbnails(self, keys: Sequence[str]) -> dict[str, bytes]:
        """Return the thumbnails, JPEG or PNG as they were added, of the rows that have one, by their keys."""
        return self.store.thumbnails(require_keys(keys))

    def rows(self) -> Iterator[Rows]:
        """Yield all rows, some thousand at a time."""
        return self.store.batches()

    def compact(self) -> None:
        """Bring the rows into few files, and remove what earlier states of the gallery left."""
        self.require()
        self.store.compact()

    def _require_same(self, about: About, model: str | None, width: int) -> None:
        if model is not None and model != about.model:
            raise InputError(
                f"The features are of another model ({model[:12]}) than those of {self.address} ({about.model[:12]}), "
                "so distances would mean nothing. Take the gallery's model, or make a gallery anew: "
                "strongreid gallery re-embed --model NEW"
            )
        if width != about.width:
            raise InputError(f"The features are {width} wide, those of {self.address} {about.width}: another model.")


def _require_text(model: str) -> None:
    if not isinstance(model, str) or not model or "\0" in model or model != model.encode(errors="replace").decode():
        raise InputError(f"model is {model!r}; give the fingerprint of the model that made the features, a text.")
