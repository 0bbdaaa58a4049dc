"""Exporting a run's model, or a model file, for a consumer: where the files go, and what is said."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from strongreid.errors import InputError
from strongreid.export import Consumer, card_path, export_model, profile_for, settings_for
from strongreid.export.consumers.roboflow import CONFIG
from strongreid.export.graph import Precision
from strongreid.export.profile import Profile, Where
from strongreid.files import inside
from strongreid.models import ReIDModel
from strongreid.models.model_file import model_file
from strongreid.reports.console import Console
from strongreid.runs.card import card_of, run_of
from strongreid.runs.finding import is_on_hub

CAMERA_LEFT_OUT: Final = (
    "Warning: the network takes the camera of each image into account; the file knows no cameras, and gives what the "
    "model gives where the camera is not known."
)


@dataclass(frozen=True)
class Choices:
    """What a consumer may leave open; None: as its profile has it."""

    precision: Precision = "float32"
    batch: int | None = None
    l2: bool | None = None
    normalisation: Where | None = None


def export_source(source: Path, consumer: Consumer, choices: Choices, output: Path | None, console: Console) -> None:
    """Export the model of a run's folder, a model file or one of the hub.

    `output`: the file, for roboflow the folder; by default in the run's folder `export`, beside the model file, or for
    hf:owner/name in the working folder.
    """
    profile = profile_for(consumer)
    model = ReIDModel.from_pretrained(source)
    settings = settings_for(
        profile,
        model,
        precision=choices.precision,
        batch=choices.batch,
        l2=choices.l2,
        normalisation=choices.normalisation,
    )
    path = _target(source, consumer, profile, output)
    with console.bar(f"Exporting for {profile.title}") as report:
        exported, proof = export_model(
            model, profile, settings, path, card_of(source, model), source=source, progress=report
        )
    height, width = model.image_size
    batch = "any number of images" if settings.batch is None else f"{settings.batch} at once"
    console.say(
        *([] if model.revision is None else [f"Model: {source} (commit {model.revision})."]),
        proof.sentence(),
        f"Input: float32 [{settings.batch or 'batch'}, 3, {height}, {width}], {settings.pixels.words()}; {batch}. "
        f"Output: float32 [{settings.batch or 'batch'}, {model.width}]"
        f"{', of length 1' if settings.l2 else ', not brought to the length 1'}.",
        *profile.doubts(exported),
        *([CAMERA_LEFT_OUT] if model.takes_camera else []),
    )
    beside = [*profile.format.names_beside(path), *profile.sides(exported), card_path(path).name]
    files = [path, *(path.with_name(name) for name in beside)]
    console.say(f"Files: {', '.join(map(str, files))}")
    first, *more = profile.use(exported)
    console.say(f"Next: {first}", *(f"  or: {line}" for line in more))


def _target(source: Path, consumer: Consumer, profile: Profile, output: Path | None) -> Path:
    """Return the file to write: for a folder its configuration."""
    suffix, folder_wanted = profile.format.suffix, not profile.format.suffix
    if output is None:
        run = run_of(source)
        if run is not None:
            folder, name = inside(run.folder, "export"), run.name
        elif is_on_hub(source):
            folder, name = Path(), source.name
        else:
            folder, name = model_file(source).parent, model_file(source).stem
        output = folder / f"{name}_{consumer}{suffix}"
    if folder_wanted:
        if output.is_file():
            raise InputError(f"{output} is a file. {profile.title} loads a folder: name one with --output.")
        return output / CONFIG
    if output.suffix != suffix:
        raise InputError(f"{output} must end in {suffix}: {profile.title} tells kinds of files by that.")
    return output
