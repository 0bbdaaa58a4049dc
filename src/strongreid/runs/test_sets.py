"""The images of a run: the sets it trains on and those it is tested on, read, decoded and embedded.

One way for all that test a model (training, `evaluate`, `calibrate`, `report`, tables, the demo):
`prepare_own_tests(run, console)`, then `test.embed(model, console).evaluate(console)`.
What decoded images will take of the disk is said before the first of them is written.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from strongreid import build
from strongreid.config import Config
from strongreid.config_sections import DataConfig, main_set, sets_of
from strongreid.data import ImageTable, PackedImages, ReIDData, packed_weights, refuse_leaks
from strongreid.errors import InputError
from strongreid.evaluation import Embeddings
from strongreid.models.model_file import Metric
from strongreid.reports.console import Console
from strongreid.runs.cameras import LearnedCameras, learned_cameras
from strongreid.runs.disk import tell_disk_need
from strongreid.runs.evaluate_features import EmbeddedTest
from strongreid.runs.folder import Run
from strongreid.runs.same_images import (
    data_may_have_moved,
    fingerprint_of,
    held_out_of,
    refuse_other_images,
    sides_of,
)

EMBED_BATCH = 128
"""Images that go through the network at once when features are made."""


class Embedder(Protocol):
    """Whatever maps images to features: a model of ours, or an ONNX file."""

    metric: Metric
    """How its features are compared."""

    def embed(self, images: Tensor, *, batch_size: int, camera: npt.ArrayLike | None = None) -> Tensor:
        """Map images [N, 3, H, W] uint8 RGB, and their cameras where these are known, to features [N, D] float32."""


@dataclass(frozen=True)
class TestImages:
    """Query or gallery: its table and its decoded images, in the table's order."""

    table: ImageTable
    packed: PackedImages

    def embed(self, model: Embedder, title: str, console: Console, known: LearnedCameras | None = None) -> Embeddings:
        """Return the features that the model's `feature` names, in the table's order: `[N, D]` float32."""
        count = len(self.packed)
        camera = None if known is None else known.index(self.table.camera)
        features = []
        with console.bar(f"Embedding {title} images") as report:
            for start in range(0, count, EMBED_BATCH):
                rows = np.arange(start, min(start + EMBED_BATCH, count))
                some = None if camera is None else camera[rows]
                features.append(model.embed(self.packed[rows], batch_size=EMBED_BATCH, camera=some))
                report(int(rows[-1]) + 1, count)
        return Embeddings(torch.cat(features), self.table.person, self.table.camera, track=self.table.track)


@dataclass(frozen=True)
class TestSet:
    """A set to test on, read and decoded."""

    name: str
    """What results call it."""
    data: ReIDData
    query: TestImages
    gallery: TestImages
    cameras: LearnedCameras | None = None
    """Which of its cameras the model was told in training; None: it was told none, or none of these."""

    def embed(self, model: Embedder, console: Console) -> EmbeddedTest:
        """Return the features of query and gallery, to be compared by the model's metric and the set's camera rule."""
        query = self.query.embed(model, "query", console, self.cameras)
        gallery = self.gallery.embed(model, "gallery", console, self.cameras)
        weights = (packed_weights(side.table, side.packed) for side in (self.query, self.gallery))
        return EmbeddedTest(query, gallery, model.metric, self.data.same_camera, *weights)


@dataclass(frozen=True)
class Prepared:
    """All sets of a run, read and decoded."""

    data: ReIDData
    """The main set; its training images are those of all sets to train on."""
    train: PackedImages
    """The decoded training images."""
    tests: Sequence[TestSet]
    """What it is tested on, the main set first."""
    fingerprint: dict[str, Any]
    """Which images these are, as run.json has it."""
    held_out: Mapping[str, TestSet]
    """People held out of the main set, by what for: `stop`, `threshold`."""


def prepare(config: Config, console: Console, recorded: Mapping[str, Any] | None = None) -> Prepared:
    """Read all sets of a run and decode their images, with a progress bar for each part that is not decoded yet.

    recorded: the fingerprint of the images that these must be; `InputError` for others, before any is decoded.
    """
    with data_may_have_moved(config if recorded is not None else None):
        sets = build.build_tests(config)
        data = build.build_joined(config, next(iter(sets.values())))
        fingerprint = fingerprint_of(sets, data.train)
    if recorded is not None:
        refuse_other_images(config, recorded, fingerprint)
    refuse_leaks(data.train, sets)
    _warn([data, *list(sets.values())[1:]], console)
    held_out = held_out_of(data)
    _tell_disk_need(config, [data.train, *_sides([*sets.values(), *held_out.values()])], console)
    tests = _decoded(config, sets, console, config.data)
    held = {name: _decoded_part(config, name, part, tests[0], console) for name, part in held_out.items()}
    return Prepared(data, _packed(config, "training", data.train, console), tests, fingerprint, held)


