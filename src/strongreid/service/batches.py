"""Requests that arrive together are worked on together: one thread owns the model and takes what waits.

A network that embeds eight pictures at once takes far less than eight times as long as with one, so after the first
request the thread waits a few milliseconds for others. Because one thread does all of it, neither the model nor the
gallery has to be made for several.
"""

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Final, Generic, TypeVar

Request = TypeVar("Request")
Reply = TypeVar("Reply")
MOST: Final = 32
"""Requests in a batch."""
WAIT_SECONDS: Final = 0.004
"""How long the first request of a batch waits for others."""


class Batches(Generic[Request, Reply]):
    """A thread that answers requests in batches.

    Args:
        answer: answers a batch, each request with what it asked for or with an error that is its own; what it raises is
            the error of all.
    """

    def __init__(self, answer: Callable[[Sequence[Request]], Sequence[Reply | Exception]]) -> None:
        self._answer = answer
        self._waiting: queue.SimpleQueue[tuple[Request, Future[Reply]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="queries", daemon=True)
        self._thread.start()

    def ask(self, asked: Request) -> Future[Reply]:
        """Hand in a request; the future gets its answer."""
        future: Future[Reply] = Future()
        self._waiting.put((asked, future))
        return future

    def close(self) -> None:
        """Answer what was handed in, and end."""
        self._waiting.put(None)
        self._thread.join()

    def _work(self) -> None:
        going_on = True
        while going_on:
            batch, going_on = self._next_batch()
            batch = [(asked, future) for asked, future in batch if future.set_running_or_notify_cancel()]
            if batch:
                self._answer_all(batch)

    def _next_batch(self) -> tuple[list[tuple[Request, Future[Reply]]], bool]:
        """Wait for a batch; also return whether another may come."""
        first = self._waiting.get()
        if first is None:
            return [], False
        batch, until = [first], time.monotonic() + WAIT_SECONDS
        while len(batch) < MOST:
            try:
                following = self._waiting.get(timeout=max(0, until - time.monotonic()))
            except queue.Empty:
                break
            if following is None:
                return batch, False
            batch.append(following)
        return batch, True

    def _answer_all(self, batch: Sequence[tuple[Request, Future[Reply]]]) -> None:
        try:
            answers = self._answer([asked for asked, _ in batch])
        except Exception as error:  # noqa: BLE001 - it is raised where the answer is waited for
            answers = [error] * len(batch)
        for (_, future), answer in zip(batch, answers, strict=True):
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)
