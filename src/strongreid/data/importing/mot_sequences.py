"""Where the boxes and the frames of MOT sequences lie.

A sequence is a folder with `gt/gt.txt` (or a tracker's .txt, or `det/det.txt`) and the frames in `img1`, or where its
`seqinfo.ini` says. Or boxes and frames lie apart: `NAME.txt` here, the frames in a folder NAME there.
"""

import configparser
import os
import re
from collections import Counter
from pathlib import Path
from typing import Final, NamedTuple

from strongreid.data.listing import LARGEST, contents
from strongreid.errors import InputError
from strongreid.files import read_text, unreadable

IMAGES: Final = "img1"
"""MOTChallenge's name of the folder of frames."""
_INFO_BYTES: Final = 2**16
_WANTED: Final = (
    "A sequence is a folder with gt/gt.txt or a tracker's .txt in it, and the frames in img1; where boxes and frames "
    "lie apart, name the folder of the frames by `frames`."
)
_LAST_NUMBER: Final = re.compile(r"(\d+)\D*$", re.ASCII)


class SequenceFiles(NamedTuple):
    """The files of a sequence: its name, its text of boxes, and the folder of its frames."""

    name: str
    boxes: Path
    frames: Path


def looks_like_mot(source: Path) -> bool:
    """Whether `source` is a sequence, a text of boxes, or holds sequences."""
    if source.is_file():
        return source.suffix.lower() == ".txt"
    return _is_sequence(source) or any(_is_sequence(Path(folder)) for folder in contents(source).folders)


def find_sequences(source: Path, frames: Path | None = None) -> list[SequenceFiles]:
    """The sequences of `source`, by name: itself, or those in it. Raises `InputError` where there are none."""
    if source.is_file():
        texts = [source]
    elif _is_sequence(source):
        return [_of_folder(source, frames, alone=True)]
    else:
        folders = [Path(folder) for folder in contents(source).folders]
        found = [_of_folder(folder, frames) for folder in folders if _is_sequence(folder)]
        if found:
            return found
        texts = _texts(source)
    if not texts:
        raise InputError(f"{source} holds no sequences of MOT. {_WANTED}")
    names = [_name_of(text) for text in texts]
    if len(set(names)) < len(names):
        raise InputError(f"{source} holds two texts of one sequence: {', '.join(str(text) for text in texts)}.")
    alone = len(texts) == 1
    return [
        SequenceFiles(*named, _frames_apart(named[1], frames, alone=alone)) for named in zip(names, texts, strict=True)
    ]


def frames_by_number(folder: Path) -> tuple[dict[int, str], Counter[str]]:
    """The frames of a folder by the last number in their names; and how many files were left alone, by name or ending.

    Raises `InputError` where there are none, or two have one number.
    """
    found = contents(folder)
    numbers, left_alone = dict[int, str](), found.left_alone + found.unread
    for path in found.images:
        match = _LAST_NUMBER.search(Path(path).stem)
        if match is None or int(match[1]) > LARGEST:
            left_alone["pictures without a number"] += 1
        elif numbers.setdefault(int(match[1]), path) != path:
            raise InputError(f"{path} and {numbers[int(match[1])]} have one number. Take one of them out.")
    if not numbers:
        raise InputError(
            f"{folder} holds no frames. They are pictures with a number in their names, such as 000001.jpg."
        )
    return numbers, left_alone


def _is_sequence(folder: Path) -> bool:
    return any((folder / name).exists() for name in ("gt/gt.txt", "det/det.txt", "seqinfo.ini", IMAGES))


def _of_folder(folder: Path, frames: Path | None, *, alone: bool = False) -> SequenceFiles:
    """The files of a sequence's folder; `alone` where no other sequence is read."""
    name = _absolute(folder).name
    candidates = [folder / "gt" / "gt.txt"] if (folder / "gt" / "gt.txt").exists() else _texts(folder)
    if len(candidates) > 1:
        listed = ", ".join(str(path) for path in candidates)
        raise InputError(f"{folder} holds several texts of boxes: {listed}. Name the one to read.")
    boxes = candidates[0] if candidates else folder / "det" / "det.txt"
    if not boxes.exists():
        raise InputError(f"The sequence {folder} has no boxes: there is no gt/gt.txt and no other .txt. {_WANTED}")
    if frames is not None:
        return SequenceFiles(name, boxes, _inner_frames(name, frames, alone=alone))
    images = folder / _image_folder(folder / "seqinfo.ini")
    if not images.is_dir():
        raise InputError(f"The sequence {folder} has no frames: there is no folder {images}. {_WANTED}")
    return SequenceFiles(name, boxes, images)


def _image_folder(info: Path) -> str:
    """The name of the folder of frames, from `seqinfo.ini` where there is one."""
    if not info.exists():
        return IMAGES
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(read_text(info, limit=_INFO_BYTES), source=str(info))
        name = parser.get("Sequence", "imDir", fallback=IMAGES)
    except configparser.Error as error:
        raise unreadable(info, " ".join(str(error).split()), "Correct it, or take it away.") from error
    if Path(name).name != name or name in ("", ".."):
        raise InputError(f"{info}: imDir is {name!r}; it must be the name of a folder beside it.")
    return name


def _name_of(text: Path) -> str:
    """What the sequence of a text of boxes is called: gt/gt.txt lies in its folder, other texts bear its name."""
    inner = _absolute(text)
    return inner.parent.parent.name if inner.parent.name in ("gt", "det") else inner.stem


def _frames_apart(text: Path, frames: Path | None, *, alone: bool) -> Path:
    """The folder of the frames of a text of boxes; that of `gt/gt.txt` or of a text in its sequence is known."""
    if frames is not None:
        return _inner_frames(_name_of(text), frames, alone=alone)
    above = _absolute(text).parent
    home = above.parent if above.name in ("gt", "det") else above
    images = home / _image_folder(home / "seqinfo.ini")
    if not images.is_dir():
        raise InputError(f"Where are the frames of {text}? There is no {images}. Name their folder by `frames`.")
    return images


def _inner_frames(name: str, frames: Path, *, alone: bool) -> Path:
    """Where in `frames` those of the sequence `name` lie: in a folder of that name, or, of one sequence, in itself."""
    homes = [frames / name, frames] if alone else [frames / name]
    for home in homes:
        for folder in (home / IMAGES, home):
            if folder.is_dir() and contents(folder).images:
                return folder
    raise InputError(
        f"There are no frames of {name} in {frames}. They lie in {frames / name} or in its folder {IMAGES}."
    )


def _absolute(path: Path) -> Path:
    """The path with its own name, whatever it links to and wherever one stands."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - `absolute` keeps ..


def _texts(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() == ".txt" and path.name[0] != ".")
