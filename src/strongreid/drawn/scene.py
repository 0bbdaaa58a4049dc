"""Where the cameras hang: backgrounds, painted once for each camera, of which an image shows a window.

A scene is wider than an image, so that people of one camera do not all stand before the same few pixels.
"""

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
from PIL import Image, ImageFilter

from .canvas import Canvas, Colour, box, mix, shade

SCENE_WIDTH = 640
"""Width of a painted scene in scene pixels; an image shows a window about 128 x 256 large."""
SCENE_HEIGHT = 320
"""Height of a painted scene in scene pixels."""


def paint_scene(kind: int, rng: np.random.Generator) -> Image.Image:
    """Paint scene number `kind` (modulo the number of scenes), its colours and details drawn by `rng`."""
    image = Image.new("RGB", (SCENE_WIDTH, SCENE_HEIGHT), (150, 150, 150))
    canvas = Canvas(image, 0.0)
    _SCENES[kind % len(_SCENES)](canvas, rng)
    texture = rng.normal(0, 5, (SCENE_HEIGHT // 2, SCENE_WIDTH // 2, 1))
    coarse = Image.fromarray(np.clip(128 + texture[..., 0] * 3, 0, 255).astype(np.uint8))
    grain = np.asarray(coarse.resize(image.size, Image.Resampling.BILINEAR), dtype=np.float64) - 128
    pixels = np.asarray(image, dtype=np.float64) + grain[..., None] * 0.5
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(0.8))


def _fill(canvas: Canvas, top: float, bottom: float, first: Colour, second: Colour) -> None:
    """A vertical gradient over the whole width."""
    steps = 24
    edges = np.linspace(top, bottom, steps + 1).tolist()
    for i in range(steps):
        canvas.polygon(box(0, edges[i], SCENE_WIDTH, edges[i + 1] + 1), mix(first, second, i / (steps - 1)))


def _tiles(canvas: Canvas, horizon: float, colour: Colour, alpha: float, spread: float = 60.0) -> None:
    """Lines of paving that run towards a vanishing point."""
    middle = SCENE_WIDTH / 2
    for x in range(-30, 31):
        foot = middle + x * spread
        canvas.line([complex(middle + x * spread * 0.35, horizon), complex(foot, SCENE_HEIGHT)], colour, 2, alpha)
    for step in (np.linspace(0.05, 1, 9) ** 1.7).tolist():
        y = horizon + (SCENE_HEIGHT - horizon) * step
        canvas.line([complex(0, y), complex(SCENE_WIDTH, y)], colour, 2, alpha)


def _tint(rng: np.random.Generator, colour: Colour, spread: float = 22) -> Colour:
    red, green, blue = (int(np.clip(c + rng.normal(0, spread), 0, 255)) for c in colour)
    return red, green, blue


def _leaves(canvas: Canvas, rng: np.random.Generator, x: float, y: float, size: float, colour: Colour) -> None:
    for _ in range(26):
        at = complex(x + rng.normal(0, size * 0.5), y + rng.normal(0, size * 0.32))
        radius = size * rng.uniform(0.16, 0.34)
        canvas.ellipse(at, radius, radius * 0.85, shade(colour, float(rng.uniform(0.65, 1.18))), 0.85)


def _plaza(canvas: Canvas, rng: np.random.Generator) -> None:
    wall = _tint(rng, (196, 184, 164))
    _fill(canvas, 0, 120, shade(wall, 0.92), wall)
    for x in range(10, SCENE_WIDTH, 62):
        canvas.polygon(box(x, 14, x + 34, 84), _tint(rng, (88, 104, 122), 12))
        canvas.polygon(box(x + 3, 17, x + 31, 48), _tint(rng, (142, 164, 184), 12))
    ground = _tint(rng, (176, 168, 158), 12)
    _fill(canvas, 118, SCENE_HEIGHT, shade(ground, 0.86), shade(ground, 1.1))
    _tiles(canvas, 118, shade(ground, 0.66), 0.6)
    for x in rng.uniform(30, SCENE_WIDTH - 30, 4).tolist():
        canvas.polygon(box(x - 22, 104, x + 22, 132), (112, 92, 76))
        _leaves(canvas, rng, x, 92, 30, (72, 118, 62))


def _park(canvas: Canvas, rng: np.random.Generator) -> None:
    grass = _tint(rng, (104, 146, 74), 14)
    _fill(canvas, 0, 90, (158, 184, 196), (196, 210, 200))
    for left in range(0, SCENE_WIDTH, 40):
        _leaves(canvas, rng, left + rng.uniform(-14, 14), rng.uniform(40, 84), 46, _tint(rng, (66, 104, 56), 10))
    for x in rng.uniform(0, SCENE_WIDTH, 7).tolist():
        canvas.polygon(box(x - 7, 20, x + 7, 150), _tint(rng, (92, 72, 54), 8))
        _leaves(canvas, rng, x, 20, 52, _tint(rng, (82, 124, 58), 10))
    _fill(canvas, 128, SCENE_HEIGHT, shade(grass, 0.84), grass)
    path = _tint(rng, (194, 180, 150), 10)
    canvas.polygon([complex(0, 178), complex(SCENE_WIDTH, 196), complex(SCENE_WIDTH, 292), complex(0, 300)], path)
    for _ in range(150):
        root = complex(rng.uniform(0, SCENE_WIDTH), rng.uniform(132, SCENE_HEIGHT))
        if not 176 < root.imag < 300:
            canvas.line([root, root + complex(rng.normal(0, 2), -7)], shade(grass, rng.uniform(0.7, 1.2)), 2)


def _shops(canvas: Canvas, rng: np.random.Generator) -> None:
    _fill(canvas, 0, 190, (96, 84, 80), (128, 112, 104))
    for x in range(0, SCENE_WIDTH, 160):
        sign = _tint(rng, (176, 72, 62), 60)
        canvas.polygon(box(x + 4, 4, x + 150, 40), sign)
        for letter in range(x + 20, x + 130, 15):
            canvas.polygon(box(letter, 13, letter + rng.uniform(5, 11), 30), (244, 238, 222))
        canvas.polygon(box(x + 8, 62, x + 106, 178), (238, 222, 178))
        for shelf in (96, 132, 164):
            canvas.line([complex(x + 8, shelf), complex(x + 106, shelf)], (140, 112, 82), 3)
            for item in range(x + 12, x + 100, 12):
                tall = rng.uniform(8, 24)
                canvas.polygon(box(item, shelf - tall, item + 8, shelf), _tint(rng, (150, 120, 110), 55))
        canvas.polygon(box(x + 114, 66, x + 150, 190), _tint(rng, (72, 84, 92), 14))
        for stripe in range(10):
            edge = x + 4 + stripe * 14.6
            colour = sign if stripe % 2 else (240, 236, 226)
            canvas.polygon(box(edge, 40, edge + 14.6, 60), colour)
    ground = _tint(rng, (150, 142, 136), 10)
    _fill(canvas, 190, SCENE_HEIGHT, shade(ground, 0.8), ground)
    _tiles(canvas, 190, shade(ground, 0.7), 0.5, 44)


def _corridor(canvas: Canvas, rng: np.random.Generator) -> None:
    wall = _tint(rng, (206, 210, 200), 10)
    band = _tint(rng, (92, 140, 150), 40)
    _fill(canvas, 0, 40, (232, 234, 230), (214, 218, 214))
    for x in range(20, SCENE_WIDTH, 110):
        canvas.polygon(box(x, 6, x + 62, 18), (255, 255, 248))
    _fill(canvas, 40, 176, shade(wall, 1.05), shade(wall, 0.86))
    canvas.polygon(box(0, 118, SCENE_WIDTH, 134), band)
    for x in range(40, SCENE_WIDTH, 150):
        door = _tint(rng, (150, 112, 76), 16)
        canvas.polygon(box(x, 56, x + 60, 176), shade(door, 0.7))
        canvas.polygon(box(x + 4, 60, x + 56, 176), door)
        canvas.polygon(box(x + 18, 72, x + 42, 104), (176, 204, 214))
        canvas.polygon(box(x + 84, 66, x + 116, 106), _tint(rng, (226, 220, 150), 40))
    floor = _tint(rng, (168, 170, 166), 8)
    _fill(canvas, 176, SCENE_HEIGHT, shade(floor, 0.82), shade(floor, 1.16))
    for x in range(40, SCENE_WIDTH, 110):
        canvas.polygon(box(x, 190, x + 44, SCENE_HEIGHT), (255, 255, 255), 0.16)
    canvas.polygon(box(0, 172, SCENE_WIDTH, 180), shade(wall, 0.5))


def _road(canvas: Canvas, rng: np.random.Generator) -> None:
    _fill(canvas, 0, 80, (132, 134, 130), (168, 166, 158))
    for x in range(0, SCENE_WIDTH, 54):
        canvas.polygon(box(x + 8, 6, x + 40, 56), _tint(rng, (74, 82, 94), 14))
    _fill(canvas, 78, 106, (150, 146, 140), (176, 172, 164))
    asphalt = _tint(rng, (98, 98, 104), 8)
    _fill(canvas, 106, SCENE_HEIGHT, shade(asphalt, 0.9), shade(asphalt, 1.12))
    for x in rng.permutation(range(30, SCENE_WIDTH - 100, 150))[:3]:
        _car(canvas, float(x), _tint(rng, (150, 60, 58), 70))
    for x in range(0, SCENE_WIDTH, 60):
        canvas.polygon(
            [complex(x, 236), complex(x + 34, 236), complex(x + 24, 300), complex(x - 14, 300)], (226, 224, 214)
        )
    canvas.line([complex(0, 182), complex(SCENE_WIDTH, 182)], (216, 196, 96), 5)


def _car(canvas: Canvas, x: float, paint: Colour) -> None:
    canvas.soft_ellipse(complex(x + 60, 150.0), 78, 12, (20, 20, 24), 0.8)
    roof = [complex(x + 18, 108), complex(x + 34, 84), complex(x + 88, 84), complex(x + 108, 108)]
    canvas.polygon(roof, shade(paint, 0.8))
    middle = complex(x + 62, 96)
    canvas.polygon([(corner - middle) * 0.78 + middle + 1j for corner in roof], (176, 196, 206))
    canvas.polygon(box(x, 108, x + 126, 140), paint)
    canvas.polygon(box(x, 128, x + 126, 140), shade(paint, 0.7))
    for wheel in (x + 26, x + 98):
        canvas.ellipse(complex(wheel, 140.0), 15, 15, (32, 32, 34))
        canvas.ellipse(complex(wheel, 140.0), 7, 7, (166, 168, 170))


def _station(canvas: Canvas, rng: np.random.Generator) -> None:
    tile = _tint(rng, (184, 198, 196), 12)
    _fill(canvas, 0, 180, shade(tile, 1.08), shade(tile, 0.82))
    for x in range(0, SCENE_WIDTH, 26):
        canvas.line([complex(x, 0), complex(x, 180)], shade(tile, 0.76), 1.5, 0.7)
    for y in range(0, 180, 18):
        canvas.line([complex(0, y), complex(SCENE_WIDTH, y)], shade(tile, 0.76), 1.5, 0.7)
    for x in range(20, SCENE_WIDTH, 130):
        poster = _tint(rng, (120, 110, 140), 60)
        canvas.polygon(box(x - 3, 37, x + 75, 143), (60, 62, 66))
        canvas.polygon(box(x, 40, x + 72, 140), poster)
        canvas.ellipse(complex(x + 36, 76.0), 24, 24, _tint(rng, (224, 190, 120), 40))
        canvas.polygon(box(x + 10, 112, x + 62, 120), (244, 242, 236))
    floor = _tint(rng, (118, 116, 116), 8)
    _fill(canvas, 180, SCENE_HEIGHT, shade(floor, 0.8), shade(floor, 1.15))
    canvas.polygon(box(0, 204, SCENE_WIDTH, 222), (222, 186, 62))
    for x in range(4, SCENE_WIDTH, 12):
        canvas.ellipse(complex(x, 213.0), 3.4, 3, (184, 150, 44))


def _brick(canvas: Canvas, rng: np.random.Generator) -> None:
    brick = _tint(rng, (158, 88, 68), 16)
    canvas.polygon(box(0, 0, SCENE_WIDTH, 190), shade(brick, 0.62))
    for row, y in enumerate(range(0, 190, 13)):
        for x in range(-14 * (row % 2), SCENE_WIDTH, 29):
            canvas.polygon(box(x + 1, y + 1, x + 28, y + 12), shade(brick, float(rng.uniform(0.82, 1.14))))
    for x in range(60, SCENE_WIDTH, 190):
        canvas.polygon(box(x - 4, 36, x + 64, 124), (222, 216, 204))
        canvas.polygon(box(x, 40, x + 60, 120), (82, 96, 110))
        canvas.line([complex(x + 30, 40), complex(x + 30, 120)], (222, 216, 204), 4)
    pavement = _tint(rng, (158, 156, 154), 10)
    _fill(canvas, 188, SCENE_HEIGHT, shade(pavement, 0.8), shade(pavement, 1.06))
    _tiles(canvas, 190, shade(pavement, 0.7), 0.7, 70)


def _steps(canvas: Canvas, rng: np.random.Generator) -> None:
    stone = _tint(rng, (190, 186, 176), 12)
    _fill(canvas, 0, 60, (172, 196, 216), (206, 214, 214))
    edges = (np.linspace(0, 1, 12) ** 1.3 * (SCENE_HEIGHT - 60) + 60).tolist()
    for top, bottom in pairwise(edges):
        canvas.polygon(box(0, top, SCENE_WIDTH, bottom), shade(stone, 1.05))
        canvas.polygon(box(0, top + (bottom - top) * 0.55, SCENE_WIDTH, bottom), shade(stone, 0.74))
    for x in range(50, SCENE_WIDTH, 200):
        rail = _tint(rng, (72, 84, 96), 12)
        canvas.line([complex(x, 30), complex(x + 30, 300)], rail, 7)
        for step in np.linspace(0.1, 1, 6).tolist():
            y = 30 + 270 * step
            canvas.line([complex(x + 30 * step, y - 50 * step - 14), complex(x + 30 * step, y)], rail, 5)
        canvas.line([complex(x, 10), complex(x + 30, 240)], rail, 7)
    for x in rng.uniform(0, SCENE_WIDTH, 3).tolist():
        away = 260 * math.cos(math.pi / 3)
        slant = [complex(x, 60), complex(x + 90, 60), complex(x + 90 - away, 320), complex(x - away, 320)]
        canvas.polygon(slant, (20, 24, 44), 0.2)


_SCENES: tuple[Callable[[Canvas, np.random.Generator], None], ...] = (
    _plaza,
    _park,
    _shops,
    _corridor,
    _road,
    _station,
    _brick,
    _steps,
)
SCENES = len(_SCENES)
"""How many kinds of scenes there are."""
