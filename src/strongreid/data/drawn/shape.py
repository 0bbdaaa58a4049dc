"""Solid geometry of a figure: a view from which points in the body's frame are seen, and tubes with a surface.

The body's frame is in metres: x to the person's left, y up from the ground, z forward. What is painted on a tube's
surface (a logo, an open jacket, straps, a hairline) is clipped to the half that faces the camera: that is why front,
back and side views show different things without a single special case.
"""

import math
from dataclasses import dataclass

import numpy as np

from strongreid.data.drawn.canvas import Canvas, Colour, Points

LEVELS = 14
"""How many rings a tube is divided into from top to bottom."""


@dataclass(frozen=True)
class View:
    """Where the camera sees a person from.

    `turn` in radians: 0 faces the camera, pi shows the back, pi/2 the right side. `pitch` in radians: how far the camera looks
    down. `scale`: canvas pixels for a metre. `ground`: canvas pixels of the point on the ground between the feet.
    """

    turn: float
    pitch: float
    scale: float
    ground: tuple[float, float]
    stretch: float = 1.1

    def project(self, points: Points) -> Points:
        """Body points `[N, 3]` in metres to canvas points `[N, 2]`."""
        cos, sin = math.cos(self.turn), math.sin(self.turn)
        x = points[:, 0] * cos + points[:, 2] * sin
        near = points[:, 2] * cos - points[:, 0] * sin
        up = points[:, 1] * math.cos(self.pitch) - near * math.sin(self.pitch)
        # A camera that looks down is nearer to the head than to the feet.
        size = self.scale * (1 + 0.25 * math.sin(self.pitch) * (points[:, 1] - 0.9))
        return np.stack([self.ground[0] + x * size * self.stretch, self.ground[1] - up * self.scale], axis=1)

    def point(self, x: float, y: float, z: float) -> Points:
        """One body point in metres to its canvas point `[2]`."""
        projected: Points = self.project(np.array([[x, y, z]]))[0]
        return projected

    def near(self, x: float, z: float) -> float:
        """How many metres a body point lies nearer to the camera than the body's axis."""
        return z * math.cos(self.turn) - x * math.sin(self.turn)


