"""How pixels reach a network: the range of their values, the order of colours, what was subtracted and divided by.

The one description that profiles, files from elsewhere and the metadata of exported files share. Wrong in one of these
points, a network runs without a word and takes different people for one, so every export is compared on pixels that
`PixelInput.feed` prepares as the consumer does, independently of the graph.
"""

import json
import math
from dataclasses import asdict, dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from strongreid.errors import InputError
from strongreid.pixels import Colour

Order = Literal["rgb", "bgr"]
PREFIX: Final = "strongreid."
"""How our keys in a file's metadata begin: some consumers make attributes of all keys, and plain ones hit their own."""
NONE, UNIT = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
"""Mean and deviation that change nothing: the network normalises inside."""


@dataclass(frozen=True)
class PixelInput:
    """What a network expects of an image: float [B, 3, H, W]. Checked when made (`InputError`)."""

    top: Literal[1, 255] = 1
    """Value of a white pixel before `mean` and `std`: 1 or 255."""
    order: Order = "rgb"
    """Order of the colours."""
    mean: Colour = NONE
    """Subtracted before the network, in the order red, green, blue, on the scale 0..`top`."""
    std: Colour = UNIT
    """Divided by after that, likewise."""

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, (*self.mean, *self.std))) or min(self.std) <= 0:
            raise InputError(f"`mean` {self.mean} must be finite and `std` {self.std} above 0.")

    @property
    def normalised(self) -> bool:
        """Whether mean and deviation are applied before the network, not inside it."""
        return (self.mean, self.std) != (NONE, UNIT)

    def feed(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Prepare uint8 [B, 3, H, W] in the order red, green, blue: float32, same shape."""
        mean, std = (np.array(value).reshape(1, 3, 1, 1) for value in (self.mean, self.std))
        values = (pixels * (self.top / 255) - mean) / std
        return np.ascontiguousarray(values if self.order == "rgb" else values[:, ::-1], dtype=np.float32)

    def words(self) -> str:
        """Say it for people."""
        outside = f", minus {list(self.mean)}, divided by {list(self.std)}" if self.normalised else ""
        return f"{self.order.upper()}, values 0 to {self.top}{outside}"

    def text(self) -> str:
        """Write it as JSON, for a file's metadata."""
        return json.dumps(asdict(self))

    @classmethod
    def parse(cls, text: str) -> "PixelInput":
        """Read what `text` wrote; `InputError` where it is damaged."""
        try:
            fields = json.loads(text)
            (red, green, blue), (by_red, by_green, by_blue) = fields["mean"], fields["std"]
            top, order = fields["top"], fields["order"]
            if top not in (1, 255) or order not in ("rgb", "bgr"):
                raise ValueError(f"top {top!r}, order {order!r}")
            mean = (float(red), float(green), float(blue))
            return cls(top, order, mean, (float(by_red), float(by_green), float(by_blue)))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"What the file says of its pixels is damaged ({error!r}).") from error
