"""What stands before the service: hosts, tokens, bytes, seconds and requests at once, before anything is read."""

import asyncio
import json
from typing import Any

import pytest

from strongreid.service.gate import Gate, Limits
from strongreid.service.metrics import Meter
from strongreid.service.users import Users

TOKEN = "a-token-of-some-length"
LIMITS = Limits(megabytes=1, at_once=2, seconds=0.3)


class Inner:
    """An application that reads its body, and may be held."""

    def __init__(self) -> None:
        self.read, self.held, self.reached = list[int](), asyncio.Event(), 0
        self.held.set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.reached += 1
        total = 0
        while True:
            message = await receive()
            total += len(message.get("body", b""))
            if not message.get("more_body"):
                break
        self.read.append(total)
        await self.held.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": scope["state"].get("who", "nobody").encode()})


async def ask(
    gate: Gate, *parts: bytes, path: str = "/search", wait: float = 0, **headers: str
) -> tuple[int, Any, dict[str, str]]:
    """Send a request in parts; return status, JSON (or text) and headers."""
    given = {"host": "localhost:8000", "authorization": f"Bearer {TOKEN}", **headers}
    waiting = list(parts) or [b""]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if not waiting:
            return {"type": "http.disconnect"}
        await asyncio.sleep(wait)
        part = waiting.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(waiting)}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    encoded = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in given.items()]
    scope = {"type": "http", "method": "POST", "path": path, "headers": encoded, "state": {}}
    await gate(scope, receive, send)  # type: ignore[arg-type]
    body = b"".join(message.get("body", b"") for message in sent[1:])
    answer = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], json.loads(body) if body[:1] == b"{" else body.decode(), answer


def gate_before(inner: Inner, *names: str) -> Gate:
    return Gate(inner, Users({"anna": TOKEN}), names, {"/healthz"}, LIMITS, Meter())


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:80",
        "127.0.0.1:8000",
        "[::1]:8000",
        "[::1]",
        "10.1.2.3",
        "search.example.org",
        "search.example.org.:1",
    ],
)
def test_own_names_and_addresses_in_numbers_pass(host: str) -> None:
    status, who, _ = asyncio.run(ask(gate_before(Inner(), "search.example.org"), host=host))
    assert (status, who) == (200, "anna")


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "evil.example:8000",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "127.1",
        "[::1",
        "a b",
        "ü",
    ],
)
def test_another_name_is_refused_even_for_what_is_public(host: str) -> None:
    inner = Inner()
    for path in ("/search", "/healthz"):
        status, said, _ = asyncio.run(ask(gate_before(inner), path=path, host=host))
        assert status == 421
        assert set(said) == {"came", "allowed", "next"}
    assert inner.reached == 0


def test_nothing_is_read_of_a_request_without_a_token_or_of_one_that_says_it_is_too_large() -> None:
    inner = Inner()
    gate = gate_before(inner)
    assert asyncio.run(ask(gate, b"x", authorization=""))[0] == 401
    assert asyncio.run(ask(gate, b"x", content_length="1000001"))[0] == 413
    assert inner.reached == 0
    assert asyncio.run(ask(gate, path="/healthz", authorization=""))[1] == "nobody"


def test_a_body_that_grows_beyond_the_limit_is_left_where_it_passes_it() -> None:
    inner = Inner()
    part = b"x" * 250_000
    assert asyncio.run(ask(gate_before(inner), *[part] * 4))[0] == 200
    assert inner.read == [1_000_000]
    status, said, _ = asyncio.run(ask(gate_before(inner), *[part] * 5, content_length="5"))
    assert (status, "more than 1,000,000 bytes" in said["came"]) == (413, True)
    assert inner.read == [1_000_000]


def test_a_body_that_trickles_in_is_not_waited_for() -> None:
    status, said, _ = asyncio.run(ask(gate_before(Inner()), *[b"x"] * 8, wait=0.1))
    assert status == 408
    assert "not whole" in said["came"]


def test_beyond_the_number_at_once_requests_are_refused_and_later_ones_pass() -> None:
    async def crowd() -> None:
        inner = Inner()
        inner.held.clear()
        gate = gate_before(inner)
        running = [asyncio.create_task(ask(gate)) for _ in range(2)]
        await asyncio.sleep(0.01)
        status, said, headers = await ask(gate)
        assert (status, headers["retry-after"]) == (429, "1")
        assert said["came"] == "2 requests are running."
        inner.held.set()
        assert {answer[0] for answer in await asyncio.gather(*running)} == {200}
        assert (await ask(gate))[0] == 200
        assert inner.reached == 3

    asyncio.run(crowd())


def test_what_fails_gives_its_turn_back() -> None:
    async def fail(scope: Any, receive: Any, send: Any) -> None:
        raise ArithmeticError

    gate = Gate(fail, Users({"anna": TOKEN}), (), (), LIMITS, Meter())
    assert [asyncio.run(ask(gate))[0] for _ in range(5)] == [500] * 5
