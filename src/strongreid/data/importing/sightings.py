"""What every source of own crops is turned into: sightings, a person in a picture or in a box of one.

What is wrong with one of them is a problem with its place (a file and a line), beside those that are sound, so that one
look tells all. A source whose text cannot be read at all ends the reading.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Literal, NamedTuple

from PIL import ExifTags, Image

from strongreid.data.decoding import available_cores
from strongreid.errors import InputError
from strongreid.pixels import decoded_formats, read_image

Format = Literal["mot", "coco", "names", "folders"]
"""MOT's sequences, a COCO file, crops whose names say it, a folder for each person."""
Ids = Literal["shared", "per_sequence"]
"""Whether an id means one person in all sequences, or each sequence has ids of its own."""
PEDESTRIAN: Final = 1
"""The class of people in MOT16, MOT17 and MOT20."""
FRAMES_AT_ONCE = 256
"""Frames whose sizes are asked for at a time, so that progress shows."""
_FORMULA = ("=", "+", "-", "@")
"""What begins with one of these is a formula to a program that opens the table as a spreadsheet."""

Progress = Callable[[int, int], None]
"""Called with (done, total)."""
Box = tuple[float, float, float, float]
"""x, y, width, height in pixels; x and y of the frame's first pixel are 0."""


@dataclass(frozen=True)
class Choices:
    """How a source is read; what is left at its default is told by the source, or does not matter to it."""

    format: Format | None = None
    frames: Path | None = None
    """Where the frames lie, if not beside the boxes; the folder that a COCO file's names start at."""
    ids: Ids | None = None
    """MOT; None: refuse ids that stand in two sequences."""
    classes: Sequence[int] = (PEDESTRIAN,)
    """MOT: classes that are people, where lines have a class."""
    first_pixel: int | None = None
    """MOT: x and y of the frame's first pixel; None: 0 if the smallest of all is 0, else 1."""
    person_key: str = ""
    """COCO: the annotation's field that says whom it shows, such as `attributes.name`; empty: the first of
    `coco.PERSON_KEYS`."""
    camera_key: str = ""
    """COCO: the image's field that names its camera; empty: the first of `coco.CAMERA_KEYS`, else its folder."""
    category: str = ""
    """COCO: the category of people; empty: the first of `coco.PEOPLE`, or the only one."""
    pattern: str = ""
    """Names: how they read, as `pattern` says."""
    camera: str = ""
    """The camera that took all; of MOT's sequences also of some, `seq1=lobby,seq2=lobby`, others are their own."""
    every: int = 1
    """Which image of each track is kept, as in `thinned`."""


class Sighting(NamedTuple):
    """One image of a person. What the source does not say is None, a text that it does not say is empty."""

    path: str
    person: str
    camera: str
    where: str
    """Its place in the source, for people: a file, and a line of it."""
    frame: int | None = None
    box: Box | None = None
    track: str = ""
    confidence: float | None = None


@dataclass(frozen=True)
class Imported:
    """What was read of a source.

    Attributes:
        read_as: what it was taken for, in a few words.
        sightings: what is sound.
        problems: what is not, each with its place.
        notes: what is worth knowing.
        left_alone: how many files were passed over, by their name or ending.
    """

    read_as: str
    sightings: Sequence[Sighting]
    problems: Sequence[str] = ()
    notes: Sequence[str] = ()
    left_alone: Mapping[str, int] = field(default_factory=dict)


def wrong_name(name: str) -> str:
    """What is wrong with the name of a person or a camera, in half a sentence; empty where it can be written."""
    if not name.strip() or name != name.strip():
        return "is empty, or begins or ends with a space"
    if not name.isprintable():  # nor is a surrogate
        return "holds control characters, or others that no table can hold"
    if name.startswith(_FORMULA) and name != "-1":
        return f"begins with {name[0]}, which makes a formula of it in a spreadsheet"
    return ""


