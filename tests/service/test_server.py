"""A server that is asked to stop, by any signal that asks so, finishes what runs."""

import asyncio
import os
import signal
import threading

import httpx
import pytest
from fastapi import FastAPI

from strongreid.service.server import listen, run_server
from strongreid.training.signals import STOPPING, stopped_by_signals


@pytest.mark.parametrize("number", STOPPING)
def test_what_runs_is_finished_before_the_server_ends(number: signal.Signals) -> None:
    app, answers = FastAPI(), list[httpx.Response]()
    listening = listen("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listening.getsockname()[1]}/"

    @app.get("/")
    async def slow() -> str:
        os.kill(os.getpid(), number)
        await asyncio.sleep(0.3)
        return "finished"

    before = [signal.getsignal(one) for one in STOPPING]
    client = threading.Thread(target=lambda: answers.append(httpx.get(url, timeout=20)))
    client.start()
    with stopped_by_signals():
        run_server(app, listening)
    assert [signal.getsignal(one) for one in STOPPING] == before
    client.join()
    assert answers[0].json() == "finished"
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)
