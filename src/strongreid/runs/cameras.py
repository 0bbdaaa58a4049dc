"""Cameras that a network has learned: which of its own it knows those of a test set as.

A network with a camera embedding numbers the cameras of its training images, set after set, in rising order within
each. A test set that belongs to one of these sets has the same cameras; those of any other are unknown to it, whatever
their numbers.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from strongreid import build
from strongreid.config_sections import SetConfig
from strongreid.data import ReIDData

Integers = npt.NDArray[np.int64]

UNKNOWN = -1
"""What the network is told of an image whose camera it has not learned."""


@dataclass(frozen=True)
class LearnedCameras:
    """The cameras of one set that was trained on."""

    cameras: Integers
    """As the set's tables name them, rising: int64 [cameras]."""
    first: int = 0
    """The network's number of the first of them."""

    def index(self, camera: Integers) -> Integers:
        """Return the network's number of each image's camera, `UNKNOWN` where it has not learned it: int64 [N]."""
        position = np.searchsorted(self.cameras, camera).clip(max=len(self.cameras) - 1)
        return np.where(self.cameras[position] == camera, self.first + position, UNKNOWN)


def learned_cameras(tested: SetConfig, data: ReIDData, learned: Sequence[SetConfig]) -> LearnedCameras | None:
    """Return the cameras of a test set, whose tables are `data`, that a network trained on `learned` knows, or None."""
    position = next((index for index, one in enumerate(learned) if _same(one, tested)), None)
    if position is None:
        return None
    before = (len(build.build_set(one).train.cameras) for one in learned[:position])
    return LearnedCameras(data.train.cameras, sum(before))


def _same(one: SetConfig, other: SetConfig) -> bool:
    """Whether two settings name the same images, whatever results call them."""
    return replace(one, label=None, root=one.root.absolute()) == replace(other, label=None, root=other.root.absolute())
