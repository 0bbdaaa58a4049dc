"""Solid geometry of a figure: a view from which points in the body's frame are seen, and tubes with a surface.

The body's frame is in metres: x to the person's left, y up from the ground, z forward. What is painted on a tube's
surface (a logo, an open jacket, straps, a hairline) is clipped to the half that faces the camera: that is why front,
back and side views show different things without a single special case.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from .canvas import Canvas, Colour

ROUND = (-math.pi, math.pi)
"""The angles of a patch that goes all the way round."""
Ring = tuple[float, float, float, float, float]
"""A level cut: y, half-width along x, half-depth along z, centre x, centre z; in metres."""
_DARK: Colour = (10, 12, 30)
_BRIGHT: Colour = (255, 250, 235)
_SHADES = (
    (0.2, 1.0, _DARK, 0.13),
    (0.45, 1.0, _DARK, 0.13),
    (0.68, 1.0, _DARK, 0.13),
    (0.86, 1.0, _DARK, 0.13),
    (-1.0, -0.9, _DARK, 0.15),
    (-0.75, -0.2, _BRIGHT, 0.1),
)
"""Strips of shade down a tube: from and to which part of its half-width (1 is the dark rim), colour, strength."""
_SHADED = sorted({part for strip in _SHADES for part in strip[:2]})


@dataclass(frozen=True)
class View:
    """Where the camera sees a person from.

    - `turn`: 0 faces the camera, pi shows the back, pi/2 the right side; radians.
    - `pitch`: how far the camera looks down; radians.
    - `scale`: canvas pixels for a metre.
    - `ground`: the point on the canvas between the feet.
    - `stretch`: factor on widths. Boxes of people, resized to one shape, are mostly stretched a little.
    """

    turn: float
    pitch: float
    scale: float
    ground: complex
    stretch: float = 1.1

    @cached_property
    def _angles(self) -> tuple[float, float, float, float]:
        return math.sin(self.turn), math.cos(self.turn), math.sin(self.pitch), math.cos(self.pitch)

    def point(self, x: float, y: float, z: float) -> complex:
        """The canvas point of a body point."""
        aside, front, down, level = self._angles
        # A camera that looks down is nearer to the head than to the feet.
        wide = self.stretch * (1 + 0.25 * down * (y - 0.9))
        across, near = x * front + z * aside, z * front - x * aside
        return self.ground + self.scale * complex(across * wide, near * down - y * level)

    def points(self, places: Iterable[Sequence[float]]) -> list[complex]:
        """The canvas points of body points (x, y, z)."""
        return [self.point(x, y, z) for x, y, z in places]

    def near(self, x: float, z: float) -> float:
        """How many metres a body point lies nearer to the camera than the body's axis."""
        aside, front, _, _ = self._angles
        return z * front - x * aside


