"""Things that stand before people: poles, pillars, bushes, bicycles, bollards, a fence."""

import cmath
import math

import numpy as np

from .canvas import HEIGHT, SUPER, WIDTH, Canvas, Colour, box, shade

_WIDE, _TALL = WIDTH * SUPER, HEIGHT * SUPER


def draw_occluder(canvas: Canvas, rng: np.random.Generator) -> None:
    """Draw one thing somewhere before the middle of the picture."""
    x = rng.uniform(0.12, 0.88) * _WIDE
    match int(rng.integers(6)):
        case 0:
            _column(canvas, x, rng.uniform(0.035, 0.06) * _WIDE, (92, 98, 104))
        case 1:
            _column(canvas, x, rng.uniform(0.09, 0.16) * _WIDE, (168, 162, 152))
        case 2:
            _bush(canvas, rng, x)
        case 3:
            _bicycle(canvas, rng, x)
        case 4:
            _bollards(canvas, x)
        case _:
            _fence(canvas, rng)


def _column(canvas: Canvas, x: float, half: float, colour: Colour) -> None:
    canvas.polygon(box(x - half, 0, x + half, _TALL), shade(colour, 0.7))
    for edge, tone in ((0.8, 0.85), (0.55, 1.0), (0.25, 1.12)):
        middle = x + canvas.light * half * (1 - edge) * 0.7
        canvas.polygon(box(middle - half * edge, 0, middle + half * edge, _TALL), shade(colour, tone))


def _bush(canvas: Canvas, rng: np.random.Generator, x: float) -> None:
    top = rng.uniform(0.66, 0.82) * _TALL
    green: Colour = (74, 112, 58)
    for depth in np.linspace(0, 1, 60).tolist():
        at = complex(x + rng.normal(0, 0.2) * _WIDE, top + depth * (_TALL - top) + rng.uniform(0, 20))
        radius = rng.uniform(10, 24)
        canvas.ellipse(at, radius, radius * 0.8, shade(green, float(rng.uniform(0.55, 1.2))))


def _bicycle(canvas: Canvas, rng: np.random.Generator, x: float) -> None:
    colours: list[Colour] = [(176, 48, 44), (44, 92, 150), (40, 42, 46), (222, 190, 60)]
    frame = colours[int(rng.integers(4))]
    foot, radius = 0.96 * _TALL, 0.21 * _WIDE
    hubs = [complex(x + side * 0.3 * _WIDE, foot - radius) for side in (-1, 1)]
    for hub in hubs:
        canvas.line([hub + cmath.rect(radius, 2 * math.pi * step / 24) for step in range(25)], (34, 34, 36), 9)
        for step in range(5):
            spoke = cmath.rect(radius, math.pi * step / 5)
            canvas.line([hub - spoke, hub + spoke], (150, 152, 156), 2)
    pedal = complex(x - 0.03 * _WIDE, foot - radius * 0.85)
    seat = complex(x - 0.12 * _WIDE, foot - radius * 2.3)
    bar = complex(x + 0.2 * _WIDE, foot - radius * 2.4)
    for path in ([hubs[0], pedal, bar, hubs[1]], [hubs[0], seat, pedal], [seat, bar]):
        canvas.line(path, frame, 9)
    canvas.line([seat - 20 - 6j, seat + 18 - 6j], (30, 30, 32), 14)
    canvas.line([bar, bar + 4 - 22j, bar - 22 - 30j], (60, 62, 66), 8)


def _bollards(canvas: Canvas, x: float) -> None:
    for shift in (-0.5, 0.0, 0.5):
        middle, half = x + shift * _WIDE, 0.055 * _WIDE
        top = 0.72 * _TALL
        canvas.ellipse(complex(middle, top), half, half, (206, 62, 48))
        canvas.polygon(box(middle - half, top, middle + half, _TALL), (206, 62, 48))
        canvas.polygon(box(middle - half, top + 26, middle + half, top + 54), (240, 238, 232))
        canvas.polygon(box(middle + 0.3 * half, top, middle + half, _TALL), (20, 20, 30), 0.22)


def _fence(canvas: Canvas, rng: np.random.Generator) -> None:
    top, colour = rng.uniform(0.68, 0.8) * _TALL, shade((118, 124, 130), float(rng.uniform(0.5, 1.2)))
    for x in np.arange(rng.uniform(0, 30), _WIDE, 34).tolist():
        canvas.polygon(box(x, top, x + 7, _TALL), colour)
    for y in (top, top + 0.12 * _TALL):
        canvas.polygon(box(0, y, _WIDE, y + 11), shade(colour, 0.85))
