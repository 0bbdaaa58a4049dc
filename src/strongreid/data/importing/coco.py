"""Boxes in COCO's JSON, where annotations say whom they show: a person's or a track's id.

The JSON comes from anybody: all that is used of it is checked, and pictures lie below one folder. What is wrong is told
by its place, such as `annotations[12]`, because a JSON file may be one line.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from strongreid.data.importing.coco_values import (
    JsonObject,
    box_of,
    field,
    fields,
    first_field,
    identity,
    is_file,
    name_of,
    shown,
    stays_inside,
    whole,
)
from strongreid.data.importing.sightings import Choices, Imported, Sighting, wrong_name
from strongreid.data.listing import FARTHEST
from strongreid.errors import InputError
from strongreid.files import read_json, unreadable

LARGEST_JSON: Final = 2**28
"""Bytes of a COCO file at most: some million boxes. It is held in memory."""
PERSON_KEYS: Final = ("person_id", "instance_id", "track_id")
"""Where the person is looked for, in this order: beside the box, then in its `attributes`."""
CAMERA_KEYS: Final = ("camera", "camera_id", "video_id")
"""Where an image's camera is looked for, in this order; then its folder is the camera."""
FRAME_KEYS: Final = ("frame_id", "frame_index", "frame")
PEOPLE: Final = ("person", "pedestrian")
"""Categories that are people, in small letters, where none is told."""


@dataclass(frozen=True)
class _Image:
    path: str
    camera: str
    frame: int | None


def read_coco(path: Path, choices: Choices) -> Imported:
    """Read a COCO file. Raises `InputError` for what is none; what is wrong with one annotation is a problem."""
    content = read_json(path, limit=LARGEST_JSON, remedy="It must be a COCO file.")
    images = _objects(content, "images", path)
    annotations = _objects(content, "annotations", path)
    if not images or not annotations:
        raise InputError(
            f"{path} holds {len(images)} images and {len(annotations)} annotations: there is nobody to read."
        )
    categories = _objects(content, "categories", path) if "categories" in content else []
    wanted, counted = _categories(categories, annotations, choices.category, path)
    key = choices.person_key or _person_key(annotations, wanted, path)
    known, camera_note = _images(images, content, choices, path)
    sightings, problems, crowds = list[Sighting](), list[str](), 0
    first: dict[tuple[str, str], int] = {}
    for index, one in enumerate(annotations):
        if wanted is not None and identity(one.get("category_id")) not in wanted:
            continue
        if one.get("iscrowd") in (1, True):
            crowds += 1
            continue
        where = f"{path}, annotations[{index}]"
        seen = _sighting(one, where, known, key)
        if isinstance(seen, str):
            problems.append(seen)
        elif (before := first.setdefault((seen.path, seen.person), index)) != index:
            problems.append(f"{where}: the person {seen.person} is in its image already, in annotations[{before}]")
        else:
            sightings.append(seen)
    if not sightings and not problems:
        raise InputError(f"{path} holds no boxes of people: {counted}. Name their category by `category`.")
    notes = [f"Whom a box shows is its field `{key}`.", camera_note, counted]
    if crowds:
        notes.append(f"{crowds:,} boxes of crowds (iscrowd) are left out.")
    return Imported(f"COCO, {len(images):,} images", sightings, problems, [note for note in notes if note])


def _sighting(one: JsonObject, where: str, images: Mapping[object, _Image | str], key: str) -> Sighting | str:
    """What an annotation says, or what is wrong with it."""
    image = images.get(identity(one.get("image_id")))
    if image is None:
        return f"{where}: there is no image with the id {shown(one.get('image_id'))}"
    if isinstance(image, str):
        return f"{where}: {image}"
    person = name_of(said := field(one, key))
    if said is None:
        return f"{where}: it has no `{key}`, which says whom it shows; it has {', '.join(fields(one))}"
    if person is None:
        return f"{where}: `{key}` is {shown(said)}; it must be a name, or a whole number from 0 on"
    if wrong := wrong_name(person):
        return f"{where}: the person {person!r} {wrong}"
    box = box_of(one.get("bbox"))
    if box is None:
        return f"{where}: bbox is {shown(one.get('bbox'))}; it must be four numbers, x, y, width and height in pixels"
    track = person if key.endswith("track_id") else name_of(first_field(one, ("track_id", "attributes.track_id")))
    if track is None or wrong_name(track):
        track = ""
    score = one.get("score")
    sure = float(score) if isinstance(score, int | float) and 0 <= score < FARTHEST else None
    tracked = f"{image.camera}/{track}" if track and image.camera else track
    return Sighting(image.path, person, image.camera, where, image.frame, box, tracked, sure)


