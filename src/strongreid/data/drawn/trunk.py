"""The trunk and what it wears: shape, garment, pattern, collar, open front."""

import math

import numpy as np

from strongreid.data.drawn.canvas import Canvas, Colour, Points, mix, shade
from strongreid.data.drawn.person import Person
from strongreid.data.drawn.pose import shoulder_width
from strongreid.data.drawn.shape import Tube, View

ROUND = (-math.pi, math.pi)
"""All the way round."""
_HEMS = {
    "t-shirt": 0.475,
    "long sleeve": 0.47,
    "hoodie": 0.46,
    "jacket": 0.455,
    "coat": 0.3,
    "dress": 0.32,
    "vest": 0.49,
}


def trunk_rings(person: Person, lift: float) -> Points:
    """The rings of the dressed trunk from the neck down to the garment's hem: `[R, 5]` in metres."""
    tall, girth, curve = person.height, person.girth, person.curve
    wide = shoulder_width(person)
    thick = 1.1 if person.top in ("hoodie", "coat", "jacket") else 1.0
    belly = 0.05 * max(0.0, girth - 1.0)
    waist = (0.152 - 0.034 * curve) * girth * thick
    hips = (0.152 + 0.016 * curve) * girth * thick
    rings = [
        (0.838, 0.056, 0.056, -0.005),
        (0.822, 0.4 * wide, 0.075, -0.005),
        (0.806, 0.82 * wide, 0.09 * girth, 0.0),
        (0.785, wide, 0.1 * girth * thick, 0.0),
        (0.715, 0.9 * wide, (0.112 + 0.012 * curve) * girth * thick, 0.005),
        (0.61, waist, 0.1 * girth * thick + belly, belly / 2),
        (0.525, hips, 0.112 * girth * thick, 0.0),
    ]
    hem = _HEMS[person.top]
    if person.top in ("coat", "dress"):
        flare = 1.28 if person.top == "dress" else 1.12
        rings.append((hem, hips * flare, 0.13 * girth * thick * flare, 0.0))
    else:
        rings.append((hem, hips * 1.03, 0.115 * girth * thick, 0.0))
    return np.array([(y * tall + lift, a, b, 0.0, z) for y, a, b, z in rings])


def level_of(rings: Points, height: float) -> float:
    """The level of a tube with these rings at a height in metres above the ground."""
    return float((rings[0, 0] - height) / (rings[0, 0] - rings[-1, 0]))


def draw_trunk(canvas: Canvas, person: Person, view: View, lift: float) -> Tube:
    """Draw the dressed trunk and return its tube, on which straps are drawn later."""
    rings = trunk_rings(person, lift)
    tube = Tube(rings, view)
    tube.paint(canvas, person.top_colour)
    waist = level_of(rings, 0.6 * person.height + lift)
    draw_pattern(canvas, person, tube, waist)
    if person.top in ("jacket", "coat"):
        _draw_front(canvas, person, tube)
    elif person.top == "hoodie":
        _draw_hoodie(canvas, person, tube, waist)
    else:
        tube.paint_patch(canvas, (-0.9, 0.9), (0.0, 0.075 if person.curve < 0.5 else 0.11), person.skin)
        tube.paint_patch(canvas, ROUND, (0.965, 1.0), shade(person.top_colour, 0.8))
    if person.top in ("dress", "coat"):
        belt = person.accent if person.emblem % 2 else shade(person.top_colour, 0.6)
        tube.paint_patch(canvas, ROUND, (waist - 0.02, waist + 0.025), belt)
    tube.shade(canvas)
    return tube


def draw_pattern(canvas: Canvas, person: Person, tube: Tube, waist: float) -> None:
    """Draw the garment's pattern on its tube, above the shading-free base colour."""
    accent = person.accent
    match person.pattern:
        case "stripes":
            for top in np.arange(0.14, 0.97, 0.13):
                tube.paint_patch(canvas, ROUND, (top, top + 0.055), accent)
        case "bands":
            middle = 0.42 * waist + 0.14
            tube.paint_patch(canvas, ROUND, (middle - 0.09, middle + 0.09), accent)
        case "halves":
            tube.paint_patch(canvas, ROUND, (0.55 * waist, 1.0), accent)
        case "checks":
            _checks(canvas, tube, accent)
        case "dots":
            _dots(canvas, tube, accent)
        case "logo" | "number":
            _emblem(canvas, person, tube, waist)
        case "plain":
            pass


def _checks(canvas: Canvas, tube: Tube, accent: Colour) -> None:
    for top in np.arange(0.1, 0.97, 0.19):
        tube.paint_patch(canvas, ROUND, (top, top + 0.075), accent, 0.62)
    for angle in np.arange(0, 2 * math.pi, math.pi / 5):
        tube.paint_patch(canvas, (angle, angle + 0.24), (0.03, 1.0), accent, 0.62)


