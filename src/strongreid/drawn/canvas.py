"""The paper: one picture painted at `SUPER` times its final size with flat and translucent polygons.

Smooth edges come from shrinking the finished painting, which is far cheaper than antialiasing each shape. Shapes are
drawn in painter's order straight onto the background, so no masks are needed. A point on the canvas is a complex
number, x + y j in canvas pixels, y down: a figure has thousands of single points, for which arrays would be slow.
"""

import cmath
import math
from collections.abc import Iterable, Sequence

from PIL import Image, ImageDraw

WIDTH = 64
"""Width of a finished image in pixels, as in Market-1501."""
HEIGHT = 128
"""Height of a finished image in pixels, as in Market-1501."""
SUPER = 4
"""How many times larger than the finished image the painting is."""

Colour = tuple[int, int, int]
"""Red, green and blue, 0..255."""

_HALF_TURN = tuple(cmath.exp(1j * math.pi * step / 6) for step in range(7))
_LIMB_LAYERS = ((1.0, 0.0, 0.62), (0.87, 0.12, 0.82), (0.66, 0.24, 1.0), (0.3, 0.38, 1.12))


def shade(colour: Colour, factor: float) -> Colour:
    """Multiply a colour's channels by `factor`; above 1 it moves towards white instead, so that black gets lighter."""
    if factor <= 1:
        return int(colour[0] * factor), int(colour[1] * factor), int(colour[2] * factor)
    return mix(colour, (255, 255, 255), min(1.0, factor - 1))


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """Mix two colours: `share` 0 gives the first, 1 the second."""
    red, green, blue = (int(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def box(left: float, top: float, right: float, bottom: float) -> list[complex]:
    """The corners of an upright rectangle."""
    return [complex(left, top), complex(right, top), complex(right, bottom), complex(left, bottom)]


class Canvas:
    """A painting in progress and the side its light comes from: -1 left, 1 right, 0 front."""

    def __init__(self, image: Image.Image, light: float) -> None:
        self.image = image
        self.light = light
        self._pen = ImageDraw.Draw(image, "RGBA")

    def polygon(self, points: Iterable[complex], colour: Colour, alpha: float = 1.0) -> None:
        """Fill a polygon; `alpha` below 1 lets what is under it shine through."""
        self._pen.polygon([(p.real, p.imag) for p in points], fill=(*colour, int(255 * alpha)))

    def line(self, points: Iterable[complex], colour: Colour, width: float, alpha: float = 1.0) -> None:
        """Draw a line of `width` canvas pixels through the points."""
        ink = (*colour, int(255 * alpha))
        self._pen.line([(p.real, p.imag) for p in points], fill=ink, width=max(1, round(width)))

    def ellipse(self, centre: complex, radius_x: float, radius_y: float, colour: Colour, alpha: float = 1.0) -> None:
        """Fill an upright ellipse."""
        x, y = centre.real, centre.imag
        if radius_x > 0 and radius_y > 0:
            rim = (x - radius_x, y - radius_y, x + radius_x, y + radius_y)
            self._pen.ellipse(rim, fill=(*colour, int(255 * alpha)))

    def soft_ellipse(self, centre: complex, radius_x: float, radius_y: float, colour: Colour, alpha: float) -> None:
        """Fill an ellipse that fades out towards its rim."""
        for size in (1.0, 0.88, 0.76, 0.64, 0.52):
            self.ellipse(centre, radius_x * size, radius_y * size, colour, alpha / 5)

    def limb(self, points: Sequence[complex], widths: Sequence[float], colour: Colour) -> None:
        """Draw a limb through its joints, rounded and softly shaded; `widths`: half its width at each joint.

        Each layer of shade is drawn along the whole limb before the next, so that no ring shows at a bent joint.
        """
        aside = self.light * sum(widths) / len(widths)
        for size, shift, tone in _LIMB_LAYERS:
            ink = shade(colour, tone)
            moved = [point + shift * aside for point in points]
            for i in range(len(points) - 1):
                self.polygon(_capsule(moved[i], moved[i + 1], widths[i] * size, widths[i + 1] * size), ink)


def _capsule(start: complex, end: complex, start_width: float, end_width: float) -> list[complex]:
    """The outline of a tapered bar with round ends."""
    along = end - start
    length = abs(along)
    across = 1j * along / length if length > 1e-6 else 1j
    return [start + start_width * across * turn for turn in _HALF_TURN] + [
        end - end_width * across * turn for turn in _HALF_TURN
    ]
