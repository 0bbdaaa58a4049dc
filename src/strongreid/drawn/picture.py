"""One image: a person before a camera, with all that goes wrong. A pure function of its arguments."""

import math
from dataclasses import replace

import numpy as np
from PIL import Image

from .camera import Camera, background, cameras, record
from .canvas import HEIGHT, SUPER, WIDTH, Canvas
from .difficulty import DIFFICULTY
from .figure import draw_figure
from .occluder import draw_occluder
from .person import Person, make_person
from .pose import make_pose
from .shape import View

STRANGERS = 1_000_000
"""Numbers from here on are passers-by, who are nobody's picture."""


def draw_picture(seed: int, domain: int, number: int, camera: int, index: int, junk: bool = False) -> Image.Image:
    """Image `index` of person `number` before camera 0..5: RGB, 64 x 128 pixels. `junk`: a box hardly worth having."""
    canvas, style, rng, _ = _paint(seed, domain, number, camera, index, junk)
    return record(canvas.image, style, rng)


def is_occluded(seed: int, domain: int, number: int, camera: int, index: int) -> bool:
    """Whether something stands before the person in that image; found by painting it once more."""
    return _paint(seed, domain, number, camera, index, junk=False)[-1]


def _paint(
    seed: int, domain: int, number: int, camera: int, index: int, junk: bool
) -> tuple[Canvas, Camera, np.random.Generator, bool]:
    """Paint the scene; return it with its camera, the generator as it is then, and whether the person is occluded."""
    style = cameras(domain)[camera]
    rng = np.random.default_rng([seed, domain, number, camera, index, 5])
    canvas = Canvas(_window(domain, camera, rng), style.light)
    person = make_person(seed, domain, number)
    if rng.random() < DIFFICULTY.passer_by:
        _draw_passer_by(canvas, style, seed, domain, rng)
    view = _junk_view(person, style, rng) if junk else _view(person, style, rng)
    draw_figure(canvas, person, make_pose(person, rng), view)
    occluded = bool(rng.random() < DIFFICULTY.occlusion * (2 if junk else 1))
    if occluded:
        _occlude(canvas, style, view, seed, domain, rng)
    return canvas, style, rng, occluded


def _window(domain: int, camera: int, rng: np.random.Generator) -> Image.Image:
    """A window of the camera's scene at painting size."""
    scene = background(domain, camera)
    tall = min(scene.height, 256 * rng.uniform(0.92, 1.2))
    wide = tall * WIDTH / HEIGHT
    left = rng.uniform(0, scene.width - wide)
    top = rng.uniform(0.4, 1.0) * (scene.height - tall)
    size = (WIDTH * SUPER, HEIGHT * SUPER)
    return scene.resize(size, Image.Resampling.BILINEAR, box=(left, top, left + wide, top + tall))


def _view(person: Person, style: Camera, rng: np.random.Generator) -> View:
    """How the person stands in the box: mostly well, at times badly cut."""
    wide, tall = WIDTH * SUPER, HEIGHT * SUPER
    shift = DIFFICULTY.box_shift
    size = 0.92 * (1 + shift * rng.normal(0, 0.035))
    x, foot = 0.5 + shift * rng.normal(0, 0.045), 0.968 + shift * rng.normal(0, 0.012)
    if rng.random() < DIFFICULTY.bad_box:
        match int(rng.integers(4)):
            case 0:  # feet cut
                size, foot = size * 1.12, foot + rng.uniform(0.06, 0.22)
            case 1:  # head cut
                size, foot = size * 1.08, foot - rng.uniform(0.0, 0.03)
            case 2:  # far too large a box
                size, foot = size * rng.uniform(0.68, 0.84), foot - rng.uniform(0.03, 0.12)
            case _:  # off its centre
                x += rng.choice([-1, 1]) * rng.uniform(0.12, 0.24)
    turn = style.turn + rng.normal(0, DIFFICULTY.turn_spread)
    pitch = float(np.clip(style.pitch + rng.normal(0, 0.04), 0.0, 0.45))
    scale = size * tall / (person.height + 0.04)
    return View(turn, pitch, scale, complex(x * wide, foot * tall), stretch=1.16 + shift * rng.normal(0, 0.05))


def _junk_view(person: Person, style: Camera, rng: np.random.Generator) -> View:
    """A box around a piece of somebody, or around next to nobody."""
    view = _view(person, style, rng)
    away = rng.choice([-1, 1]) * rng.uniform(0.3, 0.5) * WIDTH * SUPER
    ground = view.ground + complex(away, rng.uniform(-0.4, 0.6) * HEIGHT * SUPER)
    return replace(view, scale=view.scale * rng.uniform(0.5, 1.8), ground=ground)


def _draw_passer_by(canvas: Canvas, style: Camera, seed: int, domain: int, rng: np.random.Generator) -> None:
    person = make_person(seed, domain, STRANGERS + int(rng.integers(100_000)))
    scale = rng.uniform(0.42, 0.72) * HEIGHT * SUPER / 1.8
    ground = complex(rng.uniform(-0.02, 1.02) * WIDTH * SUPER, rng.uniform(0.72, 0.86) * HEIGHT * SUPER)
    view = View(rng.uniform(0, 2 * math.pi), style.pitch, scale, ground)
    draw_figure(canvas, person, make_pose(person, rng), view)


def _occlude(canvas: Canvas, style: Camera, view: View, seed: int, domain: int, rng: np.random.Generator) -> None:
    """Put something, or someone else, before the person."""
    if rng.random() < 0.3:
        person = make_person(seed, domain, STRANGERS + int(rng.integers(100_000)))
        side = rng.choice([-1, 1]) * rng.uniform(0.3, 0.48) * WIDTH * SUPER
        ground = view.ground + complex(side, rng.uniform(0.03, 0.1) * HEIGHT * SUPER)
        other = replace(
            view, turn=rng.uniform(0, 2 * math.pi), ground=ground, scale=view.scale * rng.uniform(0.98, 1.1)
        )
        draw_figure(canvas, person, make_pose(person, rng), other)
    else:
        draw_occluder(canvas, rng)
