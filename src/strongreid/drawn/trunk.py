"""The trunk and what it wears: shape, garment, collar, open front. Patterns are in `pattern`."""

import math

from .canvas import Canvas, mix, shade
from .pattern import draw_pattern
from .person import Person
from .pose import shoulder_width
from .shape import ROUND, Ring, Tube, View

_HEMS = {"t-shirt": 0.475, "long sleeve": 0.47, "hoodie": 0.46, "jacket": 0.455, "coat": 0.3, "dress": 0.32}
_WARM = ("hoodie", "coat", "jacket")
WAIST = 0.605
"""Height of the waist as a share of a person's height."""


def trunk_rings(person: Person, lift: float) -> list[Ring]:
    """The rings of the dressed trunk from the neck down to the garment's hem."""
    girth, curve = person.girth, person.curve
    wide = shoulder_width(person)
    thick = girth * (1.1 if person.top in _WARM else 1.0)
    belly = 0.05 * max(0.0, girth - 1.0)
    hips = (0.15 + 0.016 * curve) * thick
    flare = {"coat": 1.14, "dress": 1.32}.get(person.top, 1.03)
    rings = [
        (0.838, 0.056, 0.056, -0.005),
        (0.826, 0.34 * wide, 0.07, -0.005),
        (0.812, 0.74 * wide, 0.085 * girth, 0.0),
        (0.794, 0.95 * wide, 0.095 * girth, 0.0),
        (0.77, 0.99 * wide, 0.104 * thick, 0.0),
        (0.715, 0.92 * wide, (0.112 + 0.014 * curve) * thick, 0.006),
        (0.66, 0.45 * wide + 0.5 * (0.152 - 0.034 * curve) * thick, 0.104 * thick + belly / 2, belly / 4),
        (WAIST, (0.148 - 0.034 * curve) * thick, 0.098 * thick + belly, belly / 2),
        (0.53, hips, 0.11 * thick, 0.0),
        (_HEMS.get(person.top, 0.49), hips * flare, 0.112 * thick * flare, 0.0),
    ]
    return [(y * person.height + lift, a, b, 0.0, z) for y, a, b, z in rings]


def draw_trunk(canvas: Canvas, person: Person, view: View, lift: float) -> Tube:
    """Draw the dressed trunk and return its tube, on which straps are drawn later."""
    rings = trunk_rings(person, lift)
    tube = Tube(rings, view)
    top, bottom = rings[0][0], rings[-1][0]
    waist = (top - WAIST * person.height - lift) / (top - bottom)
    tube.paint(canvas, person.top_colour)
    draw_pattern(canvas, person, tube, waist)
    if person.top in ("jacket", "coat"):
        _draw_front(canvas, person, tube)
    elif person.top == "hoodie":
        _draw_hoodie(canvas, person, tube, waist)
    else:
        _draw_neckline(canvas, person, tube)
    if person.top in ("dress", "coat"):
        belt = person.accent if person.emblem % 2 else shade(person.top_colour, 0.6)
        tube.paint_patch(canvas, ROUND, (waist - 0.02, waist + 0.025), belt)
    tube.shade(canvas)
    return tube


def _draw_neckline(canvas: Canvas, person: Person, tube: Tube) -> None:
    trim = shade(person.top_colour, 0.78)
    low = 0.07 if person.curve < 0.5 else 0.105
    if person.top == "long sleeve":
        tube.paint_patch(canvas, ROUND, (0.0, 0.055), trim)
    else:
        tube.paint_patch(canvas, (-1.0, 1.0), (0.0, low + 0.02), trim)
        tube.paint_patch(canvas, (-0.9, 0.9), (0.0, low), shade(person.skin, 0.95))
    tube.paint_patch(canvas, ROUND, (0.965, 1.0), trim)


def _draw_front(canvas: Canvas, person: Person, tube: Tube) -> None:
    """The front of a jacket or coat: open over the shirt, or closed with a zip; a collar all round."""
    edge = shade(person.top_colour, 0.55)
    scale = tube.view.scale
    pocket = 0.8 if person.top == "jacket" else 0.62
    for side in (-1, 1):
        tube.paint_line(canvas, [(side * 0.75, pocket), (side * 1.25, pocket - 0.04)], edge, 0.014 * scale)
    if person.open:
        _draw_opening(canvas, person, tube)
    else:
        tube.paint_line(canvas, [(0.0, 0.04), (0.0, 1.0)], edge, 0.016 * scale)
        for level in (0.3, 0.42, 0.54, 0.66) if person.top == "coat" else ():
            tube.paint_line(canvas, [(0.12, level), (0.2, level)], edge, 0.028 * scale)
    tube.paint_patch(canvas, ROUND, (0.0, 0.035), edge)


def _draw_opening(canvas: Canvas, person: Person, tube: Tube) -> None:
    """What shows between the two halves of an open jacket: shirt, trousers, lapels at the edges."""
    belt = 0.84 if person.top == "jacket" else 0.58
    below = mix(person.bottom_colour, (0, 0, 0), 0.2)
    tube.paint_patch(canvas, (-0.52, 0.52), (0.0, belt), person.shirt)
    tube.paint_patch(canvas, (-0.45, 0.45), (belt, 1.0), below)
    tube.paint_patch(canvas, (-0.42, 0.42), (0.0, 0.06), shade(person.skin, 0.95))
    lapel, edge = shade(person.top_colour, 0.8), shade(person.top_colour, 0.5)
    for side in (-1, 1):
        tube.paint_patch(canvas, (min(side * 0.5, side * 0.9), max(side * 0.5, side * 0.9)), (0.03, 0.27), lapel)
        tube.paint_line(canvas, [(side * 0.5, 0.0), (side * 0.47, 1.0)], edge, 0.02 * tube.view.scale)


def _draw_hoodie(canvas: Canvas, person: Person, tube: Tube, waist: float) -> None:
    """A hoodie's pocket and cords in front, its hood behind the neck, its ribbed hem."""
    dark, scale = shade(person.top_colour, 0.72), tube.view.scale
    tube.paint_patch(canvas, (-0.72, 0.72), (waist + 0.03, min(0.92, waist + 0.25)), dark)
    tube.paint_patch(canvas, ROUND, (0.93, 1.0), dark)
    tube.paint_patch(canvas, (math.pi - 1.9, math.pi + 1.9), (0.0, 0.15), shade(person.top_colour, 0.86))
    tube.paint_patch(canvas, (math.pi - 0.9, math.pi + 0.9), (0.14, 0.21), dark)
    cord = mix(person.accent, (255, 255, 255), 0.5)
    for side in (-1, 1):
        tube.paint_line(canvas, [(side * 0.28, 0.08), (side * 0.3, 0.34)], cord, 0.014 * scale)
