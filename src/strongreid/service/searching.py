"""Queries to hits: all that wait go through the model at once, then through the gallery."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from strongreid.gallery import Gallery
from strongreid.gallery.labels import listed
from strongreid.gallery.store import Found
from strongreid.gallery.times import NO_TIME, shown_time
from strongreid.gallery.where import UNKNOWN, Where
from strongreid.models import Calibrated
from strongreid.models.model_file import Metric
from strongreid.pixels import Interpolation
from strongreid.service.metrics import Meter

COUNTED_SECONDS: Final = 10.0
"""How long what the gallery holds is not counted again."""


class Network(Protocol):
    """A model of ours, or an ONNX file."""

    image_size: tuple[int, int]
    interpolation: Interpolation
    metric: Metric

    def embed(self, images: Tensor, *, batch_size: int = 64, camera: npt.ArrayLike | None = None) -> Tensor:
        """Map images [N, 3, H, W] uint8 RGB to features [N, D] float32 on the CPU."""


@dataclass(frozen=True)
class Served:
    """What a service searches, and with what."""

    network: Network
    model: str
    """The model's fingerprint."""
    calibrated: Calibrated | None
    """What the model was calibrated to do."""
    gallery: Gallery
    address: str
    """Where the gallery is, whole: what the audit log calls it."""


@dataclass(frozen=True)
class Counted:
    """What a gallery held at a time."""

    count: int
    """Rows."""
    cameras: list[int]
    """The known ones, ascending."""
    camera_names: list[str]
    """What they are called: numbers, then names, in their orders."""
    at: float
    """When: seconds of `time.monotonic`."""

    def is_old(self) -> bool:
        """Whether it should be counted again."""
        return time.monotonic() - self.at > COUNTED_SECONDS


def count(served: Served) -> Counted:
    """Count what a gallery holds; takes some time where it holds much."""
    facts = served.gallery.store.facts()
    cameras = np.unique(facts.camera)
    called = listed(cameras, facts.names)
    return Counted(len(facts), cameras[cameras != UNKNOWN].tolist(), list(called), time.monotonic())


@dataclass(frozen=True, eq=False)
class Asked:
    """What one search asks for."""

    pixels: npt.NDArray[np.uint8]
    """uint8 [3, H, W], of the size that the network takes."""
    count: int
    """How many hits."""
    where: Where | None
    """Which rows they may be."""
    by: Literal["image", "track"] = "image"
    """Whether each row counts, or of each track only its nearest."""


@dataclass(frozen=True)
class Hit:
    """One row that was found; None for what is not known of it."""

    rank: int
    """From 1."""
    key: str
    distance: float
    person: int | None
    camera: int | None
    track: int | None
    person_name: str | None
    camera_name: str | None
    track_name: str | None
    time: str | None
    """ISO 8601, UTC."""
    path: str
    """Empty where it has none."""


def answer(served: Served, meter: Meter, queries: Sequence[Asked]) -> list[list[Hit] | Exception]:
    """Return the hits of each query, or why there are none; for one thread."""
    meter.batch.observe(len(queries))
    features = served.network.embed(torch.from_numpy(np.stack([query.pixels for query in queries])))
    answers: list[list[Hit] | Exception] = [[] for _ in queries]
    for rows in _alike(queries):
        query = queries[rows[0]]
        try:
            nearest = served.gallery.search(
                features[rows], query.count, where=query.where, model=served.model, by=query.by
            )
            found = [_hits(nearest, row) for row in range(len(rows))]
        except Exception as error:  # noqa: BLE001 - it is raised where the answer is waited for
            for row in rows:
                answers[row] = error
        else:
            for row, hits in zip(rows, found, strict=True):
                answers[row] = hits
    return answers


def _alike(queries: Sequence[Asked]) -> list[list[int]]:
    """Group the indices of queries that ask for the same number of the same rows."""
    groups: dict[tuple[Any, ...], list[int]] = {}
    for row, query in enumerate(queries):
        groups.setdefault((query.where, query.count, query.by), []).append(row)
    return list(groups.values())


def _hits(found: Found, row: int) -> list[Hit]:
    """Return the hits of one query; the columns are padded after the last."""
    return [
        Hit(
            rank=place + 1,
            key=str(found.key[row, place]),
            distance=float(found.distance[row, place]),
            person=_known(found.person[row, place]),
            camera=_known(found.camera[row, place]),
            track=_known(found.track[row, place]),
            person_name=found.person_name[row, place] or None,
            camera_name=found.camera_name[row, place] or None,
            track_name=found.track_name[row, place] or None,
            time=None if found.time[row, place] == NO_TIME else shown_time(int(found.time[row, place])),
            path=str(found.path[row, place]),
        )
        for place in range(int(np.isfinite(found.distance[row]).sum()))
    ]


def _known(number: np.int64) -> int | None:
    return None if number == UNKNOWN else int(number)
