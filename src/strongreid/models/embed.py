"""Images to features: decoded in threads while the network works, two batches in memory at most."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from threading import Lock

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from strongreid.errors import InputError
from strongreid.models.adapter import camera_column
from strongreid.models.model import ReIDModel
from strongreid.pixels import ImageSource, read_image


def embed(
    model: ReIDModel,
    paths: Sequence[ImageSource] | npt.NDArray[np.uint8],
    *,
    batch_size: int = 64,
    camera: npt.ArrayLike | None = None,
    progress: Callable[[int], None] | None = None,
) -> Tensor:
    """Map images to features [N, D] float32 on the CPU, in the order of `paths`: `model.embed` on each batch.

    Each is a file's path, a PIL image or an array uint8 [H, W, 3] in the order red, green, blue (reverse the last axis
    of OpenCV's); or all are one array uint8 [N, H, W, 3]. `read_image` says what is done with them. `camera`: integers
    [N], for models that want the camera (`ReIDModel.forward`); others do without. `progress` is called after each batch
    with the number of images done so far. Raises `InputError` with the index, and the path, of an image that cannot be
    read.
    """
    if isinstance(paths, str | Path | Image.Image) or (isinstance(paths, np.ndarray) and paths.ndim < 4):
        raise InputError(f"embed takes a list of images, not one {type(paths).__name__}. Put it in brackets.")
    if batch_size < 1:
        raise InputError(f"embed takes a batch size of at least 1, not {batch_size}.")
    cameras = None if camera is None else camera_column(camera, len(paths))
    rows = [torch.empty(0, model.width)]
    done = 0
    for pixels in _decoded(paths, model, batch_size):
        some = None if cameras is None else cameras[done : done + len(pixels)]
        rows.append(model.embed(pixels, batch_size=batch_size, camera=some))
        done += len(pixels)
        if progress is not None:
            progress(done)
    return torch.cat(rows)


def _decoded(
    images: Sequence[ImageSource] | npt.NDArray[np.uint8], model: ReIDModel, batch_size: int
) -> Iterator[Tensor]:
    """Yield batches uint8 [B, 3, H, W]; the next is being decoded while the caller works on one."""
    one_at_a_time = Lock()  # Pillow's objects are not made for threads, and a list may name one twice

    def read(index: int) -> npt.NDArray[np.uint8]:
        image = images[index]
        try:
            with one_at_a_time if isinstance(image, Image.Image) else nullcontext():
                return read_image(image, model.image_size, model.interpolation)
        except InputError as error:
            raise InputError(f"Image {index}: {error}") from error

    with ThreadPoolExecutor() as pool:

        def begin(start: int) -> list[Future[npt.NDArray[np.uint8]]]:
            return [pool.submit(read, index) for index in range(start, min(start + batch_size, len(images)))]

        upcoming = begin(0)
        for start in range(0, len(images), batch_size):
            current, upcoming = upcoming, begin(start + batch_size)
            yield torch.from_numpy(np.stack([image.result() for image in current]))
