"""Features of detections in a video's frame, under both names by which trackers ask for them."""

from abc import ABC, abstractmethod

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from strongreid.detections import Detections, Frame, crop_boxes, warn_of_empty
from strongreid.pixels import Interpolation, read_image


class FromFrames(ABC):
    """Whatever embeds images can embed detections: Roboflow's `reid` calls the one name, its `trackers` the other."""

    image_size: tuple[int, int]
    """Height and width, in pixels, of the images that it takes."""
    interpolation: Interpolation = "bilinear"
    """How images are brought to that size."""
    width: int
    """Numbers a feature."""

    @abstractmethod
    def embed(self, images: Tensor, *, batch_size: int = 64, camera: npt.ArrayLike | None = None) -> Tensor:
        """Map images [N, 3, H, W] uint8 RGB to features [N, D] float32 on the CPU."""

    def extract_embeddings(self, detections: Detections, frame: Frame) -> npt.NDArray[np.float32]:
        """Map the detections in a frame to features, float32 [N, D], in their order, not brought to the length 1.

        `detections`: an object with boxes `xyxy` [N, 4] (supervision, Ultralytics), or these boxes. `frame`: uint8
        [H, W, 3] in the order BLUE, green, red, as OpenCV gives it. Boxes are clipped to the frame; one with nothing
        in it gets a row of zeros and a warning. Raises `InputError` for other shapes.
        """
        crops = crop_boxes(detections, frame)
        warn_of_empty(crops)
        features = np.zeros((len(crops), self.width), dtype=np.float32)
        full = [index for index, crop in enumerate(crops) if crop is not None]
        if full:
            images = np.stack(
                [read_image(crop, self.image_size, self.interpolation) for crop in crops if crop is not None]
            )
            features[full] = self.embed(torch.from_numpy(images)).numpy()
        return features

    def extract_features(self, detections: Detections, frame: Frame) -> npt.NDArray[np.float32]:
        """Do what `extract_embeddings` does, by the name that Roboflow's `trackers` calls."""
        return self.extract_embeddings(detections, frame)
