"""Patterns of a garment, painted on the surface of its tube."""

import math

from .canvas import Canvas, Colour
from .person import Person
from .shape import ROUND, Tube

_SEGMENTS = ("abcdef", "bc", "abged", "abgcd", "fgbc", "afgcd", "afgedc", "abc", "abcdefg", "abcdfg")
"""Which bars of a seven-segment display make each digit."""


def draw_pattern(canvas: Canvas, person: Person, tube: Tube, waist: float) -> None:
    """Draw the garment's pattern; `waist` is the level of the waist."""
    accent = person.accent
    match person.pattern:
        case "stripes":
            height = 0.11 * waist
            for step in range(int(0.9 / (2 * height))):
                top = 0.2 * waist + 2 * height * step
                tube.paint_patch(canvas, ROUND, (top, min(1.0, top + height)), accent)
        case "bands":
            tube.paint_patch(canvas, ROUND, (0.5 * waist, 0.82 * waist), accent)
        case "halves":
            tube.paint_patch(canvas, ROUND, (0.58 * waist, 1.0), accent)
        case "checks":
            _draw_checks(canvas, tube, waist, accent)
        case "dots":
            _draw_dots(canvas, tube, waist, accent)
        case "logo":
            _draw_logo(canvas, person, tube, waist)
        case "number":
            _draw_number(canvas, person, tube, waist)
        case "plain":
            pass


def _draw_checks(canvas: Canvas, tube: Tube, waist: float, accent: Colour) -> None:
    step = 0.3 * waist
    for row in range(int(0.95 / step)):
        top = 0.12 * waist + step * row
        tube.paint_patch(canvas, ROUND, (top, min(1.0, top + 0.12 * waist)), accent, 0.6)
    for column in range(10):
        angle = column * math.pi / 5 - math.pi
        tube.paint_patch(canvas, (angle, angle + 0.24), (0.04, 1.0), accent, 0.6)


def _draw_dots(canvas: Canvas, tube: Tube, waist: float, accent: Colour) -> None:
    radius, step = 0.021 * tube.view.scale, 0.17 * waist
    for row in range(int(0.95 / step)):
        for column in range(10):
            angle = (column + 0.5 * (row % 2)) * math.pi / 5
            if tube.visible(angle):
                turned = math.cos(angle - tube.facing) * tube.view.stretch
                canvas.ellipse(tube.surface(angle, 0.2 * waist + step * row), radius * turned, radius, accent)


def _draw_logo(canvas: Canvas, person: Person, tube: Tube, waist: float) -> None:
    """One of ten badges on the chest or on the back only."""
    middle = math.pi if person.on_back else 0.0
    wide = (0.75, 0.5, 0.62, 0.36)[person.emblem % 4]
    deep = (0.17, 0.28, 0.11, 0.26)[person.emblem % 4] * waist
    centre = 0.66 * waist
    tube.paint_patch(canvas, (middle - wide, middle + wide), (centre - deep, centre + deep), person.accent)
    if person.emblem >= 4:
        inner = (middle - wide * 0.5, middle + wide * 0.5)
        tube.paint_patch(canvas, inner, (centre - deep * 0.45, centre + deep * 0.45), person.top_colour)


def _draw_number(canvas: Canvas, person: Person, tube: Tube, waist: float) -> None:
    """A digit of seven bars on the chest or on the back only."""
    middle = math.pi if person.on_back else 0.0
    top, half, bottom = 0.38 * waist, 0.67 * waist, 0.96 * waist
    left, right = middle - 0.42, middle + 0.42
    ends = {
        "a": ((left, top), (right, top)),
        "b": ((right, top), (right, half)),
        "c": ((right, half), (right, bottom)),
        "d": ((left, bottom), (right, bottom)),
        "e": ((left, half), (left, bottom)),
        "f": ((left, top), (left, half)),
        "g": ((left, half), (right, half)),
    }
    for bar in _SEGMENTS[person.emblem]:
        tube.paint_line(canvas, ends[bar], person.accent, 0.05 * tube.view.scale)
