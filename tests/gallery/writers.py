"""Processes that write to a gallery, for tests that kill them or let them compete.

What lancedb imports is imported here, in the server that they are forked from; lancedb itself is not, because it begins
threads, which no fork takes along.
"""

import importlib
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import numpy as np

from strongreid.gallery import Gallery
from tests.gallery.galleries import MODEL, crowd
from tests.preloaded import preloaded

for name in ("lance_namespace", "pandas", "pyarrow.dataset", "pydantic"):
    with suppress(ImportError):  # pandas is not always here
        importlib.import_module(name)

AT_ONCE = 50
"""Rows that `add_on_and_on` adds together."""
ALL = 5000


def started(work: Callable[..., None], *words: object) -> ForkServerProcess:
    process = preloaded().Process(target=work, args=words)
    process.start()
    return process


def add_on_and_on(folder: Path, acknowledged: Path) -> None:
    """Add all rows of a crowd, and write a letter for each call that returned."""
    gallery, people = Gallery.open(folder), crowd(ALL, 8, seed=5)
    for start in range(0, ALL, AT_ONCE):
        rows = slice(start, start + AT_ONCE)
        gallery.add(people.features[rows], model=MODEL, **people.columns(rows))
        with acknowledged.open("a") as stream:
            stream.write("x")


def add_once(address: str) -> None:
    """Add some rows together."""
    people = crowd(40, 8, seed=6)
    Gallery.open(address).add(people.features, model=MODEL, **people.columns())


def add_all(folder: Path, seed: int) -> None:
    """Add all rows of a crowd in an order of one's own."""
    gallery, people = Gallery.open(folder), crowd(400, 8, seed=6)
    for start in np.random.default_rng(seed).permutation(range(0, 400, 20)).tolist():
        rows = slice(start, start + 20)
        gallery.add(people.features[rows], model=MODEL, **people.columns(rows))


def check_after_kills(folder: Path, kills: int, seed: int) -> None:
    """Kill a process that adds, again and again; each time nothing acknowledged is lost, and nothing there twice."""
    rng, people = np.random.default_rng(seed), crowd(ALL, 8, seed=5)
    acknowledged = folder.with_suffix(".acknowledged")
    acknowledged.touch()
    for _ in range(kills):
        process = started(add_on_and_on, folder, acknowledged)
        before = acknowledged.stat().st_size
        while acknowledged.stat().st_size == before and process.is_alive():
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.15))
        os.kill(process.pid or 0, signal.SIGKILL)
        process.join()
        gallery = Gallery.open(folder)
        count = gallery.stats().count
        assert count % AT_ONCE == 0
        sure = min(acknowledged.stat().st_size * AT_ONCE, count)
        hits = gallery.search(people.features[: max(sure, 1)], 1)
        assert hits.path[:, 0].tolist() == people.path[: max(sure, 1)]
        acknowledged.write_text("")
        if count == ALL:
            break
    assert Gallery.open(folder).add(people.features, model=MODEL, **people.columns()).known == count
