"""Embedding many pictures on Ray Data: each worker is a process with a model, which decodes and embeds part after part.

Only row numbers and paths go to the workers, only features come back: one process, the one that was asked, writes to
the gallery. So workers need no access to it, and its rules (a row once, going on after a stop) hold as they are. Parts
are small, because a stop loses those that are under way, and are returned in whatever order they are done.
"""

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch

from strongreid.data import ImageTable
from strongreid.data.pictures import Pictures
from strongreid.errors import InputError
from strongreid.files import fetch, require_schemes, scheme_of
from strongreid.models import ReIDModel
from strongreid.pixels import FetchedFile, ImageSource
from strongreid.runs.embed import BATCH, EmbeddingModel
from strongreid.runs.enrol import EmbeddedRows, embedded_rows, full_path
from strongreid.runs.ray_cluster import Cluster, running
from strongreid.runs.used_model import UsedModel

PART: Final = 4 * BATCH
"""Pictures that a worker is given at once."""
WHOLE_PART: Final = -1
"""In place of a row's number: its problem is that of all."""
FETCHES: Final = 32
"""Files that a worker fetches at once: it waits for a network, not for a core."""


def embedded_on_ray(
    pictures: Pictures,
    rows: list[int],
    used: UsedModel,
    thumbnails: bool,
    say: Callable[[str], None],
    address: str | None = None,
    workers: int | None = None,
) -> Generator[EmbeddedRows]:
    """Embed rows of pictures on Ray, in any order.

    address: of a Ray cluster; None: Ray is started on this machine. workers: how many; None: one for each GPU, or for
    each core.

    Raises `InputError` for addresses that cannot be fetched, a cluster that cannot be joined and workers that fail.
    """
    require_schemes(pictures.images.path)
    if not rows:
        return
    if isinstance(used.network, ReIDModel):
        used.network.cpu()  # workers may have no GPU, or another one
    with running(address, workers) as cluster:
        say(cluster.words())
        try:
            for done in _done(cluster, _parts(pictures, rows), (used, len(pictures), thumbnails)):
                yield _read(done)
        except cluster.ray.exceptions.RayTaskError:
            raise  # a defect of ours, in a worker
        except cluster.ray.exceptions.RayError as error:
            reason = str(error).strip().splitlines()[-1][:300]
            raise InputError(
                f"Ray's workers failed: {reason} What was added to the gallery is kept: the same command goes on."
            ) from error


class Worker:
    """A model in a process of its own.

    Args:
        used: the model.
        total: how many pictures all workers embed.
        thumbnails: whether a thumbnail of each picture is wanted.
    """

    def __init__(self, used: UsedModel, total: int, thumbnails: bool) -> None:
        if isinstance(used.network, ReIDModel) and torch.cuda.is_available():
            used.network.cuda()
        self._model = EmbeddingModel(used, total, None, lambda _: None)
        self._thumbnails = thumbnails

    def __call__(self, part: pa.Table) -> pa.Table:
        """Embed a part, as `_parts` makes them; return what `_read` reads."""
        try:
            return self._embedded(part)
        except InputError as error:  # of the model: no other part would fare better
            return pa.table({"row": [WHOLE_PART], "problem": [_as_text(str(error))]})

    def _embedded(self, part: pa.Table) -> pa.Table:
        paths = [bytes(path).decode("utf-8", "surrogateescape") for path in part["path"].to_pylist()]
        box = None if part["box"].null_count else np.array(part["box"].to_pylist(), dtype=np.int64)
        nobody = np.zeros(len(paths), dtype=np.int64)
        pictures = Pictures(ImageTable(tuple(paths), nobody, nobody, box=box), nobody)
        batches = [range(start, min(start + BATCH, len(paths))) for start in range(0, len(paths), BATCH)]
        features = np.zeros((len(paths), self._model.used.network.width), dtype=np.float32)
        thumbnails, problems = dict[int, bytes | None](), dict[int, str]()
        with ThreadPoolExecutor(FETCHES) as pool:
            fetched = {path: pool.submit(fetch, path) for path in dict.fromkeys(paths) if scheme_of(path)}

            def source_of(path: str) -> ImageSource:
                return FetchedFile(path, fetched[path].result()) if path in fetched else path

            for some in embedded_rows(pictures, batches, self._model, self._thumbnails, source_of):
                features[some.rows] = some.features
                thumbnails |= dict(zip(some.rows, some.thumbnails, strict=True))
                problems |= some.problems
        return _table(part["row"], features, thumbnails, problems)


def _parts(pictures: Pictures, rows: list[int]) -> list[pa.Table]:
    """Tables of row numbers, paths (bytes, as a file system has them) and boxes."""
    images = pictures.images
    parts = []
    for start in range(0, len(rows), PART):
        some = rows[start : start + PART]
        paths = [full_path(images.path[row]) for row in some]
        boxes = [None] * len(some) if images.box is None else images.box[some].tolist()
        parts.append(
            pa.table(
                {
                    "row": pa.array(some, pa.int64()),
                    "path": pa.array([path.encode("utf-8", "surrogateescape") for path in paths], pa.binary()),
                    "box": pa.array(boxes, pa.list_(pa.int64(), 4)),
                }
            )
        )
    return parts


def _table(
    row: pa.ChunkedArray,
    features: npt.NDArray[np.float32],
    thumbnails: dict[int, bytes | None],
    problems: dict[int, str],
) -> pa.Table:
    """What a worker returns: a row for each picture, its problem null where it could be read."""
    every = range(len(row))
    return pa.table(
        {
            "row": row,
            "features": pa.FixedSizeListArray.from_arrays(pa.array(features.reshape(-1)), features.shape[1]),
            "thumbnail": pa.array([thumbnails.get(index) for index in every], pa.binary()),
            "problem": pa.array([_as_text(problems.get(index)) for index in every], pa.string()),
        }
    )


def _read(done: pa.Table) -> EmbeddedRows:
    rows, problems = done["row"].to_pylist(), done["problem"].to_pylist()
    if rows == [WHOLE_PART]:
        raise InputError(problems[0])
    read = np.array([problem is None for problem in problems], dtype=np.bool_)
    features = done["features"].combine_chunks().flatten().to_numpy().reshape(len(rows), -1)
    thumbnails = done["thumbnail"].to_pylist()
    return EmbeddedRows(
        [row for row, fine in zip(rows, read, strict=True) if fine],
        features[read],
        [small for small, fine in zip(thumbnails, read, strict=True) if fine],
        {row: problem for row, problem in zip(rows, problems, strict=True) if problem is not None},
    )


def _done(cluster: Cluster, parts: list[pa.Table], model: tuple[UsedModel, int, bool]) -> Iterator[pa.Table]:
    """Yield what the workers return; `model`: the arguments of `Worker`."""
    data = import_module("ray.data")
    least = cluster.workers if cluster.own else 1  # in a cluster there may be no room for all of them now
    embedded = data.from_arrow(parts).map_batches(
        Worker,
        fn_constructor_args=model,
        batch_size=None,
        batch_format="pyarrow",
        compute=data.ActorPoolStrategy(min_size=least, max_size=cluster.workers),
        num_cpus=1,
        num_gpus=1 if cluster.gpu else None,
    )
    yield from embedded.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0)


def _as_text(problem: str | None) -> str | None:
    """A problem in letters that Arrow knows; names of files may hold bytes that are none."""
    return None if problem is None else problem.encode("utf-8", "backslashreplace").decode()
