"""What people carry. Each thing hangs at its place on the body, so it is hidden or seen as the person turns."""

import math

from .canvas import Canvas, shade
from .person import Person
from .pose import Joints
from .shape import ROUND, Tube, View

Place = tuple[float, float, float]
"""A body point: x, y, z in metres."""


def bag_place(person: Person, body: Joints) -> Place:
    """The bag's centre, by which it is sorted before or behind the body."""
    tall, side = person.height, person.bag_side
    match person.bag:
        case "backpack":
            return 0.0, 0.69 * tall + body.lift, -0.1 * person.girth - 0.075
        case "shoulder bag":
            return side * (0.16 * person.girth + 0.075), 0.5 * tall + body.lift, -0.02
        case "tote":
            x, y, z = _hand(person, body)
            return x, y - 0.3, z
        case _:
            return side * 0.27, 0.32, -0.22


def draw_bag(canvas: Canvas, person: Person, view: View, body: Joints) -> None:
    """Draw the bag itself."""
    at = bag_place(person, body)
    match person.bag:
        case "backpack":
            _draw_backpack(canvas, person, view, at)
        case "shoulder bag":
            tube = _draw_box(canvas, person, view, at, (0.055, 0.105, 0.15))
            tube.paint_patch(canvas, ROUND, (0.0, 0.48), shade(person.bag_colour, 0.76))
            tube.paint_line(
                canvas, [(-math.pi, 0.48), (math.pi, 0.48)], shade(person.bag_colour, 0.5), 0.012 * view.scale
            )
            tube.shade(canvas)
        case "tote":
            hand = view.point(*_hand(person, body))
            for shift in (-0.09, 0.09):
                corner = view.point(at[0], at[1] + 0.15, at[2] + shift)
                canvas.line([hand, corner], shade(person.bag_colour, 0.6), 0.02 * view.scale)
            _draw_box(canvas, person, view, at, (0.06, 0.16, 0.17)).shade(canvas)
        case "suitcase":
            _draw_suitcase(canvas, person, view, body, at)
        case "none":
            pass


def draw_straps(canvas: Canvas, person: Person, trunk: Tube) -> None:
    """Draw on the trunk what holds the bag: two straps in front, or one across front and back."""
    colour, wide = shade(person.bag_colour, 0.66), 0.038 * trunk.view.scale
    low = 0.8 if person.top not in ("coat", "dress") else 0.5
    for side in (-1, 1):
        if person.bag == "backpack":
            strap = [(side * 0.8, 0.05), (side * 0.64, 0.3 * low / 0.8), (side * 1.35, 0.62 * low / 0.8)]
            trunk.paint_line(canvas, strap, colour, wide)
        elif person.bag == "shoulder bag":
            # `side` here is front and back: the strap runs from one shoulder to the other hip on both.
            hip = person.bag_side
            front = [(-hip * 1.1, 0.06), (-hip * 0.6, 0.18), (hip * 1.4, low)]
            mirrored = [(math.pi - angle, level) for angle, level in front]
            trunk.paint_line(canvas, front if side > 0 else mirrored, colour, wide * 0.8)


def _hand(person: Person, body: Joints) -> Place:
    x, y, z = body.hand[(person.bag_side + 1) // 2].tolist()
    return x, y, z


def _draw_box(canvas: Canvas, person: Person, view: View, at: Place, half: Place) -> Tube:
    """Draw a rounded box about `at` with half-sizes along x, y and z."""
    shape = [(1.0, 0.8), (0.9, 0.97), (0.0, 1.0), (-0.9, 1.0), (-1.0, 0.86)]
    tube = Tube([(at[1] + half[1] * y, half[0] * size, half[2] * size, at[0], at[2]) for y, size in shape], view)
    tube.paint(canvas, person.bag_colour)
    tube.paint_patch(canvas, ROUND, (0.92, 1.0), shade(person.bag_colour, 0.6))
    return tube


def _draw_backpack(canvas: Canvas, person: Person, view: View, at: Place) -> None:
    deep = 0.135 * person.height
    shape = [(1.0, 0.45), (0.93, 0.75), (0.7, 0.95), (0.0, 1.0), (-0.8, 1.0), (-1.0, 0.8)]
    tube = Tube([(at[1] + deep * y, 0.145 * size, 0.085 * size, 0.0, at[2]) for y, size in shape], view)
    dark, back = shade(person.bag_colour, 0.6), math.pi
    tube.paint(canvas, person.bag_colour)
    tube.paint_patch(canvas, (back - 0.95, back + 0.95), (0.52, 0.93), shade(person.bag_colour, 0.78))
    tube.paint_line(canvas, [(back - 0.95, 0.53), (back + 0.95, 0.53)], dark, 0.016 * view.scale)
    tube.paint_line(canvas, [(back - 1.2, 0.3), (back, 0.2), (back + 1.2, 0.3)], dark, 0.014 * view.scale)
    tube.paint_patch(canvas, (back - 0.2, back + 0.2), (0.64, 0.72), shade(person.bag_colour, 1.5))
    tube.shade(canvas)


def _draw_suitcase(canvas: Canvas, person: Person, view: View, body: Joints, at: Place) -> None:
    top = view.point(at[0], at[1] + 0.25, at[2])
    canvas.line([view.point(*_hand(person, body)), top], (70, 72, 78), 0.022 * view.scale)
    for side in (-1, 1):
        canvas.ellipse(view.point(at[0] + side * 0.12, 0.03, at[2]), 0.03 * view.scale, 0.03 * view.scale, (30, 30, 32))
    tube = _draw_box(canvas, person, view, at, (0.17, 0.27, 0.11))
    for step in range(8):
        angle = step * math.pi / 4
        tube.paint_line(canvas, [(angle, 0.08), (angle, 0.92)], shade(person.bag_colour, 0.75), 0.012 * view.scale)
    tube.shade(canvas)
