"""The colours of a domain: what its people wear.

Most colours come from a few that everybody wears, so that one colour alone says little about who somebody is. Another
domain keeps the natural colours of skin and hair and draws other common clothes.
"""

import colorsys
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .canvas import Colour, shade
from .difficulty import DIFFICULTY

SKIN: tuple[Colour, ...] = (
    (255, 222, 196),
    (244, 204, 172),
    (232, 184, 146),
    (210, 158, 120),
    (180, 126, 88),
    (146, 98, 66),
    (112, 74, 50),
    (82, 54, 38),
)
HAIR: tuple[Colour, ...] = (
    (28, 24, 26),
    (44, 32, 28),
    (78, 52, 36),
    (112, 74, 44),
    (158, 112, 62),
    (206, 168, 102),
    (236, 210, 152),
    (150, 62, 36),
    (176, 176, 178),
    (232, 230, 226),
)
_TOPS: tuple[Colour, ...] = (
    (36, 38, 44),
    (238, 238, 234),
    (128, 134, 142),
    (38, 54, 98),
    (190, 44, 48),
    (70, 128, 196),
    (56, 122, 80),
    (228, 186, 62),
    (222, 122, 60),
    (226, 148, 168),
    (118, 74, 140),
    (142, 104, 72),
    (112, 186, 190),
    (104, 30, 48),
)
_BOTTOMS: tuple[Colour, ...] = (
    (34, 36, 42),
    (44, 58, 96),
    (78, 108, 154),
    (92, 94, 98),
    (176, 152, 112),
    (84, 68, 56),
    (222, 218, 206),
    (86, 96, 66),
)
_SHOES: tuple[Colour, ...] = (
    (30, 30, 34),
    (236, 236, 236),
    (110, 74, 48),
    (132, 136, 142),
    (196, 52, 54),
    (52, 88, 168),
)


@dataclass(frozen=True)
class Palette:
    """The colours people of one domain wear, commonest first."""

    tops: tuple[Colour, ...]
    bottoms: tuple[Colour, ...]
    shoes: tuple[Colour, ...]


def pick(colours: tuple[Colour, ...], rng: np.random.Generator) -> Colour:
    """One of `colours`, the common ones more often, or now and then (`shared_clothes`) any colour at all."""
    if rng.random() < DIFFICULTY.shared_clothes:
        # The power prefers the first: the commonest is worn about four times as often as the last.
        return colours[int(len(colours) * rng.random() ** 1.4)]
    return any_colour(rng)


def any_colour(rng: np.random.Generator) -> Colour:
    """Any colour that cloth may have."""
    red, green, blue = colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.25, 0.85), rng.uniform(0.3, 0.92))
    return round(red * 255), round(green * 255), round(blue * 255)


@lru_cache(maxsize=8)
def palette(domain: int) -> Palette:
    """The palette of a domain. Domain 0 is the default; the others shuffle, replace and shift its colours."""
    if domain == 0:
        return Palette(_TOPS, _BOTTOMS, _SHOES)
    rng = np.random.default_rng([domain, 1])

    def other(colours: tuple[Colour, ...]) -> tuple[Colour, ...]:
        kept = [shade(colours[i], rng.uniform(0.75, 1.2)) for i in rng.permutation(len(colours))]
        return tuple(any_colour(rng) if rng.random() < 0.4 else colour for colour in kept)

    return Palette(other(_TOPS), other(_BOTTOMS), other(_SHOES))
