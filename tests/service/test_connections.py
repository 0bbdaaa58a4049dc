"""Connections that say nothing, or not all: closed, so that they cannot keep others out."""

import socket
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from strongreid.gallery.audit import AuditLog
from strongreid.service import server
from strongreid.service.app import create_app
from tests.service.conftest import ANNA, USERS, Room
from tests.service.running import running

HEAD = (
    f"POST /confirm HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {ANNA}\r\nContent-Type: application/json\r\n"
)


def test_a_connection_without_a_whole_head_is_closed_and_one_whose_body_is_slow_is_not(
    room: Room, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "IDLE_SECONDS", 0.2)
    with running(create_app(room.served, USERS, AuditLog(tmp_path / "audit.jsonl"))) as address, ExitStack() as stack:
        host, port = address.removeprefix("http://").split(":")

        def connected(*parts: str) -> socket.socket:
            opened = stack.enter_context(socket.create_connection((host, int(port)), timeout=30))
            for part in parts:
                opened.sendall(part.encode())
            return opened

        silent, half, slow = (
            connected(),
            connected("GET / HTTP/1.1\r\nHo"),
            connected(f"{HEAD}Content-Length: 2\r\n\r\n"),
        )
        second = connected("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert second.recv(9999).startswith(b"HTTP/1.1 200")
        second.sendall(b"GET /healthz HT")
        assert silent.recv(1) == half.recv(1) == b""
        while content := second.recv(9999):
            assert not content.startswith(b"HTTP")
        time.sleep(0.5)
        slow.sendall(b"{}")
        assert slow.recv(9999).startswith(b"HTTP/1.1 422")
