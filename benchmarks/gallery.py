"""How fast a gallery adds, searches and erases, beside a bare product over all its rows, in one run.

    python -m benchmarks.gallery --rows 200000 --folder /tmp/gallery

Rows are features of drawn people, each with noise: they lie in groups, as those of real people do. Searches and
products take turns, so that what disturbs one disturbs the other; the ratio of their medians is what to look at.
Bytes a row are of the folder's files, and of Python's memory as tracemalloc counts it.
"""

import argparse
import shutil
import statistics
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from strongreid.data.pictures import read_pictures
from strongreid.drawn import draw_people
from strongreid.gallery import Gallery
from strongreid.gallery.tuning import tune
from strongreid.models import ReIDModel, embed

MODEL = "0" * 64
NOISE = 0.35
"""Of a row, in shares of its feature's length."""
FILTERS = {
    "no condition": None,
    "camera != 3": "camera != 3",
    "one hour": "time > 2026-01-02T00:00 and time < 2026-01-02T01:00",
    "camera != query": "camera != query",
}


def drawn_features(people: int) -> npt.NDArray[np.float32]:
    """Features [N, 512] of drawn people, by a network that was not trained: their directions are what matters."""
    torch.manual_seed(0)
    model = ReIDModel(backbone="resnet18", people=1, image_size=(128, 64)).eval()
    with TemporaryDirectory() as folder:
        drawn = draw_people(Path(folder) / "drawn", train_people=people, test_people=0, images_per_person=4)
        return embed(model, sorted((drawn / "bounding_box_train").glob("*.jpg"))).numpy()


def rows_of(features: npt.NDArray[np.float32], count: int, seed: int) -> npt.NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    centred = features - features.mean(axis=0)  # of an untrained network all features share a direction
    chosen = centred[rng.integers(0, len(features), count)]
    noise = rng.normal(size=chosen.shape).astype(np.float32)
    noise *= NOISE * np.linalg.norm(chosen, axis=1, keepdims=True) / np.sqrt(chosen.shape[1])
    return chosen + noise


def medians(works: dict[str, Callable[[], object]], rounds: int) -> dict[str, tuple[float, float]]:
    """Median milliseconds of several works that take turns, on the clock and of the processors."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            start, begun = time.perf_counter(), time.process_time()
            work()
            taken[name].append(((time.perf_counter() - start) * 1000, (time.process_time() - begun) * 1000))
    return {
        name: (statistics.median(clock for clock, _ in values), statistics.median(cpu for _, cpu in values))
        for name, values in taken.items()
    }


@contextmanager
def told(what: str) -> Iterator[None]:
    """Print how many seconds the block takes, on the clock and of the processors."""
    start, begun = time.perf_counter(), time.process_time()
    yield
    print(f"{what}: {time.perf_counter() - start:.1f} s, {time.process_time() - begun:.1f} s of processors", flush=True)


def fill(gallery: Gallery, features: npt.NDArray[np.float32], at_once: int) -> None:
    """Add all rows, some at once."""
    rng, count = np.random.default_rng(1), len(features)
    times = np.datetime64("2026-01-01") + np.arange(count).astype("timedelta64[s]")
    columns: dict[str, Any] = {
        "person": rng.integers(0, 5000, count),
        "camera": rng.integers(1, 9, count),
        "time": times,
        "track": np.arange(count) // 20,
        "path": [f"site/camera/{row:09d}.jpg" for row in range(count)],
    }
    with told(f"add {count:,} x {features.shape[1]}, {at_once:,} at once"):
        for first in range(0, count, at_once):
            rows = slice(first, first + at_once)
            gallery.add(features[rows], model=MODEL, **{name: column[rows] for name, column in columns.items()})


def exact_searches(gallery: Gallery, features: npt.NDArray[np.float32], rounds: int) -> None:
    rows = torch.from_numpy(features)
    for queries in (1, 64):
        query = rows_of(features, queries, seed=2)
        columns = torch.from_numpy(query).T.contiguous()
        works: dict[str, Callable[[], object]] = {"bare product": lambda columns=columns: rows @ columns}
        for name, where in FILTERS.items():
            works[name] = lambda query=query, where=where: gallery.search(query, 10, where=where, camera=1, exact=True)
        found = medians(works, rounds)
        bare = found["bare product"]
        for name, (clock, cpu) in found.items():
            print(
                f"exact, {queries:>2} queries, {name:<16} {clock:8.1f} ms, {clock / bare[0]:5.2f} x the bare product; "
                f"of processors {cpu:8.1f} ms, {cpu / bare[1]:5.2f} x",
                flush=True,
            )


def bytes_of(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def memory_of(work: Callable[[], object]) -> int:
    """Bytes that what a work returns holds."""
    tracemalloc.start()
    kept = work()
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del kept
    return size


def sizes(gallery: Gallery, folder: Path, count: int) -> None:
    """Bytes a row: on disk, of what is known while rows are added, and of a table that they are read from."""
    with told("compact"):
        gallery.compact()
    print(f"on disk: {bytes_of(folder) / count:.0f} bytes a row")
    print(f"known rows, in memory: {memory_of(gallery.known_paths) / count:.0f} bytes a row")
    with TemporaryDirectory() as other:
        table = Path(other) / "crops.csv"
        lines = (f"site/camera/{row:09d}.jpg,{row % 5000},{row % 8},2026-01-01T12:00" for row in range(count))
        table.write_text("\n".join(["path,person,camera,time", *lines]))
        held = memory_of(lambda: read_pictures(table)) / count
        print(f"a table of {table.stat().st_size / count:.0f} bytes a row, in memory: {held:.0f} bytes a row")


def index_searches(gallery: Gallery, folder: Path, features: npt.NDArray[np.float32], rounds: int) -> None:
    before = bytes_of(folder)
    with told("tune"):
        tuning = tune(gallery, from_rows=0)
    print(f"index on disk: {(bytes_of(folder) - before) / len(features):.0f} bytes a row")
    print(f"building the index: {tuning.building_seconds:.1f} s")
    for one in tuning.tried:
        print(f"index, {one.probes:>4} groups: recall@10 {one.recall:.3f}, {one.milliseconds:.1f} ms")
    query = rows_of(features, 1, seed=3)
    for name, where in FILTERS.items():
        works = {name: lambda where=where: gallery.search(query, 10, where=where, camera=1)}
        ((clock, cpu),) = medians(works, rounds).values()
        print(f"index,  1 query, {name:<16} {clock:8.1f} ms, of processors {cpu:.1f} ms", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--at_once", type=int, default=8192, help="Rows of one add.")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--folder", type=Path, required=True, help="Where to make the gallery; must not exist.")
    words = parser.parse_args()
    if words.folder.exists():
        parser.error(f"{words.folder} exists")
    features = rows_of(drawn_features(300), words.rows, seed=0)
    gallery = Gallery.open(words.folder)
    fill(gallery, features, words.at_once)
    with told("first search, which reads all rows"):
        Gallery.open(words.folder).search(features[:1])
    exact_searches(gallery, features, words.rounds)
    sizes(gallery, words.folder, len(features))
    index_searches(gallery, words.folder, features, words.rounds)
    with told("erase a person"):
        erased = gallery.erase(person=7)
    print(f"erased {erased.count} rows, proven: {erased.proven}")
    shutil.rmtree(words.folder)


if __name__ == "__main__":
    main()
