"""Embedding a folder or a table of pictures into a file of features, so that a stop at any time loses nothing.

Batches are the same slices of the pictures however often the command was stopped, so what it ends with does not depend
on that. Pictures that cannot be read are all found before anything is refused.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
import numpy.typing as npt
import torch

from strongreid.data.decoding import DecodedBatch, SourceOf, decoded_batches
from strongreid.data.listing import Finding
from strongreid.data.pictures import UNKNOWN, Pictures, read_pictures
from strongreid.data.track_weights import sharpness, track_weights
from strongreid.errors import InputError
from strongreid.evaluation import Embeddings
from strongreid.evaluation.embeddings import float32_rows
from strongreid.export.runner import WORTH_IT, Engine, proven
from strongreid.files import inside, path_part, refuse_second_process, require_target
from strongreid.models import ReIDModel
from strongreid.reports.console import Console
from strongreid.runs.feature_files import StoredFeatures, write_features
from strongreid.runs.test_sets import Embedder
from strongreid.runs.unfinished import UnfinishedFeatures, picture_key
from strongreid.runs.used_model import UsedModel

BATCH: Final = 64
"""Pictures that go through the network at once."""
MOST_LISTED: Final = 100
"""Pictures that cannot be read which are named."""


@dataclass(frozen=True)
class Choices:
    """How to embed."""

    skip_bad: bool = False
    """Leave pictures that cannot be read out, rather than refuse."""
    engine: Engine | None = None
    """What runs the network; None: the fastest that gives its features, where there are many pictures."""


def embed_source(
    source: Path, output: Path, used: UsedModel, choices: Choices, console: Console, *, columns: str = ""
) -> StoredFeatures:
    """Embed the pictures of a folder or a table, and write a file of features."""
    target = require_target(output)
    pictures = read_pictures(source, columns)
    tell(pictures, source, console)
    console.say(used.words())
    with _kept_beside(target, used.made_by.fingerprint, output, console) as file:
        stored = embed_pictures(pictures, used, choices, console, file=file)
        write_features(output, stored)
        file.unlink(missing_ok=True)
    return stored


def embed_pictures(
    pictures: Pictures,
    used: UsedModel,
    choices: Choices,
    console: Console,
    *,
    file: Path | None = None,
    title: str = "Embedding pictures",
) -> StoredFeatures:
    """Embed pictures, and keep what is done in `file` where one is given.

    Raises `InputError` where some cannot be read, after naming them, or where they shall be left out and none is left.
    """
    images = pictures.images
    tracked = images.track is not None  # then a picture's sharpness is kept behind its features
    keys = [picture_key(images, row) for row in range(len(images))]
    with (
        TemporaryDirectory() as folder,
        UnfinishedFeatures(
            file or Path(folder) / "kept", used.made_by.fingerprint, used.network.width + tracked
        ) as kept,
    ):
        problems = _embed_missing(pictures, keys, used, choices, kept, console, title)
        found = [*pictures.findings, *(Finding(images.path[row], problem) for row, problem in problems.items())]
        refuse_bad(found, len(images) + len(pictures.findings), choices.skip_bad, file is not None, console)
        rows = np.array([row for row in range(len(images)) if row not in problems], dtype=np.int64)
        features = kept.take([keys[row] for row in rows.tolist()])
    images = images.select(rows)
    weight = None
    if tracked:
        features, sharp = features[:, :-1], features[:, -1].astype(np.float64)
        weight = track_weights(images, sharp, used.network.image_size)
    embeddings = Embeddings(features, pictures.person[rows], images.camera, track=images.track)
    return StoredFeatures(embeddings, images.path, images.box, used.made_by, weight, images.frame)


def _embed_missing(
    pictures: Pictures,
    keys: list[bytes],
    used: UsedModel,
    choices: Choices,
    kept: UnfinishedFeatures,
    console: Console,
    title: str,
) -> dict[int, str]:
    """Embed what is not kept yet; return what is wrong with the pictures that cannot be read, by row."""
    total, problems = len(keys), dict[int, str]()
    slices = (range(start, min(start + BATCH, total)) for start in range(0, total, BATCH))
    missing = [rows for some in slices if (rows := [row for row in some if keys[row] not in kept])]
    done = total - sum(map(len, missing))
    if done:
        console.say(f"Going on: {done:,} of {total:,} pictures are embedded already.")
    with console.bar(title) as report:
        model = EmbeddingModel(used, total, choices.engine, console.say)
        batches = embedded_batches(pictures, missing, model)
        for (batch, features), rows in zip(batches, missing, strict=True):
            problems |= batch.problems
            if batch.rows:
                if pictures.images.track is not None:
                    features = np.column_stack((features, sharpness(batch.pixels).astype(np.float32)))
                kept.add([keys[row] for row in batch.rows], features)
            done += len(rows)
            report(done, total)
    return problems


class EmbeddingModel:
    """A model that embeds many pictures, in an engine that is chosen at the first batch.

    Args:
        used: the model.
        total: how many pictures: for few, another engine than PyTorch is not worth its start.
        engine: which; None: the fastest that gives the model's features.
        say: told which it is.
    """

    def __init__(self, used: UsedModel, total: int, engine: Engine | None, say: Callable[[str], None]) -> None:
        self.used = used
        self._total, self._engine, self._say = total, engine, say
        self._runs: Embedder | None = None

    def embed(self, pixels: torch.Tensor) -> torch.Tensor:
        """Map images uint8 [n, 3, H, W] of the model's size, n at least 1, to features float32 [n, width]."""
        self._runs = self._runs or self._chosen(pixels)
        return self._runs.embed(pixels, batch_size=BATCH)

    def _chosen(self, pixels: torch.Tensor) -> Embedder:
        network = self.used.network
        if not isinstance(network, ReIDModel):
            return network
        faster = self._engine is not None or (self._total >= WORTH_IT and not network.classifier.weight.is_cuda)
        return proven(network, pixels, self._engine, self._say) if faster else network


