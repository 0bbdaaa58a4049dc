"""Hair and what is worn over it. Long hair hangs behind the neck in front views and over the back in back views."""

import math
from dataclasses import replace

from .canvas import Canvas, shade
from .head import HALF_HEIGHT, Head, ball
from .shape import ROUND, Ring, Tube


def draw_hair_behind(canvas: Canvas, head: Head) -> None:
    """Draw what hangs behind the trunk and neck when the person faces the camera."""
    colour = head.person.hair_colour
    if head.from_behind:
        return
    if head.person.hair in ("long", "bob"):
        _curtain(head).paint(canvas, shade(colour, 0.72))
    elif head.person.hair == "ponytail":
        _draw_ponytail(canvas, head)


def draw_hair(canvas: Canvas, head: Head) -> None:
    """Draw the hair over the head."""
    person, colour = head.person, head.person.hair_colour
    if person.hair == "bald":
        return
    shell = _shell(head)
    canvas.polygon(shell.cap(_hairline(head), 0.0), colour)
    shell.paint_patch(canvas, (-1.0, -0.2), (0.04, 0.15), shade(colour, 1.14))
    shell.paint_patch(canvas, (math.pi - 0.5, math.pi + 0.6), (0.12, 0.34), shade(colour, 1.1))
    if person.hair in ("long", "bob"):
        curtain = _curtain(head)
        curtain.paint_patch(canvas, (1.35, 2 * math.pi - 1.35), (0.0, 1.0), colour)
        for angle in (-0.7, 0.1, 0.6):
            strand = [(math.pi + angle, 0.1), (math.pi + angle * 0.9, 0.96)]
            curtain.paint_line(canvas, strand, shade(colour, 1.13), 0.014 * head.view.scale)
    elif person.hair == "bun":
        _draw_bun(canvas, head)
    elif person.hair == "ponytail" and head.from_behind:
        _draw_ponytail(canvas, head)


def _shell(head: Head) -> Tube:
    match head.person.hair:
        case "afro":
            return ball(head.centre + 0.035, (1.5, 1.22, 1.36), head.view, back=0.03)
        case "crop":
            return ball(head.centre + 0.004, (1.03, 1.03, 1.03), head.view, back=0.006)
        case _:
            return ball(head.centre + 0.008, (1.1, 1.08, 1.1), head.view, back=0.012)


def _hairline(head: Head):  # type: ignore[no-untyped-def]
    """The lower border of the hair: from the angle to the level on the head."""
    side = {"crop": 0.42, "short": 0.5, "afro": 0.6}.get(head.person.hair, 0.6)
    fringe = 0.31 + 0.06 * (head.person.emblem % 2)
    if head.person.hair == "afro":
        fringe += 0.08
    corners = [(0.0, fringe), (0.55, fringe - 0.03), (0.95, fringe - 0.05), (1.3, side), (1.75, 0.7), (math.pi, 0.76)]

    def level(angle: float) -> float:
        aside = min(abs(angle), math.pi - 1e-9)
        i = next(i for i in range(1, len(corners)) if aside < corners[i][0])
        (start, low), (end, high) = corners[i - 1], corners[i]
        return low + (high - low) * (aside - start) / (end - start)

    return level


def _curtain(head: Head) -> Tube:
    """Hair that hangs down all round the back of the head."""
    top = head.centre + 0.06
    end = 0.69 * head.person.height + head.lift if head.person.hair == "long" else head.centre - 0.17
    shape = [(0.0, 0.098, 0.11), (0.25, 0.112, 0.118), (0.7, 0.122, 0.112), (0.93, 0.112, 0.1), (1.0, 0.085, 0.08)]
    rings: list[Ring] = [(top + (end - top) * down, wide, deep, 0.0, -0.022) for down, wide, deep in shape]
    return Tube(rings, head.view)


def _draw_bun(canvas: Canvas, head: Head) -> None:
    at = head.view.point(0, head.centre + 0.1, -0.085)
    radius = 0.062 * head.view.scale
    canvas.limb([at, at + 0.5], [radius, radius], shade(head.person.hair_colour, 0.95))


def _draw_ponytail(canvas: Canvas, head: Head) -> None:
    view, scale = head.view, head.view.scale
    path = [(0.06, -0.11), (-0.05, -0.175), (-0.24, -0.15)]
    points = [view.point(0, head.centre + up, z) for up, z in path]
    canvas.limb(points, [0.034 * scale, 0.044 * scale, 0.014 * scale], shade(head.person.hair_colour, 0.94))
    canvas.ellipse(points[0], 0.03 * scale, 0.03 * scale, head.person.accent)


def draw_headwear(canvas: Canvas, head: Head) -> None:
    """Draw a cap with its peak in front, a beanie or a hat."""
    person, colour = head.person, head.person.headwear_colour
    if person.headwear == "none":
        return
    shell = ball(head.centre + 0.014, (1.14, 1.1, 1.13), head.view, back=0.006)
    border = 0.4 if person.headwear == "beanie" else 0.34
    if person.headwear == "hat":
        _draw_brim(canvas, head)
    canvas.polygon(shell.cap(lambda angle: border, 0.0), colour)
    shell.paint_patch(canvas, (-1.0, 0.0), (0.06, border - 0.12), shade(colour, 1.14), 0.8)
    match person.headwear:
        case "cap":
            _draw_peak(canvas, head)
        case "beanie":
            shell.paint_patch(canvas, ROUND, (0.29, 0.41), shade(colour, 0.74))
        case _:
            shell.paint_patch(canvas, ROUND, (0.24, 0.34), shade(colour, 0.5))


def _draw_peak(canvas: Canvas, head: Head) -> None:
    height = head.centre + HALF_HEIGHT * 0.36
    corners = [(-0.1, 0.04), (-0.09, 0.14), (-0.04, 0.2), (0.04, 0.2), (0.09, 0.14), (0.1, 0.04)]
    peak = [head.view.point(x, height - 0.16 * max(0.0, z - 0.06), z) for x, z in corners]
    if not head.from_behind:
        canvas.polygon(peak, shade(head.person.headwear_colour, 0.7))


def _draw_brim(canvas: Canvas, head: Head) -> None:
    """The brim must be seen even by a camera at its own height."""
    view = replace(head.view, pitch=max(head.view.pitch, 0.2))
    slip = head.view.point(0, head.centre, 0) - view.point(0, head.centre, 0)
    height = head.centre + HALF_HEIGHT * 0.36
    for size, tone in ((1.0, 0.6), (0.93, 0.88)):
        turns = [2 * math.pi * step / 20 for step in range(20)]
        rim = [view.point(0.185 * size * math.sin(t), height, 0.195 * size * math.cos(t)) + slip for t in turns]
        canvas.polygon(rim, shade(head.person.headwear_colour, tone))