class Tube:
    """A solid whose level cuts are ellipses: a torso, a skirt, a head, a bag.

    `rings` is float64 `[R, 5]`, from top to bottom: y, half-width along x, half-depth along z, centre x and z, in
    metres. Between the rings the solid is interpolated. On its surface a point is (angle, level): angle 0 is the
    front, pi/2 the person's left; level 0 is the top, 1 the bottom.
    """

    def __init__(self, rings: Points, view: View) -> None:
        levels = (1 - np.cos(np.linspace(0, math.pi, LEVELS))) / 2
        known = (rings[0, 0] - rings[:, 0]) / (rings[0, 0] - rings[-1, 0])
        self.view = view
        self._levels = levels
        self._rings = np.stack([np.interp(levels, known, column) for column in rings.T], axis=1)

    def ring(self, level: float) -> Points:
        """The ring `[5]` at a level in 0..1."""
        return np.array([np.interp(level, self._levels, column) for column in self._rings.T])

    def surface(self, angles: Points, levels: Points) -> Points:
        """Surface points (angle, level), each `[N]`, to canvas points `[N, 2]`, hidden ones included."""
        rings = np.stack([np.interp(levels, self._levels, column) for column in self._rings.T], axis=1)
        x = rings[:, 3] + rings[:, 1] * np.sin(angles)
        z = rings[:, 4] + rings[:, 2] * np.cos(angles)
        return self.view.project(np.stack([x, rings[:, 0], z], axis=1))

    def facing(self) -> float:
        """The angle of the surface that faces the camera straight on."""
        _, a, b, _, _ = self._rings[LEVELS // 2]
        return math.atan2(-math.sin(self.view.turn) / a, math.cos(self.view.turn) / b)

    def visible(self, angle: float) -> bool:
        """Whether the surface at an angle faces the camera."""
        return math.cos(angle - self.facing()) > 0.12

    def outline(self, left: float = -1.0, right: float = 1.0, top: float = 0.0, bottom: float = 1.0) -> Points:
        """The outline between two fractions of the half-width as seen (-1 left rim, 1 right rim): `[N, 2]`."""
        middle = self.facing()
        return self._quad(middle + math.asin(left), middle + math.asin(right), top, bottom)

    def patch(self, start: float, end: float, top: float, bottom: float) -> list[Points]:
        """The visible pieces, each `[N, 2]`, of the surface between two angles and two levels; empty if hidden."""
        middle = self.facing()
        start, end = start - middle, end - middle
        pieces = []
        # The same angles one turn away: a patch that reaches round the back shows at both rims.
        for turn in (-2 * math.pi, 0.0, 2 * math.pi):
            low, high = max(start + turn, -math.pi / 2), min(end + turn, math.pi / 2)
            if high - low > 0.02:
                pieces.append(self._quad(middle + low, middle + high, top, bottom))
        return pieces

    def _quad(self, start: float, end: float, top: float, bottom: float) -> Points:
        across = np.linspace(start, end, 7)
        # Closer steps towards the ends, where a head or a shoulder is round.
        down = top + (bottom - top) * (1 - np.cos(np.linspace(0, math.pi, LEVELS))) / 2
        angles = np.concatenate([across, np.full(LEVELS, end), across[::-1], np.full(LEVELS, start)])
        levels = np.concatenate([np.full(7, top), down, np.full(7, bottom), down[::-1]])
        return self.surface(angles, levels)

    def path(self, angles: Points, levels: Points) -> list[Points]:
        """A line on the surface, `[N]` angles and levels, as the pieces of it that can be seen."""
        points = self.surface(angles, levels)
        seen = np.cos(angles - self.facing()) > -0.02
        pieces = np.split(np.arange(len(angles)), np.flatnonzero(np.diff(seen)) + 1)
        return [points[piece] for piece in pieces if seen[piece[0]] and len(piece) > 1]

    def paint(self, canvas: Canvas, colour: Colour) -> None:
        """Fill the whole outline with one colour."""
        canvas.polygon(self.outline(), colour)

    def paint_patch(
        self, canvas: Canvas, angles: tuple[float, float], levels: tuple[float, float], colour: Colour, alpha: float = 1
    ) -> None:
        """Fill the visible part of a patch."""
        for piece in self.patch(*angles, *levels):
            canvas.polygon(piece, colour, alpha)

    def paint_line(
        self, canvas: Canvas, angles: list[float], levels: list[float], colour: Colour, width: float
    ) -> None:
        """Draw the visible part of a line on the surface through the given points; `width` in canvas pixels."""
        steps = np.linspace(0, len(angles) - 1, 6 * len(angles))
        corners = np.arange(len(angles))
        for piece in self.path(np.interp(steps, corners, angles), np.interp(steps, corners, levels)):
            canvas.line(piece, colour, width)

    def shade(self, canvas: Canvas, strength: float = 1.0) -> None:
        """Darken the side away from the light and lighten the side towards it, over whatever is painted."""
        side = 1.0 if canvas.light <= 0 else -1.0
        for edge in (0.25, 0.5, 0.72, 0.88):
            self._strip(canvas, side * edge, side, (10, 12, 30), 0.13 * strength)
        self._strip(canvas, -side, -side * 0.88, (10, 12, 30), 0.16 * strength)
        self._strip(canvas, -side * 0.72, -side * 0.2, (255, 250, 235), 0.10 * strength)

    def _strip(self, canvas: Canvas, first: float, second: float, colour: Colour, alpha: float) -> None:
        canvas.polygon(self.outline(min(first, second), max(first, second)), colour, alpha)
