"""What a source is, where its user does not say it, and the one way to read any of them."""

from dataclasses import replace
from pathlib import Path
from typing import Final

from strongreid.data.importing.coco import read_coco
from strongreid.data.importing.mot import read_mot
from strongreid.data.importing.mot_sequences import looks_like_mot
from strongreid.data.importing.names import read_names, read_people_folders
from strongreid.data.importing.sightings import (
    Choices,
    Format,
    Imported,
    Progress,
    in_frames,
    in_words,
    thinned,
    wrong_name,
)
from strongreid.data.listing import contents
from strongreid.errors import InputError

OPTIONS: Final[dict[Format, tuple[str, ...]]] = {
    "mot": ("frames", "ids", "classes", "first_pixel"),
    "coco": ("frames", "person_key", "camera_key", "category"),
    "names": ("pattern",),
    "folders": (),
}
"""Which choices concern which format; `camera` and `every` concern all."""


def import_source(source: Path, choices: Choices, progress: Progress | None = None) -> Imported:
    """Read a source by its format. Raises `InputError` for one that cannot be read, or not without being asked more.

    `progress` is called with (frames looked at, frames in all).
    """
    if not source.exists():
        raise InputError(f"There is no {source}. Name a folder of sequences or of crops, a .txt of MOT or a COCO file.")
    kind = choices.format or recognised(source, choices)
    _refuse_others(kind, choices)
    try:
        imported = in_frames(in_words(_read(source, kind, choices)), progress)
    except OSError as error:
        raise InputError(f"{error.filename or source} cannot be read ({error.strerror}).") from error
    every = thinned(imported.sightings, choices.every)
    left_out = len(imported.sightings) - len(every)
    notes = [
        *imported.notes,
        f"{left_out:,} more are left out: of each track one image in {choices.every} is kept.",
    ]
    return replace(imported, sightings=every, notes=notes if left_out else imported.notes)


def recognised(source: Path, choices: Choices) -> Format:
    """Tell a source's format by what lies there. Raises `InputError` where it is none, or crops without a pattern."""
    if source.suffix.lower() == ".json" and source.is_file():
        return "coco"
    if not (source.is_dir() or source.is_file()):
        raise InputError(f"{source} is neither a file nor a folder. Name one of the two.")
    if choices.pattern:
        return "names"
    if looks_like_mot(source) or (source.is_dir() and choices.frames is not None):
        return "mot"
    if source.is_file():
        raise InputError(f"{source} is neither a COCO file (.json) nor boxes in MOT's format (.txt).")
    here = contents(source)
    inner = next((folder for folder in here.folders if looks_like_mot(Path(folder))), None)
    if inner is not None:
        raise InputError(f"{source} is one level off: sequences of MOT lie in {inner}. Give that folder.")
    texts = sorted(path for pattern in ("*.json", "*/*.json") for path in source.glob(pattern))
    if texts:
        raise InputError(
            f"{source} holds {texts[0]}. If it is a COCO file, name it; if the folders are people, say so by `format`: "
            "folders."
        )
    if here.images:
        name = Path(here.images[0]).name
        raise InputError(
            f"{source} holds pictures. If their names, such as {name}, say whom they show, tell how by `pattern`, such "
            "as {person}_c{camera}_{frame}; if they are frames, boxes are needed, in MOT's or COCO's format."
        )
    if any(contents(Path(folder), deep=True).images for folder in here.folders):
        return "folders"
    raise InputError(f"{source} holds no sequences and no pictures.")


def _read(source: Path, kind: Format, choices: Choices) -> Imported:
    if kind in ("names", "folders") and not source.is_dir():
        raise InputError(f"{source} is a file; crops are read from their folder.")
    if kind != "mot" and choices.camera and (wrong := wrong_name(choices.camera)):
        raise InputError(f"`camera` is {choices.camera!r}, which {wrong}. Give it another name.")
    match kind:
        case "mot":
            return read_mot(source, choices)
        case "coco":
            return read_coco(source, choices)
        case "names":
            return read_names(source, choices.pattern, choices.camera)
        case "folders":
            return read_people_folders(source, choices.camera)


def _refuse_others(kind: Format, choices: Choices) -> None:
    """Raise `InputError` for choices that concern another format, and where the one that it needs is missing."""
    default = Choices()
    for name in sorted({name for names in OPTIONS.values() for name in names} - set(OPTIONS[kind])):
        if getattr(choices, name) != getattr(default, name):
            of = " or ".join(one for one, names in OPTIONS.items() if name in names)
            raise InputError(f"`{name}` is for {of}, but this is read as {kind}. Leave it out, or say `format`.")
    if kind == "names" and not choices.pattern:
        raise InputError("Names are read by a `pattern`, such as {person}_c{camera}_{frame}.")
