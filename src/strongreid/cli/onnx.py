"""An ONNX file in place of a run: what is said of its pixels, and what else goes with it."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from strongreid.cli.checks import require_file
from strongreid.cli.options import OtherSet, other_set
from strongreid.config_sections import SetConfig
from strongreid.errors import InputError

if TYPE_CHECKING:
    from strongreid.export.onnx_model import OnnxModel

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class OnnxChoice:
    """What an ONNX file takes, where it does not say it itself."""

    size: tuple[int, int] | None = None
    """Height and width in pixels, where its graph leaves them open."""
    range: Literal[1, 255] = 1
    """Value of a white pixel."""
    order: Literal["rgb", "bgr"] = "rgb"
    """Order of the colours."""
    mean: Colour | None = None
    """Mean of red, green and blue on the scale of the range; by default ImageNet's; [0,0,0] for none."""
    std: Colour | None = None
    """Their standard deviation, likewise; [1,1,1] for none."""


NOT_ONNX = OnnxChoice()
"""What stands where nothing is given."""


def is_onnx(run: Path | None) -> bool:
    """Whether an ONNX file stands in the place of a run."""
    return run is not None and run.suffix.lower() == ".onnx"


def require_onnx(file: Path, embeddings: object, data: OtherSet) -> SetConfig:
    """Return the set to test an ONNX file on; `InputError` where the file or the set is not there."""
    if embeddings is not None:
        raise InputError(f"{file} and --embeddings both say what to work on: give one of the two.")
    require_file(file, "an ONNX file")
    if data.name is None or data.root is None:
        raise InputError(f"{file} is a model without a set: name one with --data.name NAME --data.root DIR.")
    tested = other_set(data)
    assert tested is not None
    return tested


def require_no_onnx(choice: OnnxChoice) -> None:
    """Refuse options of an ONNX file where none is."""
    if choice != NOT_ONNX:
        raise InputError("--onnx.size, --onnx.range and the like go with an ONNX file, in the place of RUN.")


def open_onnx(file: Path, choice: OnnxChoice) -> "OnnxModel":
    """Open an ONNX file, fed as was chosen, or as it says itself where nothing was."""
    from strongreid.export.onnx_model import OnnxModel
    from strongreid.export.pixels_in import PixelInput
    from strongreid.pixels import IMAGENET

    told = OnnxChoice(size=choice.size) != choice
    if not told:
        return OnnxModel(file, size=choice.size)
    mean, std = (
        given or tuple(value * choice.range for value in usual)
        for given, usual in ((choice.mean, IMAGENET.mean), (choice.std, IMAGENET.std))
    )
    (red, green, blue), (by_red, by_green, by_blue) = mean, std
    pixels = PixelInput(choice.range, choice.order, (red, green, blue), (by_red, by_green, by_blue))
    return OnnxModel(file, size=choice.size, pixels=pixels)
