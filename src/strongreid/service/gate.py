"""What every request passes first, before anything of its body is read: host, number at once, token, bytes, time.

The name by which the service was called is checked, because a page of somebody else's can let its own name lead to this
machine (DNS rebinding) and would then count as the same origin; an address in numbers cannot be turned so. There is no
CORS, and the token travels in a header that no other site can set, so no site can act for a user.
"""

import asyncio
import logging
import time
from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from strongreid.service.metrics import Meter
from strongreid.service.refusals import Refused, refusal_answer
from strongreid.service.users import Users

HEADERS: Final = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cache-control": "no-store",
}
"""Headers of every answer."""
DEFECT: Final = JSONResponse(
    {
        "came": "A request that this service fails to answer: a defect of it.",
        "allowed": "See /openapi.json.",
        "next": "Tell whoever runs the service, whose log says more.",
    },
    500,
)
LOG: Final = logging.getLogger(__name__)
NOT_COUNTED: Final = frozenset({"/metrics"})
"""What is answered however many requests there are, beside what needs no token."""


@dataclass(frozen=True)
class Limits:
    """What one request may take, and how many there may be."""

    megabytes: int = 20
    """Size of a request, in 10^6 bytes."""
    megapixels: int = 50
    """Pixels of a picture, in 10^6, as its header says: more is not decoded."""
    at_once: int = 64
    """Requests at once; those beyond are answered with 429."""
    seconds: float = 30.0
    """How long a request may take to arrive, and how long its search may take."""


class Gate:
    """The outermost part of the service.

    Args:
        app: what is behind it.
        users: who may pass.
        names: the host names by which the service may be called, beside localhost and any address in numbers.
        public: paths that need no token.
        limits: bytes, time and requests at once.
        meter: counts what was answered.
    """

    def __init__(
        self, app: ASGIApp, users: Users, names: Collection[str], public: Collection[str], limits: Limits, meter: Meter
    ) -> None:
        self._app, self._users, self._limits, self._meter = app, users, limits, meter
        self._names = {"localhost", *(name.lower().rstrip(".") for name in names)}
        self._public = frozenset(public)
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or let it pass."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.monotonic(), 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                own = {name for name, _ in message["headers"]}
                more = [(name.encode(), value.encode()) for name, value in HEADERS.items() if name.encode() not in own]
                message = {**message, "headers": [*message["headers"], *more]}
            await send(message)

        try:
            await self._pass(scope, receive, send_with_headers)
        except Refused as refused:
            await refusal_answer(refused)(scope, receive, send_with_headers)
        except Exception:
            LOG.exception("A request ended with an error")
            if not status:
                await DEFECT(scope, receive, send_with_headers)
        finally:
            self._meter.answered(scope, status or 500, time.monotonic() - began)

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        self._check_host(headers.get(b"host", b"").decode("latin-1"))
        if scope["path"] in self._public:
            await self._app(scope, receive, send)
            return
        if self._running >= self._limits.at_once and scope["path"] not in NOT_COUNTED:
            raise Refused(
                429,
                f"{self._running} requests are running.",
                f"At most {self._limits.at_once} at once.",
                "Send it again in a second.",
                {"retry-after": "1"},
            )
        scope["state"]["who"] = self._who(headers.get(b"authorization", b"").decode("latin-1"))
        self._check_length(headers.get(b"content-length", b"0").decode("latin-1"))
        self._running += 1
        self._meter.running.set(self._running)
        try:
            await self._app(scope, self._limited(receive), send)
        finally:
            self._running -= 1
            self._meter.running.set(self._running)

    def _check_host(self, host: str) -> None:
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
        name = name.lower().rstrip(".")
        if name in self._names or _is_address(name.strip("[]")):
            return
        raise Refused(
            421,
            f"The request is for the host {name[:100]!r}.",
            f"{', '.join(sorted(self._names))}, or an address in numbers.",
            "Call the service by one of these; whoever runs it can allow another name with --names.",
        )

    def _who(self, authorization: str) -> str:
        scheme, _, token = authorization.partition(" ")
        who = self._users.who(token.strip()) if scheme.lower() == "bearer" else None
        if who is None:
            raise Refused(
                401,
                "A token that is nobody's." if token else "A request without a token.",
                "The header Authorization: Bearer TOKEN.",
                "Ask whoever runs the service for a token of your own.",
                {"www-authenticate": "Bearer"},
            )
        return who

    def _check_length(self, said: str) -> None:
        if said.isdecimal() and int(said) > self._most_bytes:
            raise self._too_large(f"{int(said):,} bytes")

    @property
    def _most_bytes(self) -> int:
        return self._limits.megabytes * 10**6

    def _too_large(self, came: str) -> Refused:
        return Refused(
            413, f"A request of {came}.", f"At most {self._most_bytes:,} bytes.", "Send a smaller picture, or its part."
        )

    def _limited(self, receive: Receive) -> Receive:
        """Return `receive` for a body that may have no more bytes, and take no longer, than the limits say."""
        come, deadline = 0, time.monotonic() + self._limits.seconds
        whole = False

        async def limited() -> Message:
            nonlocal come, whole
            if whole:  # what follows is only that the client went away
                return await receive()
            try:
                async with asyncio.timeout(max(0, deadline - time.monotonic())):
                    message = await receive()
            except TimeoutError as error:
                raise Refused(
                    408,
                    f"{come:,} bytes in {self._limits.seconds:g} seconds, and the request is not whole.",
                    f"A request arrives in {self._limits.seconds:g} seconds.",
                    "Send it again, or send a smaller picture.",
                ) from error
            come += len(message.get("body", b""))
            if come > self._most_bytes:
                raise self._too_large(f"more than {self._most_bytes:,} bytes")
            whole = not message.get("more_body", False)
            return message

        return limited


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