def _dots(canvas: Canvas, tube: Tube, accent: Colour) -> None:
    angles, levels = np.meshgrid(np.arange(0, 2 * math.pi, math.pi / 5), np.arange(0.16, 0.97, 0.12))
    angles[1::2] += math.pi / 10
    facing = np.cos(angles - tube.facing())
    seen = facing > 0.1
    radius = 0.02 * tube.view.scale
    for centre, turned in zip(tube.surface(angles[seen], levels[seen]), facing[seen], strict=True):
        canvas.ellipse(centre, radius * turned * tube.view.stretch, radius, accent)


_SEGMENTS = ("abcdef", "bc", "abged", "abgcd", "fgbc", "afgcd", "afgedc", "abc", "abcdefg", "abcdfg")


def _emblem(canvas: Canvas, person: Person, tube: Tube, waist: float) -> None:
    """A logo or a seven-segment number on the chest or on the back only."""
    middle = math.pi if person.on_back else 0.0
    top, bottom = 0.36 * waist, 0.98 * waist
    if person.pattern == "logo":
        wide = (0.75, 0.5, 0.62, 0.34)[person.emblem % 4]
        centre = (top + bottom) / 2
        deep = (bottom - top) * (0.25, 0.42, 0.16, 0.4)[person.emblem % 4]
        tube.paint_patch(canvas, (middle - wide, middle + wide), (centre - deep, centre + deep), person.accent)
        if person.emblem >= 4:
            inner = (middle - wide * 0.5, middle + wide * 0.5)
            tube.paint_patch(canvas, inner, (centre - deep * 0.45, centre + deep * 0.45), person.top_colour)
        return
    half = (top + bottom) / 2
    ends = {
        "a": (-1, 1, top, top),
        "b": (1, 1, top, half),
        "c": (1, 1, half, bottom),
        "d": (-1, 1, bottom, bottom),
        "e": (-1, -1, half, bottom),
        "f": (-1, -1, top, half),
        "g": (-1, 1, half, half),
    }
    # Angles grow to the person's left, which is the viewer's right in front and on the back alike (seen outside).
    for name in _SEGMENTS[person.emblem]:
        first, second, upper, lower = ends[name]
        angles = [middle + 0.42 * first, middle + 0.42 * second]
        tube.paint_line(canvas, angles, [upper, lower], person.accent, 0.045 * tube.view.scale)


def _draw_front(canvas: Canvas, person: Person, tube: Tube) -> None:
    """The front of a jacket or coat: open over the shirt, or closed with a zip; a collar all round."""
    edge = shade(person.top_colour, 0.55)
    scale = tube.view.scale
    if person.open:
        tube.paint_patch(canvas, (-0.5, 0.5), (0.0, 0.86 if person.top == "jacket" else 0.6), person.shirt)
        if person.top == "coat":
            tube.paint_patch(canvas, (-0.42, 0.42), (0.58, 1.0), mix(person.bottom_colour, (0, 0, 0), 0.25))
        else:
            tube.paint_patch(canvas, (-0.5, 0.5), (0.85, 1.0), person.bottom_colour)
        for side in (-1, 1):
            tube.paint_line(canvas, [side * 0.5, side * 0.5], [0.0, 1.0], edge, 0.018 * scale)
            tube.paint_patch(
                canvas, tuple(sorted((side * 0.5, side * 0.95))), (0.02, 0.26), shade(person.top_colour, 0.8)
            )
        tube.paint_patch(canvas, (-0.4, 0.4), (0.0, 0.05), person.skin)
    else:
        tube.paint_line(canvas, [0.0, 0.0], [0.04, 1.0], edge, 0.016 * scale)
        for level in (0.3, 0.45, 0.6, 0.75) if person.top == "coat" else ():
            tube.paint_line(canvas, [0.12, 0.2], [level, level], edge, 0.025 * scale)
    tube.paint_patch(canvas, ROUND, (0.0, 0.035), edge)
    for side in (-1, 1):
        hip = 0.8 if person.top == "jacket" else 0.62
        tube.paint_line(canvas, [side * 0.75, side * 1.25], [hip, hip - 0.04], edge, 0.014 * scale)


def _draw_hoodie(canvas: Canvas, person: Person, tube: Tube, waist: float) -> None:
    """A hoodie's pocket and cords in front, its hood behind the neck, its ribbed hem."""
    dark = shade(person.top_colour, 0.72)
    tube.paint_patch(canvas, (-0.75, 0.75), (waist + 0.02, min(0.92, waist + 0.24)), dark)
    tube.paint_patch(canvas, ROUND, (0.93, 1.0), dark)
    tube.paint_patch(canvas, (math.pi - 1.9, math.pi + 1.9), (0.0, 0.17), shade(person.top_colour, 0.85))
    tube.paint_patch(canvas, (math.pi - 0.9, math.pi + 0.9), (0.15, 0.21), dark)
    for side in (-1, 1):
        cord = mix(person.accent, (255, 255, 255), 0.4)
        tube.paint_line(canvas, [side * 0.3, side * 0.3], [0.1, 0.34], cord, 0.014 * tube.view.scale)
