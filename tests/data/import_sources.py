"""One scene of people in frames, written in each form that users bring: MOT, COCO, named crops, a folder a person."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from strongreid.data.importing.choices import import_source
from strongreid.data.importing.sightings import Choices, Imported
from strongreid.errors import InputError
from strongreid.pixels import read_image

HEIGHT, WIDTH = 200, 320
Result = TypeVar("Result")


def outcome(work: Callable[[], Result]) -> Result | str:
    """What some work gives, or why it is refused; any other exception is a defect."""
    try:
        return work()
    except InputError as error:
        return str(error)


def imported(source: Path) -> Imported | str:
    """What is read of a source, or why nothing is."""
    return outcome(lambda: import_source(source, Choices()))


@dataclass(frozen=True)
class Seen:
    """A person in a frame of a camera; `pixels` are uint8 [H, W, 3]."""

    person: int
    camera: str
    frame: int
    box: tuple[int, int, int, int]
    pixels: npt.NDArray[np.uint8]


def scene(drawn: Path) -> list[Seen]:
    """Each training person of a drawn set in frames of the cameras that saw them, at most two people a frame."""
    by_camera: dict[str, list[tuple[int, npt.NDArray[np.uint8]]]] = {}
    for path in sorted((drawn / "bounding_box_train").glob("*.jpg")):
        camera = f"cam{path.name.split('_c')[1][0]}"
        crop = np.ascontiguousarray(read_image(path).transpose(1, 2, 0))
        by_camera.setdefault(camera, []).append((int(path.name[:4]), crop))
    found = list[Seen]()
    for camera, crops in by_camera.items():
        frame, start = 1, 0
        people = set[int]()
        for person, crop in crops:
            height, width = crop.shape[:2]
            if person in people or start + width > WIDTH:
                frame, start, people = frame + 1, 0, set()
            top = (7 * person + frame) % (HEIGHT - height + 1)
            found.append(Seen(person, camera, frame, (start, top, width, height), crop))
            people.add(person)
            start += width + 3
    return found


def write_frames(seen: list[Seen], folder: Path, images: str = "img1") -> None:
    """Write `CAMERA/img1/000001.png`, ...: people on noise, without loss."""
    frames: dict[tuple[str, int], npt.NDArray[np.uint8]] = {}
    rng = np.random.default_rng(0)
    for one in seen:
        key = (one.camera, one.frame)
        if key not in frames:
            frames[key] = rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
        x, y, width, height = one.box
        frames[key][y : y + height, x : x + width] = one.pixels
    for (camera, frame), pixels in frames.items():
        path = folder / camera / images / f"{frame:06d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)


def write_mot(seen: list[Seen], folder: Path, first_pixel: int = 1) -> Path:
    """Write a sequence a camera, with ground truth in which some boxes do not count."""
    write_frames(seen, folder)
    for camera in sorted({one.camera for one in seen}):
        lines = ["1,999,1,1,20,40,1,3,1", "1,998,1,1,20,40,0,1,1"]  # a car, and what is not to be counted
        for one in seen:
            if one.camera == camera:
                x, y, width, height = one.box
                lines.append(f"{one.frame},{one.person},{x + first_pixel},{y + first_pixel},{width},{height},1,1,0.9")
        (folder / camera / "gt").mkdir()
        (folder / camera / "gt" / "gt.txt").write_text("\n".join(lines) + "\n")
    return folder


def write_coco(seen: list[Seen], folder: Path, key: str = "person_id") -> Path:
    """Write one file for all cameras, beside their frames."""
    write_frames(seen, folder)
    names = sorted({(one.camera, one.frame) for one in seen})
    images = [
        {
            "id": number,
            "file_name": f"{camera}/img1/{frame:06d}.png",
            "frame_id": frame,
            "width": WIDTH,
            "height": HEIGHT,
        }
        for number, (camera, frame) in enumerate(names)
    ]
    annotations = [
        {"image_id": names.index((one.camera, one.frame)), "category_id": 1, "bbox": list(one.box), key: one.person}
        for one in seen
    ]
    annotations.append({"image_id": 0, "category_id": 2, "bbox": [0, 0, 9, 9]})
    categories = [{"id": 1, "name": "person"}, {"id": 2, "name": "bag"}]
    path = folder / "boxes.json"
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return path


def write_named(seen: list[Seen], folder: Path) -> Path:
    """Write crops whose names say person, camera and frame, without loss."""
    folder.mkdir(parents=True)
    for one in seen:
        Image.fromarray(one.pixels).save(folder / f"{one.person:04d}_c{one.camera}_{one.frame:05d}.png")
    return folder


def write_folders(seen: list[Seen], folder: Path) -> Path:
    """Write a folder for each person, in it one for each camera."""
    for one in seen:
        path = folder / f"{one.person:04d}" / one.camera / f"{one.frame:05d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(one.pixels).save(path)
    return folder
