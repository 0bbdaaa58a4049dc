"""The six cameras of a domain: scene, view, light, colour cast, and what their electronics do to a picture.

Casts are spread evenly round the colour circle and lights over their range, so that every domain has strong changes
from camera to camera: a person's mean colour says little about who it is.
"""

import io
import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from .canvas import HEIGHT, WIDTH
from .difficulty import DIFFICULTY
from .scene import SCENES, paint_scene

CAMERAS = 6
"""How many cameras a domain has, as in Market-1501."""


@dataclass(frozen=True)
class Camera:
    """What one camera does to every image it takes."""

    scene: int
    light: float
    """Where the light comes from: -1 left, 1 right."""
    pitch: float
    """How far it looks down, in radians."""
    turn: float
    """The direction in which people usually walk, in radians: 0 towards the camera."""
    gains: tuple[float, float, float]
    """Its colour cast: factors on red, green and blue."""
    brightness: float
    contrast: float
    haze: float
    """Share of flat grey-white light laid over everything."""
    saturation: float
    blur: float
    """Standard deviation in pixels of the finished image."""
    noise: float
    """Standard deviation of the sensor noise, on the scale 0..255."""
    resolution: float
    """Share of the finished image's resolution that the sensor really has."""
    quality: int
    """JPEG quality of its own recording, before the finished file's."""
    slope: float
    """Change of brightness from the top to the bottom of the image."""


@lru_cache(maxsize=4)
def cameras(domain: int) -> tuple[Camera, ...]:
    """The six cameras of a domain: a pure function of its number."""
    rng = np.random.default_rng([domain, 3])
    scenes = rng.permutation(SCENES)
    hues = (rng.permutation(CAMERAS) + rng.uniform(-0.25, 0.25, CAMERAS)) * 2 * math.pi / CAMERAS
    bright, sharp, flat, noisy = (rng.permutation(np.linspace(0, 1, CAMERAS)) for _ in range(4))
    turns = rng.permutation(np.linspace(0, 2 * math.pi, CAMERAS, endpoint=False)) + rng.uniform(-0.3, 0.3, CAMERAS)
    return tuple(
        Camera(
            scene=int(scenes[i]),
            light=float(rng.choice([-1, 1]) * rng.uniform(0.5, 1.0)),
            pitch=float(rng.uniform(0.06, 0.34)),
            turn=float(turns[i]),
            gains=_cast(float(hues[i]), float(rng.uniform(0.07, 0.15))),
            brightness=float(1 + DIFFICULTY.exposure * (0.36 * bright[i] - 0.2)),
            contrast=float(1 + DIFFICULTY.exposure * (0.26 * flat[i] - 0.14)),
            haze=float(DIFFICULTY.exposure * 0.13 * (1 - flat[i])),
            saturation=float(1 - DIFFICULTY.exposure * 0.3 * rng.uniform(0, 1)),
            blur=float(DIFFICULTY.blur * (0.2 + 0.4 * sharp[i])),
            noise=float(DIFFICULTY.noise * (1.5 + 5 * noisy[i])),
            resolution=float(1.0 - 0.36 * sharp[i] * rng.uniform(0.6, 1)),
            quality=int(rng.integers(45, 85)),
            slope=float(rng.uniform(-0.22, 0.22)),
        )
        for i in range(CAMERAS)
    )


@lru_cache(maxsize=2 * CAMERAS)
def background(domain: int, camera: int) -> Image.Image:
    """The painted scene before a camera (0..5): RGB."""
    return paint_scene(cameras(domain)[camera].scene, np.random.default_rng([domain, camera, 4]))


def _cast(hue: float, strength: float) -> tuple[float, float, float]:
    strength *= DIFFICULTY.cast
    red, green, blue = (1 + strength * math.cos(hue - shift * 2 * math.pi / 3) for shift in range(3))
    return red, green, blue


def record(painting: Image.Image, camera: Camera, rng: np.random.Generator) -> Image.Image:
    """What the camera records of a painting (any larger size): RGB, 64 x 128 pixels."""
    size = (max(16, round(WIDTH * camera.resolution)), max(32, round(HEIGHT * camera.resolution)))
    small = painting.resize(size, Image.Resampling.BOX)
    blur = camera.blur * camera.resolution * rng.uniform(0.6, 1.5)
    if blur > 0.15:
        small = small.filter(ImageFilter.GaussianBlur(blur))
    pixels = _expose(np.asarray(small, dtype=np.float32), camera, rng)
    recorded = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    stream = io.BytesIO()
    recorded.save(stream, "JPEG", quality=camera.quality)
    stream.seek(0)
    with Image.open(stream) as compressed:
        return compressed.resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR)


def _expose(pixels: npt.NDArray[np.float32], camera: Camera, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Light, colour cast, contrast, haze and noise on float32 `[H, W, 3]`, 0..255."""
    exposure = DIFFICULTY.exposure
    gains = np.array(camera.gains, dtype=np.float32) * rng.normal(1, 0.025 * exposure, 3).astype(np.float32)
    grey = pixels.mean(axis=2, keepdims=True)
    pixels = grey + (pixels - grey) * np.float32(camera.saturation)
    slope = np.linspace(1 - camera.slope / 2, 1 + camera.slope / 2, len(pixels), dtype=np.float32)[:, None, None]
    pixels = pixels * slope * gains * np.float32(camera.brightness * rng.normal(1, 0.08 * exposure))
    pixels = (pixels - 118) * np.float32(camera.contrast) + 118
    haze = np.float32(min(0.4, camera.haze * rng.uniform(0.6, 1.4)))
    pixels = pixels * (1 - haze) + haze * 190
    noise = rng.standard_normal(pixels.shape, dtype=np.float32) * np.float32(0.6)
    noise += rng.standard_normal((*pixels.shape[:2], 1), dtype=np.float32) * np.float32(0.8)
    mixed: npt.NDArray[np.float32] = pixels + noise * np.float32(camera.noise)
    return mixed