def _images(
    images: Sequence[JsonObject], content: JsonObject, choices: Choices, path: Path
) -> tuple[dict[object, _Image | str], str]:
    """Images by their id, or what is wrong with them; and where their cameras are from, for people."""
    home = choices.frames or _home(images, path)
    camera_of, note = _camera_reader(images, content, choices, path)
    frame_key = next((key for key in FRAME_KEYS if all(whole(one.get(key)) is not None for one in images)), "")
    known: dict[object, _Image | str] = {}
    for index, one in enumerate(images):
        number, name = identity(one.get("id")), one.get("file_name")
        if number is None or number in known:
            raise InputError(f"{path}, images[{index}]: the id is {shown(one.get('id'))}; each image needs its own.")
        if not stays_inside(name):
            known[number] = f"file_name of images[{index}] is {shown(name)}; it must be a path below {home}"
            continue
        camera, file = camera_of(one), home / str(name)
        if camera and (wrong := wrong_name(camera)):
            known[number] = f"the camera {camera!r} of images[{index}] {wrong}"
        elif not is_file(file):
            known[number] = f"there is no picture {file}, the file of images[{index}]"
        else:
            known[number] = _Image(str(file), camera, whole(one.get(frame_key)))
    return known, note


def _camera_reader(
    images: Sequence[JsonObject], content: JsonObject, choices: Choices, path: Path
) -> tuple[Callable[[JsonObject], str], str]:
    """What tells an image's camera, and where it is from, for people."""
    if choices.camera:
        return lambda _: choices.camera, ""
    key = choices.camera_key or next((key for key in CAMERA_KEYS if any(key in one for one in images)), "")
    if key:
        missing = next((index for index, one in enumerate(images) if name_of(field(one, key)) is None), None)
        if missing is not None:
            raise InputError(
                f"{path}, images[{missing}]: it has no `{key}`, which is the camera. Name another by `camera_key`."
            )
        listed = content.get("videos") if key == "video_id" else None
        videos = {
            name_of(video.get("id")): name_of(video.get("name")) or name_of(video.get("id")) or ""
            for video in (listed if isinstance(listed, list) else [])
            if isinstance(video, dict)
        }
        return lambda one: videos.get(
            name := name_of(field(one, key)) or "", name
        ), f"The camera is the images' `{key}`."
    return _folder, "The camera is the folder of each image."


def _folder(image: JsonObject) -> str:
    """The folder of an image, without the `img1` of a sequence."""
    parts = PurePosixPath(str(image.get("file_name")).replace("\\", "/")).parts[:-1]
    return "/".join(parts[:-1] if parts[-1:] == ("img1",) else parts)


def _home(images: Sequence[JsonObject], path: Path) -> Path:
    """The folder near the file in which the first image that lies anywhere lies; the file's own where none does."""
    homes = [folder for near in (path.parent, path.parent.parent) for folder in (near, near / "images")]
    for one in images:
        name = one.get("file_name")
        found = [home for home in homes if stays_inside(name) and is_file(home / str(name))]
        if found:
            return found[0]
    raise InputError(
        f"The pictures that {path} names, such as {shown(images[0].get('file_name'))}, are not beside it. Name the "
        "folder that their names start at by `frames`."
    )


def _categories(
    categories: Sequence[JsonObject], annotations: Sequence[JsonObject], told: str, path: Path
) -> tuple[set[object] | None, str]:
    """The ids of people's categories, None for all; and what is counted, for people."""
    names = {identity(one.get("id")): str(one.get("name")) for one in categories}
    if not names:
        if told:
            raise InputError(f"`category` is {told!r}, but {path} names no categories.")
        return None, ""
    usual = [name for known in PEOPLE for name in names.values() if name.lower() == known]
    wanted = [told] if told else usual[:1]
    if not wanted and len(names) == 1:
        wanted = list(names.values())
    ids: set[object] = {number for number, name in names.items() if name in wanted}
    if not ids:
        chosen = f"no category {told!r}" if told else "several categories, none of them person"
        raise InputError(f"{path} has {chosen}; it has {', '.join(names.values())}. Name people's by `category`.")
    boxes = Counter(names.get(identity(one.get("category_id")), "") for one in annotations)
    others = ", ".join(f"{count:,} of {name}" for name, count in boxes.items() if name and name not in wanted)
    return ids, f"Boxes of other categories than {wanted[0]} are left out: {others}." if others else ""


def _person_key(annotations: Sequence[JsonObject], wanted: set[object] | None, path: Path) -> str:
    """The field that says whom each box shows."""
    people = [one for one in annotations if wanted is None or identity(one.get("category_id")) in wanted]
    for key in (*PERSON_KEYS, *(f"attributes.{key}" for key in PERSON_KEYS)):
        if any(name_of(field(one, key)) is not None for one in people):
            return key
    there = ", ".join(fields(annotations[0]))
    raise InputError(
        f"{path}: no annotation says whom it shows, by none of {', '.join(PERSON_KEYS)}; annotations[0] has {there}. "
        "Name the field by `person_key`, such as attributes.name."
    )


def _objects(content: JsonObject, name: str, path: Path) -> list[dict[str, Any]]:
    found = content.get(name)
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise unreadable(path, f"`{name}` is no list of objects", "It must be a COCO file.")
    return found
