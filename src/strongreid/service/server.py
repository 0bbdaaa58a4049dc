"""Listening and running, until a signal asks to stop: what runs then is finished first."""

import errno
import signal
import socket
from contextlib import suppress
from typing import Final

import uvicorn
from fastapi import FastAPI

from strongreid.errors import InputError
from strongreid.files import why

STOPPING_SECONDS: Final = 30
"""How long requests that run when the service is to stop may take."""
IDLE_SECONDS: Final = 10
"""How long a connection is kept on which nothing is asked."""


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
