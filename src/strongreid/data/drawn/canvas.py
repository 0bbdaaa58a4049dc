"""The paper: one picture painted at `SUPER` times its final size with flat and translucent polygons.

Smooth edges come from shrinking the finished painting, which is far cheaper than antialiasing each shape. Shapes are
drawn in painter's order straight onto the background, so no masks are needed.
"""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

WIDTH = 64
"""Width of a finished image in pixels, as in Market-1501."""
HEIGHT = 128
"""Height of a finished image in pixels, as in Market-1501."""
SUPER = 4
"""How many times larger than the finished image the painting is."""

Colour = tuple[int, int, int]
Points = npt.NDArray[np.float64]


def shade(colour: Colour, factor: float) -> Colour:
    """Multiply a colour's channels by `factor`; above 1 it moves towards white instead, so that black gets lighter."""
    if factor <= 1:
        return _colour(c * factor for c in colour)
    return _colour(c + (255 - c) * (factor - 1) for c in colour)


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """Mix two colours: `share` 0 gives the first, 1 the second."""
    return _colour(a + (b - a) * share for a, b in zip(first, second, strict=True))


def _colour(channels: Iterable[float]) -> Colour:
    red, green, blue = (min(255, max(0, round(c))) for c in channels)
    return red, green, blue


class Canvas:
    """A painting in progress and the side its light comes from.

    `light` is -1 for light from the left of the picture, 1 from the right, 0 from the front. Points are float64
    `[N, 2]` in canvas pixels, x to the right and y down.
    """

    def __init__(self, image: Image.Image, light: float) -> None:
        self.image = image
        self.light = light
        self._pen = ImageDraw.Draw(image, "RGBA")

    def polygon(self, points: Points, colour: Colour, alpha: float = 1.0) -> None:
        """Fill a polygon; `alpha` below 1 lets what is under it shine through."""
        if len(points) >= 3:
            self._pen.polygon(points.ravel().tolist(), fill=(*colour, round(255 * alpha)))

    def line(self, points: Points, colour: Colour, width: float, alpha: float = 1.0) -> None:
        """Draw a line of `width` canvas pixels through the points."""
        if len(points) >= 2:
            ink = (*colour, round(255 * alpha))
            self._pen.line(points.ravel().tolist(), fill=ink, width=max(1, round(width)), joint="curve")

    def ellipse(self, centre: Points, radius_x: float, radius_y: float, colour: Colour, alpha: float = 1.0) -> None:
        """Fill an upright ellipse about `centre` `[2]`."""
        x, y = centre.tolist()
        box = (x - radius_x, y - radius_y, x + radius_x, y + radius_y)
        if radius_x > 0 and radius_y > 0:
            self._pen.ellipse(box, fill=(*colour, round(255 * alpha)))

    def soft_ellipse(self, centre: Points, radius_x: float, radius_y: float, colour: Colour, alpha: float) -> None:
        """Fill an ellipse that fades out towards its rim."""
        for size in (1.0, 0.85, 0.7, 0.55):
            self.ellipse(centre, radius_x * size, radius_y * size, colour, alpha / 4)

    def limb(self, start: Points, end: Points, start_width: float, end_width: float, colour: Colour) -> None:
        """Draw a tapered limb with round ends and soft shading; widths are half-widths in canvas pixels."""
        self._capsule(start, end, start_width, end_width, shade(colour, 0.62))
        shift = np.array([self.light * 0.14 * (start_width + end_width) / 2, 0.0])
        self._capsule(start + shift, end + shift, start_width * 0.86, end_width * 0.86, shade(colour, 0.82))
        self._capsule(start + shift * 1.8, end + shift * 1.8, start_width * 0.66, end_width * 0.66, colour)
        self._capsule(start + shift * 2.6, end + shift * 2.6, start_width * 0.3, end_width * 0.3, shade(colour, 1.12))

    def _capsule(self, start: Points, end: Points, start_width: float, end_width: float, colour: Colour) -> None:
        along = end - start
        length = float(np.hypot(*along))
        if length > 1e-6:
            across = np.array([-along[1], along[0]]) / length
            corners = np.stack(
                [
                    start + across * start_width,
                    end + across * end_width,
                    end - across * end_width,
                    start - across * start_width,
                ]
            )
            self.polygon(corners, colour)
        self.ellipse(start, start_width, start_width, colour)
        self.ellipse(end, end_width, end_width, colour)
