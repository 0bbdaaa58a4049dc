"""A profile: what one consumer's loader takes unchanged, as a value. The values are in `consumers`, one a file."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from strongreid.export.graph import ExportGraph
from strongreid.export.pixels_in import Order
from strongreid.models import Calibrated
from strongreid.pixels import Normalisation

Where = Literal["inside", "outside"]
"""Whether mean and deviation are applied in the graph, or before it."""
Infer = Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]
"""From the consumer's pixels [B, 3, H, W] to features [B, D], B as the file takes it."""


@dataclass(frozen=True)
class Format:
    """A kind of file: how it is written, and how it is read again to be proven."""

    suffix: str
    write: Callable[[ExportGraph, Path, Mapping[str, str]], None]
    """Writes a graph, with metadata, to a path; what belongs beside it is written beside it, under the same stem."""
    load: Callable[[Path], Infer]
    """Reads the file as a consumer would."""
    beside: tuple[str, ...] = ()
    """Names of the files that `write` puts beside it; {stem} stands for the file's own."""

    def names_beside(self, path: Path) -> list[str]:
        """Return the names of the files that `write` puts beside `path`."""
        return [name.format(stem=path.stem) for name in self.beside]


@dataclass(frozen=True)
class Exported:
    """What was written, as side files and the command to use it need it."""

    source: Path
    """The run or the model file that it was made from."""
    path: Path
    image_size: tuple[int, int]
    """Height and width, in pixels."""
    width: int
    metric: str
    calibrated: Calibrated | None
    batch: int | None
    l2: bool
    half: bool
    """Whether the backbone computes in float16."""


@dataclass(frozen=True)
class Profile:
    """What a consumer takes."""

    title: str
    """Its name, for people."""
    format: Format
    use: Callable[[Exported], list[str]]
    """The command or the lines that use the file there."""
    top: Literal[1, 255] = 1
    """Value of a white pixel that it feeds, before mean and deviation."""
    order: Order = "rgb"
    """Order of the colours that it feeds."""
    normalisation: Where = "inside"
    """Where mean and deviation are applied."""
    free: bool = False
    """Whether whoever exports may choose that otherwise."""
    applies: Normalisation | None = None
    """The mean and the deviation that it applies whatever the file says; None: those it is told, the model's."""
    batch: int | None = None
    """How many images it feeds at once; None: any number, on an axis named `batch`."""
    l2: bool = False
    """Whether features leave the graph with the length 1."""
    metadata: Callable[[Exported], dict[str, str]] = lambda exported: {}
    """Entries that it looks for in the file's metadata, by its own names."""
    sides: Callable[[Exported], dict[str, str]] = lambda exported: {}
    """Texts by the names of the files beside it."""
    doubts: Callable[[Exported], list[str]] = lambda exported: []
    """What its user should know of this very file, in sentences."""
    otherwise: Callable[[Path], str] = lambda source: ""
    """What to do, in sentences, where the file would not be the model (`source`)."""


def in_batches(infer: Infer, images: npt.NDArray[np.float32], batch: int | None) -> npt.NDArray[np.float32]:
    """Send any number of images, at least one, through a file that takes `batch` at once: the last are padded."""
    if batch is None:
        return infer(images)
    rows = []
    for start in range(0, len(images), batch):
        some = images[start : start + batch]
        missing = batch - len(some)
        padded = np.concatenate([some, np.repeat(some[-1:], missing, axis=0)]) if missing else some
        rows.append(infer(padded)[: len(some)])
    return np.concatenate(rows)
