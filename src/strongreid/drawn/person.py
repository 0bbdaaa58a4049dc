"""Who somebody is: everything that stays the same from camera to camera.

A person is a pure function of (seed, domain, number). What is shared among many (dark trousers, common colours) makes
single details useless; the whole of clothes, patterns, bag, hair and build makes a person.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from .canvas import Colour, mix, shade
from .difficulty import DIFFICULTY
from .palette import HAIR, SKIN, Palette, any_colour, palette, pick

Hair = Literal["bald", "short", "crop", "bob", "long", "ponytail", "bun", "afro"]
Headwear = Literal["none", "cap", "beanie", "hat"]
Pattern = Literal["plain", "stripes", "bands", "checks", "dots", "halves", "logo", "number"]
Top = Literal["t-shirt", "long sleeve", "hoodie", "jacket", "coat", "dress", "vest"]
Bottom = Literal["trousers", "jeans", "shorts", "skirt", "leggings", "track"]
Bag = Literal["none", "backpack", "shoulder bag", "tote", "suitcase"]


@dataclass(frozen=True)
class Person:
    """The lasting looks of one drawn person. Lengths in metres; colours are RGB, 0..255."""

    height: float
    girth: float
    """Factor on the widths of trunk and limbs: 1 is average."""
    curve: float
    """0: broad shoulders and straight waist; 1: narrow shoulders, waist and broad hips."""
    skin: Colour
    hair: Hair
    hair_colour: Colour
    beard: bool
    glasses: bool
    headwear: Headwear
    headwear_colour: Colour
    top: Top
    top_colour: Colour
    accent: Colour
    """Second colour of the top: of its pattern, logo or trim."""
    pattern: Pattern
    on_back: bool
    """Whether a logo or number is on the back; else it is on the chest."""
    emblem: int
    """0..9: which logo or number."""
    shirt: Colour
    """What shows beneath an open jacket or coat."""
    open: bool
    bottom: Bottom
    bottom_colour: Colour
    shoes: Colour
    sole: Colour
    boots: bool
    bag: Bag
    bag_colour: Colour
    bag_side: int
    """-1: the person's right, 1: the left."""
    stride: float
    """Largest angle of the thigh when walking, in radians."""

    @property
    def sleeves(self) -> float:
        """How much of the arm is covered: 0 nothing, 0.45 to the elbow, 1 to the wrist."""
        return {"t-shirt": 0.42, "dress": 0.3, "vest": 0.0}.get(self.top, 1.0)


@lru_cache(maxsize=512)
def make_person(seed: int, domain: int, number: int) -> Person:
    """The person with this number in this drawing."""
    rng = np.random.default_rng([seed, domain, number, 2])
    colours = palette(domain)
    curve = float(np.clip(rng.choice([0.15, 0.85]) + rng.normal(0, 0.12), 0, 1))
    womanly = curve > 0.5
    skin = SKIN[int(rng.integers(len(SKIN)))]
    top, bottom = _clothes(rng, womanly)
    top_colour = pick(colours.tops, rng)
    hair_choice = _LONG_HAIR if womanly else _SHORT_HAIR
    carries = rng.random() < DIFFICULTY.accessories
    covered = rng.random() < DIFFICULTY.accessories / 2
    return Person(
        height=float(np.clip(rng.normal(1.66 if womanly else 1.77, 0.075), 1.48, 1.98)),
        girth=float(np.clip(rng.normal(1.0, 0.13), 0.78, 1.38)),
        curve=curve,
        skin=mix(skin, SKIN[int(rng.integers(len(SKIN)))], 0.12),
        hair=hair_choice[int(rng.integers(len(hair_choice)))],
        hair_colour=_hair_colour(rng, skin),
        beard=not womanly and bool(rng.random() < 0.3),
        glasses=bool(rng.random() < 0.18),
        headwear=_HEADWEAR[int(rng.integers(len(_HEADWEAR)))] if covered else "none",
        headwear_colour=pick(colours.tops, rng),
        top=top,
        top_colour=top_colour,
        accent=_accent(rng, colours, top_colour),
        pattern=_pattern(rng, top),
        on_back=bool(rng.random() < 0.5),
        emblem=int(rng.integers(10)),
        shirt=_accent(rng, colours, top_colour),
        open=bool(rng.random() < 0.65),
        bottom=bottom,
        bottom_colour=pick(colours.bottoms, rng),
        shoes=pick(colours.shoes, rng),
        sole=(236, 236, 232) if rng.random() < 0.6 else (40, 38, 38),
        boots=bool(rng.random() < 0.18),
        bag=_BAGS[int(rng.integers(len(_BAGS)))] if carries else "none",
        bag_colour=pick(colours.tops, rng),
        bag_side=1 if rng.random() < 0.5 else -1,
        stride=float(rng.uniform(0.32, 0.52)),
    )


_LONG_HAIR: list[Hair] = ["bob", "long", "long", "ponytail", "ponytail", "bun", "afro", "crop"]
_SHORT_HAIR: list[Hair] = ["short", "short", "short", "crop", "crop", "bald", "afro", "long"]
_HEADWEAR: list[Headwear] = ["cap", "cap", "beanie", "hat"]
_BAGS: list[Bag] = ["backpack", "backpack", "backpack", "shoulder bag", "shoulder bag", "tote", "suitcase"]


def _clothes(rng: np.random.Generator, womanly: bool) -> tuple[Top, Bottom]:
    tops: list[Top] = ["t-shirt", "t-shirt", "t-shirt", "long sleeve", "hoodie", "jacket", "jacket", "coat"]
    bottoms: list[Bottom] = ["trousers", "trousers", "jeans", "jeans", "shorts", "track"]
    if womanly:
        tops += ["dress", "dress", "vest"]
        bottoms += ["skirt", "skirt", "leggings"]
    return tops[int(rng.integers(len(tops)))], bottoms[int(rng.integers(len(bottoms)))]


def _pattern(rng: np.random.Generator, top: Top) -> Pattern:
    if rng.random() < DIFFICULTY.plain:
        return "plain"
    choice: list[Pattern] = ["stripes", "bands", "checks", "dots", "halves", "logo", "logo", "number"]
    if top in ("jacket", "coat"):
        choice = ["bands", "checks", "halves", "logo"]
    return choice[int(rng.integers(len(choice)))]


def _accent(rng: np.random.Generator, colours: Palette, base: Colour) -> Colour:
    """A second colour which can be told from the first by its brightness or by its tint."""
    for _ in range(20):
        other = pick(colours.tops, rng)
        if sum(abs(a - b) for a, b in zip(base, other, strict=True)) > 160:
            return other
    return shade(base, 0.4) if sum(base) > 380 else shade(base, 1.7)


def _hair_colour(rng: np.random.Generator, skin: Colour) -> Colour:
    if rng.random() < 0.03:
        return any_colour(rng)
    lightest = len(HAIR) if sum(skin) > 480 else 4
    return shade(HAIR[int(rng.integers(lightest))], float(rng.uniform(0.85, 1.08)))
