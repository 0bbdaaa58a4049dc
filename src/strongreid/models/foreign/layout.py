"""What a layout is: how one codebase names its weights, and what its files do not say.

A codebase is one file with one `Layout`: `recognises` looks at names alone; `read` says, by rules for the names and
plain values, what the file becomes. Nothing is built here, so a new layout can be read like a table.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from strongreid.errors import InputError
from strongreid.models.foreign.keys import Rules, Shapes

IMAGENET_COLOURS: dict[str, Any] = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
HALF_COLOURS: dict[str, Any] = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}


@dataclass(frozen=True)
class Options:
    """What files do not say, where their codebase's default is not meant."""

    image_size: tuple[int, int] | None = None
    """Height and width of the images it was trained on, in pixels."""
    last_stride: int | None = None
    """Stride of the last stage of a ResNet, 1 or 2."""
    semantic_weight: float | None = None
    """SOLIDER's semantic weight, 0 to 1."""
    camera_coefficient: float | None = None
    """SIE_COE: what the camera embedding is multiplied by."""

    def __post_init__(self) -> None:
        if self.last_stride not in (None, 1, 2):
            raise InputError(f"`last_stride` is {self.last_stride}; it must be 1 or 2.")
        if self.semantic_weight is not None and not 0 <= self.semantic_weight <= 1:
            raise InputError(f"`semantic_weight` is {self.semantic_weight}; it must lie in 0 to 1.")
        if self.camera_coefficient is not None and not math.isfinite(self.camera_coefficient):
            raise InputError(f"`camera_coefficient` is {self.camera_coefficient}; it must be a finite number.")

    @property
    def given(self) -> dict[str, Any]:
        """Those that were given, by name."""
        return {name: value for name, value in vars(self).items() if value is not None}


@dataclass(frozen=True)
class Foreign:
    """What a file becomes."""

    name: str
    """The codebase and the kind of network."""
    rules: Rules
    """New names of the weights: those of a `ReIDModel`, where the network is its `backbone`."""
    arguments: Mapping[str, Any]
    """Arguments of the `ReIDModel`; without a `network` its backbone's name is among them."""
    network: Mapping[str, Any] | None = None
    """What `networks.build_network` makes the backbone from; None where the arguments name one of timm's."""
    takes: frozenset[str] = frozenset()
    """Options, beside `image_size`, that say something about such a network."""
    constants: Mapping[str, float] = field(default_factory=dict)
    """Weights of one value that the codebase has in its code, by their names here."""
    colours: tuple[str, str] | None = None
    """Where the file has mean and deviation of the colours, on the scale 0..255."""
    notes: tuple[str, ...] = ()
    """What was assumed, in sentences."""


@dataclass(frozen=True)
class Layout:
    """One codebase."""

    codebase: str
    recognises: Callable[[Shapes], bool]
    read: Callable[[Shapes, Options], Foreign]
    beside: Callable[[Path], Options] | None = None
    """Reads options from what the codebase writes into the folder of its checkpoints."""


def refuse_network(codebase: str, what: str, instead: str = "") -> InputError:
    """Return the error for a network of a known codebase that cannot be converted."""
    return InputError(f"The weights are {codebase}'s, of {what}, which cannot be converted yet. {instead}".rstrip())


_SIZES = ((256, 128), (384, 128), (224, 224), (256, 256), (384, 192), (384, 384), (224, 112), (288, 144))
"""Input sizes that codebases use, the most usual first."""


def size_and_stride(patches: int, side: int, wanted: tuple[int, int] | None) -> tuple[tuple[int, int], int]:
    """Find the input's size and the patches' stride by their number: neither is in a file.

    `wanted`: the size, if known. Patches that touch come first, then TransReID's overlap of a quarter, then others.
    Raises `InputError` where nothing usual has so many patches.
    """
    usual = (side, side * 3 // 4)
    for stride in (*usual, *(other for other in range(side - 1, side // 2 - 1, -1) if other not in usual)):
        for size in _SIZES if wanted is None else (wanted,):
            rows, columns = ((length - side) // stride + 1 for length in size)
            if rows * columns == patches:
                return size, stride
    known = "any usual size" if wanted is None else f"{wanted[0]} x {wanted[1]}"
    raise InputError(
        f"The position embeddings are for {patches} patches of {side} pixels, which images of {known} do not have at "
        "any usual stride. Give the `image_size` of the training."
    )
