"""Any ONNX ReID model, wherever it comes from, as something that embeds: for `evaluate` and `report`.

The size of images is read from the graph. What pixels it wants, no graph says: our own files say it in their metadata,
of any other file it is told by whoever uses it, and ImageNet's mean and deviation on RGB 0 to 1 are supposed, aloud.
"""

from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from strongreid.errors import InputError
from strongreid.export.onnx_file import open_session
from strongreid.export.pixels_in import PREFIX, PixelInput
from strongreid.export.profile import in_batches
from strongreid.models.calibrated import parse_calibrated
from strongreid.models.frames import FromFrames
from strongreid.models.model_file import Metric
from strongreid.pixels import IMAGENET, read_image

SUPPOSED: Final = PixelInput(1, "rgb", IMAGENET.mean, IMAGENET.std)
"""What is supposed of a file that does not say it."""
TYPES: Final = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
}
"""Types of input that are fed, by onnxruntime's names."""


class OnnxModel(FromFrames):
    """An ONNX file that maps images to features.

    Args:
        path: the file; its first input takes images [B, 3, H, W] or [B, H, W, 3], and one output is [B, D].
        size: height and width in pixels, needed where the graph leaves them open.
        pixels: what it is fed; None: what the file says, and `SUPPOSED` where it says nothing.
        metric: how its features are compared; None: what the file says, and "cosine" where it says nothing.

    Raises `InputError` for a file that is no ONNX, or does something else.
    """

    def __init__(
        self,
        path: Path,
        *,
        size: tuple[int, int] | None = None,
        pixels: PixelInput | None = None,
        metric: Metric | None = None,
    ) -> None:
        if not path.is_file():
            raise InputError(f"There is no file {path}. Name an ONNX file.")
        self.path = path
        self._session = open_session(path, "Name an ONNX file of a ReID network.")
        said: dict[str, str] = self._session.get_modelmeta().custom_metadata_map
        self.told = pixels is not None or PREFIX + "pixels" in said
        """Whether anybody said what pixels it wants."""
        self.pixels = pixels or (PixelInput.parse(said[PREFIX + "pixels"]) if self.told else SUPPOSED)
        self.metric: Metric = metric or ("euclidean" if said.get(PREFIX + "metric") == "euclidean" else "cosine")
        as_it_says = pixels is None and metric in (None, said.get(PREFIX + "metric"))
        known = said.get(PREFIX + "calibrated") if as_it_says else None
        self.calibrated = None if known is None else parse_calibrated(known, f"{PREFIX}calibrated of {path}")
        """The threshold that the file carries; None where it has none, or is used otherwise than it says."""
        if said.get(PREFIX + "interpolation") == "bicubic":
            self.interpolation = "bicubic"
        self._input, self._type, self._last, self.batch, self.image_size = self._read_input(size)
        self._output, self.width = self._find_output()

    def embed(self, images: Tensor, *, batch_size: int = 64, camera: npt.ArrayLike | None = None) -> Tensor:
        """Map images [N, 3, H, W] uint8 RGB of any size to features [N, D] float32 on the CPU; it knows no cameras."""
        if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] != 3:
            raise InputError(f"embed takes images uint8 [N, 3, H, W], not {images.dtype} {list(images.shape)}.")
        pixels = images.cpu().numpy()
        if pixels.shape[2:] != self.image_size:
            rows = [read_image(image.transpose(1, 2, 0), self.image_size, self.interpolation) for image in pixels]
            pixels = np.stack(rows) if rows else np.empty((0, 3, *self.image_size), dtype=np.uint8)
        found = [np.empty((0, self.width), dtype=np.float32)]
        for start in range(0, len(pixels), batch_size):
            some = self.pixels.feed(pixels[start : start + batch_size])
            found.append(in_batches(self._infer, some, self.batch))
        return torch.from_numpy(np.concatenate(found))

    def words(self) -> str:
        """Say what it takes, and whether that is known."""
        height, width = self.image_size
        supposed = "" if self.told else " (supposed, because the file does not say it; --onnx.range and the like do)"
        return f"{self.path}: {height} x {width} pixels, {self.pixels.words()}{supposed}; {self.width} features."

    def _infer(self, images: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        features = self._run(images, self._output)
        return features.reshape(len(images), self.width).astype(np.float32)

    def _run(self, images: npt.NDArray[np.float32], output: str) -> npt.NDArray[Any]:
        fed = images.transpose(0, 2, 3, 1) if self._last else images
        fed = np.rint(fed) if self._type is np.uint8 else fed
        try:
            features: npt.NDArray[Any] = self._session.run([output], {self._input: fed.astype(self._type)})[0]
        except Exception as error:
            reason = " ".join(str(error).split())[:300]
            raise InputError(f"{self.path} cannot be run on images {list(fed.shape)} ({reason}).") from error
        return np.asarray(features)

    def _read_input(self, size: tuple[int, int] | None) -> tuple[str, Any, bool, int | None, tuple[int, int]]:
        """Return the input's name, its type, whether colours come last, how many images it takes, and their size."""
        inputs = self._session.get_inputs()
        listed = ", ".join(f"{one.name} {one.type} {one.shape}" for one in inputs)
        if len(inputs) != 1 or len(inputs[0].shape) != 4 or inputs[0].type not in TYPES:
            raise InputError(f"{self.path} must take images alone, numbers [B, 3, H, W], but it takes {listed}.")
        batch, *rest = (side if isinstance(side, int) and side > 0 else None for side in inputs[0].shape)
        last = rest[2] == 3 and rest[0] != 3
        colours, height, width = (rest[2], rest[0], rest[1]) if last else rest
        if colours not in (3, None):
            raise InputError(f"{self.path} must take three colours, but it takes {listed}.")
        sides = [side or (size[index] if size else None) for index, side in enumerate((height, width))]
        if None in sides or (size is not None and tuple(sides) != size):
            ask = f"not {size[0]} x {size[1]}" if size else "and leaves the size open: say it, as --onnx.size [256,128]"
            raise InputError(f"{self.path} takes {listed}, {ask}.")
        return inputs[0].name, TYPES[inputs[0].type], last, batch, (int(sides[0] or 0), int(sides[1] or 0))

    def _find_output(self) -> tuple[str, int]:
        """Return the first output that is one feature an image, and its width, found by trying."""
        shapes = {}
        image = self.pixels.feed(np.full((self.batch or 2, 3, *self.image_size), 128, dtype=np.uint8))
        for output in self._session.get_outputs():
            shape = shapes[output.name] = list(self._run(image, output.name).shape)
            if len(shape) >= 2 and shape[0] == len(image) and all(side == 1 for side in shape[2:]):
                return output.name, shape[1]
        raise InputError(
            f"{self.path} gives no features [B, D], but {shapes}. Export the network without its other heads."
        )