def prepare_own_tests(run: Run, console: Console, *, further: bool = True) -> list[TestSet]:
    """Read and decode what a run was tested on, the main set first; further: not only that one.

    Raises `InputError` for other images than its training had, before any is decoded.
    """
    config = run.config if further else _main_alone(run.config)
    roots = [config.data.root, *(one.root for one in config.data.tested)]
    if not run.recorded and not all(root is None or root.is_absolute() for root in roots):
        raise InputError(
            f"{run.folder} has a relative path to its data set, {config.data.root}, and no run.json that would say "
            "which images these were. Name the folder: --data.root DIR."
        )
    with data_may_have_moved(config):
        sets = build.build_tests(config)
    if run.recorded:
        refuse_other_images(config, run.record["data"]["fingerprint"], fingerprint_of(sets))
    return _prepared(config, sets, console, config.data)


def prepare_threshold_test(run: Run, console: Console) -> TestSet | None:
    """Read and decode the people whom a run holds out of its test for the threshold; None where it holds nobody out.

    Raises `InputError` for other images than its training had.
    """
    if not run.config.data.threshold_share:
        return None
    (test,) = prepare_own_tests(run, console, further=False)
    part = test.data.threshold
    assert part is not None
    if run.recorded and sides_of(part) != run.record["data"]["fingerprint"].get("threshold"):
        raise InputError(
            f"The images of the people whom {run.folder} holds out for its threshold are not those of its training "
            "(their fingerprints differ). Restore them, or calibrate on other people: --data.name NAME --data.root DIR."
        )
    return _decoded_part(run.config, "threshold", part, test, console)


def prepare_main_test(config: Config, console: Console, *, learned: DataConfig | None = None) -> TestSet:
    """Read and decode the main set that these settings test on, and no other; training images are left alone.

    learned: what the model was trained on, to tell it the cameras that it knows; None: it knows none.
    """
    config = _main_alone(config)
    return _prepared(config, build.build_tests(config), console, learned)[0]


def _main_alone(config: Config) -> Config:
    return replace(config, data=replace(config.data, tested=[]))


def _prepared(
    config: Config, sets: Mapping[str, ReIDData], console: Console, learned: DataConfig | None
) -> list[TestSet]:
    _warn(sets.values(), console)
    _tell_disk_need(config, _sides(sets.values()), console)
    return _decoded(config, sets, console, learned)


def _warn(sets: Iterable[ReIDData], console: Console) -> None:
    for data in sets:
        for warning in data.warnings:
            console.say(f"Warning: {warning}")
        if data.same_camera == "include":  # another protocol than the benchmarks', so it is chosen aloud
            console.say(data.protocol)


def _sides(sets: Iterable[ReIDData]) -> list[ImageTable]:
    return [table for data in sets for table in (data.query, data.gallery)]


def _tell_disk_need(config: Config, tables: Sequence[ImageTable], console: Console) -> None:
    tell_disk_need(build.build_bytes_to_pack(config, tables), build.pack_folder(config), console)


def _decoded(
    config: Config, sets: Mapping[str, ReIDData], console: Console, learned: DataConfig | None
) -> list[TestSet]:
    trained = sets_of(learned) if learned is not None and config.model.camera_embedding else []

    def side(name: str, part: str, table: ImageTable) -> TestImages:
        return TestImages(table, _packed(config, part if len(sets) == 1 else f"{name} {part}", table, console))

    tested = zip([main_set(config.data), *config.data.tested], sets.values(), strict=True)
    cameras = (learned_cameras(one, data, trained) for one, data in tested)
    return [
        TestSet(name, data, side(name, "query", data.query), side(name, "gallery", data.gallery), known)
        for (name, data), known in zip(sets.items(), cameras, strict=True)
    ]


def _decoded_part(config: Config, name: str, part: ReIDData, of: TestSet, console: Console) -> TestSet:
    """Decode people who were held out of the set `of`."""
    query, gallery = (
        TestImages(table, _packed(config, f"{name} {side}", table, console))
        for side, table in (("query", part.query), ("gallery", part.gallery))
    )
    return replace(of, data=part, query=query, gallery=gallery)


def _packed(config: Config, title: str, table: ImageTable, console: Console) -> PackedImages:
    with console.bar(f"Decoding {title} images") as report:
        return build.build_packed(config, table, report)