def embedded_batches(
    pictures: Pictures, batches: Sequence[Sequence[int]], model: EmbeddingModel, source_of: SourceOf = str
) -> Iterator[tuple[DecodedBatch, npt.NDArray[np.float32]]]:
    """Yield batches of pictures, given by their rows, with the features [n, width] of those that could be read."""
    network = model.used.network
    for batch in decoded_batches(pictures.images, batches, network.image_size, network.interpolation, source_of):
        features = np.empty((0, network.width), dtype=np.float32)
        if batch.rows:
            features = _finite(model.embed(torch.from_numpy(batch.pixels)), batch.rows, pictures)
        yield batch, features


def _finite(features: torch.Tensor, rows: list[int], pictures: Pictures) -> npt.NDArray[np.float32]:
    """Return features; `InputError`, naming the pictures, where the model gives none that can be compared."""
    try:
        return float32_rows(features).numpy()
    except InputError as error:
        raise InputError(f"{pictures.images.path[rows[0]]} and the pictures after it: {error}") from error


def refuse_bad(found: Sequence[Finding], total: int, skip: bool, kept: bool, console: Console) -> None:
    """Name the pictures that cannot be read; `InputError` where they are not to be left out, or are all."""
    if not found:
        return
    console.say(*(str(finding) for finding in found[:MOST_LISTED]))
    if len(found) > MOST_LISTED:
        console.say(f"... and {len(found) - MOST_LISTED:,} more.")
    several = f"{len(found):,} of {total:,} pictures cannot be read"
    if len(found) == total:
        raise InputError(f"{several}: {found[0]} Nothing is left to embed.")
    if not skip:
        hint = " What was embedded is kept: the same command goes on with it." if kept else ""
        raise InputError(f"{several}; they are listed above. Fix them, or leave them out with --skip_bad.{hint}")
    console.say(f"Left out: {several}.")


def tell(pictures: Pictures, source: Path, console: Console) -> None:
    """Say what was found, and what was passed over."""
    known = int((pictures.person != UNKNOWN).sum())
    people = f" of {len(np.unique(pictures.person[pictures.person != UNKNOWN])):,} people" if known else ""
    unread = ", ".join(f"{count:,} {ending}" for ending, count in sorted(pictures.unread.items()))
    console.say(f"{source}: {len(pictures):,} pictures{people}{f'; not read: {unread}' if unread else ''}.")


@contextmanager
def _kept_beside(target: Path, fingerprint: str, output: Path, console: Console) -> Iterator[Path]:
    """Yield the file beside `target` in which a model's finished batches are kept, for one process at a time.

    Each model has its own: naming another one by mistake loses nothing.
    """
    if target.exists() and not target.is_file():  # a pipe or a device: nothing lies beside it
        with TemporaryDirectory() as folder:
            yield Path(folder) / "kept"
        return
    name = path_part(target.name)
    file = inside(target.parent, f".{name}.{fingerprint[:10]}.unfinished")
    with refuse_second_process(target.with_name(f".{name}.lock"), f"embeds into {output}", console.say):
        try:
            yield file
        except KeyboardInterrupt as stop:
            stop.args = (f"What was embedded is kept in {file}: the same command goes on with it.",)
            raise
