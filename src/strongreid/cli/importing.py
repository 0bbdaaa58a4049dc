"""`data import`: a table of images from what trackers, annotation tools and file names say."""

from pathlib import Path
from typing import Literal

from jsonargparse import ArgumentParser

from strongreid.cli.checks import require_output_file
from strongreid.cli.command import Command, parser_of
from strongreid.errors import InputError

Format = Literal["mot", "coco", "names", "folders"]
"""Those of `data.importing.sightings`, which PyTorch would have to be loaded for."""
Ids = Literal["shared", "per_sequence"]


def data_import(
    source: Path,
    output: Path | None = None,
    format: Format | None = None,
    pattern: str = "",
    frames: Path | None = None,
    ids: Ids | None = None,
    camera: str = "",
    classes: list[int] = [1],  # noqa: B006 - jsonargparse shows it, nothing changes it
    first_pixel: Literal[0, 1] | None = None,
    person_key: str = "",
    camera_key: str = "",
    category: str = "",
    every: int = 1,
    skip_bad: bool = False,
    dry_run: bool = False,
) -> None:
    """Make a table of images of a tracker's output, a COCO file, or crops whose names say whom they show.

    The source is told by what lies there: sequences of MOT (gt/gt.txt or a tracker's .txt, frames in img1), a COCO file
    (.json), a folder for each person; or, with --pattern, named crops. No picture is copied.

    Args:
        source: A sequence, a folder of sequences, a .txt of boxes, a COCO file, or a folder of crops.
        output: The table to write, .csv.
        format: What the source is, where it is taken for something else.
        pattern: How names of crops read: {person}_c{camera}_{frame}, {person}/{camera}/{*} where folders count. {*} is
            anything, {track} a track, {person:4} a person of 4 characters; all else stands there as it is.
        frames: The folder of the frames, where they lie apart from boxes in MOT's or COCO's format.
        ids: Whether an id of MOT is one person in all sequences (shared), or one of its sequence alone (per_sequence).
        camera: The camera that took all; for MOT also seq1=lobby,seq2=lobby. By default each sequence is a camera.
        classes: Classes of MOT that are people.
        first_pixel: Where MOT's boxes count pixels from; by default 0 if their smallest x or y is 0, else 1.
        person_key: The field of a COCO annotation that says whom it shows, such as attributes.name.
        camera_key: The field of a COCO image that names its camera, by default camera, camera_id or video_id; else its
            folder is the camera.
        category: The category of people in a COCO file.
        every: Keep each N-th image of a track only: neighbours in a video are almost one image.
        skip_bad: Leave out what is wrong.
        dry_run: Show how the source is understood, and write nothing.
    """
    if output is None and not dry_run:
        raise InputError("Where to? Name the table to write with -o people.csv, or look first with --dry_run.")
    require_output_file("--output", output, "people.csv")
    if output is not None and output.suffix.lower() != ".csv":
        raise InputError(f"--output {output} must end in .csv.")

    from strongreid.data.importing.sightings import Choices
    from strongreid.reports.console import Console
    from strongreid.runs.importing import import_people

    console = Console()
    choices = Choices(
        format=format,
        frames=frames,
        ids=ids,
        classes=tuple(classes),
        first_pixel=first_pixel,
        person_key=person_key,
        camera_key=camera_key,
        category=category,
        pattern=pattern,
        camera=camera,
        every=every,
    )
    import_people(source, None if dry_run else output, choices, console, skip_bad=skip_bad)
    if output is not None and not dry_run:
        console.suggest("data", "check", "table", output)


def import_parser() -> ArgumentParser:
    """Return the parser of `data import`."""
    parser = parser_of(data_import, skip={"output", "skip_bad", "dry_run"})
    parser.add_argument("-o", "--output", type=Path, default=None, help="The table to write, .csv.")
    parser.add_argument("--skip_bad", action="store_true", help="Leave out what is wrong, rather than end there.")
    parser.add_argument("--dry_run", action="store_true", help="Show how the source is understood, and write nothing.")
    return parser


IMPORTING = {
    "data import": Command(
        data_import,
        "make a table of a tracker's output, a COCO file or named crops",
        (
            "data import MOT_FOLDER -o people.csv --ids shared",
            "data import CROPS -o people.csv --pattern '{person}_c{camera}_{frame}' --dry_run",
        ),
        make_parser=import_parser,
    ),
}
