"""Runs in a consumer's own environment: loads each file by the consumer's own loader, and writes what it gives.

python inside.py CONSUMER FOLDER, where FOLDER/files.json names the files and FOLDER/frames.npz has the frames (BGR, one
person in each, the box is the frame). Writes FOLDER/CONSUMER.npz: for each file and set of frames [frames, copies, D].
Here other packages are imported, some of them AGPL: never by strongreid itself, nor in its environment.
"""

import json
import os
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import numpy as np

COPIES = 5
"""How often the one box is asked for at once. Ultralytics widens boxes, so that only a whole frame stays exact."""

Embed = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""From a frame [H, W, 3] BGR and boxes [N, 4] xyxy to features [N, D]."""


def ultralytics(path: str) -> Embed:
    from ultralytics.trackers.utils.reid import ReID

    model = ReID(path, device="cpu")

    def embed(frame: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        centers = np.concatenate([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]], axis=1)
        return np.stack(model(frame, centers))

    return embed


def boxmot(path: str) -> Embed:
    from boxmot.reid.core.runtime import ReID

    return ReID(path, device="cpu")


def roboflow(path: str) -> Embed:
    import supervision
    from reid import ReIDModel

    model = ReIDModel.from_pretrained(path, device="cpu")
    return lambda frame, boxes: model.extract_embeddings(supervision.Detections(xyxy=boxes), frame)


def adapter(path: str) -> Embed:
    """Our own model as an object, with Roboflow's detections; only this one imports strongreid."""
    import supervision

    from strongreid import ReIDModel

    model = ReIDModel.load(path)
    return lambda frame, boxes: model.extract_features(supervision.Detections(xyxy=boxes), frame)


def norfair(features: np.ndarray) -> np.ndarray:
    """Distances [N, N] as Norfair's tracker computes them with our function, which needs numpy alone."""
    from norfair import Detection
    from norfair.distances import ScalarDistance

    from strongreid.detections import norfair_distance

    seen = [SimpleNamespace(last_detection=Detection(np.zeros((1, 2)), embedding=row)) for row in features]
    for one in seen:
        one.label = None
    return ScalarDistance(norfair_distance).get_distances(seen, seen)


def main(consumer: str, folder: Path) -> None:
    frames = np.load(folder / "frames.npz")
    found: dict[str, np.ndarray] = {}
    if consumer == "norfair":
        found["norfair"] = norfair(np.load(folder / "features.npy"))
        packages = ("norfair", "numpy")
    else:
        loaders = {"ultralytics": ultralytics, "boxmot": boxmot, "roboflow": roboflow, "adapter": adapter}
        for name, entry in json.loads((folder / "files.json").read_text()).items():
            if entry["consumer"] != consumer and not (consumer == "roboflow" and entry["consumer"] == "adapter"):
                continue
            embed = loaders[entry["consumer"]](str(entry["path"]))
            for size in frames.files:
                found[f"{name}/{size}"] = np.stack([embed(frame, whole(frame)) for frame in frames[size]])
        packages = {
            "ultralytics": ("ultralytics", "onnxruntime"),
            "boxmot": ("boxmot", "onnxruntime"),
            "roboflow": ("reid", "supervision", "trackers"),
        }[consumer]
    found["versions"] = np.array([f"{name} {version(name)}" for name in packages])
    np.savez(folder / f"{consumer}.npz", **found)


def whole(frame: np.ndarray) -> np.ndarray:
    """The box of the whole frame, several times."""
    return np.array([[0, 0, frame.shape[1], frame.shape[0]]] * COPIES, dtype=np.float32)


if __name__ == "__main__":
    os.environ["YOLO_OFFLINE"] = "true"
    main(sys.argv[1], Path(sys.argv[2]))
