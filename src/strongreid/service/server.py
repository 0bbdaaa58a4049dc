"""Listening and running, until a signal asks to stop: what runs then is finished first."""

import asyncio
import errno
import signal
import socket
from contextlib import suppress
from typing import Any, Final

import h11
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from strongreid.errors import InputError
from strongreid.files import why

STOPPING_SECONDS: Final = 30
"""How long requests that run when the service is to stop may take."""
IDLE_SECONDS: Final = 10
"""How long a connection is kept on which nothing is asked; twice as long where a request has begun to come."""


class Connection(H11Protocol):
    """A connection that is closed where no whole head of a request comes in time, which uvicorn would wait for."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to look at it from time to time."""
        super().connection_made(transport)
        self._waited_after: Any = self  # which no request is
        self.loop.call_later(IDLE_SECONDS, self._look)

    def _look(self) -> None:
        if self.transport.is_closing():
            return
        waits = self.conn.their_state is h11.IDLE
        if waits and self._waited_after is self.cycle:  # since the last look, too
            self.transport.close()
            return
        self._waited_after = self.cycle if waits else self
        self.loop.call_later(IDLE_SECONDS, self._look)


def listen(host: str, port: int) -> socket.socket:
    """Take an address to listen at; `InputError` where it is no address of this machine, or taken."""
    listening = None
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(1024)
    except (OSError, OverflowError, UnicodeError) as error:
        if listening is not None:
            listening.close()
        taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
        remedy = (
            "Another program listens there: choose another --port, or 0 for any that is free."
            if taken
            else ("Choose another --host or --port.")
        )
        raise InputError(f"Nothing can listen at {host} port {port}: {why(error)}. {remedy}") from error
    return listening


def run_server(app: FastAPI, listening: socket.socket) -> None:
    """Serve until SIGINT, SIGTERM or SIGHUP (which under `nohup` stays ignored); then finish what runs."""
    config = uvicorn.Config(
        app,
        http=Connection,
        log_config=None,
        access_log=False,
        lifespan="on",
        ws="none",
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=STOPPING_SECONDS,
    )
    server = uvicorn.Server(config)
    before = signal.getsignal(signal.SIGHUP)
    if before != signal.SIG_IGN:
        signal.signal(signal.SIGHUP, server.handle_exit)  # uvicorn itself takes the other two
    try:
        with suppress(KeyboardInterrupt):  # uvicorn raises the signal again when all is done
            server.run(sockets=[listening])
    finally:
        signal.signal(signal.SIGHUP, before)
