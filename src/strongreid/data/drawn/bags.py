"""What people carry. Each thing hangs at its place on the body, so it is hidden or seen as the person turns."""

import math

import numpy as np

from strongreid.data.drawn.canvas import Canvas, Points, shade
from strongreid.data.drawn.person import Person
from strongreid.data.drawn.pose import Joints
from strongreid.data.drawn.shape import Tube, View


def bag_place(person: Person, body: Joints) -> Points:
    """The centre `[3]` of the bag in metres, by which it is sorted before or behind the body."""
    tall, side = person.height, person.bag_side
    match person.bag:
        case "backpack":
            return np.array([0.0, 0.69 * tall + body.lift, -0.1 * person.girth - 0.075])
        case "shoulder bag":
            return np.array([side * (0.16 * person.girth + 0.075), 0.5 * tall + body.lift, -0.02])
        case "tote":
            return body.hand[(side + 1) // 2] - np.array([0.0, 0.3, 0.0])
        case _:
            return np.array([side * 0.27, 0.32, -0.22])


def draw_bag(canvas: Canvas, person: Person, view: View, body: Joints) -> None:
    """Draw the bag itself."""
    at = bag_place(person, body)
    match person.bag:
        case "backpack":
            _draw_backpack(canvas, person, view, at)
        case "shoulder bag":
            tube = _box(view, at, (0.05, 0.105, 0.15))
            _draw_box(canvas, person, tube)
            flap = shade(person.bag_colour, 0.74)
            tube.paint_patch(canvas, (-math.pi, math.pi), (0.0, 0.45), flap)
            tube.shade(canvas)
        case "tote":
            tube = _box(view, at, (0.055, 0.16, 0.17))
            hand = body.hand[(person.bag_side + 1) // 2]
            for shift in (-0.09, 0.09):
                corner = view.point(at[0], at[1] + 0.15, at[2] + shift)
                canvas.line(np.stack([view.point(*hand), corner]), shade(person.bag_colour, 0.6), 0.02 * view.scale)
            _draw_box(canvas, person, tube)
            tube.shade(canvas)
        case "suitcase":
            _draw_suitcase(canvas, person, view, body, at)
        case "none":
            pass


def draw_straps(canvas: Canvas, person: Person, trunk: Tube) -> None:
    """Draw on the trunk what holds the bag: two straps in front, or one across front and back."""
    colour, wide = shade(person.bag_colour, 0.66), 0.036 * trunk.view.scale
    if person.bag == "backpack":
        for side in (-1, 1):
            trunk.paint_line(canvas, [side * 0.75, side * 0.62, side * 1.3], [0.06, 0.3, 0.62], colour, wide)
    elif person.bag == "shoulder bag":
        side = person.bag_side
        low = 0.8 if person.top not in ("coat", "dress") else 0.5
        trunk.paint_line(canvas, [-side * 1.1, -side * 0.6, side * 1.35], [0.08, 0.2, low], colour, wide * 0.8)
        back = [-side * (math.pi - 1.1), -side * (math.pi - 0.6), -side * (2 * math.pi - math.pi - 1.35 + math.pi)]
        back[2] = -side * (math.pi + (math.pi - 1.35))
        trunk.paint_line(canvas, back, [0.08, 0.2, low], colour, wide * 0.8)


def _box(view: View, at: Points, half: tuple[float, float, float]) -> Tube:
    """A rounded box about `at` with half-sizes along x, y and z."""
    shape = [(1.0, 0.8), (0.9, 0.97), (0.0, 1.0), (-0.9, 1.0), (-1.0, 0.86)]
    return Tube(np.array([(at[1] + half[1] * y, half[0] * s, half[2] * s, at[0], at[2]) for y, s in shape]), view)


def _draw_box(canvas: Canvas, person: Person, tube: Tube) -> None:
    tube.paint(canvas, person.bag_colour)
    tube.paint_patch(canvas, (-math.pi, math.pi), (0.94, 1.0), shade(person.bag_colour, 0.6))


def _draw_backpack(canvas: Canvas, person: Person, view: View, at: Points) -> None:
    deep = 0.135 * person.height
    shape = [(1.0, 0.45), (0.93, 0.75), (0.7, 0.95), (0.0, 1.0), (-0.8, 1.0), (-1.0, 0.8)]
    rings = [(at[1] + deep * y, 0.145 * s, 0.085 * s, 0.0, at[2]) for y, s in shape]
    tube = Tube(np.array(rings), view)
    dark = shade(person.bag_colour, 0.6)
    tube.paint(canvas, person.bag_colour)
    tube.paint_patch(canvas, (math.pi - 0.95, math.pi + 0.95), (0.52, 0.93), shade(person.bag_colour, 0.78))
    tube.paint_line(canvas, [math.pi - 0.95, math.pi + 0.95], [0.54, 0.54], dark, 0.016 * view.scale)
    tube.paint_line(canvas, [math.pi - 1.2, math.pi, math.pi + 1.2], [0.3, 0.2, 0.3], dark, 0.014 * view.scale)
    tube.paint_patch(canvas, (math.pi - 0.2, math.pi + 0.2), (0.64, 0.72), shade(person.bag_colour, 1.5))
    tube.shade(canvas)


def _draw_suitcase(canvas: Canvas, person: Person, view: View, body: Joints, at: Points) -> None:
    hand = body.hand[(person.bag_side + 1) // 2]
    top = view.point(at[0], at[1] + 0.25, at[2])
    canvas.line(np.stack([view.point(*hand), top]), (70, 72, 78), 0.022 * view.scale)
    tube = _box(view, at, (0.17, 0.27, 0.11))
    for side in (-1, 1):
        canvas.ellipse(view.point(at[0] + side * 0.12, 0.03, at[2]), 0.03 * view.scale, 0.03 * view.scale, (30, 30, 32))
    _draw_box(canvas, person, tube)
    for angle in np.arange(0, 2 * math.pi, math.pi / 4):
        tube.paint_line(canvas, [angle, angle], [0.08, 0.92], shade(person.bag_colour, 0.75), 0.012 * view.scale)
    tube.shade(canvas)
