"""Searching by track: of the rows of one camera that a tracker joined only the nearest is returned."""

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Final

import numpy as np

from strongreid.errors import InputError
from strongreid.gallery.held import joined
from strongreid.gallery.store import Found
from strongreid.gallery.where import UNKNOWN

_TIMES_MORE: Final = 4
"""How many more rows are asked for where too few tracks were found."""


def nearest_tracks(nearest: Callable[[slice, int], Found], queries: int, count: int, *, most: int) -> Found:
    """Return the nearest row of each of the `count` nearest tracks of each query.

    `nearest` returns the rows nearest to some queries, at most `most`. Rows without a track stand for themselves.
    """
    found = [_of_one(nearest, query, count, most) for query in range(queries)]
    return joined(found, count, exact=all(one.exact for one in found))


def _of_one(nearest: Callable[[slice, int], Found], query: int, count: int, most: int) -> Found:
    asked = min(_TIMES_MORE * count, most)
    while True:
        found = nearest(slice(query, query + 1), asked)
        there = np.isfinite(found.distance[0])
        track, camera = found.track[0], found.camera[0]
        alone = np.where(track == UNKNOWN, np.arange(asked), -1)
        _, first = np.unique(np.stack([camera, track, alone])[:, there], axis=1, return_index=True)
        if len(first) >= count or not there.all():
            break
        if asked == most:
            raise InputError(
                f"The {most:,} nearest rows, all that this gallery returns, hold {len(first):,} of {count:,} tracks. "
                "Ask for fewer, or leave rows out by a condition."
            )
        asked = min(_TIMES_MORE * asked, most)
    nothing = np.flatnonzero(~there)[:1].repeat(count)  # after the last track
    rows = np.concatenate([np.sort(first), nothing])[:count]
    columns = {field.name: getattr(found, field.name)[:, rows] for field in fields(Found) if field.name != "exact"}
    return replace(found, **columns)
