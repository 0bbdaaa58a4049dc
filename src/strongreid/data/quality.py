"""How good own crops are to learn from: who is seen by one camera only, what is tiny, blurred or almost a copy.

The public sets are what they are; crops of a tracker are chosen by their user. Nothing here stops a training. The
thresholds are stated with the findings.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from strongreid.data.looking import Decoded, boxes_of, sizes_of
from strongreid.data.reading import Reading
from strongreid.data.table import ImageTable, stacked

TINY = (48, 20)
"""Height and width in pixels below which little of a person can be seen."""
BLURRED = 40.0
"""Sharpness (`looking.Look`) below which an image is blurred."""
ALIKE = 6.0
"""Mean difference of two small grey pictures, of 255, below which one image is almost a copy of the other."""


@dataclass(frozen=True)
class Quality:
    """Which of N images are poor, by row.

    Attributes:
        one_camera: people whom one camera only has seen.
        tiny: smaller than `TINY`, the smallest first.
        blurred: less sharp than `BLURRED`, and not tiny, the least sharp first.
        repeated: an image and the one before it in its track, of which it is almost a copy.
    """

    one_camera: tuple[int, ...] = ()
    tiny: tuple[int, ...] = ()
    blurred: tuple[int, ...] = ()
    repeated: tuple[tuple[int, int], ...] = ()

    def sentences(self, images: ImageTable, people: Mapping[int, str]) -> list[str]:
        """A sentence for each kind of poor images that there are, with one of them; `people` as in `Reading`."""
        kinds = [
            (self.tiny, f"are tiny, less than {TINY[0]} pixels high or {TINY[1]} wide"),
            (self.blurred, f"are blurred (variance of the Laplacian below {BLURRED:g})"),
            (
                [row for row, _ in self.repeated],
                "are almost copies of the image before them in their track (grey, small, they differ by less than "
                f"{ALIKE:g} of 255); a training gains little by them: `strongreid data import` thins tracks by --every",
            ),
        ]
        said = [
            f"{len(rows):,} of {len(images):,} images {what}; one is {images.path[rows[0]]}"
            for rows, what in kinds
            if rows
        ]
        if self.one_camera:
            person = self.one_camera[0]
            first = images.path[int(np.flatnonzero(images.person == person)[0])]
            said.append(
                f"{len(self.one_camera):,} of {len(images.people):,} people have images of one camera only, such as "
                f"person {people.get(person, person)}, {first}: they teach nothing of what cameras change, and no test "
                "can look for them"
            )
        return said


def all_images(reading: Reading) -> ImageTable:
    """The images of a set that train or test, in one table, with the columns that all parts have."""
    return stacked([reading.parts[name].table for name in ("train", "query", "gallery")])


def people_of_one_camera(reading: Reading, images: ImageTable) -> tuple[int, ...]:
    """The people whom one camera only has seen, if cameras are known; distractors (person 0 of the gallery) apart."""
    if not reading.known_cameras:
        return ()
    pairs = np.unique(np.stack((images.person, images.camera), axis=1), axis=0)
    people, cameras = np.unique(pairs[:, 0], return_counts=True)
    return tuple(np.setdiff1d(people[cameras == 1], distractors_of(reading)).tolist())


def distractors_of(reading: Reading) -> tuple[int, ...]:
    """The number that stands for many people in the gallery: 0, unless it is a person of training or of the queries."""
    named = [reading.parts[part].table.person for part in ("train", "query")]
    return () if any(np.isin(0, person) for person in named) else (0,)


def quality_of(reading: Reading, images: ImageTable, decoded: Mapping[str, Decoded]) -> Quality:
    """Judge all images of a set, N, by what decoding their files told; those that cannot be read are not judged."""
    sizes = sizes_of(images, decoded)
    looks = [decoded[path].looks.get(box) for path, box in zip(images.path, boxes_of(images), strict=True)]
    sharpness = np.array([np.inf if one is None else one.sharpness for one in looks])
    seen = np.array([one is not None for one in looks], dtype=np.bool_)
    tiny = seen & (sizes < TINY).any(axis=1)
    blurred = seen & ~tiny & (sharpness < BLURRED)
    area = sizes.prod(axis=1)
    return Quality(
        one_camera=people_of_one_camera(reading, images),
        tiny=_by(area, tiny),
        blurred=_by(sharpness, blurred),
        repeated=_repeated(images, [None if one is None else one.small for one in looks]),
    )


def _repeated(images: ImageTable, small: Sequence[npt.NDArray[np.uint8] | None]) -> tuple[tuple[int, int], ...]:
    """Rows of images that are almost copies of the one before them in their track, with the rows of these."""
    track = np.zeros_like(images.person) if images.track is None else images.track
    frame = np.zeros_like(images.person) if images.frame is None else images.frame
    keys = list(zip(images.person.tolist(), images.camera.tolist(), track.tolist(), strict=True))
    frames = frame.tolist()
    pairs = []
    for before, row in pairwise(sorted(range(len(keys)), key=lambda row: (keys[row], frames[row], images.path[row]))):
        one, two = small[before], small[row]
        if keys[before] == keys[row] and one is not None and two is not None:
            difference = np.abs(one.astype(np.int64) - two.astype(np.int64)).mean()
            if difference < ALIKE:
                pairs.append((row, before))
    return tuple(pairs)


def _by(values: npt.NDArray[np.float64] | npt.NDArray[np.int64], chosen: npt.NDArray[np.bool_]) -> tuple[int, ...]:
    """The chosen rows, those of the smallest values first."""
    rows = np.flatnonzero(chosen)
    return tuple(rows[np.argsort(values[rows], kind="stable")].tolist())
