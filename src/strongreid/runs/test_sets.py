"""The images of a run: the sets it trains on and those it is tested on, read, decoded and embedded.

What decoded images will take of the disk, said before the first of them is written.
"""

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from strongreid import build
from strongreid.config import Config
from strongreid.data import ImageTable, PackedImages, ReIDData, refuse_leaks
from strongreid.errors import InputError
from strongreid.evaluation import Embeddings, RetrievalResult, evaluate
from strongreid.models import ReIDModel
from strongreid.reports.console import Console

EMBED_BATCH = 128
"""Images that go through the network at once when features are made."""


@dataclass(frozen=True)
class TestImages:
    """Query or gallery: its table and its decoded images, in the table's order."""

    table: ImageTable
    packed: PackedImages


@dataclass(frozen=True)
class TestSet:
    """A set to test on, read and decoded."""

    name: str
    """What results call it."""
    data: ReIDData
    query: TestImages
    gallery: TestImages


@dataclass(frozen=True)
class Prepared:
    """All sets of a run, read and decoded."""

    data: ReIDData
    """The main set; its training images are those of all sets to train on."""
    train: PackedImages
    query: TestImages
    gallery: TestImages
    others: tuple[TestSet, ...] = ()
    """The sets to test on beside the main one."""


def prepare(config: Config, console: Console) -> Prepared:
    """Read all sets of a run and decode their images, with a progress bar for each part that is not decoded yet."""
    sets = build.build_tests(config)
    data = build.build_joined(config, sets[config.data.name])
    refuse_leaks(data.train, sets)
    _warn([data, *list(sets.values())[1:]], console)
    _tell_disk_need(config, [data.train, *_sides(sets)], console)
    first, *others = _decoded(config, sets, console)
    train = _packed(config, "training", data.train, console)
    return Prepared(data, train, first.query, first.gallery, tuple(others))


def prepare_tests(config: Config, console: Console) -> list[TestSet]:
    """Read and decode what a run is tested on, the main set first; its training images are left alone."""
    sets = build.build_tests(config)
    _warn(sets.values(), console)
    _tell_disk_need(config, _sides(sets), console)
    return _decoded(config, sets, console)


def load_model(run: Path, config: Config) -> ReIDModel:
    """Load a run's last weights, onto the GPU where there is one and the run's settings do not ask for the CPU."""
    model = ReIDModel.load(run)
    return model.cuda() if torch.cuda.is_available() and config.runtime.accelerator != "cpu" else model


def embed_test(model: ReIDModel, test: Prepared | TestSet, console: Console) -> tuple[Embeddings, Embeddings]:
    """Return the features of query and gallery, the ones that the model's `feature` names."""
    sides = []
    for title, side in (("query", test.query), ("gallery", test.gallery)):
        with console.bar(f"Embedding {title} images") as report:
            sides.append(_embed_side(model, side, report))
    return sides[0], sides[1]


def rank(model: ReIDModel, query: Embeddings, gallery: Embeddings, data: ReIDData, console: Console) -> RetrievalResult:
    """Rank the gallery for each query by the model's `metric` and the data set's camera rule."""
    with console.bar("Ranking") as report:
        return evaluate(query, gallery, metric=model.metric, same_camera=data.same_camera, progress=report)


def _warn(sets: Iterable[ReIDData], console: Console) -> None:
    for data in sets:
        for warning in data.warnings:
            console.say(f"Warning: {warning}")
        if data.same_camera == "include":  # another protocol than the benchmarks', so it is chosen aloud
            console.say(data.protocol)


def _sides(sets: Mapping[str, ReIDData]) -> list[ImageTable]:
    return [table for data in sets.values() for table in (data.query, data.gallery)]


def _tell_disk_need(config: Config, tables: Sequence[ImageTable], console: Console) -> None:
    tell_disk_need(build.build_bytes_to_pack(config, tables), build.pack_folder(config), console)


def _decoded(config: Config, sets: Mapping[str, ReIDData], console: Console) -> list[TestSet]:
    def side(name: str, part: str, table: ImageTable) -> TestImages:
        title = part if len(sets) == 1 else f"{name} {part}"
        return TestImages(table, _packed(config, title, table, console))

    return [
        TestSet(name, data, side(name, "query", data.query), side(name, "gallery", data.gallery))
        for name, data in sets.items()
    ]


def _packed(config: Config, title: str, table: ImageTable, console: Console) -> PackedImages:
    with console.bar(f"Decoding {title} images") as report:
        return build.build_packed(config, table, report)


def _embed_side(model: ReIDModel, side: TestImages, report: Callable[[int, int], None]) -> Embeddings:
    """Embed the images of one side, in the order of its table."""
    count = len(side.packed)
    features = []
    for start in range(0, count, EMBED_BATCH):
        rows = np.arange(start, min(start + EMBED_BATCH, count))
        features.append(model.embed(side.packed[rows], batch_size=EMBED_BATCH))
        report(int(rows[-1]) + 1, count)
    return Embeddings(torch.cat(features), side.table.person, side.table.camera)


def tell_disk_need(needed: int, folder: Path, console: Console) -> None:
    """Say how many bytes decoded images will take in `folder`, which need not exist yet; nothing if there are none.

    Raises `InputError` where so many are not free.
    """
    if needed:
        there = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
        free = shutil.disk_usage(there).free
        said = f"Decoded images will take {_size(needed)} in {folder}, where {_size(free)} are free."
        if needed > free:
            raise InputError(f"{said} Make room there or choose another folder for them (data.cache, --cache).")
        console.say(f"{said} It is done once.")


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
