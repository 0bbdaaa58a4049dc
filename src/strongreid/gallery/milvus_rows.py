"""Rows of a gallery as Milvus keeps them: a dictionary each, thumbnails as base64, no text where there is none."""

import base64
from collections.abc import Collection, Sequence
from typing import Any, Final

import numpy as np

from strongreid.errors import InputError
from strongreid.gallery.labels import NAMES
from strongreid.gallery.rows import NUMBERS, Rows

LONGEST_TEXT: Final = 65_535
"""Most bytes of a text."""


def entities_of(rows: Rows, columns: Collection[str]) -> list[dict[str, Any]]:
    """Return rows as a collection with those columns takes them."""
    found = []
    for row in range(len(rows)):
        small = base64.b64encode(rows.thumbnail[row] or b"").decode()
        if len(small) > LONGEST_TEXT:
            raise InputError(f"A thumbnail in Milvus may have {LONGEST_TEXT * 3 // 4:,} bytes. Make it smaller.")
        numbers = {name: int(getattr(rows, name)[row]) for name in NUMBERS}
        found.append(
            {
                "key": rows.key[row],
                "features": rows.features[row].tolist(),
                **numbers,
                "path": rows.path[row],
                "thumbnail": small,
                **{name: getattr(rows, name)[row] for name in NAMES if name in columns},
            }
        )
    return found


def rows_of(entities: Sequence[dict[str, Any]], width: int) -> Rows:
    """Return what Milvus gives as rows; a collection from before galleries kept names has none."""
    numbers: dict[str, Any] = {name: np.array([one[name] for one in entities], np.int64) for name in NUMBERS}
    features = np.array([one["features"] for one in entities], dtype=np.float32).reshape(-1, width)
    small = np.full(len(entities), None, dtype=np.object_)
    for row, one in enumerate(entities):
        small[row] = base64.b64decode(one["thumbnail"]) or None
    texts: dict[str, Any] = {
        name: np.array([one.get(name, "") for one in entities], dtype=np.object_) for name in ("key", "path", *NAMES)
    }
    return Rows(features=features, thumbnail=small, **texts, **numbers)
