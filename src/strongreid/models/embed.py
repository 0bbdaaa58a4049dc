"""Image files to features: decoded in threads while the network works, two batches in memory at most."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from strongreid.errors import InputError
from strongreid.models.model import ReIDModel
from strongreid.pixels import read_image


def embed(
    model: ReIDModel,
    paths: Sequence[str | Path],
    *,
    batch_size: int = 64,
    progress: Callable[[int], None] | None = None,
) -> Tensor:
    """Map image files to features [N, D] float32 on the CPU, in the order of `paths`: `model.embed` on each batch.

    `progress` is called after each batch with the number of images done so far. Raises `InputError` with the path of
    an image that is missing or cannot be decoded.
    """
    if isinstance(paths, str | Path):
        raise InputError(f"embed takes a list of image paths, not the one path {paths}. Put it in brackets.")
    rows = [torch.empty(0, model.width)]
    done = 0
    for images in _decoded(paths, model.image_size, batch_size):
        rows.append(model.embed(images, batch_size=batch_size))
        done += len(images)
        if progress is not None:
            progress(done)
    return torch.cat(rows)


def _decoded(paths: Sequence[str | Path], size: tuple[int, int], batch_size: int) -> Iterator[Tensor]:
    """Yield batches uint8 [B, 3, H, W]; the next is being decoded while the caller works on one."""
    with ThreadPoolExecutor() as pool:

        def begin(start: int) -> list[Future[npt.NDArray[np.uint8]]]:
            return [pool.submit(read_image, path, size) for path in paths[start : start + batch_size]]

        upcoming = begin(0)
        for start in range(0, len(paths), batch_size):
            current, upcoming = upcoming, begin(start + batch_size)
            yield torch.from_numpy(np.stack([image.result() for image in current]))
