"""The head without its hair: its place and view, neck, ears, and the face, which only shows in front."""

import math
from dataclasses import replace

from .canvas import Canvas, Colour, mix, shade
from .person import Person
from .shape import Ring, Tube, View

HALF_WIDTH, HALF_HEIGHT, HALF_DEPTH = 0.094, 0.124, 0.108
"""Half-axes of a head in metres: somewhat larger than life, so that it reads at 128 pixels."""
_DARK: Colour = (34, 26, 28)


def ball(centre: float, grow: tuple[float, float, float], view: View, back: float = 0.0, jaw: float = 0.0) -> Tube:
    """An ellipsoid at height `centre`: a head times `grow` (width, height, depth); `jaw` narrows it below."""
    rings: list[Ring] = []
    for step in range(13):
        up, out = math.cos(math.pi * step / 12), math.sin(math.pi * step / 12)
        out *= 1 - jaw * max(0.0, -up)
        wide, deep = HALF_WIDTH * grow[0] * out + 1e-3, HALF_DEPTH * grow[2] * out + 1e-3
        rings.append((centre + HALF_HEIGHT * grow[1] * up, wide, deep, 0.0, -back))
    return Tube(rings, view)


class Head:
    """Where somebody's head is and from where it is seen; `nod` turns it aside from the trunk, in radians."""

    def __init__(self, person: Person, view: View, nod: float, lift: float) -> None:
        self.person = person
        self.view = replace(view, turn=view.turn + nod)
        self.centre = person.height - HALF_HEIGHT + lift
        self.lift = lift
        self.skull = ball(self.centre, (1, 1, 1), self.view, jaw=0.2)
        self.from_behind = math.cos(self.view.turn) < 0


def draw_head(canvas: Canvas, head: Head) -> None:
    """Draw neck, ears and face, over the trunk."""
    person, view = head.person, head.view
    neck = 0.05 * person.girth**0.5 * view.scale
    low = view.point(0, 0.825 * person.height + head.lift, -0.01)
    high = view.point(0, head.centre - 0.05, 0.0)
    canvas.limb([low, high], [neck, neck * 0.92], shade(person.skin, 0.84))
    _draw_ears(canvas, head, hidden=True)
    head.skull.paint(canvas, person.skin)
    _draw_nose(canvas, head)
    if any(head.skull.visible(angle) for angle in (-0.5, 0.0, 0.5)):
        _draw_face(canvas, head)
    head.skull.shade(canvas, 0.75)
    _draw_ears(canvas, head, hidden=False)


def _draw_ears(canvas: Canvas, head: Head, hidden: bool) -> None:
    if head.person.hair in ("long", "bob", "afro"):
        return
    for angle in (-math.pi / 2, math.pi / 2):
        if head.skull.visible(angle) != hidden:
            at = head.skull.surface(angle, 0.53)
            radius = 0.022 * head.view.scale
            canvas.ellipse(at, radius * 0.85, radius * 1.35, shade(head.person.skin, 0.8))
            canvas.ellipse(at, radius * 0.5, radius * 0.95, shade(head.person.skin, 0.94))


def _draw_nose(canvas: Canvas, head: Head) -> None:
    ridge = [(0.1, HALF_DEPTH * 0.99), (-0.22, HALF_DEPTH + 0.022), (-0.3, HALF_DEPTH * 0.9)]
    points = [head.view.point(0.0, head.centre + up * HALF_HEIGHT, z) for up, z in ridge]
    if not head.from_behind:
        canvas.polygon(points, shade(head.person.skin, 0.9))
        canvas.ellipse(points[1], 0.012 * head.view.scale, 0.01 * head.view.scale, shade(head.person.skin, 0.86))


def _draw_face(canvas: Canvas, head: Head) -> None:
    person, skull, scale = head.person, head.skull, head.view.scale
    if person.beard:
        beard = mix(person.hair_colour, person.skin, 0.2)
        canvas.polygon(skull.cap(_beard_line, 1.0), beard)
    lips = mix(person.skin, (150, 40, 50), 0.6)
    skull.paint_line(canvas, [(-0.28, 0.765), (0.0, 0.785), (0.28, 0.765)], lips, 0.018 * scale)
    brow = mix(person.hair_colour, _DARK, 0.3)
    for side in (-1, 1):
        if not skull.visible(side * 0.42):
            continue
        eye = skull.surface(side * 0.42, 0.505)
        canvas.ellipse(eye, 0.021 * scale, 0.017 * scale, (248, 246, 242))
        canvas.ellipse(eye + 0.002 * scale, 0.0135 * scale, 0.0165 * scale, _DARK)
        skull.paint_line(canvas, [(side * 0.2, 0.415), (side * 0.42, 0.395), (side * 0.62, 0.42)], brow, 0.013 * scale)
        canvas.ellipse(skull.surface(side * 0.6, 0.66), 0.026 * scale, 0.02 * scale, (226, 84, 74), 0.2)
    if person.glasses:
        _draw_glasses(canvas, head)


def _beard_line(angle: float) -> float:
    """The upper border of a beard: under the mouth's corners, up to the ears."""
    aside = abs(angle)
    return 0.69 if aside < 0.3 else max(0.52, 0.72 - 0.15 * aside) if aside < 1.45 else 1.0


def _draw_glasses(canvas: Canvas, head: Head) -> None:
    frame = 0.012 * head.view.scale
    for side in (-1, 1):
        inner, outer = side * 0.16, side * 0.7
        corners = [(inner, 0.45), (outer, 0.45), (outer, 0.57), (inner, 0.57), (inner, 0.45)]
        head.skull.paint_line(canvas, corners, _DARK, frame)
        head.skull.paint_line(canvas, [(outer, 0.48), (side * 1.5, 0.5)], _DARK, frame)
