"""Ray, started on this machine for one command or joined where it runs: quiet, without a dashboard or statistics.

A Ray of our own asks for a token that nobody else has, because whoever reaches a Ray can run programs on it, and keeps
its files in a temporary folder, which goes with it.
"""

import logging
import os
import secrets
import signal
import socket
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from tempfile import TemporaryDirectory
from typing import Any, Final

from strongreid.data.decoding import available_cores
from strongreid.errors import InputError

CONNECT_SECONDS: Final = 5.0
LONGEST_FOLDER: Final = 44
"""Most characters of Ray's folder: its sockets lie below it, and a socket's path has 107 at most."""


@dataclass(frozen=True)
class Cluster:
    """A Ray that runs."""

    ray: Any
    """The library."""
    workers: int
    gpu: bool
    """Whether each worker has a GPU, rather than a core."""
    own: bool
    """Whether it was started for this command."""

    def words(self) -> str:
        """Say who works."""
        each = "a GPU each" if self.gpu else "one core each"
        where = "on this machine" if self.own else "at most, in the cluster"
        return f"Ray: {self.workers:,} worker{'s' if self.workers > 1 else ''} {where}, {each}."


def require_ray() -> None:
    """Raise `InputError` where a library of the extra is missing; none is imported yet."""
    for name in ("ray", "pyarrow", "fsspec"):
        if find_spec(name) is None:
            raise InputError(
                f"--engine ray needs the library {name}, which is not installed. Install it: pip install "
                "'strongreid[cluster]'"
            )


@contextmanager
def running(address: str | None, workers: int | None) -> Iterator[Cluster]:
    """Start Ray on this machine, or join the one at `address`; what was started ends with the block.

    workers: how many to have; None: one for each GPU, or for each core where there is no GPU.
    """
    _prepare(own=address is None)
    ray = import_module("ray")
    # Ray lets everybody into its own folder, so that lies in one which is ours alone.
    with TemporaryDirectory(prefix="sr-", dir=_short_folder(), ignore_cleanup_errors=True) as folder:
        try:
            if address is None:
                cores = max(workers or 0, available_cores())
                _start(ray, address="local", num_cpus=cores, include_dashboard=False, _temp_dir=f"{folder}/r")
            else:
                _require_listener(address)
                _start(ray, address=address)
            there = ray.cluster_resources()
            gpus, cores = int(there.get("GPU", 0)), int(there.get("CPU", 0))
            yield Cluster(ray, workers or max(gpus or cores, 1), gpus > 0, address is None)
        finally:
            ray.shutdown()


def _prepare(own: bool) -> None:
    """Set what Ray reads when it is imported, and its processes when they start; what the user has set stays."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if own and "ray" not in sys.modules and "RAY_AUTH_MODE" not in os.environ:
        os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=secrets.token_hex(32))


def _require_listener(address: str) -> None:
    """Raise `InputError` where nothing listens at host:port, which Ray would find out in two minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if address == "auto":
        return
    if not host or not port.isdecimal():
        raise InputError(f"--address is {address}; write HOST:PORT of a Ray cluster, or auto for the one here.")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_SECONDS).close()
    except (OSError, OverflowError, UnicodeError) as error:
        raise InputError(
            f"--address {address} cannot be joined: {error}. Is the cluster up, and its port open?"
        ) from error


def _start(ray: Any, **options: Any) -> None:
    try:
        with _own_signal_handlers(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="lancedb fork support")  # Ray's processes do not use it
            ray.init(log_to_driver=False, logging_level=logging.ERROR, **options)
    except (ConnectionError, ValueError, RuntimeError, OSError) as error:
        reason = " ".join(str(error).split())[:300]
        where = options["address"]
        if where == "local":
            raise InputError(f"Ray does not start here: {reason}") from error
        raise InputError(
            f"--address {where} cannot be joined: {reason}. A cluster's token is taken from RAY_AUTH_TOKEN, with "
            "RAY_AUTH_MODE=token; its version of Ray must be the one here."
        ) from error
    context = import_module("ray.data").DataContext.get_current()
    context.enable_progress_bars = context.print_on_execution_start = False
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what fails is said by the command


@contextmanager
def _own_signal_handlers() -> Iterator[None]:
    """Put back what handles signals, in whose place Ray puts a handler that prints stacks and ends the process."""
    before = {one: signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            for one, handler in before.items():
                if handler is not None:
                    signal.signal(one, handler)


def _short_folder() -> str:
    usual = tempfile.gettempdir()
    return usual if len(usual) + len("/sr-12345678/r") <= LONGEST_FOLDER else "/tmp"