def in_words(imported: Imported) -> Imported:
    """Take for a problem what a table cannot say: a path that is no text, as names of other systems may be."""
    sayable = [
        one.path.isascii() or one.path == one.path.encode(errors="replace").decode() for one in imported.sightings
    ]
    unsayable = [one.where for one, good in zip(imported.sightings, sayable, strict=True) if not good]
    problems = [f"{where}: the name of its picture is no text in UTF-8, so no table can hold it" for where in unsayable]
    kept = [one for one, good in zip(imported.sightings, sayable, strict=True) if good]
    return replace(imported, sightings=kept, problems=[*imported.problems, *problems])


def in_frames(imported: Imported, progress: Progress | None = None) -> Imported:
    """Round the boxes and cut them to their frames; what is then empty, or has no frame that can be read, is a problem.

    Sightings without boxes stay as they are.
    """
    sizes = _sizes(dict.fromkeys(one.path for one in imported.sightings if one.box is not None), progress)
    kept, problems, cut = list[Sighting](), list(imported.problems), 0
    for one in imported.sightings:
        if one.box is None:
            kept.append(one)
            continue
        size = sizes[one.path]
        if isinstance(size, str):
            problems.append(f"{one.where}: {size}")
            continue
        x, y, width, height = map(round, one.box)
        left, top = max(x, 0), max(y, 0)
        right, bottom = min(x + width, size[1]), min(y + height, size[0])
        if min(width, height) < 1:
            problems.append(f"{one.where}: the box {[x, y, width, height]} (x, y, width, height) is empty")
        elif right <= left or bottom <= top:
            problems.append(
                f"{one.where}: the box {[x, y, width, height]} (x, y, width, height) lies outside {one.path}, which "
                f"has {size[1]} x {size[0]} pixels"
            )
        else:
            cut += (left, top, right, bottom) != (x, y, x + width, y + height)
            kept.append(one._replace(box=(left, top, right - left, bottom - top)))
    notes = [f"{cut:,} boxes reach beyond their frame and are cut to it."] if cut else []
    return replace(imported, sightings=kept, problems=problems, notes=[*imported.notes, *notes])


def thinned(sightings: Sequence[Sighting], every: int) -> list[Sighting]:
    """Each `every`-th image of each track, its first among them; without tracks, of each person before each camera.

    Neighbours in a video are almost one image. The order is that of frames, where they are known, else of paths; what
    is kept stays in the order of `sightings`.
    """
    if every < 1:
        raise InputError(f"`every` is {every}; it must be at least 1, which keeps all.")
    tracks: dict[tuple[str, str, str], list[int]] = {}
    for row, one in enumerate(sightings):
        tracks.setdefault((one.camera, one.track, "" if one.track else one.person), []).append(row)
    kept = set[int]()
    for rows in tracks.values():
        ordered = sorted(rows, key=lambda row: (sightings[row].frame or 0, sightings[row].path, row))
        kept.update(ordered[::every])
    return [one for row, one in enumerate(sightings) if row in kept]


def _sizes(paths: Iterable[str], progress: Progress | None) -> dict[str, tuple[int, int] | str]:
    """Height and width of each frame, or what is wrong with it."""
    sizes, waiting = dict[str, tuple[int, int] | str](), list(paths)
    with ThreadPoolExecutor(available_cores()) as pool:
        for start in range(0, len(waiting), FRAMES_AT_ONCE):
            some = waiting[start : start + FRAMES_AT_ONCE]
            sizes.update(zip(some, pool.map(_size, some), strict=True))
            if progress is not None:
                progress(len(sizes), len(waiting))
    return sizes


def _size(path: str) -> tuple[int, int] | str:
    """Height and width of a frame as `read_image` turns it, for a JPEG by its head alone; or what is wrong with it."""
    try:
        return _size_of_jpeg(path) or read_image(path).shape[1:]
    except InputError as error:
        return str(error).removesuffix(".")


def _size_of_jpeg(path: str) -> tuple[int, int] | None:
    try:
        with Path(path).open("rb") as stream, Image.open(stream, formats=decoded_formats()) as opened:
            if opened.format != "JPEG":
                return None
            lying = opened.getexif().get(ExifTags.Base.Orientation) in (5, 6, 7, 8)
            return (opened.width, opened.height) if lying else (opened.height, opened.width)
    except Exception:  # noqa: BLE001 - a damaged file makes Pillow raise errors of almost any type; `read_image` says why
        return None