class Tube:
    """A solid whose level cuts are ellipses: a torso, a skirt, a head, a bag.

    `rings` go from top to bottom; between them the solid is interpolated. A point of the surface is (angle, level):
    angle 0 is the front, pi/2 the person's left; level 0 is the top, 1 the bottom.
    """

    def __init__(self, rings: Sequence[Ring], view: View) -> None:
        self.view = view
        top, bottom = rings[0][0], rings[-1][0]
        self._levels = [(top - ring[0]) / (top - bottom) for ring in rings]
        # Seen from a fixed view, a ring is centre + sine part * sin(angle) + cosine part * cos(angle).
        self._seen = [self._see(ring) for ring in rings]
        _, wide, deep, _, _ = rings[len(rings) // 2]
        self.facing = math.atan2(-math.sin(view.turn) / wide, math.cos(view.turn) / deep)
        """The angle of the surface that faces the camera straight on."""

    def _see(self, ring: Ring) -> tuple[complex, complex, complex]:
        y, wide, deep, x, z = ring
        centre = self.view.point(x, y, z)
        return centre, self.view.point(x + wide, y, z) - centre, self.view.point(x, y, z + deep) - centre

    def _ring(self, level: float) -> tuple[complex, complex, complex]:
        i = min(max(bisect_right(self._levels, level) - 1, 0), len(self._levels) - 2)
        share = (level - self._levels[i]) / (self._levels[i + 1] - self._levels[i])
        (a, b, c), (d, e, f) = self._seen[i], self._seen[i + 1]
        return a + (d - a) * share, b + (e - b) * share, c + (f - c) * share

    def surface(self, angle: float, level: float) -> complex:
        """The canvas point of a surface point, hidden or not."""
        centre, sine, cosine = self._ring(level)
        return centre + sine * math.sin(angle) + cosine * math.cos(angle)

    def visible(self, angle: float) -> bool:
        """Whether the surface at an angle faces the camera."""
        return math.cos(angle - self.facing) > 0.12

    def _rings(self, top: float, bottom: float) -> list[tuple[complex, complex, complex]]:
        """The rings from one level to another, upwards if `top` lies below `bottom`."""
        low, high = min(top, bottom), max(top, bottom)
        inside = self._seen[bisect_right(self._levels, low) : bisect_left(self._levels, high)]
        rings = [self._ring(low), *inside, self._ring(high)]
        return rings if top < bottom else rings[::-1]

    def _down(self, angle: float, top: float, bottom: float) -> list[complex]:
        """The points along an edge of constant angle."""
        sin, cos = math.sin(angle), math.cos(angle)
        return [centre + sine * sin + cosine * cos for centre, sine, cosine in self._rings(top, bottom)]

    def _quad(self, start: float, end: float, top: float, bottom: float) -> list[complex]:
        steps = 2 + int(3 * (end - start))
        angles = [start + (end - start) * i / steps for i in range(steps + 1)]
        turns = [(math.sin(angle), math.cos(angle)) for angle in angles]
        rings = self._rings(top, bottom)
        (sin, cos), (end_sin, end_cos) = turns[0], turns[-1]
        up = [centre + sine * sin + cosine * cos for centre, sine, cosine in reversed(rings)]
        down = [centre + sine * end_sin + cosine * end_cos for centre, sine, cosine in rings]
        centre, sine, cosine = rings[0]
        over = [centre + sine * sin + cosine * cos for sin, cos in turns[1:-1]]
        centre, sine, cosine = rings[-1]
        under = [centre + sine * sin + cosine * cos for sin, cos in turns[-2:0:-1]]
        return up + over + down + under

    def cap(self, border: Callable[[float], float], pole: float) -> list[complex]:
        """The visible surface between a pole (level 0 or 1) and a border: from the angle, in -pi..pi, to its level."""
        steps = 20
        angles = [self.facing + math.pi * (i / steps - 0.5) for i in range(steps + 1)]
        levels = [border(math.remainder(angle, 2 * math.pi)) for angle in angles]
        edge = [self.surface(angle, level) for angle, level in zip(angles, levels, strict=True)]
        return edge + self._down(angles[-1], levels[-1], pole) + self._down(angles[0], pole, levels[0])

    def paint(self, canvas: Canvas, colour: Colour) -> None:
        """Fill the whole outline with one colour."""
        canvas.polygon(self._quad(self.facing - math.pi / 2, self.facing + math.pi / 2, 0.0, 1.0), colour)

    def paint_patch(
        self, canvas: Canvas, angles: tuple[float, float], levels: tuple[float, float], colour: Colour, alpha: float = 1
    ) -> None:
        """Fill the visible pieces, if any, of the surface between two angles and two levels."""
        start, end = angles[0] - self.facing, angles[1] - self.facing
        # The same angles one turn away: a patch that reaches round the back shows at both rims.
        for turn in (-2 * math.pi, 0.0, 2 * math.pi):
            low, high = max(start + turn, -math.pi / 2), min(end + turn, math.pi / 2)
            if high - low > 0.02:
                canvas.polygon(self._quad(self.facing + low, self.facing + high, *levels), colour, alpha)

    def paint_line(self, canvas: Canvas, corners: Sequence[tuple[float, float]], colour: Colour, width: float) -> None:
        """Draw the visible part of a line on the surface through (angle, level) points; `width` in canvas pixels."""
        piece: list[complex] = []
        for i in range(len(corners) - 1):
            (angle, level), (next_angle, next_level) = corners[i], corners[i + 1]
            steps = 1 + int(5 * abs(next_angle - angle))
            for step in range(steps + (i == len(corners) - 2)):
                at = angle + (next_angle - angle) * step / steps
                if math.cos(at - self.facing) > -0.02:
                    piece.append(self.surface(at, level + (next_level - level) * step / steps))
                elif len(piece) > 1:
                    canvas.line(piece, colour, width)
                    piece = []
        if len(piece) > 1:
            canvas.line(piece, colour, width)

    def shade(self, canvas: Canvas, strength: float = 1.0) -> None:
        """Darken the side away from the light and lighten the side towards it, over whatever is painted."""
        side = 1.0 if canvas.light <= 0 else -1.0
        edges = {part: self._down(self.facing + math.asin(side * part), 0.0, 1.0) for part in _SHADED}
        for first, second, colour, alpha in _SHADES:
            canvas.polygon(edges[first] + edges[second][::-1], colour, alpha * strength)
