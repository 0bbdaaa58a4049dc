"""Detections in a video's frames: from boxes to crops, and how far two tracked objects are apart.

Trackers hand over a frame as OpenCV reads it, which is BLUE, green, red (reverse the last axis of an RGB frame), and
boxes (left, top, right, bottom) in pixels, in an object with an attribute `xyxy` (supervision's `Detections`,
Ultralytics' `Boxes`) or as an array. None of these libraries is needed, and this module needs numpy alone.
"""

import warnings
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from strongreid.errors import InputError


class HasBoxes(Protocol):
    """What trackers call detections: supervision's `Detections`, Ultralytics' `Boxes`."""

    @property
    def xyxy(self) -> Any:
        """Boxes [N, 4]: left, top, right, bottom, in pixels."""


class HasEmbedding(Protocol):
    """What Norfair calls a detection."""

    embedding: npt.NDArray[np.floating[Any]] | None
    """Features [D]."""


class Tracked(Protocol):
    """What Norfair calls a tracked object."""

    last_detection: HasEmbedding
    """The detection that it was seen in last."""


Frame = npt.NDArray[np.uint8]
"""A frame uint8 [H, W, 3] in the order blue, green, red."""
Detections = HasBoxes | npt.ArrayLike


def boxes_of(detections: Detections) -> npt.NDArray[np.float64]:
    """Return the boxes of detections: float64 [N, 4]; `InputError` for anything but that many numbers."""
    boxes: Any = getattr(detections, "xyxy", detections)
    if hasattr(boxes, "detach"):  # a tensor, perhaps on a GPU
        boxes = boxes.detach().cpu()
    try:
        found = np.asarray(boxes, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"Boxes are numbers [N, 4], not {type(boxes).__name__} ({error}).") from error
    if found.size == 0 and found.ndim <= 2:
        return np.empty((0, 4))
    if found.ndim != 2 or found.shape[1] != 4:
        raise InputError(f"Boxes are [N, 4], left, top, right, bottom in pixels, not {list(found.shape)}.")
    return found


def crop_boxes(detections: Detections, frame: Frame) -> list[npt.NDArray[np.uint8] | None]:
    """Cut the boxes out of a frame: for each its pixels uint8 [h, w, 3] in the order RED, green, blue.

    Borders are rounded to whole pixels and clipped to the frame. None where nothing is left, or a border is not finite.
    """
    if not isinstance(frame, np.ndarray) or frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
        what = f"{frame.dtype} {list(frame.shape)}" if isinstance(frame, np.ndarray) else type(frame).__name__
        raise InputError(f"A frame is uint8 [H, W, 3] in the order blue, green, red, as OpenCV gives it, not {what}.")
    height, width = frame.shape[:2]
    crops: list[npt.NDArray[np.uint8] | None] = []
    for box in boxes_of(detections):
        if not np.isfinite(box).all():
            crops.append(None)
            continue
        left, top, right, bottom = np.clip(np.round(box), 0, (width, height, width, height)).astype(int).tolist()
        crop = frame[top:bottom, left:right, ::-1]
        crops.append(np.ascontiguousarray(crop) if crop.size else None)
    return crops


def warn_of_empty(crops: list[npt.NDArray[np.uint8] | None]) -> None:
    """Warn of crops that are None, naming the first."""
    empty = [index for index, crop in enumerate(crops) if crop is None]
    if empty:
        warnings.warn(
            f"{len(empty)} of {len(crops)} boxes have nothing of the frame in them, the first is number {empty[0]}: "
            "their features are zero.",
            stacklevel=3,
        )


def norfair_distance(new: Tracked, old: Tracked) -> float:
    """Cosine distance 0..2 of the features that two objects of Norfair were seen with last.

    For `Tracker(reid_distance_function=norfair_distance, reid_distance_threshold=model.threshold)`, where each
    `Detection` was made with `embedding=` its row of `model.extract_embeddings`. 2, which matches nothing, where one of
    them has none or a zero row.
    """
    one, other = new.last_detection.embedding, old.last_detection.embedding
    if one is None or other is None:
        return 2.0
    first, second = np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64)
    lengths = float(np.linalg.norm(first) * np.linalg.norm(second))
    return 1.0 - float(first @ second) / lengths if lengths > 0 else 2.0
