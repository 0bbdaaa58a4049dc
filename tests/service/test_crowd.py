"""Many clients at once, over real sockets: none fails within the limits, beyond them each is told so."""

import threading
import time
from pathlib import Path

import httpx

from strongreid.gallery.audit import AuditLog, verify_log
from strongreid.service.app import create_app
from strongreid.service.gate import Limits
from tests.service.conftest import ANNA, USERS, Room, token
from tests.service.running import running


def crowd(address: str, picture: bytes, clients: int, seconds: float) -> list[int]:
    """The statuses that clients get who search again and again, all at once."""
    found: list[int] = []
    together, until = threading.Barrier(clients), time.monotonic() + seconds

    def client() -> None:
        with httpx.Client(base_url=address, headers=token(ANNA), timeout=60, verify=False) as one:
            together.wait()
            while True:
                answer = one.post("/search?k=5", files={"image": picture})
                found.append(answer.status_code)
                if answer.status_code == 429:
                    assert answer.headers["retry-after"]
                if time.monotonic() > until:
                    return

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_fifty_clients_are_answered_and_beyond_the_limit_are_told_to_wait(room: Room, tmp_path: Path) -> None:
    picture, log = room.paths[0].read_bytes(), tmp_path / "audit.jsonl"
    with running(create_app(room.served, USERS, AuditLog(log))) as address:
        statuses = crowd(address, picture, 50, 1.0)
    assert set(statuses) == {200}
    checked = verify_log(log)
    assert (checked.lines, checked.problems) == (len(statuses) + 2, ())
    with running(create_app(room.served, USERS, AuditLog(log), limits=Limits(at_once=4))) as address:
        statuses = crowd(address, picture, 50, 0.5)
    assert set(statuses) == {200, 429}
