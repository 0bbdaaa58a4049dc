"""What the tests of galleries share: rows to add, and slow plain searches to compare with."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

MODEL = "a" * 64


@dataclass(frozen=True)
class Crowd:
    """Rows as `Gallery.add` takes them."""

    features: npt.NDArray[np.float32]
    person: npt.NDArray[np.int64]
    camera: npt.NDArray[np.int64]
    time: npt.NDArray[np.int64]
    track: npt.NDArray[np.int64]
    path: list[str]

    def columns(self, rows: slice = slice(None)) -> dict[str, Any]:
        return {
            "person": self.person[rows],
            "camera": self.camera[rows],
            "time": self.time[rows].astype(float),
            "track": self.track[rows],
            "path": self.path[rows],
        }


def crowd(count: int, width: int = 16, seed: int = 0) -> Crowd:
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(count, width)).astype(np.float32)
    if count > 3:
        features[count // 2] = features[1]  # two of the same features, in other rows
    return Crowd(
        features,
        rng.integers(0, 5, count),
        rng.integers(1, 4, count),
        1_700_000_000 + 60 * np.arange(count),
        rng.integers(-1, 6, count),
        [f"cam/{seed}-{row}.jpg" for row in range(count)],
    )


def plain_distances(query: npt.NDArray[Any], gallery: npt.NDArray[Any], metric: str) -> npt.NDArray[np.float64]:
    """Distances [Q, G] in float64, one pair at a time."""
    found = np.empty((len(query), len(gallery)))
    for row, one in enumerate(query.astype(np.float64)):
        for column, other in enumerate(gallery.astype(np.float64)):
            if metric == "euclidean":
                found[row, column] = np.sqrt(((one - other) ** 2).sum())
            else:
                found[row, column] = 1 - one @ other / np.linalg.norm(one) / np.linalg.norm(other)
    return found
