"""One state of a gallery in memory: its vectors, measured for searching, and the columns that conditions read."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from strongreid.evaluation.distance import Metric, take
from strongreid.evaluation.held_gallery import Allowed, HeldGallery
from strongreid.evaluation.nearest import NearestImages
from strongreid.gallery.labels import NAMED, NAMES, names_by_number, names_of
from strongreid.gallery.rows import NUMBERS, Rows
from strongreid.gallery.store import Found
from strongreid.gallery.times import NO_TIME
from strongreid.gallery.where import UNKNOWN, Integers, Where, compares_with_query

_NUMBERS: Final = {"person": UNKNOWN, "camera": UNKNOWN, "track": UNKNOWN, "time": NO_TIME}
"""Columns of numbers, and what stands in them where there is no row."""
_COLUMNS: Final = (*_NUMBERS, "added", "key", "path")


@dataclass(frozen=True, eq=False)
class Held:
    """Rows in memory, in the order of addition."""

    stored: npt.NDArray[np.object_]
    """Their keys in the order in which the table has them."""
    stored_person: Integers
    """Likewise their people, who may be changed later."""
    gallery: HeldGallery | None
    """None where there is no row."""
    columns: dict[str, npt.NDArray[Any]]
    """Those of `_COLUMNS`."""
    names: Mapping[int, str]
    """Names of people, cameras and tracks, by their numbers: hits have them, conditions need none."""

    def begins(self, key: npt.NDArray[np.object_], person: Integers) -> bool:
        """Whether a table with these keys and people, in its order, begins with what is held."""
        count = len(self.stored)
        return bool((key[:count] == self.stored).all() and (person[:count] == self.stored_person).all())

    def search(self, features: Tensor, count: int, where: Where | None, query_camera: Integers | None) -> Found:
        """Return the nearest rows of queries, float32 `[Q, D]`, of those for which the condition holds."""
        if self.gallery is None:
            nothing = np.full((len(features), count), -1, dtype=np.int64)
            return self.found(NearestImages(nothing, np.full(nothing.shape, np.inf)))
        return self.found(self.gallery.nearest(features, count, self._allowed(where, query_camera)))

    def found(self, nearest: NearestImages) -> Found:
        """Return rows with all that is known of them."""
        there, rows = nearest.index >= 0, nearest.index.clip(min=0)
        some = len(self.stored) > 0

        def taken(name: str, nothing: object) -> npt.NDArray[Any]:
            column = self.columns[name]
            found = column[rows] if some else np.full(rows.shape, nothing, dtype=column.dtype)
            found[~there] = nothing
            return found

        numbers = {name: taken(name, nothing) for name, nothing in _NUMBERS.items()}
        named: dict[str, Any] = {f"{name}_name": names_of(numbers[name], self.names) for name in NAMED}
        return Found(nearest.distance, **numbers, **named, path=taken("path", ""), key=taken("key", ""), exact=True)

    def features(self, rows: Integers) -> npt.NDArray[np.float32]:
        """Return the features of rows, `[n, D]`."""
        assert self.gallery is not None
        return take(self.gallery.parts, torch.from_numpy(rows)).numpy()

    def _allowed(self, where: Where | None, query_camera: Integers | None) -> Allowed | None:
        if where is None:
            return None
        columns = {name: self.columns[name][:, None] for name in _NUMBERS}
        alike = query_camera is not None and len(set(query_camera.tolist())) == 1
        if alike or not compares_with_query(where):
            mask = where.mask(columns, query_camera[:1] if query_camera is not None else None)
            return lambda rows, queries: mask[rows]
        return lambda rows, queries: where.mask(
            {name: column[rows] for name, column in columns.items()},
            None if query_camera is None else query_camera[queries][None, :],
        )


def hold(rows: Rows, metric: Metric) -> Held:
    """Hold all rows of a table, given in the order in which it has them."""
    live = live_rows(rows.key, rows.added)
    ordered = rows if np.array_equal(live, np.arange(len(rows))) else rows.take(live)
    gallery = HeldGallery([torch.from_numpy(ordered.features)], metric) if len(ordered) else None
    columns = {name: getattr(ordered, name) for name in _COLUMNS}
    return Held(rows.key, rows.person, gallery, columns, names_by_number(vars(ordered)))


def extended(held: Held, rows: Rows) -> Held | None:
    """Hold further rows too; None where they do not simply come after those that are held."""
    added = held.columns["added"]
    if held.gallery is None or not len(rows):
        return held if not len(rows) else None
    stored = np.concatenate([held.stored, rows.key])
    if rows.added.min() <= added.max() or (np.diff(rows.added) < 0).any() or len(set(stored.tolist())) < len(stored):
        return None
    parts = [*held.gallery.parts, torch.from_numpy(rows.features)]
    while len(parts) > 1 and len(parts[-2]) < 2 * len(parts[-1]):  # so few parts that each row moves a few times
        parts[-2:] = [torch.cat(parts[-2:])]
    columns = {name: np.concatenate([held.columns[name], getattr(rows, name)]) for name in _COLUMNS}
    person = np.concatenate([held.stored_person, rows.person])
    names = {**held.names, **names_by_number(vars(rows))}
    return Held(stored, person, HeldGallery(parts, held.gallery.metric), columns, names)


def live_rows(keys: npt.NDArray[np.object_], added: Integers) -> Integers:
    """Indices of rows in the order of addition; of several with one key, which only races leave, the last."""
    last = {key: number for number, key in enumerate(keys.tolist())}
    rows = np.arange(len(keys)) if len(last) == len(keys) else np.array(sorted(last.values()), dtype=np.int64)
    order: Integers = rows[np.argsort(added[rows], kind="stable")]
    return order


def stored_again(rows: Any, where: Where) -> list[str]:
    """Keys, quoted, of rows for which a condition holds and of which races left earlier copies, that it may miss.

    `rows`: keys and numbers of all rows, an Arrow table in stored order.
    """
    keys, numbers = rows["key"].to_numpy(zero_copy_only=False), {name: rows[name].to_numpy() for name in NUMBERS}
    live = live_rows(keys, numbers["added"])
    if len(live) == len(keys):
        return []
    chosen = keys[live][where.mask({name: column[live] for name, column in numbers.items()}, None)]
    stored = Counter(keys.tolist())
    return [f"'{key}'" for key in chosen.tolist() if stored[key] > 1]


def joined(found: Sequence[Found], count: int, *, exact: bool) -> Found:
    """Return what was found for several queries as one; `count` is how many rows each has."""
    names = [field.name for field in fields(Found) if field.name != "exact"]
    kinds = {"distance": np.float64, **dict.fromkeys((*NAMES, "path", "key"), np.object_)}
    columns = {
        name: np.concatenate([np.empty((0, count), kinds.get(name, np.int64)), *(getattr(one, name) for one in found)])
        for name in names
    }
    return Found(**columns, exact=exact)
