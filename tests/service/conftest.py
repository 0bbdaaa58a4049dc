"""A gallery of drawn people, a tiny network, and a service of both, with two users."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fastapi.testclient import TestClient

from strongreid.gallery import Gallery
from strongreid.gallery.audit import AuditLog
from strongreid.models import Calibrated, ReIDModel, embed
from strongreid.pixels import read_image
from strongreid.service.app import create_app
from strongreid.service.gate import Limits
from strongreid.service.searching import Served
from strongreid.service.uploads import small_jpeg
from strongreid.service.users import Users

ANNA, BEN = "anna-has-a-long-token", "ben-has-another-token"
USERS = Users({"anna": ANNA, "ben": BEN})
MODEL = "fingerprint of the tiny network"
HOUR = 3600.0
STARTED = 1_793_000_000.0
"""When the first picture was taken."""


@dataclass(frozen=True)
class Room:
    """What tests search."""

    served: Served
    paths: list[Path]
    """The gallery's pictures, in order; number i was taken at hour i, by camera i % 3."""
    features: torch.Tensor


@pytest.fixture(scope="session")
def room(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Room:
    torch.manual_seed(0)
    network = ReIDModel(backbone="resnet10_small", people=2, image_size=(64, 32)).eval()
    paths = sorted((drawn / "bounding_box_train").glob("*.jpg"))[:30]
    features = embed(network, paths)
    address = str(tmp_path_factory.mktemp("service") / "gallery")
    gallery = Gallery.open(address)
    gallery.add(
        features,
        model=MODEL,
        person=[int(path.name[:4]) for path in paths],
        camera=np.arange(len(paths)) % 3,
        time=STARTED + HOUR * np.arange(len(paths)),
        track=np.arange(len(paths)) // 2,
        path=[f"../<img src=x onerror=alert(1)>/{path.name}" for path in paths],
        thumbnail=[small_jpeg(read_image(path)) for path in paths],
    )
    distances = 1 - torch.nn.functional.normalize(features) @ torch.nn.functional.normalize(features).T
    threshold = float(distances.flatten().quantile(0.1))
    rates = tuple((threshold * step / 4, 0.004 * step, 0.2 * step) for step in range(1, 6))
    calibrated = Calibrated(threshold, 0.016, 0.8, "drawn", rates=rates)
    return Room(Served(network, MODEL, calibrated, gallery, address), paths, features)


Serve = Callable[..., Any]


@pytest.fixture
def serve(room: Room, tmp_path: Path) -> Iterator[Serve]:
    """Context of a client of a new service; its log is `tmp_path / "audit.jsonl"`."""

    @contextmanager
    def start(*, limits: Limits | None = None, two_person: bool = False, **other: Any) -> Iterator[TestClient]:
        served = replace(room.served, **other)
        app = create_app(served, USERS, AuditLog(tmp_path / "audit.jsonl"), limits=limits, two_person=two_person)
        with TestClient(app, base_url="http://127.0.0.1", headers=token(ANNA)) as client:
            yield client

    return start


def token(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def client(serve: Serve) -> Iterator[TestClient]:
    with serve() as started:
        yield started
