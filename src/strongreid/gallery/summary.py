"""What a gallery says of itself, and what an erasure did."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from strongreid.gallery.labels import listed
from strongreid.gallery.rows import About
from strongreid.gallery.store import Store
from strongreid.gallery.times import NO_TIME
from strongreid.gallery.where import UNKNOWN


@dataclass(frozen=True)
class Stats:
    """What a gallery holds."""

    address: str
    count: int
    """Rows."""
    people: int
    """Known people."""
    cameras: int
    tracks: int
    """Pairs of a camera and a known track."""
    first: int
    """The earliest and the latest time, microseconds since 1970; `NO_TIME` where none is known."""
    last: int
    bytes: int | None
    """What it takes on the disk; None where that is not known."""
    about: About | None
    """Model, width and metric; None where nothing was ever added."""
    called: Mapping[str, Sequence[str]]
    """How the known people and cameras are called, by name or number, by `person` and `camera`."""


@dataclass(frozen=True)
class Erased:
    """What an erasure did, or would do."""

    count: int
    """Rows."""
    proven: bool
    """Whether no file from before the erasure is left, so that no byte of an erased row is. False where a store cannot
    prove it, and for a dry run."""


def summary(address: str, store: Store) -> Stats:
    """Return what a gallery holds."""
    facts = store.facts()
    known = facts.time[facts.time != NO_TIME]
    tracks = np.stack([facts.camera, facts.track])[:, facts.track != UNKNOWN]
    return Stats(
        address,
        len(facts),
        len(np.unique(facts.person[facts.person != UNKNOWN])),
        len(np.unique(facts.camera[facts.camera != UNKNOWN])),
        np.unique(tracks, axis=1).shape[1],
        int(known.min()) if len(known) else NO_TIME,
        int(known.max()) if len(known) else NO_TIME,
        store.size(),
        store.about(),
        {name: listed(getattr(facts, name), facts.names) for name in ("person", "camera")},
    )
