"""Which images there are: people, cameras, splits and file names, decided before anything is drawn.

The layout is Market-1501's: `bounding_box_train/`, `query/`, `bounding_box_test/`; names such as
`0002_c1s1_000451_03.jpg` (person, camera, sequence, frame, box); person -1 is junk, person 0 a distractor.
"""

from dataclasses import dataclass

import numpy as np

from strongreid.errors import InputError

from .camera import CAMERAS

SPLITS = ("bounding_box_train", "query", "bounding_box_test")
"""Market-1501's three folders."""
_FEWEST_IMAGES = 4


@dataclass(frozen=True)
class Sheet:
    """One image to be drawn. `person` is the number in its name, `number` whom to draw; `camera` counts from 0."""

    split: str
    name: str
    person: int
    number: int
    camera: int
    index: int

    @property
    def junk(self) -> bool:
        """Whether it is a box around a piece of somebody, which evaluation drops."""
        return self.person == -1


def make_plan(
    train_people: int, test_people: int, images_per_person: int, distractors: int, junk: int, seed: int
) -> list[Sheet]:
    """All images of a set, in order of split and name; a pure function of its arguments."""
    _check(train_people, test_people, images_per_person, distractors, junk)
    rng = np.random.default_rng([seed, 6])
    people = rng.permutation(np.arange(1, train_people + test_people + 1))
    sheets: list[Sheet] = []
    for position, person in enumerate(people.tolist()):
        shots = _shots(images_per_person, rng)
        if position < train_people:
            sheets += _name("bounding_box_train", person, person, shots, rng)
        else:
            query, gallery = _divide(shots, rng)
            sheets += _name("query", person, person, query, rng) + _name(
                "bounding_box_test", person, person, gallery, rng
            )
    stranger = train_people + test_people
    for person, count in ((0, distractors), (-1, junk)):
        for _ in range(count):
            stranger += 1
            sheets += _name("bounding_box_test", person, stranger, [(int(rng.integers(CAMERAS)), 0)], rng)
    return sorted(sheets, key=lambda sheet: (SPLITS.index(sheet.split), sheet.name))


def _check(train_people: int, test_people: int, images_per_person: int, distractors: int, junk: int) -> None:
    counts = {"train_people": train_people, "test_people": test_people, "distractors": distractors, "junk": junk}
    for name, value in counts.items():
        if value < 0:
            raise InputError(f"{name} is {value}; it must be 0 or more.")
    if images_per_person < _FEWEST_IMAGES:
        raise InputError(
            f"images_per_person is {images_per_person}; give at least {_FEWEST_IMAGES}, "
            "so that every query has a match in another camera."
        )
    if not 1 <= train_people + test_people <= 9999:
        raise InputError(
            f"train_people + test_people is {train_people + test_people}; four digits in a file name allow 1 to 9999."
        )


def _shots(images_per_person: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    """A person's images as (camera, index), over three to five cameras; the count varies by two at most."""
    spread = min(2, images_per_person - _FEWEST_IMAGES)
    count = images_per_person + int(rng.integers(-spread, spread + 1)) if rng.random() < 0.5 else images_per_person
    seen = rng.permutation(CAMERAS)[: min(int(rng.integers(3, CAMERAS)), count - 1)]
    extra = rng.choice(seen, count - len(seen))
    chosen = sorted([*seen.tolist(), *extra.tolist()])
    return [(camera, chosen[:i].count(camera)) for i, camera in enumerate(chosen)]


def _divide(
    shots: list[tuple[int, int]], rng: np.random.Generator
) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Two or three queries, each of another camera, and the gallery, which keeps at least two cameras.

    A gallery of two cameras has a match in another camera for whatever camera a query comes from.
    """
    gallery, query = list(shots), list[tuple[int, int]]()
    wanted = int(rng.integers(2, 4))
    firsts = [shots[i] for i in rng.permutation(len(shots)) if shots[i][1] == 0]
    # Cameras that keep an image in the gallery come first.
    firsts.sort(key=lambda shot: sum(camera == shot[0] for camera, _ in shots) == 1)
    for shot in firsts:
        rest = [other for other in gallery if other != shot]
        if len(query) < wanted and len({camera for camera, _ in rest}) >= 2:
            query.append(shot)
            gallery = rest
    return query, gallery


def _name(split: str, person: int, number: int, shots: list[tuple[int, int]], rng: np.random.Generator) -> list[Sheet]:
    """Names in Market-1501's form: the images of one camera are frames of one walk, a second apart."""
    sheets = []
    for camera, index in shots:
        sequence, frame, box = int(rng.integers(1, 7)), int(rng.integers(1, 120_000)), int(rng.integers(1, 10))
        digits = "-1" if person == -1 else f"{person:04d}"
        # The last digits of the frame make names unique: an index within a camera, or a stranger's number.
        frame = frame // 100 * 100 + index if person > 0 else number
        name = f"{digits}_c{camera + 1}s{sequence}_{frame:06d}_{box:02d}.jpg"
        sheets.append(Sheet(split, name, person, number, camera, index))
    return sheets
